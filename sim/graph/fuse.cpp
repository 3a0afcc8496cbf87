#include "sim/graph/fuse.hpp"

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "sim/graph/fold.hpp"
#include "sim/graph/last_readers.hpp"

namespace spikeloom {
namespace {

// Nodes that merge into one, in order. Convolutions and linears among them are the "parts".
// A convolution along the steps takes in what is behind it, and joins no chain: taps that reach
// outside the sample are zero, which a norm in front of it would not be.
struct Chain {
  std::vector<NodeId> nodes;
};

const Conv2d* conv_of(const Op& op) {
  return std::get_if<Conv2d>(&op);
}

// One input channel for each output.
bool is_depthwise(const Layer& layer) {
  return layer.groups == layer.outputs && layer.inputs == 1;
}

// Whether `next` may join a chain. `pointwise`: the chain so far has kernel 1 and no bias term
// before a ring. `ring`: a padding BatchNorm came last.
bool joins(const Op& next, bool pointwise, bool has_constant, bool ring) {
  if (const BatchNorm* norm = norm_of(next)) {
    return norm->pad == 0 ? !ring : pointwise && !has_constant && !ring;
  }
  if (ring) {
    const Conv2d* conv = conv_of(next);
    return conv != nullptr && conv->padding == YX(0) && conv->stride == YX(1) &&
           conv->dilation == YX(1) && !conv->same &&
           (conv->groups == 1 || is_depthwise(layer_of(next)));
  }
  return layer_of(next).pointwise;
}

Chain chain_from(const Graph& graph, const std::vector<std::vector<NodeId>>& consumers,
                 NodeId start) {
  Chain chain{{start}};
  const Layer first = layer_of(graph.node(start).op);
  const bool mixes = first.groups == 1 || is_depthwise(first);  // other groups take in norms alone
  bool pointwise = first.pointwise;
  bool has_constant = !first.bias.empty();
  bool ring = false;
  std::set<NodeId> outputs;
  for (const auto& [name, id] : graph.outputs()) outputs.insert(id);
  for (NodeId id = start;;) {
    const auto& next = consumers[static_cast<size_t>(id)];
    if (next.size() != 1 || outputs.count(id)) break;
    const Node& node = graph.node(next[0]);
    if (node.inputs.size() != 1 || !joins(node.op, pointwise, has_constant, ring)) break;
    const BatchNorm* norm = norm_of(node.op);
    if (norm == nullptr && !mixes) break;
    if (norm != nullptr) has_constant = true;
    if (norm == nullptr && !layer_of(node.op).pointwise) pointwise = false;
    ring = norm != nullptr && norm->pad > 0;
    id = next[0];
    chain.nodes.push_back(id);
  }
  // A ring that no convolution consumed cannot be merged: give it back.
  while (true) {
    const BatchNorm* last = norm_of(graph.node(chain.nodes.back()).op);
    if (last == nullptr || last->pad == 0) break;
    chain.nodes.pop_back();
  }
  return chain;
}

std::string parent_of(const std::string& name) {
  const size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

std::string merged_name(const Graph& graph, const Chain& chain) {
  std::vector<std::string> parts;
  for (const NodeId id : chain.nodes) {
    if (norm_of(graph.node(id).op) == nullptr) parts.push_back(graph.node(id).name);
  }
  if (parts.size() == 1) return parts[0];
  const std::string parent = parent_of(parts[0]);
  if (std::all_of(parts.begin(), parts.end(),
                  [&](const auto& p) { return parent_of(p) == parent; })) {
    std::string name = parts[0];
    const size_t module = parent.empty() ? 0 : parent.size() + 1;
    for (size_t i = 1; i < parts.size(); ++i) name += "+" + parts[i].substr(module);
    return name;
  }
  std::string prefix = parts[0];
  for (const NodeId id : chain.nodes) {
    const std::string& name = graph.node(id).name;
    while (!prefix.empty() && name != prefix &&
           name.compare(0, prefix.size() + 1, prefix + ".") != 0)
      prefix = parent_of(prefix);
  }
  if (!prefix.empty()) return prefix;
  std::string name = parts[0];  // no module holds them all
  for (size_t i = 1; i < parts.size(); ++i) name += "+" + parts[i];
  return name;
}

// Outputs of the last layer of a chain.
int64_t outputs_of(const Graph& graph, const Chain& chain) {
  int64_t outputs = 0;
  for (const NodeId id : chain.nodes) {
    const Layer layer = layer_of(graph.node(id).op);
    if (layer.outputs > 0) outputs = layer.outputs;
  }
  return outputs;
}

// The one operator a chain becomes: its first, with the window of all of them.
Op merged_op(const Graph& graph, const Chain& chain, const std::string& name) {
  const std::string weight = name + ".fused.weight", bias = name + ".fused.bias";
  Op merged = graph.node(chain.nodes[0]).op;
  if (auto* linear = std::get_if<Linear>(&merged)) {
    *linear = {linear->in_features, outputs_of(graph, chain), linear->trailing_ones, weight, bias};
  } else if (auto* steps = std::get_if<Conv1d>(&merged)) {
    *steps = {
        steps->in_channels, outputs_of(graph, chain), steps->left, steps->right, weight, bias};
  } else if (auto* maps = std::get_if<Conv2d>(&merged)) {
    if (maps->kernel == YX(1)) maps->dilation = 1, maps->same = false;  // mean nothing so far
    for (size_t i = 1; i < chain.nodes.size(); ++i) {
      const Op& op = graph.node(chain.nodes[i]).op;
      if (const BatchNorm* norm = norm_of(op)) maps->padding = maps->padding + norm->pad;
      if (const Conv2d* conv = conv_of(op)) {
        maps->kernel = maps->kernel + conv->kernel - 1;
        // A depthwise convolution followed or preceded by a dense one is dense.
        maps->groups = maps->groups == conv->groups && maps->groups != 1 ? maps->groups : 1;
      }
    }
    maps->out_channels = outputs_of(graph, chain);
    maps->weight = weight;
    maps->bias = bias;
  } else {
    throw Error(ErrorCode::kInternal, name + ": no rule merges " + describe(merged));
  }
  return merged;
}

// What one operator stores of a chain.
void store(const Graph& graph, const Chain& chain, const Op& op, const Weights& weights,
           int threads, Weights& merged) {
  std::vector<const Op*> parts;
  for (const NodeId id : chain.nodes) parts.push_back(&graph.node(id).op);
  const auto parameters = parameters_of(op);
  Tensor weight(parameters[0].shape), bias(parameters[1].shape);
  fold(parts, weights, threads, weight, bias);
  merged.add(parameters[0].name, std::move(weight));
  merged.add(parameters[1].name, std::move(bias));
}

// `weights` null: the graph alone; else its arrays go as they are merged.
Model rewrite(const Graph& graph, Weights* weights, int threads) {
  const auto consumers = consumers_of(graph);
  LastReaders readers(graph);
  Model model;
  model.graph.form = GraphForm::kFused;
  std::vector<NodeId> moved(graph.nodes().size(), -1);
  std::vector<bool> merged(graph.nodes().size(), false);
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (merged[static_cast<size_t>(id)]) continue;
    std::vector<NodeId> inputs;
    for (const NodeId input : node.inputs) inputs.push_back(moved[static_cast<size_t>(input)]);
    Chain chain{{id}};
    if (is_layer(node.op)) chain = chain_from(graph, consumers, id);
    NodeId placed = 0;
    if (chain.nodes.size() == 1) {
      placed = model.graph.add(node.name, node.op, inputs);
      if (weights != nullptr) {
        for (const Parameter& parameter : parameters_of(node.op)) {
          if (model.weights.contains(parameter.name)) continue;
          model.weights.share(parameter.name, *weights);
        }
      }
    } else {
      const std::string name = merged_name(graph, chain);
      const Op op = merged_op(graph, chain, name);
      placed = model.graph.add(name, op, inputs);
      if (weights != nullptr) store(graph, chain, op, *weights, threads, model.weights);
    }
    for (const NodeId part : chain.nodes) {
      merged[static_cast<size_t>(part)] = true;
      if (weights != nullptr) readers.done(graph.node(part).op, *weights);
      moved[static_cast<size_t>(part)] = placed;
    }
  }
  for (NodeId id = 0; id < graph.size(); ++id) {
    const NodeId shown = graph.node(id).feedback;
    if (shown >= 0) {
      model.graph.close(moved[static_cast<size_t>(id)], moved[static_cast<size_t>(shown)]);
    }
  }
  for (const auto& [name, id] : graph.outputs())
    model.graph.output(name, moved[static_cast<size_t>(id)]);
  return model;
}

}  // namespace

Graph fuse(const Graph& graph) {
  return rewrite(graph, nullptr, 1).graph;
}

Model fuse(const Graph& graph, Weights weights, int threads) {
  return rewrite(graph, &weights, threads);
}

}  // namespace spikeloom
