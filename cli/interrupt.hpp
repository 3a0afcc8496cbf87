#pragma once
// Ctrl-C: the first one asks for a clean end, the second kills.

namespace spikeloom {

void install_interrupt_handler();
bool interrupted() noexcept;

}  // namespace spikeloom
