#pragma once
// The firing rates at which the two kernels of a machine meet, found by timing them.

#include "sim/backends/cpu/choice.hpp"
#include "sim/backends/cpu/conv.hpp"

namespace spikeloom::cpu {

// Times the kernel with every group by events and with every group dense, at every corner.
BreakEven measure_break_even(ConvKernel event_conv);

}  // namespace spikeloom::cpu
