#include "cli/progress.hpp"
#include "cli/notice.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace spikeloom {
namespace {

using std::chrono::steady_clock;

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

bool colour_allowed(int descriptor) {
  if (!environment("NO_COLOR").empty()) return false;
  const auto force = environment("CLICOLOR_FORCE");
  if (!force.empty() && force != "0") return true;
  return environment("CLICOLOR") != "0" && environment("TERM") != "dumb" && isatty(descriptor) == 1;
}

Progress::Progress(std::string title, int64_t total, bool quiet)
    : title_(std::move(title)),
      total_(std::max<int64_t>(total, 1)),
      visible_(!quiet && isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb"),
      start_(steady_clock::now()) {}

Progress::~Progress() {
  erase();
}

void Progress::erase() {
  if (drawn_) put_on_stderr("\r\x1b[K");
  drawn_ = false;
}

void Progress::update(int64_t done, const std::string& note) {
  const auto now = steady_clock::now();
  if (!visible_ || (drawn_ && now - last_ < std::chrono::milliseconds(100))) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double left =
      done > 0 ? seconds * static_cast<double>(total_ - done) / static_cast<double>(done) : 0;
  constexpr int64_t kBar = 24;
  const auto filled = static_cast<size_t>(kBar * std::min(done, total_) / total_);
  std::string line =
      fmt::format("{} [{}{}] {}/{}  {:.0f} s left  {}", title_, std::string(filled, '#'),
                  std::string(kBar - filled, '.'), done, total_, left, note);
  line.resize(std::min(line.size(), terminal_width() - 1));
  put_on_stderr("\r" + line + "\x1b[K");
  drawn_ = true;
}

}  // namespace spikeloom
