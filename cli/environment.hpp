#pragma once
// What the environment says to the program; libraries do not look there.

#include "run/cpu_choice.hpp"

namespace spikeloom {

// SPIKELOOM_SIMD and SPIKELOOM_SUMS, and for a cache $XDG_CACHE_HOME/spikeloom or
// ~/.cache/spikeloom.
CpuOptions cpu_options_of_environment();

}  // namespace spikeloom
