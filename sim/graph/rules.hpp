#pragma once
// What the rules of an operator speak of. Which rules there are: sim/graph/operator.hpp.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/levels.hpp"
#include "core/shape.hpp"
#include "core/weights.hpp"
#include "neurons/neuron.hpp"

namespace spikeloom {

using NodeId = int32_t;

// Decides AC or MAC; never found out by looking at values.
// Levels are whole numbers within a range (core/levels.hpp): added as often as they say.
enum class EdgeKind { kSpikes, kLevels, kCounts, kReal };
constexpr const char* kEdgeKindNames[] = {"spikes", "levels", "counts", "real"};
constexpr bool is_events(EdgeKind kind) {
  return kind == EdgeKind::kSpikes || kind == EdgeKind::kLevels;
}

// Rows (pixels or tokens) and channels of a value: [H, W, C] -> H*W and C, [N, C] -> N and C, [C]
// -> 1 and C.
int64_t rows_of(const Shape& shape);
int64_t channels_of(const Shape& shape);

// What an operator learns of a value it reads.
struct InputValue {
  std::string name;
  EdgeKind kind = EdgeKind::kReal;
  Shape shape;
  int64_t vocabulary = 0;  // above 0: ids of tokens
  LevelRange levels = {};  // of levels; of spikes 0 and 1
};
using Inputs = std::span<const InputValue>;

// `infer`: what a node makes of its inputs. `is_static`: equal at every step, if its inputs are and
// it has no state.
struct Inferred {
  EdgeKind kind = EdgeKind::kReal;
  Shape shape;
  int64_t vocabulary = 0;
  bool is_static = true;
  LevelRange levels = {};  // of levels
};

// `parameters`: one named array a node needs.
struct Parameter {
  std::string name;
  Shape shape;
  double usual = 0;  // not 0: random values stay near it (time constants must be above 0)
};

// `layer`: of an operator that multiplies its input by a stored matrix of `outputs` rows, each of
// `inputs` (per group) times `taps` numbers; precisions and sparsity apply to it. A weight without
// a name: the operator is none.
struct Layer {
  std::string weight;
  std::string bias;  // empty: none
  int64_t outputs = 0, inputs = 0, taps = 1, groups = 1;
  bool pointwise = false;  // an output reads its own place of the input only
};

// `state`: one array a node carries from step to step; lives in the Session.
struct StateSlot {
  std::string name;
  Shape shape;
  float initial = 0;
};

// `window`: step t of the output reads steps [t - left, t + right] of the input, zeros outside the
// sample.
struct StepWindow {
  int64_t left = 0, right = 0;
};

// `gain`: what the arrays of a node make of a bound: value <= gain * input + offset.
struct ValueGain {
  double gain = 1, offset = 0;
};

// Magnitudes of arrays (fp32). Throws Error(kData) naming the array where one is not finite.
class ArrayBounds {
 public:
  explicit ArrayBounds(const Weights& weights) : weights_(weights) {}
  double largest(const std::string& array) const;  // "": 0
  // The largest sum of magnitudes of a row along the first axis.
  double largest_row_sum(const std::string& array) const;
  const Weights& weights() const { return weights_; }

 private:
  const Weights& weights_;
};

// What `bound` is told: the bounds of what the node reads, of the network's input, the rows of its
// first input, and the steps of a sample.
struct BoundInput {
  std::span<const double> in;
  double network_input = 0;
  double rows = 0;
  double steps = 0;
  ValueGain gain;
};

// `bound`: how large the value and every partial sum on the way to it can become, and how large
// what readers see (of spikes 1, whatever is said here).
struct ValueBound {
  double way = 0, seen = 0;
};

// `population`: of an operator whose values are its own and spikes or levels, which a trace
// records.
struct PopulationInfo {
  std::string
      neuron_model;  // of the neuron table, or "threshold", "max_pool", "sum_pool", "sum", "input"
  double threshold = 1;  // NaN where neurons of a layer differ in it
  bool is_neuron = true, is_input = false;
  bool is_copy = false;  // spikes of others, later
};

// The same rules where an operator has nothing to say; it says so by name.
struct NoParameters {
  std::vector<Parameter> operator()() const { return {}; }
};
struct NotALayer {
  Layer operator()() const { return {}; }
};
struct NoState {
  std::vector<StateSlot> operator()(const Shape&) const { return {}; }
};
struct OwnStepOnly {
  StepWindow operator()() const { return {}; }
};
struct NoArrays {
  ValueGain operator()(const ArrayBounds&) const { return {}; }
};
struct NotRecorded {
  std::optional<PopulationInfo> operator()() const { return std::nullopt; }
};

}  // namespace spikeloom
