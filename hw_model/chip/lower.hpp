#pragma once
// From an operator graph to populations and projections (docs/chip.md).
//
// The graph is fused first. Every neuron layer (and every Threshold that something reads) becomes a
// population under its own name, which is also its name in traces; every weighted layer between
// them one projection per source, so that its synaptic events are the layer's.
//
//   Conv2d              convolution; dilated ones, and those whose padding differs in front of and
//                       behind a map: host
//   Linear, Conv1d      dense; over tokens or pixels a convolution of kernel 1. Conv1d and the
//                       event form of a Legendre memory are dense with taps: the chip delivers all
//                       of them, also those that reach outside the sample
//   Concat              one projection per part
//   Feedback, Delay     a projection from what they show: what is sent in a step is there in the
//                       next. Beyond core.limits.delay_steps: host
//   neurons that never fire   a silent population where a soma `integrates`, else host; read by a
//                       layer, graded packets
//   Flatten             nothing where all is read (Linear, Conv1d, memories), else the host's
//   KtV, QApply         three roles of one attention
//   Add                 a residual stream: its value is state beside the first neurons that read
//                       it, later branches accumulate into it there, and all its readers share
//                       cores. Each branch is delivered once
//   SpatialMean         graded packets of the stream, one per neuron and step, to the mean's reader
//   Pool2d              a convolution of each channel with itself: sums and averages wherever a layer
//                       may stand; the maximum of spikes is a population that any of its window
//                       makes fire, updated when touched. The maximum of real values: host
//   real operands       graded packets in every step, from neurons that hold the value; a static
//                       input sends once per sample and its targets keep the sum
//   "logits"            a population that sums and never fires; a StepMean before it is free
//   View, Scale, BatchNorm, Positions   no work of their own (a Scale with a factor for each of
//                       several pixels or tokens: host); a BatchNorm that cannot go into
//                       weights, because others read the stream too, is listed as unpriced
//
// Everything else (LayerNorm, Wkv, activations, softmax, LMU in other forms, ...), graded packets
// on chips without a unit that multiplies, attention on chips without one for outer products, and
// what is fed by such, is left to the host. Neurons stay on the chip, whoever feeds them.

#include <cstdint>
#include <string>
#include <vector>

#include "hw_model/chip/chip_spec.hpp"
#include "hw_model/chip/projection.hpp"
#include "hw_model/chip/spikes.hpp"
#include "sim/graph/graph.hpp"
#include "sim/trace/trace_file.hpp"

namespace spikeloom {

struct LowerOptions {
  UpdateRule update = UpdateRule::kAll;      // of neurons; those on a residual stream: always kAll
  int64_t weight_bits = 8, value_bits = 32;  // of a weight, of a graded packet's payload
};

// A node that no core can do.
struct HostOperation {
  NodeId node = 0;  // of LoweredNetwork::graph
  std::string reason;
};

// What a population's spikes are.
enum class SpikeSource : uint8_t {
  kTrace,
  kAlways,     // graded values: all neurons in every step
  kFirstStep,  // static graded values: all neurons in the first step of a sample
  kSilent,
};

struct LoweredNetwork {
  Graph graph;  // fused
  ChipNetwork network;
  std::vector<SpikeSource> sources;   // by population
  std::vector<NodeId> layers;         // by projection: the node whose work it does
  std::vector<HostOperation> host;    // in graph order
  std::vector<std::string> unpriced;  // what happens on or beside the chip without a price
};

// Throws Error(kUsage) for a network without neurons, Error(kData) for a graph that cannot be
// fused.
LoweredNetwork lower(const Graph& graph, const ChipSpec& chip, const LowerOptions& options = {});

// Throws Error(kUsage) that names node, operator and reason of what is left to the host, if
// anything is.
void refuse_host(const LoweredNetwork& lowered, const ChipSpec& chip);

// Spikes of the first `samples` samples of the trace. Errors as read_spikes(), and Error(kUsage)
// when the trace holds fewer.
ChipSpikes spikes_of(const LoweredNetwork& lowered, const TraceFile& trace, int64_t samples);

}  // namespace spikeloom
