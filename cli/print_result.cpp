#include "cli/print_result.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

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

}  // namespace

int print_result(const RunResult& result, bool quiet, bool full) {
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

}  // namespace spikeloom
