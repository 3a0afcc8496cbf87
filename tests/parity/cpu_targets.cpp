// Every SIMD target of the cpu backend, sums of spikes by events and densely, on 1, 2 and 3 threads.

#include <fmt/format.h>

#include "sim/backends/cpu/cpu.hpp"
#include "tests/parity/parity_case.hpp"

namespace spikeloom {

std::vector<ParityTarget> parity_targets(bool sums_spikes) {
  std::vector<ParityTarget> targets;
  for (const std::string& simd : cpu_simd_targets()) {
    for (const SumPath path : {SumPath::kCheapest, SumPath::kEvents, SumPath::kDense}) {
      if (path != SumPath::kCheapest && !sums_spikes) continue;
      targets.push_back({fmt::format("simd {}, path {}", simd, static_cast<int>(path)),
                         make_cpu_backend(simd, {.path = path}),
                         {1, 2, 3}});
    }
  }
  return targets;
}

}  // namespace spikeloom
