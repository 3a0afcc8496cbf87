#pragma once
// Ctrl-C: the first one asks for a clean end, the second kills. The same for SIGTERM, for SIGHUP
// unless it is ignored (nohup), and for the end of a CPU time limit (SIGXCPU).

#include "run/observer.hpp"

namespace spikeloom {

void install_interrupt_handler();
// A pipe nobody reads and a file beyond `ulimit -f` are failed writes, with a line that says so.
void ignore_write_signals();
// For computing with nothing worth keeping yet: Ctrl-C ends the process at once, with one line and
// exit code 130, until install_interrupt_handler() is called again (before files are written).
void end_at_interrupt();
bool interrupted() noexcept;
// The same as a token for libraries.
CancelToken interrupt_token();

}  // namespace spikeloom
