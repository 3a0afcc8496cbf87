#pragma once
// The rewrite from form `as_written` to form `fused`: linear chains become one convolution, batch
// normalisation moves into weights.
//
// A chain starts at a Conv2d, Conv1d or Linear and follows single consumers through
//   BatchNorm (pad 0)                       rows scaled, bias shifted
//   1x1 convolution after any convolution   W[o,i,k] = sum_c P[o,c] W1[c,i,k]
//                                           (the tail of a SepConv: dense 7x7)
//   BatchNorm with pad after a 1x1, then    exact at the border, because the ring holds BN(0): it
//   a depthwise or dense convolution        equals zero-padding the chain's input; needs a chain
//   without padding                         without bias up to there (RepConv: dense 3x3)
// What stays: a BatchNorm whose input something else reads too or that follows no such layer (in a
// spiking LMUFormer those on the residual stream), and that of a LmuMemory, whose table is
// computed. All products are formed in double and rounded to fp32 once. Source: reference networks'
// re-parameterisation, derived in docs/architecture.md. Populations keep their names; a merged
// layer is called parent.a+b when its parts share a parent ("Conv.dwconv+pwconv2"), otherwise by
// the parts' common prefix ("block3.0.attn.q_conv").

#include "core/weights.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

struct Model {
  Graph graph;
  Weights weights;  // fp32, exactly what the graph needs
};

// The graph alone, for counting: same shapes and names as fuse() gives.
Graph fuse(const Graph& graph);

// Graph and weights. `weights` must come from bind_weights; arrays that stay are shared, and
// whoever gives `weights` away never has the others twice. Runs on `threads` threads.
Model fuse(const Graph& graph, Weights weights, int threads);

}  // namespace spikeloom
