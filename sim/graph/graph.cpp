#include "sim/graph/graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.hpp"
#include "sim/graph/lmu.hpp"

namespace spikeloom {

int64_t rows_of(const Shape& shape) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

int64_t channels_of(const Shape& shape) {
  return shape.empty() ? 1 : shape.back();
}

std::string_view name_of(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::kRelu: return "relu";
    case ActivationKind::kSigmoid: return "sigmoid";
    case ActivationKind::kReluSquared: return "relu^2";
    case ActivationKind::kGelu: return "gelu";
  }
  return "";
}

std::string describe(const Op& op) {
  return std::visit(
      Overloaded{
          [](const Input&) -> std::string { return "input"; },
          [](const Conv2d& c) {
            return fmt::format("conv2d k{} s{} p{} g{}", c.kernel, c.stride, c.padding, c.groups);
          },
          [](const Linear& l) -> std::string {
            return l.trailing_ones == 0 ? "linear" : "conv1d k1 s1 p0 g1";
          },
          [](const BatchNorm& b) {
            return b.pad == 0 ? std::string("batchnorm") : fmt::format("batchnorm pad{}", b.pad);
          },
          [](const Neuron&) -> std::string { return "neuron"; },
          [](const KtV&) -> std::string { return "k^t v"; },
          [](const QApply&) -> std::string { return "q (k^t v)"; },
          [](const Add&) -> std::string { return "add"; },
          [](const Scale&) -> std::string { return "scale"; },
          [](const View&) -> std::string { return "view"; },
          [](const SpatialMean&) -> std::string { return "spatial mean"; },
          [](const StepMean&) -> std::string { return "step mean"; },
          [](const Activation& a) { return std::string(name_of(a.kind)); },
          [](const SoftmaxAttention& a) -> std::string {
            return a.context == 0 ? "softmax attention" : "causal softmax attention";
          },
          [](const Embedding&) -> std::string { return "embedding"; },
          [](const Threshold& o) {
            return fmt::format("threshold {} {}", o.fire == FireRule::kAtThreshold ? ">=" : ">",
                               o.threshold);
          },
          [](const LayerNorm&) -> std::string { return "layernorm"; },
          [](const Delay&) -> std::string { return "delay"; },
          [](const TokenMix&) -> std::string { return "token mix"; },
          [](const Wkv&) -> std::string { return "wkv"; },
          [](const Mul&) -> std::string { return "mul"; },
          [](const Conv1d& c) {
            return fmt::format("conv1d k{} left{} right{}", c.kernel(), c.left, c.right);
          },
          [](const LmuMemory& m) {
            constexpr const char* kForms[] = {"event", "recurrent", "fft"};
            return fmt::format("lmu memory {}", kForms[static_cast<size_t>(m.form)]);
          },
          [](const Concat&) -> std::string { return "concat"; },
          [](const Positions&) -> std::string { return "positions"; },
          [](const Prepend&) -> std::string { return "prepend"; },
          [](const FirstRow&) -> std::string { return "first row"; },
      },
      op);
}

std::optional<NodeId> Graph::find(std::string_view node_name) const {
  const auto found = ids_.find(node_name);
  return found == ids_.end() ? std::nullopt : std::optional<NodeId>(found->second);
}

std::optional<NodeId> Graph::find_output(std::string_view name) const {
  for (const auto& [output_name, id] : outputs_) {
    if (output_name == name) return id;
  }
  return std::nullopt;
}

void Graph::output(std::string name, NodeId id) {
  if (find_output(name)) throw Error(ErrorCode::kInternal, "output '" + name + "' is named twice");
  outputs_.emplace_back(std::move(name), id);
}

std::string weight_of(const Op& op) {
  if (const auto* conv = std::get_if<Conv2d>(&op)) return conv->weight;
  if (const auto* linear = std::get_if<Linear>(&op)) return linear->weight;
  if (const auto* conv = std::get_if<Conv1d>(&op)) return conv->weight;
  return {};
}

std::string bias_of(const Op& op) {
  if (const auto* conv = std::get_if<Conv2d>(&op)) return conv->bias;
  if (const auto* linear = std::get_if<Linear>(&op)) return linear->bias;
  if (const auto* steps = std::get_if<Conv1d>(&op)) return steps->bias;
  return "";
}

