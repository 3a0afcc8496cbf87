#pragma once
// Ctrl-C: the first one asks for a clean end, the second kills.

namespace spikeloom {

void install_interrupt_handler();
// For computing with nothing worth keeping yet: Ctrl-C ends the process at once, with one line and
// exit code 130, until install_interrupt_handler() is called again (before files are written).
void end_at_interrupt();
bool interrupted() noexcept;

}  // namespace spikeloom
