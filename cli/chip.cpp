// spikeloom chip: what a recorded network would cost on neuromorphic chips.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "cli/recording_options.hpp"
#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/folder_lock.hpp"
#include "core/io/hint.hpp"
#include "core/parallel.hpp"
#include "hw_model/report/page_chips.hpp"
#include "run/price_trace.hpp"

namespace spikeloom {
namespace {

using Values = options::variables_map;

CommandLine command_line() {
  CommandLine line;
  line.usage =
      "spikeloom chip TRACE.h5|FOLDER --chip NAME|FILE[,...] [OPTIONS]\n"
      "       spikeloom chip --network NET --spikes FILE --chip NAME|FILE[,...] [OPTIONS]";
  line.about =
      "Replays a trace on a chip: energy, time and use of cores and links. The trace carries its "
      "network;\na network and spikes of other programs are read as they are.\nSeveral chips, "
      "mappers or --sweep values give one table over all combinations. "
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
      "mapper", text("sequential"),
      "sequential, greedy, anneal; or what to minimise: time, energy, edp, traffic; several with "
      "commas")("mapper-budget", options::value<double>()->default_value(MapperOptions().budget_s),
                "seconds of work a search may take (nominal: equal budgets, equal mappings)")(
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
  add_recording_options(line);
  line.hidden.add_options()("trace", options::value<std::string>());
  line.words.add("trace", 1);
  return line;
}

using SweepKeys = decltype(TracePricing::sweep);

SweepKeys sweep_keys(const Values& values) {
  SweepKeys keys;
  const std::vector<std::string> mappers =
      split_list(values["mapper"].as<std::string>(), "--mapper");
  for (const std::string& mapper : mappers) mapper_named(mapper, "--mapper");
  if (mappers.size() > 1) keys.emplace_back("mapper", mappers);
  if (!values.count("sweep")) return keys;
  for (const std::string& sweep : values["sweep"].as<std::vector<std::string>>()) {
    const size_t equal = sweep.find('=');
    if (equal == 0 || equal == sweep.npos)
      throw usage_error("--sweep: expected KEY=VALUE,VALUE..., found " + in_quotes(sweep));
    const std::string name = sweep.substr(0, equal);
    for (const auto& [key, tried] : keys) {
      if (key == name) throw usage_error("--sweep: " + name + " is swept twice");
    }
    keys.emplace_back(name, split_list(sweep.substr(equal + 1), "--sweep " + name));
  }
  return keys;
}

ChipJob common_job(const Values& values) {
  ChipJob job;
  if (values.count("trace")) job.trace = trace_in(values["trace"].as<std::string>());
  if (values.count("mapping")) job.mapping = values["mapping"].as<std::string>();
  if (values.count("html")) job.html = values["html"].as<std::string>();
  if (values.count("save-mapping")) job.save_mapping = values["save-mapping"].as<std::string>();
  if (values.count("timeline")) job.timeline = values["timeline"].as<std::string>();
  if (values.count("counters")) job.counters = values["counters"].as<std::string>();
  job.timeline_steps = in_range<int64_t>(values, "timeline-steps", 1, 100000);
  // The first of several, which are swept.
  job.mapper =
      mapper_named(split_list(values["mapper"].as<std::string>(), "--mapper")[0], "--mapper");
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
  job.lower.weight_bits = in_range<int64_t>(values, "weight-bits", 1, 64);
  job.lower.value_bits = in_range<int64_t>(values, "value-bits", 1, 64);
  if (values.count("samples"))
    job.samples = in_range<int64_t>(values, "samples", 1, int64_t{1} << 40);
  job.threads = static_cast<int>(in_range<int64_t>(values, "threads", 1, 4096));
  job.check = values.count("check") > 0;
  job.in_turn = values.count("layers-in-turn") > 0;
  if (job.in_turn && (job.writes() || !job.mapping.empty() || !values["mapper"].defaulted())) {
    throw usage_error(
        "--layers-in-turn maps every turn in the order of the layers: no --mapper, --mapping, "
        "--save-mapping, --counters, --html or --timeline");
  }
  return job;
}

// Keys of the chip, but for those of a network.
void add_sets(const Values& values, TracePricing& pricing) {
  if (!values.count("set")) return;
  for (const std::string& set : values["set"].as<std::vector<std::string>>()) {
    const bool of_network = pricing.recording && set.starts_with("model.");
    (of_network ? pricing.recording->sets : pricing.job.sets).push_back(set);
  }
}

TracePricing pricing_of(const Values& values) {
  TracePricing pricing;
  pricing.recording = recording_files(values);
  pricing.job = common_job(values);
  add_sets(values, pricing);
  pricing.sweep = sweep_keys(values);
  pricing.job.mapper_budget_s = values["mapper-budget"].as<double>();
  if (!(pricing.job.mapper_budget_s > 0 && pricing.job.mapper_budget_s <= 86400))
    throw usage_error("--mapper-budget must be above 0 and at most 86400 seconds");
  pricing.chips = split_list(values["chip"].as<std::string>(), "--chip");
  if (values.count("dense"))
    pricing.dense = split_list(values["dense"].as<std::string>(), "--dense");
  ChipJob& job = pricing.job;
  job.before_writing = install_interrupt_handler;
  if (pricing.combinations() > kMostChipRuns)
    throw usage_error(fmt::format("more than {} combinations", kMostChipRuns));
  if (pricing.combinations() > 1) {
    job.html.clear();  // the page of a sweep shows all runs
    if (job.writes() || !job.mapping.empty())
      throw usage_error(
          "--mapping, --save-mapping, --counters and --timeline go with one chip and one setting");
  }
  if (!job.mapping.empty() && !values["mapper"].defaulted())
    throw usage_error("give one of --mapping and --mapper");
  return pricing;
}

}  // namespace

int command_chip(const Arguments& arguments) {
  const auto values = parse(command_line(), arguments);
  if (!values) return 0;
  TracePricing pricing = pricing_of(*values);
  const std::filesystem::path out =
      values->count("out") ? (*values)["out"].as<std::string>() : std::string();
  std::optional<FolderLock> folder = out.empty() ? std::nullopt : FolderLock::of_existing(out);
  end_at_interrupt();
  const PricedTrace priced = [&] {
    ProgressBar bar(values->count("quiet") > 0);
    pricing.observer = bar.observer();
    return price_trace(pricing);
  }();
  const ChipReport& report = priced.report;
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
  for (const std::string& warning : priced.warnings)
    fmt::print("warning: {}\n", printable(warning, 400));
  fmt::print("{}",
             chip_table(report, std::clamp<size_t>(terminal_width(STDOUT_FILENO, 99), 60, 99)));
  return 0;
}

}  // namespace spikeloom
