#include "cli/interrupt.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "core/error.hpp"

namespace spikeloom {
namespace {

// The one global of the project: a signal handler can reach nothing else. Threads that run samples
// read it.
std::atomic<bool> signal_seen = false;
static_assert(std::atomic<bool>::is_always_lock_free, "signal handlers may set only such");

void on_signal(int signal) {
  const int error = errno;
  signal_seen = true;
  std::signal(signal, SIG_DFL);
  errno = error;
}

// Only what a signal handler may call.
void on_signal_at_once(int) {
  constexpr std::string_view kLine = "spikeloom: interrupted; nothing was written\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kLine.data(), kLine.size());
  _exit(exit_code(ErrorCode::kInterrupted));
}

}  // namespace

void end_at_interrupt() {
  std::signal(SIGINT, on_signal_at_once);
  std::signal(SIGTERM, on_signal_at_once);
  if (interrupted()) on_signal_at_once(SIGINT);
}

void install_interrupt_handler() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupted() noexcept {
  return signal_seen;
}

}  // namespace spikeloom
