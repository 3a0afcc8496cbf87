// spikeloom run: one experiment from its TOML file to its output folder.

#include "run/run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/notice.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"

namespace spikeloom {
namespace {

// The first line of the table says who wins: red or green where colour is allowed.
std::string emphasise_verdict(const std::string& table) {
  if (!colour_allowed(STDOUT_FILENO)) return table;
  const size_t end = table.find('\n');
  const char* colour = table.starts_with("LOSES")  ? "\x1b[1;31m"
                       : table.starts_with("WINS") ? "\x1b[1;32m"
                                                   : "\x1b[1m";
  return colour + table.substr(0, end) + "\x1b[0m" + table.substr(end);
}

int print(const RunResult& result, bool quiet) {
  for (const std::string& note : result.notes) notice("{}", note);
  for (const BrokenSample& broken : result.report.input.broken)
    notice("sample {} left out: {}", broken.index, broken.reason);
  if (!quiet) {
    fmt::print("{}\noutput folder {}\nsignature {} ({})\n",
               emphasise_verdict(to_table(result.report)), result.folder.string(),
               result.signature(), result.report.input.counts.executed_form);
  }
  if (!result.cancelled) return 0;
  notice(
      "interrupted after {} of {} {}s; what ended is in the output folder, run --resume continues",
      result.done, result.size, result.unit);
  return exit_code(ErrorCode::kInterrupted);
}

}  // namespace

int command_run(const Arguments& arguments) {
  CommandLine line;
  line.usage =
      "spikeloom run EXPERIMENT.toml [--chip NAME|FILE] [--set key=value]... [--resume] [--quiet]";
  line.about =
      "Runs the network of an experiment file over its dataset, event by event. The output folder "
      "receives\n"
      "report.json, report.csv, logits.npy, trace.h5 and the feature maps asked for. "
      "SPIKELOOM_SIMD forces a\n"
      "SIMD target. docs/experiment.md lists every key.";
  add_set_option(line);
  line.named.add_options()(
      "chip", options::value<std::string>(),
      "price the spikes on this chip, too: preset or TOML file; the same as --set chip.name=...")(
      "resume", "continue the unfinished run in the output folder after its last finished sample")(
      "quiet,q", "print nothing but errors");
  line.hidden.add_options()("experiment", options::value<std::string>()->required());
  line.words.add("experiment", 1);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  Config config = load_experiment((*values)["experiment"].as<std::string>(), *values);
  if (values->count("chip")) {
    const nlohmann::json name = (*values)["chip"].as<std::string>();
    config.set("chip.name=" + name.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  const bool quiet = values->count("quiet") > 0;
  RunOptions run;
  run.resume = values->count("resume") > 0;
  run.cpu = cpu_options_of_environment();
  run.cancel = interrupt_token();
  const auto result = [&] {
    ProgressBar bar(quiet);
    run.observer = bar.observer();
    return run_experiment(read_experiment(std::move(config)), run);
  }();
  return print(result, quiet);
}

}  // namespace spikeloom
