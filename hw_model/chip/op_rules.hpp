#pragma once
// What hardware makes of each operator: a chip that computes event by event, and an array that
// multiplies matrices. Both list every operator, so that one without a rule does not compile.
// Internal to lowering (lower.hpp) and to dense passes (dense_layers.hpp).

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "hw_model/chip/projection.hpp"
#include "hw_model/chip/systolic.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

enum class ChipRole : uint8_t {
  kHost,      // no unit of a core computes it
  kNeurons,   // a population where its values are spikes or levels, else the host's
  kMask,      // such a population for what reads it; without readers it is the counters' alone
  kInput,     // arrives from outside
  kSum,       // its inputs collected where their sum is needed
  kFree,      // nothing, given its input: factors and constants go into weights and biases
  kStepMean,  // nothing where it is read out, else the host's
  kParts,     // nothing: its inputs one behind the other
  kMoved,     // nothing where all of it is read, else the host's
  kSynapses,  // projections from its operand; of pools of spikes also a population
  kProducts,  // the matrix of an attention, which lives with the neurons behind it
  kAttention,
};

using ChipLevels = std::vector<int32_t>;

struct ChipRule {
  ChipRole role = ChipRole::kHost;
  std::string obstacle;  // why cores cannot compute it whatever it reads; empty where they can
  // Of kSynapses, given the populations at both ends. Refers to the operator.
  std::function<Synapses(const ChipPopulation& from, const ChipPopulation& to)> synapses = {};
  bool over_map = false;       // it moves over height and width
  bool reads_all = false;      // every output reads every input, in whatever order these lie
  bool multiplies = false;     // of kFree: work of its own where it cannot go into weights
  int64_t heads = 0;           // of kProducts and kAttention
  bool shows_earlier = false;  // what it reads, or is closed over, of an earlier step
  int64_t delay = 0;           // steps beyond the one that every spike takes
  std::string delays = {};     // array of the steps of every element; empty: `delay` for all
  bool integrates = false;     // neurons that never fire
  // Spikes or levels that follow from those it reads, neuron by neuron; empty where they do not.
  // `from`: the shape of the first.
  std::function<ChipLevels(const Shape& from, const std::vector<ChipLevels>& in)> follows = {};
};
ChipRule chip_rule(const Node& node);

// A pass over the steps of all samples of a batch.
struct DensePass {
  int64_t steps = 1, batch = 1;
  int64_t evaluations = 1;  // of the node at hand
};

struct DenseProduct {
  std::string part;  // appended to the node's name
  Gemm gemm;
  bool has_weights = true;  // false: the second operand is another activation
  int64_t second = -1;      // different elements of the second operand; -1: k * n * repeats
};

struct DenseRule {
  std::vector<DenseProduct> products;
  std::string what;  // of elementwise work; empty: the operator itself
  int64_t elements = 0;
};
DenseRule dense_rule(const Graph& graph, const Node& node, const DensePass& pass);

}  // namespace spikeloom
