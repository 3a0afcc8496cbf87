#pragma once
// `spikeloom run --chip`: a chip fed by the run while it goes on, sample by sample. Its numbers are
// those of `spikeloom chip` on the trace of the same run, which need not be recorded. Memory is
// that of the network on the chip and the spikes of one sample.

#include <vector>

#include "hw_model/report/chip_report.hpp"
#include "run/chip_choice.hpp"
#include "sim/plan/trace_sink.hpp"

namespace spikeloom {

class LiveChip final : public TraceSink {
 public:
  // Lowers and maps the network. Throws Error as load_chip, lower, refuse_host, load_mapping and
  // check_capacity do. `by_step`: figures per inference are those of a step, not of a sample.
  LiveChip(const ChipChoice& choice, const Graph& graph, int threads, bool by_step = false);

  void begin_sample(const SampleStart& sample) override;
  void chunk(const SpikeChunk& chunk) override;
  void end_sample(const SampleEnd& end) override;

  // What the samples that ended cost; at least one.
  ChipRun price() const;

 private:
  void find_populations(const SpikeChunk& chunk);

  ChipChoice choice_;
  ChipSpec chip_;
  LoweredNetwork lowered_;
  Mapping mapping_;
  Replayer replayer_;
  bool by_step_;
  std::vector<size_t> recorded_;  // by population of the chip: which of the run's it is
  ChipSpikes spikes_;             // of the sample
  std::vector<int64_t> sample_steps_;
};

}  // namespace spikeloom
