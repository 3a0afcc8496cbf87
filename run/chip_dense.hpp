#pragma once
// The dense side of `spikeloom chip`: what an accelerator would need for the network's dense twin.

#include <filesystem>
#include <map>
#include <string>

#include "hw_model/report/chip_report.hpp"

namespace spikeloom {

// Shares of zeros that the dense twin's layers read, out of the report beside a trace of the same
// run; none where there is no such report, or the twin did not run. Throws Error(kData) for a
// damaged one.
std::map<std::string, double> twin_zeros(const std::filesystem::path& trace,
                                         const std::string& signature);

// `zeros`: of the twin, for accelerators with zero gating. `graph`: that of a trace, `steps`: of
// one sample. Runs the dense twin where the graph has one (a static input, as written), else the
// graph itself with neurons as identities, at every step of a sequence. Throws Error(kUsage,
// kCapacity), also for descriptions that tell ratios only.
DenseSide run_accelerator(const std::string& name_or_path, const Graph& graph, int64_t steps,
                          const std::map<std::string, double>& zeros);

}  // namespace spikeloom
