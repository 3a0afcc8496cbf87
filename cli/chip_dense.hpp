#pragma once
// The dense side of `spikeloom chip`: what an accelerator would need for the network's dense twin.

#include <string>

#include "hw_model/report/chip_report.hpp"

namespace spikeloom {

// `graph`: that of a trace, `steps`: of one sample. Runs the dense twin where the graph has one
// (a static input, as written), else the graph itself with neurons as identities, at every step of
// a sequence. Throws Error(kUsage, kCapacity), also for descriptions that tell ratios only.
AcceleratorRow run_accelerator(const std::string& name_or_path, const Graph& graph, int64_t steps);

}  // namespace spikeloom
