#pragma once
// The operators of the graph: plain parameter structs in one variant (design 2).
//
// Values are channels last: maps [H, W, C], tokens [N, C] (token n = pixel y*W + x), vectors [C]. A
// value is what one sample has at one step. Weights are named, never held. Adding an operator:
// struct here, shape rule, state rule, count rule, reference kernel, parity rows; std::visit
// without a default finds whatever is missing.

#include <cstdint>
#include <string>
#include <variant>

#include "core/shape.hpp"
#include "neurons/neuron.hpp"

namespace spikeloom {

// Decides AC or MAC; never found out by looking at values.
enum class EdgeKind { kSpikes, kCounts, kReal };

// Network input, real. `repeated`: one static frame stands for every step (direct coding).
struct Input {
  Shape shape;
  bool repeated = true;
};

// Cross-correlation, zero padding. weight [out, in/groups, kernel, kernel]; out[y, x, o] sums in
// the order kx, ky, channel, each acc = fma(w, x, acc) from +0, then the bias. Output extent
// floor((n + 2p - k)/s) + 1.
struct Conv2d {
  int64_t in_channels = 0, out_channels = 0;
  int64_t kernel = 1, stride = 1, padding = 0, groups = 1;
  std::string weight;
  std::string bias;  // empty: none
};

// Rows times a matrix: tokens [N, in] -> [N, out], a vector, or a map pixel by pixel. weight [out,
// in] followed by `trailing_ones` extents of 1 (a Conv1d of kernel 1 stores [out, in, 1]).
struct Linear {
  int64_t in_features = 0, out_features = 0;
  int64_t trailing_ones = 0;
  std::string weight;
  std::string bias;  // empty: none
};

// Inference batch normalisation: y*s + t with two roundings, s = gamma/sqrt(var + eps) and t = beta
// - mean*s computed in double and rounded once. pad > 0: the map grows by `pad` pixels on each
// side, filled with BN(0) = t.
struct BatchNorm {
  int64_t channels = 0;
  std::string prefix;  // <prefix>.weight, .bias, .running_mean, .running_var, each [channels]
  double eps = 1e-5;
  int64_t pad = 0;
};

// A layer of spiking neurons; its node name is the name of the population. State slot "v".
struct Neuron {
  NeuronParams params;
};

// Spike-driven attention, first product: inputs K, V (spikes, N x C); counts [heads, d, d], d =
// C/heads, A[h, i, j] = number of tokens where K[n, h*d+i] and V[n, h*d+j] both fire.
struct KtV {
  int64_t heads = 1;
};

// Second product: inputs Q (spikes, N x C) and A; out[n, h*d+j] = scale * sum over i with Q[n,
// h*d+i] of A[h, i, j].
struct QApply {
  int64_t heads = 1;
  float scale = 1.0f;
};

struct Add {};  // two real values of one shape
struct Scale {
  float factor = 1;
};  // one real value
struct View {
  Shape shape;
};  // the same elements under another shape: map <-> tokens

// Mean over pixels or tokens: 32 lanes, lane l adds rows l, l+32, ... ascending, lanes fold by 16,
// 8, 4, 2, 1; then one division by the number of rows.
struct SpatialMean {};

// Running mean over the steps so far: sum in step order, divided by their number. State slot "sum".
struct StepMean {};

enum class ActivationKind { kRelu };
struct Activation {
  ActivationKind kind = ActivationKind::kRelu;
};

// Ordinary attention of dense twins: inputs Q, K, V (real, N x C); softmax(scale * Q K^T) V per
// head.
struct SoftmaxAttention {
  int64_t heads = 1;
  float scale = 1.0f;
};

using Op = std::variant<Input, Conv2d, Linear, BatchNorm, Neuron, KtV, QApply, Add, Scale, View,
                        SpatialMean, StepMean, Activation, SoftmaxAttention>;

// Builds a visitor from lambdas.
template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

// "conv2d k7 s2 p3 g1", "linear", "neuron", ...
std::string describe(const Op& op);

}  // namespace spikeloom
