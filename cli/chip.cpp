// spikeloom chip: what a recorded network would cost on neuromorphic chips.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <optional>

#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/folder_lock.hpp"
#include "core/io/hint.hpp"
#include "core/parallel.hpp"
#include "hw_model/report/page_chips.hpp"
#include "run/chip_dense.hpp"
#include "run/chip_run.hpp"
#include "sim/trace/graph_json.hpp"

namespace spikeloom {
namespace {

constexpr size_t kMostRuns = 10000;

using Values = options::variables_map;

Error usage(const std::string& message) {
  return {ErrorCode::kUsage, message};
}

std::vector<std::string> split(const std::string& text, const std::string& what) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    if (end == at) throw usage(what + ": an empty value in " + in_quotes(text));
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::string choice(const std::string& flag, const std::string& value,
                   const std::vector<std::string>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return value;
  throw usage(
      fmt::format("{}: expected {}, found {}", flag, fmt::join(allowed, ", "), in_quotes(value)));
}

int64_t in_range(const Values& values, const char* flag, int64_t min, int64_t max) {
  const auto value = values[flag].as<int64_t>();
  if (value >= min && value <= max) return value;
  throw usage(fmt::format("--{}: {} is not in {} to {}", flag, value, min, max));
}

CommandLine command_line() {
  CommandLine line;
  line.usage = "spikeloom chip TRACE.h5|FOLDER --chip NAME|FILE[,...] [OPTIONS]";
  line.about =
      "Replays a trace on a chip: energy, time and use of cores and links. The trace carries its "
      "network.\nSeveral chips, mappers or --sweep values give one table over all combinations. "
      "Chips and keys: docs/chip.md.";
  const auto text = [](const char* standard) {
    return options::value<std::string>()->default_value(standard);
  };
  const auto number = [](int64_t standard) {
    return options::value<int64_t>()->default_value(standard);
  };
  line.named.add_options()("chip", options::value<std::string>()->required(),
                           "preset or TOML file; several with commas")(
      "level", text("bottleneck"), "counts, bottleneck or event")(
      "mapping", options::value<std::string>(), "read the mapping from this JSON file")(
      "save-mapping", options::value<std::string>(), "write the mapping to this JSON file")(
      "layers-in-turn", "layers that do not fit together run one after the other, with reloads")(
      "mapper", text("sequential"), "sequential, greedy or anneal; several with commas")(
      "update", text("all"), "neurons updated in a step: all or touched")(
      "unsupported", text("refuse"), "what no core can do: refuse, or leave it to a host")(
      "weight-bits", number(8), "bits of a weight")(
      "value-bits", number(32), "payload of a graded packet")("samples", options::value<int64_t>(),
                                                              "price only the first samples")(
      "threads", number(available_threads()), "threads; no result depends on them")(
      "check", "verify the conservation laws on the result")(
      "out", options::value<std::string>(),
      "write chip.json, chip.csv and sweep.csv to this folder")(
      "dense", options::value<std::string>(),
      "dense accelerators beside the chips: presets or TOML files, with commas")(
      "html", options::value<std::string>(),
      "write a page: energy, maps of cores and links, prices; of several runs: lines and bars")(
      "counters", options::value<std::string>(),
      "write counts by step, core, link and layer as HDF5")(
      "timeline", options::value<std::string>(), "write Chrome trace-event JSON for Perfetto")(
      "timeline-steps", number(8), "steps in the timeline, the first ones")(
      "set", options::value<std::vector<std::string>>()->composing(),
      "override a chip key: --set noc.cast=unicast")(
      "sweep", options::value<std::vector<std::string>>()->composing(),
      "a run for each value: --sweep noc.link_ns_per_flit=0.5,1,2 (repeatable)")("quiet,q",
                                                                                 "print nothing");
  line.hidden.add_options()("trace", options::value<std::string>()->required());
  line.words.add("trace", 1);
  return line;
}

struct SweepKey {
  std::string name;
  std::vector<std::string> values;
};

std::vector<SweepKey> sweep_keys(const Values& values) {
  std::vector<SweepKey> keys;
  const std::vector<std::string> all_mappers = {"sequential", "greedy", "anneal"};
  const std::vector<std::string> mappers = split(values["mapper"].as<std::string>(), "--mapper");
  for (const std::string& mapper : mappers) choice("--mapper", mapper, all_mappers);
  if (mappers.size() > 1) keys.push_back({"mapper", mappers});
  if (!values.count("sweep")) return keys;
  for (const std::string& sweep : values["sweep"].as<std::vector<std::string>>()) {
    const size_t equal = sweep.find('=');
    if (equal == 0 || equal == sweep.npos)
      throw usage("--sweep: expected KEY=VALUE,VALUE..., found " + in_quotes(sweep));
    const std::string name = sweep.substr(0, equal);
    for (const SweepKey& key : keys) {
      if (key.name == name) throw usage("--sweep: " + name + " is swept twice");
    }
    keys.push_back({name, split(sweep.substr(equal + 1), "--sweep " + name)});
    if (name != "mapper") continue;
    for (const std::string& mapper : keys.back().values) choice(name, mapper, all_mappers);
  }
  return keys;
}

ChipJob common_job(const Values& values) {
  ChipJob job;
  job.trace = values["trace"].as<std::string>();
  std::error_code ignored;
  if (std::filesystem::is_regular_file(job.trace / "trace.h5", ignored)) job.trace /= "trace.h5";
  if (values.count("mapping")) job.mapping = values["mapping"].as<std::string>();
  if (values.count("html")) job.html = values["html"].as<std::string>();
  if (values.count("save-mapping")) job.save_mapping = values["save-mapping"].as<std::string>();
  if (values.count("timeline")) job.timeline = values["timeline"].as<std::string>();
  if (values.count("counters")) job.counters = values["counters"].as<std::string>();
  job.timeline_steps = in_range(values, "timeline-steps", 1, 100000);
  job.mapper = values["mapper"].as<std::string>();
  if (values.count("set")) job.sets = values["set"].as<std::vector<std::string>>();
  const std::string level =
      choice("--level", values["level"].as<std::string>(), {"counts", "bottleneck", "event"});
  for (const Level known : {Level::kCounts, Level::kBottleneck, Level::kEvent}) {
    if (name_of(known) == level) job.level = known;
  }
  const bool touched =
      choice("--update", values["update"].as<std::string>(), {"all", "touched"}) == "touched";
  job.lower.update = touched ? UpdateRule::kTouched : UpdateRule::kAll;
  job.host = choice("--unsupported", values["unsupported"].as<std::string>(), {"refuse", "host"}) ==
             "host";
  job.lower.weight_bits = in_range(values, "weight-bits", 1, 64);
  job.lower.value_bits = in_range(values, "value-bits", 1, 64);
  if (values.count("samples")) job.samples = in_range(values, "samples", 1, int64_t{1} << 40);
  job.threads = static_cast<int>(in_range(values, "threads", 1, 4096));
  job.check = values.count("check") > 0;
  job.in_turn = values.count("layers-in-turn") > 0;
  if (job.in_turn && (job.writes() || !job.mapping.empty() || !values["mapper"].defaulted())) {
    throw usage(
        "--layers-in-turn maps every turn in the order of the layers: no --mapper, --mapping, "
        "--save-mapping, --counters, --html or --timeline");
  }
  return job;
}

// Chips outermost, then keys in the order given; the last one runs fastest.
std::vector<ChipJob> all_jobs(const Values& values) {
  const ChipJob common = common_job(values);
  const std::vector<SweepKey> keys = sweep_keys(values);
  std::vector<ChipJob> jobs;
  for (const std::string& chip : split(values["chip"].as<std::string>(), "--chip")) {
    jobs.push_back(common);
    jobs.back().chip = chip;
  }
  for (const SweepKey& key : keys) {
    std::vector<ChipJob> more;
    if (jobs.size() * key.values.size() > kMostRuns)
      throw usage(fmt::format("more than {} combinations", kMostRuns));
    for (const ChipJob& job : jobs) {
      for (const std::string& value : key.values) {
        more.push_back(job);
        more.back().settings.emplace_back(key.name, value);
        if (key.name == "mapper") more.back().mapper = value;
      }
    }
    jobs = std::move(more);
  }
  if (jobs.size() > 1) {
    for (ChipJob& job : jobs) job.html.clear();  // the page of a sweep shows all runs
    if (jobs[0].writes() || !common.mapping.empty())
      throw usage(
          "--mapping, --save-mapping, --counters and --timeline go with one chip and one setting");
  }
  if (!common.mapping.empty() && !values["mapper"].defaulted())
    throw usage("give one of --mapping and --mapper");
  return jobs;
}

bool is_refusal(ErrorCode code) {
  return code == ErrorCode::kCapacity || code == ErrorCode::kUsage;
}

// All jobs, in parallel where there are several. A chip that refuses the network is a row of the
// table; any other error ends the command, as does a refusal where nothing else is left.
std::vector<ChipRun> run_jobs(std::vector<ChipJob> jobs, const Graph& graph, int threads,
                              const Observer& observer) {
  const auto count = static_cast<int64_t>(jobs.size());
  observer.report({"chips", 0, count > 1 ? count : 0, ""});
  if (jobs.size() == 1) return {run_chip_job(jobs[0], graph)};
  for (const ChipJob& job : jobs) load_chip(job.chip, chip_sets(job));  // wrong keys and values
  for (ChipJob& job : jobs) job.threads = 1;
  std::vector<ChipRun> runs(jobs.size());
  std::vector<std::optional<Error>> errors(jobs.size());
  std::mutex telling;
  int64_t done = 0;
  parallel_samples(count, threads, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    try {
      runs[at] = run_chip_job(jobs[at], graph);
    } catch (const Error& error) {
      errors[at] = error;
    } catch (const std::exception& error) {
      errors[at] = Error(ErrorCode::kCapacity, error.what());
    }
    const std::lock_guard lock(telling);
    observer.report({"chips", ++done, count, ""});
  });
  bool any = false;
  for (size_t i = 0; i < jobs.size(); ++i) {
    any = any || !errors[i];
    if (!errors[i]) continue;
    if (!is_refusal(errors[i]->code())) throw *errors[i];
    runs[i].label = label_of(jobs[i]);
    runs[i].chip = jobs[i].chip;
    runs[i].settings = jobs[i].settings;
    runs[i].refused = errors[i]->what();
  }
  if (!any) throw errors[0]->in(runs[0].label);
  return runs;
}

}  // namespace

