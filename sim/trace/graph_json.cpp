#include "sim/trace/graph_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/io/json.hpp"

namespace spikeloom {

using nlohmann::json;

std::string name_of(NeuronModel model) {
  switch (model) {
    case NeuronModel::kIf: return "IF";
    case NeuronModel::kLif: return "LIF";
    case NeuronModel::kPlif: return "PLIF";
  }
  return "";
}

namespace {

std::string name_of(EdgeKind kind) {
  switch (kind) {
    case EdgeKind::kSpikes: return "spikes";
    case EdgeKind::kCounts: return "counts";
    case EdgeKind::kReal: return "real";
  }
  return "";
}

json neuron_json(const NeuronParams& p) {
  return {{"kind", "neuron"},
          {"model", spikeloom::name_of(p.model)},
          {"decay", p.decay},
          {"decay_input", p.decay_input},
          {"v_threshold", p.v_threshold},
          {"v_reset", p.v_reset},
          {"reset", p.reset == Reset::kHard ? "hard" : "soft"},
          {"fire", p.fire == FireRule::kAtThreshold ? ">=" : ">"}};
}

json conv_json(const Conv2d& c) {
  return {{"kind", "conv2d"},   {"in_channels", c.in_channels}, {"out_channels", c.out_channels},
          {"kernel", c.kernel}, {"stride", c.stride},           {"padding", c.padding},
          {"groups", c.groups}, {"weight", c.weight},           {"bias", c.bias}};
}

json op_json(const Op& op) {
  return std::visit(
      Overloaded{
          [](const Input& o) -> json {
            json input = {{"kind", "input"}, {"shape", o.shape}, {"repeated", o.repeated}};
            if (o.vocabulary > 0) input["vocabulary"] = o.vocabulary;
            if (o.events) input["events"] = true;
            return input;
          },
          [](const Conv2d& o) { return conv_json(o); },
          [](const Linear& o) -> json {
            return {{"kind", "linear"},
                    {"in_features", o.in_features},
                    {"out_features", o.out_features},
                    {"trailing_ones", o.trailing_ones},
                    {"weight", o.weight},
                    {"bias", o.bias}};
          },
          [](const BatchNorm& o) -> json {
            return {{"kind", "batchnorm"},
                    {"channels", o.channels},
                    {"prefix", o.prefix},
                    {"eps", o.eps},
                    {"pad", o.pad}};
          },
          [](const Neuron& o) { return neuron_json(o.params); },
          [](const KtV& o) -> json {
            return {{"kind", "ktv"}, {"heads", o.heads}};
          },
          [](const QApply& o) -> json {
            return {{"kind", "qapply"}, {"heads", o.heads}, {"scale", o.scale}};
          },
          [](const Add&) -> json {
            return {{"kind", "add"}};
          },
          [](const Scale& o) -> json {
            return {{"kind", "scale"}, {"factor", o.factor}};
          },
          [](const View& o) -> json {
            return {{"kind", "view"}, {"shape", o.shape}};
          },
          [](const SpatialMean&) -> json {
            return {{"kind", "spatial_mean"}};
          },
          [](const StepMean&) -> json {
            return {{"kind", "step_mean"}};
          },
          [](const Activation& o) -> json {
            return {{"kind", "activation"}, {"function", spikeloom::name_of(o.kind)}};
          },
          [](const SoftmaxAttention& o) -> json {
            json attention = {
                {"kind", "softmax_attention"}, {"heads", o.heads}, {"scale", o.scale}};
            if (o.context > 0) attention["context"] = o.context;
            return attention;
          },
          [](const Embedding& o) -> json {
            return {{"kind", "embedding"},
                    {"vocabulary", o.vocabulary},
                    {"channels", o.channels},
                    {"weight", o.weight}};
          },
          [](const Threshold& o) -> json {
            return {{"kind", "threshold"},
                    {"threshold", o.threshold},
                    {"fire", o.fire == FireRule::kAtThreshold ? ">=" : ">"}};
          },
          [](const LayerNorm& o) -> json {
            return {{"kind", "layernorm"},
                    {"channels", o.channels},
                    {"prefix", o.prefix},
                    {"eps", o.eps}};
          },
          [](const Delay&) -> json {
            return {{"kind", "delay"}};
          },
          [](const TokenMix& o) -> json {
            return {{"kind", "token_mix"}, {"channels", o.channels}, {"mix", o.mix}};
          },
          [](const Wkv& o) -> json {
            return {
                {"kind", "wkv"}, {"channels", o.channels}, {"decay", o.decay}, {"first", o.first}};
          },
          [](const Mul&) -> json {
            return {{"kind", "mul"}};
          },
          [](const Conv1d& o) -> json {
            return {{"kind", "conv1d"},
                    {"in_channels", o.in_channels},
                    {"out_channels", o.out_channels},
                    {"left", o.left},
                    {"right", o.right},
                    {"weight", o.weight},
                    {"bias", o.bias}};
          },
          [](const LmuMemory& o) -> json {
            constexpr const char* kForms[] = {"event", "recurrent", "fft"};
            return {{"kind", "lmu_memory"}, {"order", o.order},
                    {"theta", o.theta},     {"form", kForms[static_cast<size_t>(o.form)]},
                    {"taps", o.taps},       {"steps", o.steps}};
          },
          [](const Concat&) -> json {
            return {{"kind", "concat"}};
          },
          [](const Positions& o) -> json {
            return {{"kind", "positions"},
                    {"count", o.count},
                    {"channels", o.channels},
                    {"along_steps", o.along_steps},
                    {"weight", o.weight}};
          },
          [](const Prepend& o) -> json {
            return {{"kind", "prepend"}, {"channels", o.channels}, {"weight", o.weight}};
          },
          [](const FirstRow&) -> json {
            return {{"kind", "first_row"}};
          },
      },
      op);
}

int64_t count_zeros(const Tensor& tensor) {
  const auto zeros = [](std::span<const float> values) {
    return static_cast<int64_t>(std::count(values.begin(), values.end(), 0.0f));
  };
  if (tensor.dtype() == DType::kF32) return zeros(tensor.f32());
  return zeros(to_f32(tensor).f32());
}

json node_json(const Graph& graph, const Node& node, const Weights* weights) {
  json inputs = json::array();
  for (const NodeId input : node.inputs) inputs.push_back(graph.node(input).name);
  json result = {{"name", node.name},   {"op", op_json(node.op)},     {"inputs", inputs},
                 {"shape", node.shape}, {"edge", name_of(node.kind)}, {"static", node.is_static}};
  const std::string weight = weight_of(node.op);
  if (!weight.empty()) {
    result["weights"] = element_count(parameters_of(node.op)[0].shape);
    if (weights != nullptr) result["zero_weights"] = count_zeros(weights->at(weight).data);
  }
  return result;
}

}  // namespace

std::string graph_to_json(const Graph& graph, const Weights* weights) {
  json nodes = json::array(), outputs = json::array();
  for (const Node& node : graph.nodes()) nodes.push_back(node_json(graph, node, weights));
  for (const auto& [name, id] : graph.outputs()) {
    outputs.push_back({{"name", name}, {"node", graph.node(id).name}});
  }
  return dump_json({{"form", graph.form}, {"nodes", nodes}, {"outputs", outputs}});
}

}  // namespace spikeloom
