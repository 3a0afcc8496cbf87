#include "cli/interrupt.hpp"

#include <unistd.h>

#include <csignal>
#include <string_view>

#include "core/error.hpp"

namespace spikeloom {
namespace {

// The one global of the project: a signal handler can reach nothing else.
volatile std::sig_atomic_t signal_seen = 0;

void on_signal(int signal) {
  signal_seen = 1;
  std::signal(signal, SIG_DFL);
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
  return signal_seen != 0;
}

}  // namespace spikeloom
