// spikeloom run: one experiment from its TOML file to its output folder.

#include "run/run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/notice.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "core/io/hint.hpp"
#include "hw_model/report/summary.hpp"

namespace spikeloom {
namespace {

// The first line says who wins: red or green where colour is allowed.
std::string emphasise_verdict(const std::string& text, Outcome outcome) {
  if (!colour_allowed(STDOUT_FILENO)) return text;
  const size_t end = text.find('\n');
  const char* colour = outcome == Outcome::kLoses  ? "\x1b[1;31m"
                       : outcome == Outcome::kWins ? "\x1b[1;32m"
                                                   : "\x1b[1m";
  return colour + text.substr(0, end) + "\x1b[0m" + text.substr(end);
}

// A path as a shell takes it for one word.
std::string shell_word(const std::string& path) {
  constexpr const char* kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:@%+=,-";
  if (path.find_first_not_of(kPlain) == path.npos && !path.starts_with('-')) return path;
  std::string out = path.starts_with('-') ? "'./" : "'";
  for (const char c : path) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return printable(out + "'", 4096);
}

std::string full_text(const RunResult& result) {
  return fmt::format(
      "{}\noutput folder {}\nsignature {} ({})\n",
      to_table(result.report, std::clamp<size_t>(terminal_width(STDOUT_FILENO, 100), 60, 100)),
      result.folder.string(), result.signature(),
      name_of(result.report.input.counts.executed_form));
}

bool wrote(const RunResult& result, const char* file) {
  return std::find(result.files.begin(), result.files.end(), file) != result.files.end();
}

std::string short_text(const RunResult& result) {
  const std::string folder = shell_word(result.folder.string());
  const size_t warnings = result.report.input.warnings.size();
  std::string output = shell_word((result.folder / "page.html").string());
  if (warnings > 0) output += fmt::format(" ({} warning{})", warnings, warnings == 1 ? "" : "s");
  const std::string next = result.cancelled ? "the same command with --resume"
                           : wrote(result, "trace.h5")
                               ? fmt::format("spikeloom inspect {}", folder)
                               : std::string("the same command with --full: every table");
  return to_summary(result.report, {{"page", output}, {"next", next}});
}

int print(const RunResult& result, bool quiet, bool full) {
  for (const std::string& note : result.notes) notice("{}", note);
  for (const BrokenSample& broken : result.report.input.broken)
    notice("sample {} left out: {}", broken.index, broken.reason);
  if (!quiet) {
    fmt::print("{}", emphasise_verdict(full ? full_text(result) : short_text(result),
                                       result.report.verdict.outcome));
  }
  if (!result.cancelled) return 0;
  if (result.done == result.size) {
    notice("interrupted after the last of {} {}s, before all was written; run --resume finishes it",
           result.size, result.unit);
  } else {
    notice(
        "interrupted after {} of {} {}s; what ended is in the output folder, run --resume "
        "continues",
        result.done, result.size, result.unit);
  }
  return exit_code(ErrorCode::kInterrupted);
}

}  // namespace

int command_run(const Arguments& arguments) {
  CommandLine line{
      "spikeloom run EXPERIMENT.toml [--chip NAME|FILE] [--set key=value]... [--resume] "
      "[--full | --quiet]",
      "Runs the network of an experiment file over its dataset, event by event. The output folder "
      "receives\npage.html, report.json, report.csv, energy.csv, logits.npy, trace.h5, the feature "
      "maps asked for and, with a chip, chip.csv.\nSPIKELOOM_SIMD forces a SIMD target. "
      "docs/experiment.md lists every key."};
  add_set_option(line);
  add_device_option(line);
  add_options(
      line,
      {{"chip", text(),
        "price the spikes on this chip, too: preset or TOML file; the same as --set chip.name=..."},
       {"resume", nullptr,
        "continue the unfinished run in the output folder after its last finished sample"},
       {"full", nullptr, "print every table instead of a summary"},
       {"quiet,q", nullptr, "print nothing but errors"}});
  add_word(line, "experiment");
  const auto values = parse(line, arguments);
  if (!values) return 0;
  Config config = load_experiment(text_of(*values, "experiment"), *values);
  if (values->count("chip")) {
    const nlohmann::json name = text_of(*values, "chip");
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
  return print(result, quiet, values->count("full") > 0);
}

}  // namespace spikeloom
