#pragma once
// The layers `spikeloom bench kernels` measures, and the data they run on.

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

enum class BenchLayerKind { kLinear, kConv, kAttention, kLif, kLmu };

// Names are what --layer takes; a name tells everything:
//   linear:784x360x1440        rows x inputs x outputs
//   conv3x3:128x512@28         inputs x outputs @ height = width; stride 1, same size
//   depthwise7x7:128@56        channels @ height = width
//   attention:196x8x45         tokens x heads x channels of a head; K^T V, then Q times it
//   lif:784x1440               rows x channels, neurons alone on real currents
//   lmu:512@128                order of the memory @ steps
//   real-linear:..., real-conv1x1:...   the operand is real numbers, not spikes
struct BenchLayer {
  std::string name;
  BenchLayerKind kind = BenchLayerKind::kLinear;
  bool real = false;
  int64_t rows = 1;         // tokens or pixels of a linear layer
  int64_t in = 0, out = 0;  // channels; LMU: out is the order
  int64_t kernel = 1, size = 0, groups = 1;
  int64_t heads = 1;
  int64_t sequence = 0;  // LMU: its steps; other layers take any number
  bool depthwise() const noexcept { return groups > 1; }
};

// Throws Error(kUsage) quoting the name.
BenchLayer parse_layer(const std::string& name);
// What is measured when --layer is not given.
std::vector<std::string> default_layers();

// The operators, one behind the other, and the shapes of what the first ones read. Attention reads
// K, V and Q; the second operator has Q in front of the first one's result.
std::vector<Op> ops_of(const BenchLayer& layer);
std::vector<Shape> operands_of(const BenchLayer& layer);

// kRows, kChannels: rows (pixels, tokens) or channels are active as a whole and at every step.
enum class Pattern { kIndependent, kRows, kChannels };
std::string_view name_of(Pattern pattern);

// One operand over all steps, as bits and as the same numbers 0 and 1 (real: normal numbers, no
// bits). In front stand `history` steps of zeros for operators that look back.
struct LayerOperand {
  Shape shape;
  int64_t rows = 0, channels = 0, history = 0;
  std::vector<uint64_t> bits;
  Tensor real;  // rows padded
};

struct LayerData {
  int64_t steps = 1;
  std::vector<LayerOperand> operands;
  double rate = 0;  // set share of the operands' elements
  int64_t spikes = 0;
  int64_t additions = 0;     // weight additions these spikes cause, padding excluded
  int64_t macs = 0;          // products the dense layer makes, padding excluded
  int64_t neuron_steps = 0;  // outputs times steps
};

LayerData make_data(const BenchLayer& layer, int64_t steps, double rate, Pattern pattern);

}  // namespace spikeloom
