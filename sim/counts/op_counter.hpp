#pragma once
// Gathers from real spikes what count_operations needs. Memory: one integer per pixel and
// population.

#include <memory>
#include <vector>

#include "sim/counts/op_counts.hpp"
#include "sim/plan/trace_sink.hpp"

namespace spikeloom {

class OpCounter final : public TraceSink {
 public:
  explicit OpCounter(const Graph& graph);
  void begin_sample(const SampleStart& sample) override;
  void chunk(const SpikeChunk& chunk) override;
  void end_sample(const SampleEnd& end) override;

  const RunStatistics& statistics() const noexcept { return statistics_; }
  // Continues where another counter of the same graph stopped.
  void restore(const RunStatistics& statistics);

 private:
  // Indices into the populations of one attention's operands.
  struct Attention {
    std::string name;
    int64_t heads = 1;
    size_t q = 0, k = 0, v = 0;
  };
  void count_attention(const Attention& attention, const SpikeChunk& chunk, int64_t step);

  void count_level_rows(const SpikeChunk& chunk, size_t p, PopulationStatistics& entry);

  RunStatistics statistics_;
  std::vector<PopulationStatistics*> by_population_;
  std::vector<LevelRange> levels_;
  std::vector<Attention> attention_;
};

}  // namespace spikeloom
