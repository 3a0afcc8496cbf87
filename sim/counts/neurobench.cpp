#include "sim/counts/neurobench.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "sim/graph/lmu.hpp"

namespace spikeloom {
namespace {

const Neuron* neurons_in(const Node& node) {
  return std::get_if<Neuron>(&node.op);
}

const Conv1d* step_conv_in(const Node& node) {
  return std::get_if<Conv1d>(&node.op);
}

const Conv2d* conv_in(const Node& node) {
  return std::get_if<Conv2d>(&node.op);
}

bool sees_whole_sequences(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& node) {
    return step_conv_in(node) != nullptr || memory_in(node) != nullptr;
  });
}

// Weights of one layer as 0 and 1: by [tap y, x][input channel], how many of the group's output
// channels they reach. `ones`: every weight counts.
std::vector<int32_t> reach_of_taps(const Conv2d& conv, const Tensor& weight, bool ones) {
  const int64_t per_group = conv.in_channels / conv.groups, taps = conv.kernel.area();
  const int64_t outputs = conv.out_channels / conv.groups;
  if (ones)
    return std::vector<int32_t>(static_cast<size_t>(conv.in_channels * taps),
                                static_cast<int32_t>(outputs));
  std::vector<int32_t> stored(static_cast<size_t>(conv.in_channels * taps)), reach(stored.size());
  const float* value = weight.f32().data();
  for (int64_t o = 0; o < conv.out_channels; ++o) {
    int32_t* of_group = stored.data() + o / outputs * per_group * taps;
    for (int64_t i = 0; i < per_group * taps; ++i) of_group[i] += *value++ != 0;
  }
  for (int64_t c = 0; c < conv.in_channels; ++c)
    for (int64_t t = 0; t < taps; ++t)
      reach[static_cast<size_t>(t * conv.in_channels + c)] =
          stored[static_cast<size_t>(c * taps + t)];
  return reach;
}

// Fan-out of every input element of a convolution: the taps that land on an existing output.
std::vector<int32_t> conv_fanout(const Conv2d& conv, const Shape& in, const Shape& out,
                                 const std::vector<int32_t>& reach) {
  const WindowAxis along_y = conv.along_y(), along_x = conv.along_x();
  std::vector<int32_t> fanout(static_cast<size_t>(element_count(in)));
  for (int64_t y = 0; y < in[0]; ++y) {
    for (int64_t x = 0; x < in[1]; ++x) {
      int32_t* at = fanout.data() + (y * in[1] + x) * conv.in_channels;
      for (int64_t ky = 0; ky < conv.kernel.y; ++ky) {
        for (int64_t kx = 0; kx < conv.kernel.x; ++kx) {
          if (!along_y.lands(y, ky, out[0]) || !along_x.lands(x, kx, out[1])) continue;
          const int32_t* tap = reach.data() + (ky * conv.kernel.x + kx) * conv.in_channels;
          for (int64_t c = 0; c < conv.in_channels; ++c) at[c] += tap[c];
        }
      }
    }
  }
  return fanout;
}

std::vector<int32_t> linear_fanout(const Layer& linear, const Tensor& weight, bool ones) {
  std::vector<int32_t> fanout(static_cast<size_t>(linear.inputs));
  const auto values = weight.f32();
  for (int64_t o = 0; o < linear.outputs; ++o) {
    for (int64_t i = 0; i < linear.inputs; ++i) {
      const auto at = static_cast<size_t>(i);
      fanout[at] += ones || values[static_cast<size_t>(o * linear.inputs + i)] != 0;
    }
  }
  return fanout;
}

std::vector<int32_t> step_fanout(const Conv1d& conv, const Tensor& weight) {
  std::vector<int32_t> fanout(static_cast<size_t>(conv.kernel() * conv.in_channels));
  const auto values = weight.f32();
  for (int64_t o = 0, at = 0; o < conv.out_channels; ++o) {
    for (int64_t c = 0; c < conv.in_channels; ++c) {
      for (int64_t tap = 0; tap < conv.kernel(); ++tap, ++at) {
        fanout[static_cast<size_t>(tap * conv.in_channels + c)] +=
            values[static_cast<size_t>(at)] != 0;
      }
    }
  }
  return fanout;
}

