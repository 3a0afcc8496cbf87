#include "cli/interrupt.hpp"

#include <csignal>

namespace spikeloom {
namespace {

// The one global of the project: a signal handler can reach nothing else.
volatile std::sig_atomic_t signal_seen = 0;

void on_signal(int signal) {
  signal_seen = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void install_interrupt_handler() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupted() noexcept {
  return signal_seen != 0;
}

}  // namespace spikeloom
