#pragma once
// The cpu backend of a command, its kernels chosen by what was measured on this machine.
//
// Where event and dense kernels meet is measured once (milliseconds) and kept in
// $XDG_CACHE_HOME/spikeloom or ~/.cache/spikeloom, one file per SIMD target. A file of another
// processor or program version, a damaged one or a folder that cannot be written means to measure
// again; none of them is an error, and no choice changes a result.
//
// The environment variable SPIKELOOM_SUMS chooses instead: "events" or "dense" for every group of
// outputs, "usual" for the rates of choice.hpp.

#include <memory>
#include <string_view>

#include "sim/backends/cpu/choice.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

// Throws Error(kUsage) for an unknown SIMD target or SPIKELOOM_SUMS.
std::shared_ptr<const Backend> make_chosen_cpu_backend(std::string_view simd = "");

}  // namespace spikeloom
