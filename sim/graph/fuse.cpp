#include "sim/graph/fuse.hpp"

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "sim/graph/last_readers.hpp"
#include "sim/graph/ordered_product.hpp"

namespace spikeloom {
namespace {

using Matrix = RowMatrix;
using Vector = Eigen::VectorXd;

// Nodes that merge into one, in order. Convolutions and linears among them are the "parts".
// A convolution along the steps takes in what is behind it, and joins no chain: taps that reach
// outside the sample are zero, which a norm in front of it would not be.
struct Chain {
  std::vector<NodeId> nodes;
};

const BatchNorm* norm_of(const Op& op) {
  return std::get_if<BatchNorm>(&op);
}

const Conv2d* conv_of(const Op& op) {
  return std::get_if<Conv2d>(&op);
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
           (conv->groups == 1 || conv->groups == conv->in_channels);
  }
  return layer_of(next).pointwise;
}

Chain chain_from(const Graph& graph, const std::vector<std::vector<NodeId>>& consumers,
                 NodeId start) {
  Chain chain{{start}};
  bool pointwise = layer_of(graph.node(start).op).pointwise;
  bool has_constant = !layer_of(graph.node(start).op).bias.empty();
  bool ring = false;
  std::set<NodeId> outputs;
  for (const auto& [name, id] : graph.outputs()) outputs.insert(id);
  for (NodeId id = start;;) {
    const auto& next = consumers[static_cast<size_t>(id)];
    if (next.size() != 1 || outputs.count(id)) break;
    const Node& node = graph.node(next[0]);
    if (node.inputs.size() != 1 || !joins(node.op, pointwise, has_constant, ring)) break;
    const BatchNorm* norm = norm_of(node.op);
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

// A chain's function so far: taps[k] is the [out, in] matrix of kernel tap k = ky*kernel + kx, or
// of the step k (for a depthwise start, in = 1 and the matrix has one column), constant the value
// added everywhere.
struct Folded {
  bool depthwise = false;
  std::vector<Matrix> taps;
  Vector constant;
};

std::vector<Matrix> taps_of(std::span<const float> weight, int64_t out, int64_t in, int64_t area) {
  std::vector<Matrix> taps(static_cast<size_t>(area), Matrix(out, in));
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t k = 0; k < area; ++k) {
        taps[static_cast<size_t>(k)](o, i) =
            static_cast<double>(weight[static_cast<size_t>((o * in + i) * area + k)]);
      }
    }
  }
  return taps;
}

Vector bias_of(const std::string& name, int64_t out, const Weights& weights) {
  Vector bias = Vector::Zero(out);
  if (name.empty()) return bias;
  const auto values = weights.at(name).data.f32();
  for (int64_t o = 0; o < out; ++o) bias[o] = static_cast<double>(values[static_cast<size_t>(o)]);
  return bias;
}

Folded start_of(const Op& op, const Weights& weights) {
  const Layer layer = layer_of(op);
  return {layer.groups > 1,
          taps_of(weights.at(layer.weight).data.f32(), layer.outputs, layer.inputs, layer.taps),
          bias_of(layer.bias, layer.outputs, weights)};
}

void apply_norm(Folded& folded, const BatchNorm& norm, const Weights& weights) {
  const Affine affine = affine_of(norm, weights);
  const Eigen::Map<const Vector> scale(affine.scale.data(), norm.channels);
  const Eigen::Map<const Vector> shift(affine.shift.data(), norm.channels);
  for (Matrix& tap : folded.taps) tap.array().colwise() *= scale.array();
  folded.constant = folded.constant.cwiseProduct(scale) + shift;
}

// 1x1 after anything: every tap and the constant go through the matrix.
void apply_pointwise(Folded& folded, const Matrix& matrix, const Vector& bias, int threads) {
  if (folded.depthwise) {
    for (Matrix& tap : folded.taps) tap = Matrix(matrix * tap.col(0).asDiagonal());
    folded.depthwise = false;
  } else {
    for (Matrix& tap : folded.taps) tap = ordered_product(matrix, tap, threads);
  }
  folded.constant = ordered_product(matrix, folded.constant) + bias;
}

// A convolution without padding behind a ring: the chain so far is one matrix.
void apply_conv(Folded& folded, const Op& conv, const Weights& weights, int threads) {
  const Folded next = start_of(conv, weights);
  const Matrix before = folded.taps[0];
  const Vector constant = folded.constant;
  folded.taps.clear();
  folded.constant = next.constant;
  for (const Matrix& tap : next.taps) {
    if (next.depthwise) {
      folded.taps.push_back(tap.col(0).asDiagonal() * before);
      folded.constant += tap.col(0).cwiseProduct(constant);
    } else {
      folded.taps.push_back(ordered_product(tap, before, threads));
      folded.constant += ordered_product(tap, constant);
    }
  }
}

Folded fold(const Graph& graph, const Chain& chain, const Weights& weights, int threads) {
  Folded folded = start_of(graph.node(chain.nodes[0]).op, weights);
  for (size_t i = 1; i < chain.nodes.size(); ++i) {
    const Op& op = graph.node(chain.nodes[i]).op;
    if (const BatchNorm* norm = norm_of(op)) {
      apply_norm(folded, *norm, weights);
    } else if (layer_of(op).pointwise) {
      const Folded next = start_of(op, weights);
      apply_pointwise(folded, next.taps[0], next.constant, threads);
    } else {
      apply_conv(folded, op, weights, threads);
    }
  }
  return folded;
}

void store(const Folded& folded, const Op& op, Weights& weights) {
  const auto parameters = parameters_of(op);
  Tensor weight(parameters[0].shape), bias(parameters[1].shape);
  const auto w = weight.f32(), b = bias.f32();
  const int64_t out = folded.taps[0].rows(), in = folded.taps[0].cols();
  const auto area = static_cast<int64_t>(folded.taps.size());
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t k = 0; k < area; ++k) {
        w[static_cast<size_t>((o * in + i) * area + k)] =
            static_cast<float>(folded.taps[static_cast<size_t>(k)](o, i));
      }
    }
    b[static_cast<size_t>(o)] = static_cast<float>(folded.constant[o]);
  }
  weights.add(parameters[0].name, std::move(weight));
  weights.add(parameters[1].name, std::move(bias));
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
      if (weights != nullptr) store(fold(graph, chain, *weights, threads), op, model.weights);
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