std::vector<int32_t> fanout_of(const Graph& graph, const Node& node, const Tensor& weight,
                               bool ones) {
  if (layer_of(node.op).pointwise) return linear_fanout(layer_of(node.op), weight, ones);
  if (const auto* conv = conv_in(node)) {
    return conv_fanout(*conv, graph.node(node.inputs[0]).shape, node.shape,
                       reach_of_taps(*conv, weight, ones));
  }
  throw Error(ErrorCode::kInternal,
              node.name + ": NeuroBench has no rule for " + describe(node.op));
}

// Of each row, the fan-out of its elements where all have the same: layers without zero weights.
std::vector<int32_t> alike_by_row(const std::vector<int32_t>& fanout, int64_t channels) {
  std::vector<int32_t> alike;
  for (auto row = fanout.begin(); row != fanout.end(); row += channels) {
    const bool same = std::all_of(row, row + channels, [&](int32_t n) { return n == *row; });
    alike.push_back(same ? *row : -1);
  }
  return alike;
}

int64_t sum_of(const std::vector<int32_t>& values) {
  int64_t sum = 0;
  for (const int32_t value : values) sum += value;
  return sum;
}

int64_t footprint_of(const Graph& graph, const Weights& weights) {
  int64_t bytes = weights.bytes();
  for (const Node& node : graph.nodes()) {
    for (const Parameter& array : parameters_of(node.op)) {
      if (array.name.ends_with(".running_mean")) bytes += 8;  // num_batches_tracked beside it
    }
    if (const auto* memory = memory_in(node)) {
      const int64_t m = memory->order;
      bytes += 4 * (m * m + m + m * memory->steps) + 8 * m * (memory->steps + 1);
    }
  }
  return bytes;
}

}  // namespace

double NeuroBenchCounts::connection_sparsity() const {
  int64_t all = 0, zero = 0;
  for (const NeuroBenchLayer& layer : layers) {
    all += layer.weights;
    zero += layer.zero_weights;
  }
  if (all == 0) return 0;
  return std::round(static_cast<double>(zero) / static_cast<double>(all) * 1e4) / 1e4;
}

