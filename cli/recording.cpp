#include "cli/recording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "core/io/text.hpp"
#include "run/recording_facts.hpp"

namespace spikeloom {
namespace {

void print_rate(const RecordingFacts& facts) {
  const std::vector<int64_t>& bins = facts.events_per_bin;
  if (bins.empty()) return;
  constexpr int64_t kLongestBar = 50;
  const int64_t most = *std::max_element(bins.begin(), bins.end());
  fmt::print("\nfrom ms      events\n");
  for (size_t i = 0; i < bins.size(); ++i) {
    const auto length = static_cast<size_t>((bins[i] * kLongestBar + most - 1) / most);
    fmt::print("{:>7}  {:>10}{}{}\n", static_cast<int64_t>(i) * facts.bin_us / 1000, bins[i],
               length > 0 ? "  " : "", std::string(length, '#'));
  }
}

void print_text(const std::string& path, const RecordingFacts& facts) {
  const RecordingInfo& info = facts.info;
  const std::string sensor = info.width > 0 ? fmt::format("sensor {} x {}", info.width, info.height)
                                            : "sensor unknown (dataset.sensor says it)";
  fmt::print("{}: {}, {}\n", path == "-" ? "standard input" : printable(path), info.format, sensor);
  fmt::print("{} events in {:.6g} s ({} to {} us)", info.events, facts.seconds(), facts.first_us,
             facts.last_us);
  if (facts.last_us > facts.first_us)
    fmt::print(", {} a second", count_text(static_cast<double>(info.events) / facts.seconds()));
  fmt::print("\n");
  if (info.events > 0) {
    fmt::print("ON {} ({}), OFF {}\n", facts.on,
               percent_text(static_cast<double>(facts.on) / static_cast<double>(info.events)),
               info.events - facts.on);
  }
  if (info.t_offset) fmt::print("t_offset {} us, not added\n", *info.t_offset);
  for (const RecordingFacts::Count& count : facts.counts()) {
    if (count.count > 0) fmt::print("{}: {}\n", count.text, count.count);
  }
  for (const std::string& note : info.notes) fmt::print("note: {}\n", note);
  print_rate(facts);
}

}  // namespace

int inspect_recording(const std::string& path, const options::variables_map& values) {
  Recording recording = open_recording(path, texts_of(values, "set"));
  const RecordingFacts facts = facts_of(recording);
  if (values.count("json")) {
    fmt::print("{}", dump_json(to_json(facts)));
  } else {
    print_text(path, facts);
  }
  return 0;
}

int convert_recording(const std::string& path, const std::string& output,
                      const options::variables_map& values) {
  refuse_options(values, {"dtype", "select"}, "an option of weights");
  std::error_code apart;
  if (std::filesystem::equivalent(path, output, apart))
    throw usage_error(printable(output) + " would overwrite its own input");
  Recording recording = open_recording(path, texts_of(values, "set"));
  const int64_t events = export_recording(recording, path, output);
  for (const std::string& note : recording.info().notes) fmt::print("note: {}\n", note);
  fmt::print("{} events ({}) -> {}\n", events, recording.info().format, output);
  return 0;
}

}  // namespace spikeloom
