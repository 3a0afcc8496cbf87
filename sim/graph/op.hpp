#pragma once
// The operators of the graph: plain parameter structs in one variant, each with all its rules in
// sim/graph/ops/<operator>.{hpp,cpp}.
//
// Values are channels last: maps [H, W, C], tokens [N, C] (token n = pixel y*W + x), vectors [C]. A
// value is what one sample has at one step. Weights are named, never held. Adding an operator: its
// two files, a name in the list below, its kernels (CONTRIBUTING.md).

#include <string>
#include <variant>
#include <vector>

#include "sim/graph/ops/activation.hpp"
#include "sim/graph/ops/add.hpp"
#include "sim/graph/ops/batch_norm.hpp"
#include "sim/graph/ops/concat.hpp"
#include "sim/graph/ops/conv1d.hpp"
#include "sim/graph/ops/conv2d.hpp"
#include "sim/graph/ops/delay.hpp"
#include "sim/graph/ops/embedding.hpp"
#include "sim/graph/ops/feedback.hpp"
#include "sim/graph/ops/first_row.hpp"
#include "sim/graph/ops/flatten.hpp"
#include "sim/graph/ops/input.hpp"
#include "sim/graph/ops/ktv.hpp"
#include "sim/graph/ops/layer_norm.hpp"
#include "sim/graph/ops/linear.hpp"
#include "sim/graph/ops/lmu_memory.hpp"
#include "sim/graph/ops/mul.hpp"
#include "sim/graph/ops/neuron.hpp"
#include "sim/graph/ops/pool2d.hpp"
#include "sim/graph/ops/positions.hpp"
#include "sim/graph/ops/prepend.hpp"
#include "sim/graph/ops/qapply.hpp"
#include "sim/graph/ops/recorded.hpp"
#include "sim/graph/ops/scale.hpp"
#include "sim/graph/ops/softmax_attention.hpp"
#include "sim/graph/ops/spatial_mean.hpp"
#include "sim/graph/ops/step_mean.hpp"
#include "sim/graph/ops/threshold.hpp"
#include "sim/graph/ops/token_mix.hpp"
#include "sim/graph/ops/view.hpp"
#include "sim/graph/ops/wkv.hpp"

namespace spikeloom {

// What lacks a rule does not compile here. One by one: of a list, compilers do not say what lacks
// what.
template <Operator O>
struct Complete {
  using Type = O;
};
template <typename... O>
using OperatorVariant = std::variant<typename Complete<O>::Type...>;

using Op =
    OperatorVariant<Input, Conv2d, Linear, BatchNorm, Neuron, KtV, QApply, Add, Scale, View,
                    SpatialMean, StepMean, Activation, SoftmaxAttention, Embedding, Threshold,
                    LayerNorm, Delay, TokenMix, Wkv, Mul, Conv1d, LmuMemory, Concat, Positions,
                    Prepend, FirstRow, Pool2d, Feedback, Flatten, RecordedOp>;

// Builds a visitor from lambdas. One over operators lists them all: a lambda that takes any would
// pass over the next one in silence, and tests/lint refuses it.
template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

// The rules, of whatever operator it is.
std::string_view kind_of(const Op& op);
Layer layer_of(const Op& op);
bool is_layer(const Op& op);          // whether it has one
std::string weight_of(const Op& op);  // of its layer
std::string bias_of(const Op& op);
std::vector<Parameter> parameters_of(const Op& op);
StepWindow window_of(const Op& op);
std::optional<PopulationInfo> population_of(const Op& op);
// "conv2d k7 s2 p3 g1", "linear", "neuron", ...
std::string describe(const Op& op);

}  // namespace spikeloom
