#pragma once
// Precision modes: weights of few bytes for layers whose traffic or arithmetic they make cheaper.
//
// A layer keeps its equation; only its weights change, w' = q * scale[c] per output channel c:
//   spikes  y = float(sum of q over the set inputs) * scale[c]: the integer sum is exact in any
//           order, then one rounding each; then the bias and whatever follows, as in fp32
//   real    acc = fma(float(q), x, acc) in the written order from +0; then acc * scale[c] (bf16: no
//           scale); then the bias
//
// Which layers (Conv2d, Linear, Conv1d):
//   acc16    int16 where the operand is spikes, for sums of 16 bits. scale: the sum of the
//            kRunEvents largest weights of either sign is 32767 steps at most, so that so many
//            events always fit; a weight keeps about 12 bits of it, see QuantizedLayer
//   int8     int8 where the operand is spikes, or real with one row per step (token models, which
//            stream their weights from memory)
//   bf16     bfloat16 where the operand is real with one row per step; nearest even
// Everything else stays fp32. Only fp32 is compared with the authors' programs; the others are
// different models, and exact against their own reference backend.

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/weights.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

enum class Precision { kF32, kAcc16, kInt8, kBF16 };

constexpr std::string_view kPrecisionNames[] = {"fp32", "acc16", "int8", "bf16"};
// A name that is taken no more.
constexpr struct {
  std::string_view name, reason;
} kPrecisionOfThePast = {"fixed16",
                         "the precision fixed16 is called acc16 now: sums of 16 bits, of whose "
                         "weights about 12 are kept "
                         "(what_if.weight_bits = 16 rounds to 16)"};
std::string_view name_of(Precision precision) noexcept;
// Throws Error(kUsage) naming the choices, and the new name where `name` is one of the past.
Precision precision_named(std::string_view name);

// Events whose int16 sum never overflows, whatever the weights: 258 * 127 < 2^15.
constexpr int64_t kRunEvents = 256;

// Share of set bits of each input channel of a layer, by node: what calibration samples showed.
using InputRates = std::map<NodeId, std::vector<float>>;

struct QuantizedLayer {
  std::string node;
  DType dtype = DType::kI8;
  double relative_error = 0;  // rms(w' - w) / rms(w)
  // Of integers: log2 of the number of steps from minus the largest to the largest weight of an
  // output channel, mean of the channels that are not zero; what is kept of them. Else 0.
  double bits = 0;
};

struct QuantizedWeights {
  Weights weights;
  std::vector<QuantizedLayer> layers;  // in graph order
};

// Layers whose weights are not fp32 in this precision, by node. Thread-safe.
std::map<std::string, DType> narrow_layers(const Graph& graph, Precision precision);

// What a layer keeps its weights in.
DType dtype_in(const Graph& graph, const Node& node, Precision precision);

// `weights` must be fp32 (bind_weights, fuse). With `rates`, the scale of each integer channel that
// reads spikes is the best of several in the expected squared error of its sum for independent
// inputs of these rates: sum r (1 - r) e^2 + (sum r e)^2, e = w' - w; without, its largest weight
// is the largest integer. Arrays that stay fp32 are shared, the others replaced one by one.
// Thread-safe. Throws Error(kInternal) for weights that are not fp32.
QuantizedWeights quantize(const Graph& graph, Weights weights, Precision precision,
                          const InputRates& rates = {});

}  // namespace spikeloom
