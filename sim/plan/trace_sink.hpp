#pragma once
// Who wants to see spikes: recorder, operation counter, chip feed. One of the three virtual
// interfaces.

#include <cstdint>
#include <span>

#include "core/spike_tensor.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

struct SampleStart {
  int64_t index = 0;  // position in the dataset
  int64_t label = -1;
  int64_t first_step = 0;  // global step g of its step 0
};

// All populations over some consecutive steps of one sample; valid during the call only.
struct SpikeChunk {
  std::span<const Population> populations;
  int64_t first_step = 0;  // within the sample
  int64_t steps = 0;
  // bits[p] is step 0 of population p; step t lies t * words[p] further.
  std::span<const uint64_t* const> bits;
  std::span<const int64_t> words;

  // Of levels the planes, one behind the other (core/levels.hpp).
  SpikeView spikes(size_t population, int64_t step) const noexcept {
    const Population& from = populations[population];
    return {bits[population] + step * words[population], from.rows(), channels_of(from.shape)};
  }
};

struct SampleEnd {
  int64_t steps = 0;
  int64_t prediction = -1;
};

// Calls come from one thread, in order: for each sample begin, chunks, end. Samples come in dataset
// order whatever the batch, schedule or thread count. Implementations may throw Error.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual void begin_sample(const SampleStart& sample) = 0;
  virtual void chunk(const SpikeChunk& chunk) = 0;
  virtual void end_sample(const SampleEnd& end) = 0;
};

}  // namespace spikeloom
