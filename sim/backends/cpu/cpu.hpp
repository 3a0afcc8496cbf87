#pragma once
// The CPU backend: event-driven kernels in SIMD, chosen at run time for the machine it runs on.
//
// Bits equal the reference backend for every SIMD target and thread count, softmax
// attention excepted (NMSE <= 1e-7). Padding lanes of real values are zero, given that those of
// inputs and running sums are; padding lanes of membranes are unspecified. The backend is immutable
// and may be shared by threads.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/backends/cpu/choice.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

// `simd` forces one of cpu_simd_targets(); "" takes the best. Throws Error(kUsage) for any other
// name. `choice` decides about speed alone.
std::shared_ptr<const Backend> make_cpu_backend(std::string_view simd = "",
                                                const SumChoice& choice = {});

// Where the kernels of a target meet on this machine, by timing them: milliseconds. `simd` as
// above.
BreakEven measure_break_even(std::string_view simd = "");

// SIMD targets that this program holds and this machine supports, best first: "avx512",
// "avx2", "scalar".
std::vector<std::string> cpu_simd_targets();

}  // namespace spikeloom