int command_chip(const Arguments& arguments) {
  const auto values = parse(command_line(), arguments);
  if (!values) return 0;
  std::vector<ChipJob> jobs = all_jobs(*values);
  const std::filesystem::path out =
      values->count("out") ? (*values)["out"].as<std::string>() : std::string();
  std::optional<FolderLock> folder = out.empty() ? std::nullopt : FolderLock::of_existing(out);
  const TraceFile trace(jobs[0].trace);
  const Graph graph =
      graph_from_json(trace.graph_json(), jobs[0].trace.string() + ": stored graph");
  ChipReport report;
  report.trace = jobs[0].trace.string();
  end_at_interrupt();
  for (ChipJob& job : jobs) job.before_writing = install_interrupt_handler;
  report.signature = trace.header().signature;
  report.form = "fused";
  if (values->count("dense")) {
    const int64_t steps = trace.samples().empty() ? 1 : trace.samples()[0].steps;
    const auto zeros = twin_zeros(jobs[0].trace, report.signature);
    std::vector<DenseSide> dense;
    for (const std::string& name : split((*values)["dense"].as<std::string>(), "--dense")) {
      dense.push_back(run_accelerator(name, graph, steps, zeros));
      report.dense.push_back(*dense.back().row);
    }
    for (ChipJob& job : jobs) job.dense = dense;
  }
  {
    ProgressBar bar(values->count("quiet") > 0);
    report.runs = run_jobs(jobs, graph, jobs[0].threads, bar.observer());
  }
  for (const TraceSample& sample : trace.samples()) {
    report.labelled += sample.label >= 0;
    report.correct += sample.label >= 0 && sample.label == sample.prediction;
  }
  install_interrupt_handler();
  if (values->count("out")) {
    if (!folder) folder.emplace(out);
    write_text_file(out / "chip.json", chip_json(report));
    write_text_file(out / "chip.csv", chip_csv(report));
    if (report.runs.size() > 1) write_text_file(out / "sweep.csv", sweep_csv(report));
  }
  if (report.runs.size() > 1 && values->count("html"))
    write_text_file((*values)["html"].as<std::string>(), sweep_page(report));
  if (values->count("quiet")) return 0;
  if (!trace.warning().empty()) fmt::print("warning: {}\n", printable(trace.warning()));
  fmt::print("{}", chip_table(report));
  return 0;
}

}  // namespace spikeloom