std::vector<std::string> NeuroBenchCounter::watched(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) {
    if (!is_layer(node.op) && neurons_in(node) == nullptr) continue;
    for (const NodeId input : node.inputs) {
      const std::string& name = graph.node(source_of(graph, input)).name;
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

int64_t NeuroBenchCounter::bytes(const Graph& graph) {
  int64_t elements = 0;
  for (const Node& node : graph.nodes()) {
    const auto* conv = step_conv_in(node);
    if (const auto* neuron = neurons_in(node)) {
      elements += element_count(node.shape) * std::ssize(neuron->spec.row().states);
    } else if (conv != nullptr) {
      elements += conv->kernel() * conv->in_channels;
    } else if (layer_of(node.op).pointwise) {
      elements += layer_of(node.op).inputs;
    } else if (is_layer(node.op)) {
      elements += element_count(graph.node(node.inputs[0]).shape);
    }
  }
  return elements * static_cast<int64_t>(sizeof(int32_t));
}

NeuroBenchCounts NeuroBenchCounter::none(const Graph& graph, const Weights& weights) {
  NeuroBenchCounts counts;
  counts.parameters = parameter_count(graph);
  counts.footprint_bytes = footprint_of(graph, weights);
  for (const Node& node : graph.nodes()) {
    if (!is_layer(node.op)) continue;
    const Tensor& weight = weights.at(parameters_of(node.op)[0].name).data;
    NeuroBenchLayer count;
    count.name = node.name;
    count.weights = weight.size();
    count.zero_weights = std::count(weight.f32().begin(), weight.f32().end(), 0.0f);
    counts.layers.push_back(count);
  }
  return counts;
}

NeuroBenchCounter::NeuroBenchCounter(const Graph& graph, const Weights& weights)
    : counts_(none(graph, weights)), whole_sequences_(sees_whole_sequences(graph)) {
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (const auto* neuron = neurons_in(node)) {
      const auto states =
          static_cast<size_t>(element_count(node.shape)) * neuron->spec.row().states.size();
      membranes_.push_back(
          {node.inputs, neuron->spec,
           coefficients_of(neuron->spec, node.shape, channels_of(node.shape), weights),
           std::vector<float>(states), 0});
    }
    if (!is_layer(node.op)) continue;
    const Tensor& weight = weights.at(parameters_of(node.op)[0].name).data;
    Layer layer;
    layer.input = node.inputs[0];
    layer.is_static = node.is_static;
    if (const auto* conv = step_conv_in(node)) {
      layer.fanout = step_fanout(*conv, weight);
      layer.dense = conv->in_channels * conv->out_channels;
      layer.taps = conv->kernel();
      layer.left = conv->left;
    } else {
      layer.rows_alike = layer_of(node.op).pointwise;
      layer.fanout = fanout_of(graph, node, weight, false);
      layer.dense = sum_of(fanout_of(graph, node, weight, true));
      if (layer.rows_alike) layer.dense *= rows_of(graph.node(node.inputs[0]).shape);
    }
    layer.alike = alike_by_row(layer.fanout, graph.node(layer.input).shape.back());
    layers_.push_back(std::move(layer));
  }
}

void NeuroBenchCounter::begin_sample() {
  ++counts_.samples;
  for (Layer& layer : layers_) {
    layer.due.assign(static_cast<size_t>(layer.left), {});
    layer.binary = true;
    layer.acs = 0;
  }
}

// One value that is not binary makes a call MACs: of a sequence also what was counted before it.
void NeuroBenchCounter::charge(Layer& layer, NeuroBenchLayer& count, Operations operations,
                               bool binary) const {
  count.dense += operations.dense;
  if (!whole_sequences_) {
    (binary ? count.effective_acs : count.effective_macs) += operations.effective;
    return;
  }
  layer.binary &= binary;
  if (layer.binary) {
    layer.acs += operations.effective;
    count.effective_acs += operations.effective;
  } else {
    count.effective_acs -= layer.acs;
    count.effective_macs += layer.acs + operations.effective;
    layer.acs = 0;
  }
}

namespace {

// Weights that the non-zero elements of a row reach; whether all its elements are -1, 0 or 1.
// `alike`: what each element reaches, or -1 where they differ.
int64_t reached(const ValueRef& input, int64_t row, const int32_t* fanout, int32_t alike,
                bool& binary) {
  int64_t effective = 0;
  if (input.bits != nullptr) {
    const SpikeView bits = as_const(input.bits_at(0));
    if (alike >= 0) return int64_t{alike} * bits.count_row(row);
    bits.for_each(row, [&](int64_t c) { effective += fanout[c]; });
    return effective;
  }
  const float* values = input.real_row(0, row);
  int32_t set = 0, others = 0;  // 32 bits wide, as what they compare: four at a time
  for (int64_t c = 0; c < input.channels; ++c) {
    set += values[c] != 0;
    others += values[c] != 0 && std::abs(values[c]) != 1;
  }
  binary &= others == 0;
  if (alike >= 0) return int64_t{alike} * set;
  for (int64_t c = 0; c < input.channels; ++c) effective += values[c] != 0 ? fanout[c] : 0;
  return effective;
}

}  // namespace

void NeuroBenchCounter::count_frame(const ValueRef& input, int64_t calls, size_t l) {
  Layer& layer = layers_[l];
  Operations operations{0, calls * layer.dense};
  bool binary = true;
  for (int64_t row = 0; row < input.rows; ++row) {
    const int32_t* fanout = layer.fanout.data() + (layer.rows_alike ? 0 : row * input.channels);
    const int32_t alike = layer.alike[static_cast<size_t>(layer.rows_alike ? 0 : row)];
    operations.effective += calls * reached(input, row, fanout, alike, binary);
  }
  charge(layer, counts_.layers[l], operations, binary);
}

void NeuroBenchCounter::count_along_steps(const ValueRef& input, int64_t step, size_t l) {
  Layer& layer = layers_[l];
  Operations now;
  if (layer.left > 0) {
    now = layer.due.front();
    std::rotate(layer.due.begin(), layer.due.begin() + 1, layer.due.end());
    layer.due.back() = {};
  }
  bool binary = true;
  for (int64_t tap = 0; tap < layer.taps; ++tap) {
    const int64_t effective = reached(input, 0, layer.fanout.data() + tap * input.channels,
                                      layer.alike[static_cast<size_t>(tap)], binary);
    const int64_t ahead = layer.left - tap;  // of the output this tap adds to
    if (step + ahead < 0) continue;
    Operations& sum = ahead > 0 ? layer.due[static_cast<size_t>(ahead - 1)] : now;
    sum.effective += effective;
    sum.dense += layer.dense;
  }
  charge(layer, counts_.layers[l], now, binary);
}

void NeuroBenchCounter::count_layer(const Session& session, size_t l) {
  const SpikeChunk chunk = session.last_chunk();
  const Layer& layer = layers_[l];
  if (layer.is_static) return count_frame(session.view(layer.input, 0), chunk.steps, l);
  for (int64_t t = 0; t < chunk.steps; ++t) {
    const ValueRef input = session.view(layer.input, t);
    if (layer.taps > 0) {
      count_along_steps(input, chunk.first_step + t, l);
    } else {
      count_frame(input, 1, l);
    }
  }
}

// The neurons' own equation on the values they saw: kernels do not show membranes between steps.
void NeuroBenchCounter::count_membranes(const Session& session, Membranes& membranes) const {
  const NeuronRow& model = membranes.spec.row();
  const NeuronRules& rules = membranes.spec.rules;
  membranes.updates = 0;
  const SpikeChunk chunk = session.last_chunk();
  for (int64_t t = 0; t < chunk.steps; ++t) {
    const bool begins = chunk.first_step + t == 0;
    ValueRef in[kMostNeuronInputs];
    for (size_t i = 0; i < membranes.inputs.size(); ++i)
      in[i] = session.view(membranes.inputs[i], t);
    const NeuronCoefficients& k = membranes.coefficients;
    NeuronStep step{.states = membranes.states.data(),
                    .slot = in[0].rows * in[0].channels,
                    .count = in[0].channels,
                    .begins = begins};
    for (int64_t row = 0; row < in[0].rows; ++row, step.states += step.count) {
      step.k = k.values.data() + (k.rows > 1 ? row * k.stride : 0);
      step.k_stride = k.rows * k.stride;
      for (int i = 0; i < model.inputs; ++i) step.inputs[i] = in[i].real_row(0, row);
      membranes.updates += model.advance(rules, step);
    }
  }
}

void NeuroBenchCounter::chunk(const Session& session, int threads) {
  const auto layers = static_cast<int64_t>(layers_.size());
  const auto all = layers + static_cast<int64_t>(membranes_.size());
  parallel_for(all, 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (i < layers) {
        count_layer(session, static_cast<size_t>(i));
      } else {
        count_membranes(session, membranes_[static_cast<size_t>(i - layers)]);
      }
    }
  });
  for (const Membranes& membranes : membranes_) counts_.membrane_updates += membranes.updates;
}

void NeuroBenchCounter::restore(const NeuroBenchCounts& counts) {
  if (counts.layers.size() != counts_.layers.size()) {
    throw Error(ErrorCode::kData, "NeuroBench counts are of another network");
  }
  counts_ = counts;
}

}  // namespace spikeloom