std::vector<Parameter> parameters_of(const Op& op) {
  std::vector<Parameter> result;
  if (const auto* conv = std::get_if<Conv2d>(&op)) {
    result.push_back(
        {conv->weight,
         {conv->out_channels, conv->in_channels / conv->groups, conv->kernel, conv->kernel}});
    if (!conv->bias.empty()) result.push_back({conv->bias, {conv->out_channels}});
  } else if (const auto* linear = std::get_if<Linear>(&op)) {
    Shape shape = {linear->out_features, linear->in_features};
    shape.resize(2 + static_cast<size_t>(linear->trailing_ones), 1);
    result.push_back({linear->weight, shape});
    if (!linear->bias.empty()) result.push_back({linear->bias, {linear->out_features}});
  } else if (const auto* norm = std::get_if<BatchNorm>(&op)) {
    for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) {
      result.push_back({norm->prefix + part, {norm->channels}});
    }
  } else if (const auto* table = std::get_if<Embedding>(&op)) {
    result.push_back({table->weight, {table->vocabulary, table->channels}});
  } else if (const auto* layer_norm = std::get_if<LayerNorm>(&op)) {
    result.push_back({layer_norm->prefix + ".weight", {layer_norm->channels}});
    result.push_back({layer_norm->prefix + ".bias", {layer_norm->channels}});
  } else if (const auto* mix = std::get_if<TokenMix>(&op)) {
    result.push_back({mix->mix, {1, 1, mix->channels}});
  } else if (const auto* wkv = std::get_if<Wkv>(&op)) {
    result.push_back({wkv->decay, {wkv->channels}});
    result.push_back({wkv->first, {wkv->channels}});
  } else if (const auto* steps = std::get_if<Conv1d>(&op)) {
    result.push_back({steps->weight, {steps->out_channels, steps->in_channels, steps->kernel()}});
    if (!steps->bias.empty()) result.push_back({steps->bias, {steps->out_channels}});
  } else if (const auto* positions = std::get_if<Positions>(&op)) {
    result.push_back({positions->weight, {1, positions->count, positions->channels}});
  } else if (const auto* row = std::get_if<Prepend>(&op)) {
    result.push_back({row->weight, {1, 1, row->channels}});
  }
  return result;
}

std::vector<StateSlot> state_of(const Node& node) {
  if (const auto* neuron = std::get_if<Neuron>(&node.op)) {
    return {{"v", node.shape, neuron->params.v_initial()}};
  }
  if (std::holds_alternative<StepMean>(node.op)) return {{"sum", node.shape, 0.0f}};
  if (std::holds_alternative<Delay>(node.op)) return {{"previous", node.shape, 0.0f}};
  if (std::holds_alternative<Wkv>(node.op)) {
    return {{"p", node.shape, 0.0f}, {"q", node.shape, 0.0f}, {"o", node.shape, kWkvStart}};
  }
  const auto* memory = std::get_if<LmuMemory>(&node.op);
  if (memory != nullptr && memory->form == LmuForm::kRecurrent) return {{"m", node.shape, 0.0f}};
  return {};
}

std::vector<std::vector<NodeId>> consumers_of(const Graph& graph) {
  std::vector<std::vector<NodeId>> result(graph.nodes().size());
  for (NodeId id = 0; id < graph.size(); ++id) {
    for (const NodeId input : graph.node(id).inputs)
      result[static_cast<size_t>(input)].push_back(id);
  }
  return result;
}

NodeId source_of(const Graph& graph, NodeId id) {
  while (std::holds_alternative<View>(graph.node(id).op)) id = graph.node(id).inputs[0];
  return id;
}

std::optional<NodeId> mask_of(const Graph& graph, NodeId value) {
  const auto* activation = std::get_if<Activation>(&graph.node(value).op);
  if (activation == nullptr || activation->kind != ActivationKind::kReluSquared) return {};
  for (NodeId id = value + 1; id < graph.size(); ++id) {
    const auto* mask = std::get_if<Threshold>(&graph.node(id).op);
    if (mask != nullptr && graph.node(id).inputs[0] == value && mask->threshold == 0.0f &&
        mask->fire == FireRule::kAboveThreshold) {
      return id;
    }
  }
  return {};
}

NameSet array_names(const Graph& graph) {
  NameSet names;
  for (const Node& node : graph.nodes()) {
    for (const Parameter& parameter : parameters_of(node.op)) names.insert(parameter.name);
  }
  return names;
}

int64_t parameter_count(const Graph& graph) {
  std::set<std::string> seen;
  int64_t sum = 0;
  for (const Node& node : graph.nodes()) {
    for (const Parameter& parameter : parameters_of(node.op)) {
      const bool statistic =
          parameter.name.ends_with(".running_mean") || parameter.name.ends_with(".running_var");
      if (!statistic && seen.insert(parameter.name).second) sum += element_count(parameter.shape);
    }
  }
  return sum;
}

Affine affine_of(const BatchNorm& op, const Weights& weights) {
  const auto values = [&](const char* part) { return weights.at(op.prefix + part).data.f32(); };
  const auto gamma = values(".weight"), beta = values(".bias");
  const auto mean = values(".running_mean"), variance = values(".running_var");
  Affine result;
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double scale =
        static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + op.eps);
    result.scale.push_back(scale);
    result.shift.push_back(static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * scale);
  }
  return result;
}

bool is_event_input(const Op& op) {
  const auto* input = std::get_if<Input>(&op);
  return input != nullptr && input->events;
}

std::vector<Population> populations_of(const Graph& graph) {
  std::vector<Population> result;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    const auto* neuron = std::get_if<Neuron>(&node.op);
    const auto* threshold = std::get_if<Threshold>(&node.op);
    if (neuron == nullptr && threshold == nullptr && !is_event_input(node.op))
      continue;  // shows or joins spikes of others
    const char* axes = node.shape.size() == 3 ? "H,W,C" : node.shape.size() == 2 ? "N,C" : "C";
    Population population{
        node.name, id, node.shape, axes, {}, neuron != nullptr, is_event_input(node.op)};
    if (neuron != nullptr) {
      population.neuron = neuron->params;
    } else {
      population.neuron.v_threshold = threshold != nullptr ? threshold->threshold : 1.0f;
    }
    result.push_back(std::move(population));
  }
  return result;
}

}  // namespace spikeloom
