#pragma once
// Faults of a chip on top of any backend: neurons that never fire, spikes that get lost on the way.
//
// A dead neuron still integrates, its spikes go nowhere. A lost spike reaches none of its targets;
// the neuron that sent it has fired. Traces, counts and signatures see the spikes that arrive. A
// spike is lost when a random number of (seed, population, sample, step, neuron) lies below the
// rate: neither threads, chunks, schedule, backend nor form change which.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "core/spike_tensor.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

struct Faults {
  std::map<std::string, SpikeTensor> dead;  // by population; absent: all alive
  double drop_rate = 0;                     // 0..1
  uint64_t drop_seed = 0;
};

// Splits one mask over the neurons of all populations (populations_of without thresholds, in order;
// within each in the order of memory), not 0: dead. Throws Error(kData) unless sizes agree.
std::map<std::string, SpikeTensor> split_mask(const Graph& graph, std::span<const uint8_t> mask);

std::shared_ptr<const Backend> with_faults(std::shared_ptr<const Backend> backend, Faults faults);

}  // namespace spikeloom
