#pragma once
// The operators of the graph: plain parameter structs in one variant.
//
// Values are channels last: maps [H, W, C], tokens [N, C] (token n = pixel y*W + x), vectors [C]. A
// value is what one sample has at one step. Weights are named, never held. Adding an operator:
// struct here, shape rule, state rule, count rule, reference kernel, parity rows; std::visit
// without a default finds whatever is missing.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "core/shape.hpp"
#include "neurons/neuron.hpp"

namespace spikeloom {

// Decides AC or MAC; never found out by looking at values.
enum class EdgeKind { kSpikes, kCounts, kReal };

// Network input: real, or with `events` spikes: 0 and 1. `repeated`: one frame stands for every
// step (direct coding); a frame of events arrives anew at each. `vocabulary` > 0: a token per step,
// shape [1], its id in [0, vocabulary) held as a real number (exact: vocabularies end at 2^24).
// Session refuses any other value.
struct Input {
  Shape shape;
  bool repeated = true;
  int64_t vocabulary = 0;
  bool events = false;
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

struct Add {};  // two values of one shape, the first real, the second real or spikes (0 and 1)
struct Scale {
  float factor = 1;
};  // one real value
struct View {
  Shape shape;
};  // the same elements under another shape: map <-> tokens

// Mean over pixels or tokens, real or spikes (0 and 1): 32 lanes, lane l adds rows l, l+32, ...
// ascending, lanes fold by 16, 8, 4, 2, 1; then one division by the number of rows.
struct SpatialMean {};

// Running mean over the steps so far: sum in step order, divided by their number. State slot "sum".
struct StepMean {};

// relu: x > 0 ? x : 0. sigmoid: core/ordered_math.hpp. relu^2: the square of relu, one rounding.
// gelu: x/2 (1 + erf(x/sqrt 2)) in double, rounded once (core/ordered_erf.hpp).
enum class ActivationKind { kRelu, kSigmoid, kReluSquared, kGelu };
struct Activation {
  ActivationKind kind = ActivationKind::kRelu;
};

// Ordinary attention of dense twins: inputs Q, K, V; softmax(scale * Q K^T) V per head, in double.
// context 0: over the rows of a step (tokens N x C). Otherwise causal: values are vectors [C], and
// a step attends to itself and the context - 1 steps before it, as far as the sample has them.
struct SoftmaxAttention {
  int64_t heads = 1;
  float scale = 1.0f;
  int64_t context = 0;
};

// Learned positions: adds row p of a table [1, count, channels] to a real value; p is the row of
// the value (tokens), or with `along_steps` the number of the step, which must stay below count.
struct Positions {
  int64_t count = 0, channels = 0;
  bool along_steps = false;
  std::string weight;
};

// A learned row [1, 1, channels] in front of the rows of real tokens (the class token).
struct Prepend {
  int64_t channels = 0;
  std::string weight;
};

struct FirstRow {};  // tokens [N, C] to their first row [C]

// Row of a table [vocabulary, channels] chosen by a token id. Input: a token Input.
struct Embedding {
  int64_t vocabulary = 0, channels = 0;
  std::string weight;
};

// Spikes without state: x >= threshold or x > threshold. Two uses: a binary embedding (>= 0, so
// that both zeros fire), and the mask of the values relu^2 left above zero, which nothing reads but
// counters and traces ("> 0 on relu^2": exact zeros an engine may skip).
struct Threshold {
  float threshold = 0;
  FireRule fire = FireRule::kAtThreshold;
};

// Over the channels of a row x (real, or spikes as 0 and 1), all fp32: m = S(x) / C, d = x - m, var
// = S'(d) / C, y = (d * (1 / sqrt(var + eps))) * weight + bias with one rounding per operator. S
// adds on 32 lanes from +0: lane l takes channels l, l+32, ... ascending, then lanes fold by 16, 8,
// 4, 2, 1; S' does the same with lane = fma(d, d, lane).
struct LayerNorm {
  int64_t channels = 0;
  std::string prefix;  // <prefix>.weight, .bias, each [channels]
  float eps = 1e-5f;
};

// The value one step earlier, zeros at the first. State slot "previous".
struct Delay {};

// RWKV's token shift: inputs a and a of one step earlier; out = a*m + a_prev*(1 - m), four
// roundings, 1 - m rounded at load. mix is stored as [1, 1, channels].
struct TokenMix {
  int64_t channels = 0;
  std::string mix;
};

// RWKV-4's weighted average over all earlier tokens, in the stable form; inputs k, v. Per channel,
// w = -exp(decay) rounded at load, u = first; state p (numerator), q (denominator), o (largest
// exponent so far, -1e38 before the first step):
//   e = u + k, n = max(o, e), A = exp(o - n), B = exp(e - n)
//   out = fma(A, p, B*v) / fma(A, q, B)
//   d = o + w, n = max(d, k), A = exp(d - n), B = exp(k - n)
//   p = fma(A, p, B*v), q = fma(A, q, B), o = n
// Source: Peng et al., "RWKV: Reinventing RNNs for the Transformer Era", EMNLP 2023, appendix D.
struct Wkv {
  int64_t channels = 0;
  std::string decay, first;  // [channels] each
};

constexpr float kWkvStart = -1e38f;  // o before the first step: exp(o - n) is 0

struct Mul {};  // product of two real values of one shape

// Cross-correlation along the steps: kernel = left + 1 + right taps, zeros before the first and
// after the last step of a sample. weight [out, in, kernel]; out[t, o] sums taps in order of time,
// then channels, each acc = fma(w, x[t - left + tap], acc) from +0, then the bias. The look-ahead
// of `right` steps is waited for, never guessed. Values are vectors [in].
struct Conv1d {
  int64_t in_channels = 0, out_channels = 0;
  int64_t left = 1, right = 1;
  std::string weight;
  std::string bias;  // empty: none
  int64_t kernel() const noexcept { return left + 1 + right; }
};

// How the Legendre memory m[t] = A m[t-1] + B u[t] is computed (sim/graph/lmu.hpp: A, B, H[:,k] =
// A^k B). Table and sums are double, rounded to fp32 once; the forms agree within rounding, not in
// bits.
//   kEvent      m[t] = sum over the last `taps` steps s, oldest first, of H[:,t-s] u[s]: for spikes
//               additions only; what is older than `taps` steps is dropped, below 2^-30 per spike
//   kRecurrent  as written, the state rounded to fp32 after every step. State slot "m".
//   kFft        the event form's sum over a whole sequence of `steps` steps by FFT: cannot stream
enum class LmuForm { kEvent, kRecurrent, kFft };

// One input value per step ([1], spikes or real) to `order` real values.
struct LmuMemory {
  int64_t order = 0;
  double theta = 0;  // window, steps
  LmuForm form = LmuForm::kEvent;
  int64_t taps = 0;   // lmu_taps(order, theta)
  int64_t steps = 0;  // kFft: length of the sequence
  std::string
      prefix;  // stored copies <prefix>.A, .B, .H, .fft_H are checked or ignored, never used
};

// Two or three vectors, one behind the other: spikes where all are, else real (spikes as 0 and 1).
struct Concat {};

using Op = std::variant<Input, Conv2d, Linear, BatchNorm, Neuron, KtV, QApply, Add, Scale, View,
                        SpatialMean, StepMean, Activation, SoftmaxAttention, Embedding, Threshold,
                        LayerNorm, Delay, TokenMix, Wkv, Mul, Conv1d, LmuMemory, Concat, Positions,
                        Prepend, FirstRow>;

// Builds a visitor from lambdas.
template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

std::string_view name_of(ActivationKind kind);
// "conv2d k7 s2 p3 g1", "linear", "neuron", ...
std::string describe(const Op& op);

}  // namespace spikeloom
