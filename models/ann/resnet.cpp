#include "models/ann/resnet.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "models/families.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kExpansion = 4;  // of a bottleneck's last layer

class Builder {
 public:
  explicit Builder(const ResnetConfig& config) : config_(config) {}

  Graph build() {
    NodeId x = graph_.add("input", input_of({config_.height, config_.width, config_.in_channels},
                                            true, config_.events));
    x = relu("act1", norm("bn1", conv("conv1", x, config_.planes[0], 7, 2)));
    x = graph_.add("maxpool", Pool2d{PoolMode::kMax, 3, 2, 1}, {x});
    for (size_t stage = 0; stage < 4; ++stage) {
      for (int64_t i = 0; i < config_.depths[stage]; ++i) {
        x = block(fmt::format("layer{}.{}", stage + 1, i), x, config_.planes[stage],
                  i == 0 && stage > 0 ? 2 : 1);
      }
    }
    x = graph_.add("global_pool", SpatialMean{}, {x});
    graph_.output("logits", graph_.add("fc",
                                       Linear{channels_of(graph_.node(x).shape),
                                              config_.num_classes, 0, "fc.weight", "fc.bias"},
                                       {x}));
    return std::move(graph_);
  }

 private:
  int64_t channels(NodeId id) const { return channels_of(graph_.node(id).shape); }
  NodeId relu(const std::string& name, NodeId x) {
    return graph_.add(name, Activation{ActivationKind::kRelu}, {x});
  }
  NodeId norm(const std::string& name, NodeId x) {
    return graph_.add(name, BatchNorm{.channels = channels(x), .prefix = name}, {x});
  }
  // Of odd kernels, the borders padded.
  NodeId conv(const std::string& name, NodeId x, int64_t out, int64_t kernel, int64_t stride) {
    return graph_.add(
        name, Conv2d{channels(x), out, kernel, stride, kernel / 2, 1, name + ".weight", ""}, {x});
  }

  NodeId block(const std::string& name, NodeId x, int64_t planes, int64_t stride) {
    const int64_t out = planes * (config_.bottleneck ? kExpansion : 1);
    struct Layer {
      int64_t out, kernel, stride;
    };
    const std::vector<Layer> layers =
        config_.bottleneck ? std::vector<Layer>{{planes, 1, 1}, {planes, 3, stride}, {out, 1, 1}}
                           : std::vector<Layer>{{planes, 3, stride}, {out, 3, 1}};
    NodeId y = x;
    for (size_t i = 0; i < layers.size(); ++i) {
      const std::string number = std::to_string(i + 1);
      if (i > 0) y = relu(name + ".act" + std::to_string(i), y);
      y = norm(name + ".bn" + number,
               conv(name + ".conv" + number, y, layers[i].out, layers[i].kernel, layers[i].stride));
    }
    if (stride != 1 || channels(x) != out)
      x = norm(name + ".downsample.1", conv(name + ".downsample.0", x, out, 1, stride));
    const NodeId sum = graph_.add(name, Add{}, {y, x});
    return relu(name + ".act" + std::to_string(layers.size()), sum);
  }

  const ResnetConfig& config_;
  Graph graph_;
};

struct Preset {
  std::string_view name;
  std::array<int64_t, 4> depths;
  bool bottleneck;
};
constexpr Preset kPresets[] = {{"18", {2, 2, 2, 2}, false},
                               {"34", {3, 4, 6, 3}, false},
                               {"50", {3, 4, 6, 3}, true},
                               {"101", {3, 4, 23, 3}, true},
                               {"152", {3, 8, 36, 3}, true}};

ModelSpec start(std::string_view name) {
  std::string names;
  for (const Preset& preset : kPresets) {
    if (preset.name == name)
      return ModelSpec::of(ResnetConfig{.depths = preset.depths, .bottleneck = preset.bottleneck});
    names += (names.empty() ? "" : ", ") + std::string(preset.name);
  }
  throw Error(ErrorCode::kUsage,
              fmt::format("no preset '{}' of resnet; there are {}", name, names));
}

std::vector<ModelKey> keys_of(ResnetConfig& c) {
  return {{"planes", IntegersField{c.planes, 1, 65536}},
          {"depths", IntegersField{c.depths, 1, 256}},
          {"bottleneck", FlagField{&c.bottleneck}},
          {"num_classes", IntegerField{&c.num_classes, 1, 1000000}},
          {"in_channels", IntegerField{&c.in_channels, 1, 4096}}};
}

}  // namespace

Graph build_resnet(const ResnetConfig& config) {
  ResnetConfig copy = config;
  require(range_fault(keys_of(copy)));
  return Builder(config).build();
}

Family resnet_family() {
  Family row{.name = "resnet",
             .title = "ResNet",
             .about = "ResNet",
             .sample = SampleKind::kImage,
             .spikes = false,
             .default_preset = "18"};
  for (const Preset& preset : kPresets) {
    row.presets.push_back({std::string(preset.name),
                           fmt::format("{} blocks [{}]", preset.bottleneck ? "bottleneck" : "basic",
                                       fmt::join(preset.depths, ", ")),
                           fmt::format("resnet{} of torchvision and timm", preset.name)});
  }
  row.hints.extents = {{"conv1.weight", 1, 1, "model.in_channels"},
                       {"conv1.weight", 0, 1, "model.planes[0]"},
                       {"fc.weight", 0, 1, "model.num_classes"}};
  row.start = start;
  row.keys = [](ModelSpec& spec) { return keys_of(spec.as<ResnetConfig>()); };
  row.check = [](const ModelSpec&) -> std::optional<KeyFault> { return std::nullopt; };
  row.shape = [](const ModelSpec& spec) {
    const auto& c = spec.as<ResnetConfig>();
    return ModelShape{.channels = c.in_channels, .classes = c.num_classes};
  };
  row.build = [](const ModelSpec& spec, const DataShape& data) {
    ResnetConfig config = spec.as<ResnetConfig>();
    config.height = data.height;
    config.width = data.width;
    config.events = data.events;
    return build_resnet(config);
  };
  return row;
}

}  // namespace spikeloom
