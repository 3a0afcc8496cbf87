#pragma once
// The matrix products of a graph, in execution order: one dense pass, every operand real, neurons
// ignored.
//
//   Conv2d           pixels x (taps * channels of a group) x output channels, once per group
//   Conv1d, Linear   rows of all steps x inputs x outputs
//   KtV, QApply      per head: d x tokens x d, tokens x d x d
//   SoftmaxAttention per head: tokens x d x tokens and tokens x tokens x d. Along the steps the
//                    whole square steps x min(context, steps) is computed and masked afterwards
//   LmuMemory        recurrent: 1 x (order + 1) x order at every step. Otherwise a convolution over
//                    the steps: steps x min(taps, steps) x order, taps before the start included
//
// `steps` of one sample run in one pass. Samples of a batch share a pass where the second operand
// is a weight.

#include <string>
#include <utility>
#include <vector>

#include "hw_model/chip/systolic.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

struct DenseLayer {
  std::string name;  // of the node; ".qk" and ".av" of softmax attention
  std::string op;    // describe(op)
  Gemm gemm;
  bool has_weights = true;  // false: the second operand is another activation
  // Different elements of the operands, all repeats and the batch together.
  int64_t inputs = 0, second = 0, outputs = 0;
  bool reads_network_input = false, is_network_output = false;
};

struct DenseWork {
  std::vector<DenseLayer> layers;
  // What no array computes: operator and elements it writes.
  std::vector<std::pair<std::string, int64_t>> elementwise;
};

// Throws Error(kUsage) unless steps and batch are at least 1.
DenseWork dense_work(const Graph& graph, int64_t steps, int64_t batch);

}  // namespace spikeloom
