#include "models/ms_resnet/ms_resnet.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "models/dense_twin.hpp"
#include "models/families.hpp"

namespace spikeloom {
namespace {

class Builder {
 public:
  explicit Builder(const MsResnetConfig& config) : config_(config) {}

  Graph build() {
    NodeId u = graph_.add("input", input_of({config_.height, config_.width, config_.in_channels},
                                            config_.static_input, config_.events));
    u = norm("conv1.1.bn", conv("conv1.0", u, config_.widths[0], 7, 2));
    for (size_t stage = 0; stage < 4; ++stage) {
      for (int64_t i = 0; i < config_.depths[stage]; ++i) {
        u = block(fmt::format("conv{}_x.{}", stage + 2, i), u, config_.widths[stage],
                  i == 0 ? 2 : 1);
      }
    }
    const NodeId mean = graph_.add("spatial_mean", SpatialMean{}, {lif_layer("mem_update", u)});
    const NodeId x = graph_.add("step_mean", StepMean{}, {mean});
    graph_.output(
        "logits",
        graph_.add("fc", Linear{config_.widths[3], config_.num_classes, 0, "fc.weight", "fc.bias"},
                   {x}));
    return std::move(graph_);
  }

 private:
  int64_t channels(NodeId id) const { return channels_of(graph_.node(id).shape); }

  NodeId lif_layer(const std::string& name, NodeId current) {
    NeuronSpec neuron = lif(1.0f, config_.v_threshold);
    const double leak = double{1.0f - config_.decay};
    neuron["tau"].value = leak > 0 ? 1 / leak : kAny;
    neuron.rules.form = NeuronForm::kBeta;
    neuron.rules.fire = FireRule::kAboveThreshold;
    return graph_.add(name, Neuron{neuron}, {current});
  }
  NodeId norm(const std::string& name, NodeId x) {
    return graph_.add(name, BatchNorm{.channels = channels(x), .prefix = name}, {x});
  }
  // Of odd kernels, the borders padded.
  NodeId conv(const std::string& name, NodeId x, int64_t out, int64_t kernel, int64_t stride) {
    return graph_.add(
        name, Conv2d{channels(x), out, kernel, stride, kernel / 2, 1, name + ".weight", ""}, {x});
  }

  NodeId block(const std::string& name, NodeId u, int64_t out, int64_t stride) {
    const std::string residual = name + ".residual_function.", shortcut = name + ".shortcut.";
    NodeId x = conv(residual + "1", lif_layer(residual + "0", u), out, 3, stride);
    x = lif_layer(residual + "3", norm(residual + "2.bn", x));
    x = norm(residual + "5.bn", conv(residual + "4", x, out, 3, 1));
    if (stride != 1 || channels(u) != out)
      u = norm(shortcut + "1.bn", conv(shortcut + "0", u, out, 1, stride));
    return graph_.add(name, Add{}, {x, u});
  }

  const MsResnetConfig& config_;
  Graph graph_;
};

std::vector<ModelKey> ms_resnet_keys(MsResnetConfig& c) {
  return {{"widths", IntegersField{c.widths, 1, 65536}},
          {"depths", IntegersField{c.depths, 1, 256}},
          {"num_classes", IntegerField{&c.num_classes, 1, 1000000}},
          {"in_channels", IntegerField{&c.in_channels, 1, 4096}},
          {"time_steps", IntegerField{&c.time_steps, 1, 4096}},
          {"decay", RealField{&c.decay, 0.0, 1.0}},
          {"v_threshold", RealField{&c.v_threshold, 1e-6, 1e6}}};
}

ModelSpec start_ms_resnet(std::string_view preset) {
  MsResnetConfig config;
  if (preset == "34") config.depths = {3, 4, 6, 3};
  if (preset == "18" || preset == "34") return ModelSpec::of(config);
  throw Error(ErrorCode::kUsage,
              fmt::format("no preset '{}' of ms_resnet; there are 18, 34", preset));
}

Graph build_from(const ModelSpec& spec, const DataShape& data) {
  MsResnetConfig config = spec.as<MsResnetConfig>();
  config.height = data.height;
  config.width = data.width;
  config.static_input = data.frames == 1;
  config.events = data.events;
  return build_ms_resnet(config);
}

}  // namespace

Graph build_ms_resnet(const MsResnetConfig& config) {
  MsResnetConfig copy = config;
  require(range_fault(ms_resnet_keys(copy)));
  return Builder(config).build();
}

Family ms_resnet_family() {
  Family row{.name = "ms_resnet",
             .title = "MS-ResNet",
             .about = "MS-ResNet, a residual network of membrane shortcuts",
             .sample = SampleKind::kImage,
             .length_key = "time_steps",
             .default_preset = "18"};
  row.presets = {{"18", "blocks [2, 2, 2, 2]", "resnet18 of the authors' program"},
                 {"34", "blocks [3, 4, 6, 3]", "resnet34"}};
  row.hints.extents = {{"conv1.0.weight", 1, 1, "model.in_channels"},
                       {"conv2_x.0.residual_function.1.weight", 0, 1, "model.widths[0]"},
                       {"conv3_x.0.residual_function.1.weight", 0, 1, "model.widths[1]"},
                       {"conv4_x.0.residual_function.1.weight", 0, 1, "model.widths[2]"},
                       {"conv5_x.0.residual_function.1.weight", 0, 1, "model.widths[3]"},
                       {"fc.weight", 0, 1, "model.num_classes"}};
  row.start = start_ms_resnet;
  row.keys = [](ModelSpec& spec) { return ms_resnet_keys(spec.as<MsResnetConfig>()); };
  row.check = [](const ModelSpec&) -> std::optional<KeyFault> { return std::nullopt; };
  row.shape = [](const ModelSpec& spec) {
    const auto& c = spec.as<MsResnetConfig>();
    return ModelShape{c.time_steps, 0, c.in_channels, c.num_classes};
  };
  row.build = build_from;
  row.twin.title = "the dense twin";
  row.twin.description = "same topology, ReLU for LIF, one pass";
  row.twin.build = [](const ModelSpec& spec, const DataShape& data) -> std::optional<Graph> {
    if (data.frames != 1) return std::nullopt;  // no one pass sees all frames
    return dense_twin(build_from(spec, data));
  };
  return row;
}

}  // namespace spikeloom
