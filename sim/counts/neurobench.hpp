#pragma once
// Counts of the NeuroBench harness (NeuroBench/neurobench, commit e521c28), from a run step by
// step.
//
// Rules: a call is one sample at one step; in networks with a convolution along the steps or a
// Legendre memory, whose modules see whole sequences, one sample at all its steps. For each call of
// a convolution or linear layer inputs and weights become 1 where they are not zero, biases 0: the
// sum of the outputs are its effective operations, so padding and zero weights do not count. The
// call is AC when every input element is -1, 0 or 1 (an input of zeros included), MAC otherwise;
// `dense` is the same with ones everywhere. Static layers are called at every step. Attention
// products, the Legendre memory (no layer of the harness's), normalisation, pooling and neurons are
// not counted. Membrane updates: all neurons at the first step of a sample, later those whose
// membrane potential after the step differs from before.
//
// This looks at values, unlike every other count here: the plan keeps them, which takes memory.

#include <cstdint>
#include <string>
#include <vector>

#include "core/weights.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {

struct NeuroBenchLayer {
  std::string name;
  int64_t effective_macs = 0, effective_acs = 0, dense = 0;
  int64_t weights = 0, zero_weights = 0;  // bias excluded
};

// Totals over the samples of a run.
struct NeuroBenchCounts {
  std::vector<NeuroBenchLayer> layers;
  int64_t membrane_updates = 0;
  int64_t samples = 0;
  int64_t parameters = 0;  // trainable
  // Parameters and buffers as fp32, 8 bytes more per BatchNorm; with a Legendre memory also the A,
  // B, H [order, steps] and complex fft_H [order, steps + 1] that the authors' module stores.
  int64_t footprint_bytes = 0;

  // Zero weights / weights, four decimals as the harness rounds it.
  double connection_sparsity() const;
};

class NeuroBenchCounter {
 public:
  // Nodes whose values a plan for the counter has to keep (PlanOptions::keep).
  static std::vector<std::string> watched(const Graph& graph);

  // What a counter of this network holds, in bytes.
  static int64_t bytes(const Graph& graph);

  // Of no sample; `weights`: as compiled.
  static NeuroBenchCounts none(const Graph& graph, const Weights& weights);

  NeuroBenchCounter(const Graph& graph, const Weights& weights);
  void begin_sample();
  // After run_chunk(). Counts layers side by side.
  void chunk(const Session& session, int threads);

  const NeuroBenchCounts& counts() const noexcept { return counts_; }
  // Continues where another run stopped: counts() of its counter, of the same network.
  void restore(const NeuroBenchCounts& counts);

 private:
  struct Operations {
    int64_t effective = 0, dense = 0;
  };
  struct Layer {
    NodeId input = -1;
    bool is_static = false;
    // Non-zero weights that read input element (row, channel); one row stands for all where the
    // layer treats rows alike. A convolution along the steps: (tap, channel).
    std::vector<int32_t> fanout;
    std::vector<int32_t> alike;  // by row: the one fan-out of its elements, -1: they differ
    bool rows_alike = false;
    int64_t dense = 0;  // of one step; along the steps: of one tap
    // A convolution along the steps: `left` of its `taps` reach later outputs, which count once
    // their step is there; `due`, by distance.
    int64_t taps = 0, left = 0;
    std::vector<Operations> due;
    // Of the sample so far, in networks that see whole sequences.
    bool binary = true;
    int64_t acs = 0;
  };
  struct Membranes {
    std::vector<NodeId> inputs;  // what they integrate
    NeuronSpec spec;
    NeuronCoefficients coefficients;
    std::vector<float> states;  // after the last step, slot by slot
    int64_t updates = 0;        // of the last chunk
  };
  void charge(Layer& layer, NeuroBenchLayer& count, Operations operations, bool binary) const;
  void count_frame(const ValueRef& input, int64_t calls, size_t layer);
  void count_along_steps(const ValueRef& input, int64_t step, size_t layer);
  void count_layer(const Session& session, size_t layer);
  void count_membranes(const Session& session, Membranes& membranes) const;

  NeuroBenchCounts counts_;
  std::vector<Layer> layers_;
  std::vector<Membranes> membranes_;
  bool whole_sequences_ = false;
};

}  // namespace spikeloom
