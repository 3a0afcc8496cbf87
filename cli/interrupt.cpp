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
  // The system repeats SIGXCPU every second until the hard limit.
  if (signal != SIGXCPU) std::signal(signal, SIG_DFL);
  errno = error;
}

// Only what a signal handler may call.
void on_signal_at_once(int) {
  constexpr std::string_view kLine = "spikeloom: interrupted; nothing was written\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kLine.data(), kLine.size());
  _exit(exit_code(ErrorCode::kInterrupted));
}

void handle(void (*handler)(int)) {
  // The last two are how batch systems announce that a job's time is nearly over.
  for (const int signal : {SIGINT, SIGTERM, SIGXCPU, SIGUSR1, SIGUSR2})
    std::signal(signal, handler);
  if (std::signal(SIGHUP, handler) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
}

}  // namespace

void end_at_interrupt() {
  handle(on_signal_at_once);
  if (interrupted()) on_signal_at_once(SIGINT);
}

void install_interrupt_handler() {
  handle(on_signal);
}

void ignore_write_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

bool interrupted() noexcept {
  return signal_seen;
}

CancelToken interrupt_token() {
  return CancelToken(signal_seen);
}

}  // namespace spikeloom
