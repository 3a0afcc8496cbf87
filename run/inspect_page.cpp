#include "run/inspect_page.hpp"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <memory>
#include <optional>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "hw_model/report/page.hpp"
#include "run/price_trace.hpp"
#include "run/recording_facts.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

// A JSON text begins with a brace, an HDF5 file never does.
bool looks_like_json(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  char first = 0;
  while (file.get(first) && (first == ' ' || first == '\t' || first == '\r' || first == '\n')) {
  }
  return file && first == '{';
}

struct Sources {
  fs::path trace, report;  // empty: not there
  bool report_named = false;
};

Sources find_sources(const std::string& argument) {
  const fs::path path = argument;
  std::error_code ignored;
  const auto there = [&](const fs::path& file) {
    return fs::is_regular_file(file, ignored) ? file : fs::path();
  };
  if (fs::is_directory(path, ignored)) {
    Sources found{there(path / "trace.h5"), there(path / "report.json"), false};
    if (found.trace.empty() && found.report.empty()) {
      throw Error(ErrorCode::kData, argument + ": holds neither trace.h5 nor report.json");
    }
    found.report_named = found.trace.empty();
    return found;
  }
  if (path.extension() == ".json" || looks_like_json(path))
    return {there(path.parent_path() / "trace.h5"), path, true};
  return {path, there(path.parent_path() / "report.json"), false};
}

// What was found beside the named file and read; otherwise `why` says why it is not used.
template <typename F>
auto read_beside(const fs::path& path, const char* what, std::string& why, F&& read)
    -> decltype(read()) {
  if (path.empty()) {
    why = fmt::format("there is no {} beside it", what);
    return {};
  }
  try {
    return read();
  } catch (const Error& error) {
    why = fmt::format("the {} beside it cannot be used: {}", what, error.what());
    return {};
  }
}

using OneReport = std::optional<NamedReport>;
using OneTrace = std::unique_ptr<TraceFile>;

OneReport read_report(const fs::path& path) {
  OneReport report(NamedReport{path.string(), load_json(path)});
  check_report(*report);
  return report;
}

}  // namespace

void refuse_overwriting(const fs::path& output, const fs::path& input) {
  std::error_code ignored;
  if (!input.empty() && fs::equivalent(output, input, ignored)) {
    throw Error(ErrorCode::kUsage, "--html " + output.string() + " would overwrite its own input");
  }
}

void write_inspect_page(const std::string& argument, const std::string& output,
                        const std::vector<std::string>& layers) {
  if (layers.size() > 1)
    throw Error(ErrorCode::kUsage, "--html draws one layer; give --layer once");
  const Sources sources = find_sources(argument);
  refuse_overwriting(output, sources.trace);
  refuse_overwriting(output, sources.report);
  OneTrace trace;
  OneReport report;
  std::string why;
  const auto open_trace = [&] { return std::make_unique<TraceFile>(sources.trace); };
  const auto open_report = [&] { return read_report(sources.report); };
  if (sources.report_named) {
    report = open_report();
    trace = read_beside(sources.trace, "trace.h5", why, open_trace);
  } else {
    trace = open_trace();
    report = read_beside(sources.report, "report.json", why, open_report);
  }
  if (trace && report && trace->header().signature != text_in(report->json, {"signature"})) {
    why = fmt::format("the signature of {} differs: it is of another run",
                      sources.report_named ? "the trace beside it" : "the report beside it");
    sources.report_named ? trace.reset() : report.reset();
  }
  InspectInput input;
  input.name = argument;
  input.trace = trace.get();
  input.report = report ? &*report : nullptr;
  if (!report) input.note = "There is no report for this trace: " + why + ".";
  if (!trace) input.note = "There is no trace for this report: " + why + ".";
  if (!layers.empty() && !trace)
    throw Error(ErrorCode::kUsage, argument + ": --layer needs a trace; " + why);
  if (trace) input.layer = layers.empty() ? default_layer(*trace) : trace->at(layers[0]);
  write_text_file(output, inspect_page(input));
}

nlohmann::json to_json(const TraceSummary& summary) {
  nlohmann::json json = {{"signature", summary.header.signature},
                         {"complete", summary.header.complete},
                         {"samples", summary.samples},
                         {"steps", summary.steps},
                         {"partial", summary.partial}};
  for (const PopulationSummary& p : summary.populations) {
    nlohmann::json most = nlohmann::json::array(), least = nlohmann::json::array();
    for (const auto& n : p.most_active)
      most.push_back({{"neuron", n.neuron}, {"spikes", n.spikes}});
    for (const auto& n : p.least_active)
      least.push_back({{"neuron", n.neuron}, {"spikes", n.spikes}});
    json["populations"].push_back({{"name", p.name},
                                   {"axes", p.axes},
                                   {"shape", p.shape},
                                   {"rows", p.rows},
                                   {"spikes", p.spikes},
                                   {"rate", p.rate()},
                                   {"spikes_per_step", p.spikes_per_step},
                                   {"most_active", most},
                                   {"least_active", least},
                                   {"fault", p.fault}});
  }
  return json;
}

TraceFile open_trace(const std::string& argument) {
  if (const auto why = why_no_recording(argument)) throw *why;
  try {
    return TraceFile(trace_in(argument));
  } catch (const Error& error) {
    const std::string text = error.what();
    if (!text.ends_with("not an HDF5 file")) throw;
    throw Error(error.code(), text + ", nor a recording or a network that can be told",
                error.place());
  }
}

}  // namespace spikeloom
