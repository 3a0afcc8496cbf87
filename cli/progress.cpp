#include "cli/progress.hpp"
#include "cli/notice.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <string_view>

namespace spikeloom {
namespace {

using std::chrono::steady_clock;

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

}  // namespace

size_t terminal_width(int descriptor, size_t otherwise) {
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return otherwise;
}

bool colour_allowed(int descriptor) {
  if (!environment("NO_COLOR").empty()) return false;
  const auto force = environment("CLICOLOR_FORCE");
  if (!force.empty() && force != "0") return true;
  return environment("CLICOLOR") != "0" && environment("TERM") != "dumb" && isatty(descriptor) == 1;
}

ProgressBar::ProgressBar(bool quiet)
    : visible_(!quiet && isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb"),
      exceptions_(std::uncaught_exceptions()),
      start_(steady_clock::now()) {}

ProgressBar::~ProgressBar() {
  clear();
  if (std::uncaught_exceptions() == exceptions_) begin();
}

Observer ProgressBar::observer() {
  Observer observer;
  observer.progress = [this](const Progress& state) { update(state); };
  observer.note = [this](const std::string& line) {
    waiting_.push_back(line);
    if (begun_) begin();
  };
  return observer;
}

// Prints what waited.
void ProgressBar::begin() {
  begun_ = true;
  if (waiting_.empty()) return;
  clear();
  for (const std::string& line : waiting_) notice("{}", line);
  waiting_.clear();
}

void ProgressBar::clear() {
  if (drawn_) put_on_stderr("\r\x1b[K");
  drawn_ = false;
}

void ProgressBar::update(const Progress& state) {
  const auto now = steady_clock::now();
  if (stage_ != state.stage) {
    stage_ = state.stage;
    start_ = now;
    before_ = state.done;  // what comes from here on is this process's own pace
  }
  const bool prepares = stage_ == "loading" || stage_ == "checking";
  if (!begun_ && !prepares && state.done > before_) begin();
  if (visible_) draw(state, now);
}

void ProgressBar::draw(const Progress& state, steady_clock::time_point now) {
  if (drawn_ && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  if (state.total <= 0) {
    put_on_stderr(fmt::format("\r{} ...\x1b[K", stage_));
    drawn_ = true;
    return;
  }
  const int64_t total = std::max<int64_t>(state.total, 1), own = state.done - before_;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double left =
      own > 0 ? seconds * static_cast<double>(total - state.done) / static_cast<double>(own) : 0;
  constexpr int64_t kBar = 24;
  const auto filled = static_cast<size_t>(kBar * std::min(state.done, total) / total);
  std::string line = fmt::format("{} [{}{}] {}/{}  {}  {}", stage_, std::string(filled, '#'),
                                 std::string(kBar - filled, '.'), state.done, total,
                                 own > 0 ? fmt::format("{:.0f} s left", left) : "", state.note);
  line.resize(std::min(line.size(), terminal_width(STDERR_FILENO, 80) - 1));
  put_on_stderr("\r" + line + "\x1b[K");
  drawn_ = true;
}

}  // namespace spikeloom
