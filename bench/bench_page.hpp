#pragma once
// The pages of `spikeloom bench --html`.

#include <string>
#include <vector>

#include "bench/bench_kernels.hpp"
#include "bench/bench_nets.hpp"

namespace spikeloom {

// Speed-up against firing rate for every layer and number of steps, and where lines cross.
std::string kernels_page(const std::vector<KernelResult>& results, const BenchOptions& options,
                         const BenchMachine& machine);
// Milliseconds of every network, and how many times faster than PyTorch.
std::string nets_page(const std::vector<NetResult>& results, const BenchOptions& options,
                      const BenchMachine& machine);

}  // namespace spikeloom
