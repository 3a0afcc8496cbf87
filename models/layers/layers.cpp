#include "models/layers/layers.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "models/dense_twin.hpp"
#include "models/families.hpp"
#include "models/layers/check_arrays.hpp"
#include "models/layers/rows.hpp"
#include "nir/lower.hpp"
#include "nir/values.hpp"

namespace spikeloom {
namespace {

class Building {
 public:
  Building(const LayersConfig& config, const DataShape& data) : config_(config), data_(data) {}

  Graph build() {
    NodeId x = input();
    for (const LayerRow& row : layer_rows(config_)) {
      try {
        x = add(row, x);
      } catch (const Error& error) {
        throw fault_of(row, x, error);
      }
      named_[row.name] = x;
    }
    if (graph_.node(x).shape.size() > 1) x = graph_.add("logits.flat", Flatten{}, {x});
    graph_.output("logits", read_out(x));
    return std::move(graph_);
  }

 private:
  const spikeloom::Node& at(NodeId id) const { return graph_.node(id); }
  bool is_map(NodeId id) const { return at(id).shape.size() == 3; }

  // Of the graph, whose nodes are called as the layers, or of building it.
  Error fault_of(const LayerRow& row, NodeId x, const Error& error) const {
    const std::string name = row.name + ": ";
    std::string why = error.what();
    if (why.starts_with(name)) why.erase(0, name.size());
    if (is_map(x) && why.find(to_string(at(x).shape)) != why.npos)
      why += " (rows, columns, channels)";
    return {error.code(), fmt::format("layer {}{}", name, why), error.place()};
  }
  [[noreturn]] static void misfit(const std::string& why) { throw Error(ErrorCode::kUsage, why); }

  NodeId input() {
    const Shape own = nir::channels_last(config_.input);
    Shape shape = {data_.height, data_.width, data_.channels};
    if (data_.height == 0) shape = {data_.channels};
    if (data_.channels == 0) shape = own;
    NodeId x = graph_.add("input", input_of(shape, data_.frames == 1, data_.events));
    if (shape != own) {
      if (own.size() != 1 || element_count(shape) != own[0])
        misfit(fmt::format("model.input is {}, channels last, samples are {}", to_string(own),
                           to_string(shape)));
      x = graph_.add("input.flat", Flatten{}, {x});
    }
    return named_["input"] = x;
  }

  const Shape& shape_of(const std::string& array, size_t rank) const {
    const auto found = config_.arrays.shapes.find(array);
    if (found == config_.arrays.shapes.end())
      throw Error(ErrorCode::kData, "there is no array " + array);
    if (found->second.size() != rank) {
      throw Error(ErrorCode::kData, fmt::format("{} has shape {}, {} axes are needed", array,
                                                to_string(found->second), rank));
    }
    if (element_count(found->second) == 0)
      throw Error(ErrorCode::kData,
                  fmt::format("{} has shape {}: it is empty", array, to_string(found->second)));
    return found->second;
  }

  // Spikes and levels as numbers.
  NodeId real(NodeId id) {
    if (at(id).kind == EdgeKind::kReal) return id;
    const std::string name = at(id).name + ".value";
    const auto known = graph_.find(name);
    return known ? *known : graph_.add(name, Scale{}, {id});
  }

  NodeId sum(const std::string& name, NodeId a, NodeId b) {
    // The first is real, where one is.
    if (at(a).kind != EdgeKind::kReal && at(b).kind == EdgeKind::kReal) std::swap(a, b);
    return graph_.add(name, Add{}, {a, b});
  }

  NodeId add(const LayerRow& row, NodeId x) {
    if (!row.add.empty())
      x = sum(row.kind == LayerKind::kAdd ? row.name : row.name + ".sum", x, named_.at(row.add));
    switch (row.kind) {
      case LayerKind::kAdd: return x;
      case LayerKind::kLinear: return linear(row, x);
      case LayerKind::kConv1d:
      case LayerKind::kConv2d: return conv(row, x);
      case LayerKind::kBatchNorm: {
        const Shape& shape = shape_of(row.prefix + ".weight", 1);
        return graph_.add(row.name, BatchNorm{shape[0], row.prefix, row.eps}, {real(x)});
      }
      case LayerKind::kAvgPool: return pool(PoolMode::kAverage, row, x);
      case LayerKind::kSumPool: return pool(PoolMode::kSum, row, x);
      case LayerKind::kMaxPool: return pool(PoolMode::kMax, row, x);
      case LayerKind::kMean: return graph_.add(row.name, SpatialMean{}, {x});
      case LayerKind::kFlatten: return graph_.add(row.name, Flatten{}, {x});
      case LayerKind::kNeuron: return neurons(row, real(x));
    }
    return x;
  }

  NodeId linear(const LayerRow& row, NodeId x) {
    if (is_map(x)) misfit("reads a map: put a flatten in front");
    const Shape& shape = shape_of(row.weight, 2);
    return graph_.add(row.name, Linear{shape[1], shape[0], 0, row.weight, row.bias}, {x});
  }

  NodeId conv(const LayerRow& row, NodeId x) {
    const bool flat = row.kind == LayerKind::kConv1d;
    const Shape& shape = shape_of(row.weight, 4);
    if (flat && is_map(x) && at(x).shape[0] != 1) misfit("reads a map: conv2d");
    Conv2d op;
    op.groups = row.groups;
    op.in_channels = shape[1] * op.groups;
    op.out_channels = shape[0];
    op.kernel = {shape[2], shape[3]};
    op.stride = row.stride;
    op.padding = row.padding;
    op.dilation = row.dilation;
    if (flat) op.stride.y = op.dilation.y = 1, op.padding.y = 0;
    op.same = row.same;
    op.weight = row.weight;
    op.bias = row.bias;
    return graph_.add(row.name, op, {x});
  }

  NodeId pool(PoolMode mode, const LayerRow& row, NodeId x) {
    return graph_.add(row.name, Pool2d{mode, row.kernel, row.stride, row.padding}, {x});
  }

  NodeId neurons(const LayerRow& row, NodeId x) {
    NeuronSpec spec = row.neuron;
    for (const auto& [parameter, array] : row.arrays) {
      // Of beta comes a time constant.
      const std::string name = parameter == "beta" ? array + ".tau" : array;
      NeuronValue& value = spec[parameter == "beta" ? "tau" : parameter];
      const auto number = config_.arrays.numbers.find(name);
      if (number != config_.arrays.numbers.end()) {
        value = {number->second, {}, {}};
        continue;
      }
      const auto shape = config_.arrays.shapes.find(name);
      if (shape == config_.arrays.shapes.end())
        throw Error(ErrorCode::kData, "there is no array " + array);
      value = {0, name, shape->second};
    }
    if (row.recurrent.empty()) return graph_.add(row.name, Neuron{spec}, {x});
    if (is_map(x)) misfit("has recurrent weights and reads a map: put a flatten in front");
    const Shape& shape = shape_of(row.recurrent, 2);
    const Linear turns{shape[1], shape[0], 0, row.recurrent, row.recurrent_bias};
    // Either the spikes come a step later, or what the recurrent weights make of them: then the bias
    // is missing in the first step.
    const bool later = config_.recurrent_start == nir::RecurrentStart::kZero;
    Feedback back{at(x).shape, !later && spec.fires()};
    if (back.spikes && spec.rules.reset == Reset::kMulti) {
      back.spikes = false;
      back.highest = kMostSpikesInStep;
    }
    const NodeId before = graph_.add(row.name + ".before", back);
    NodeId turned = later ? before : graph_.add(row.name + ".recurrent", turns, {before});
    const NodeId fired =
        graph_.add(row.name, Neuron{spec}, {graph_.add(row.name + ".input", Add{}, {x, turned})});
    if (later) turned = graph_.add(row.name + ".recurrent", turns, {fired});
    graph_.close(before, later ? turned : fired);
    return fired;
  }

  NodeId read_out(NodeId x) {
    const std::optional<StepMean> reader = nir::reader_of(config_.readout);
    return reader ? graph_.add("logits", *reader, {x}) : x;
  }

  const LayersConfig& config_;
  const DataShape& data_;
  Graph graph_;
  std::map<std::string, NodeId> named_;
};

template <size_t N>
std::vector<std::string> words(const char* const (&names)[N]) {
  return {std::begin(names), std::end(names)};
}

std::vector<ModelKey> layers_keys(LayersConfig& c) {
  return {{"input", ShapeField{&c.input, 1, 3, 1, int64_t{1} << 24}},
          choice_key("fire", c.fire, words(nir::kFireWords)),
          choice_key("reset", c.reset, words(kResetWords)),
          {"dt", RealField{&c.dt, 1e-6, 1e6}},
          choice_key("recurrent_start", c.recurrent_start, words(nir::kRecurrentStartWords)),
          choice_key("readout", c.readout, words(nir::kReadoutWords)),
          {"time_steps", IntegerField{&c.time_steps, 0, 65536}},
          {"layer", TablesField{&c.rows}}};
}

std::optional<KeyFault> check_layers(const ModelSpec& spec) {
  const auto& config = spec.as<LayersConfig>();
  if (config.input.empty())
    return KeyFault{{"input"}, "is not given: values of a step, [N], [C, L] or [C, H, W]"};
  if (config.rows.empty()) return KeyFault{{"layer"}, "there is no [[layer]]"};
  if (static_cast<int64_t>(config.rows.size()) > kMostLayers)
    return KeyFault{{"layer"}, fmt::format("more than {} layers", kMostLayers)};
  try {
    layer_rows(config);
  } catch (const LayerFault& fault) {
    return fault.fault;
  }
  return std::nullopt;
}

Graph build_from(const ModelSpec& spec, const DataShape& data) {
  LayersConfig copy = spec.as<LayersConfig>();
  require(range_fault(layers_keys(copy)));
  require(check_layers(spec));
  return Building(spec.as<LayersConfig>(), data).build();
}

NameSet names_of(const ModelSpec& spec) {
  NameSet names;
  for (const LayerRow& row : layer_rows(spec.as<LayersConfig>())) {
    for (std::string& name : arrays_of(row)) names.insert(std::move(name));
  }
  return names;
}

// (C, H, W) as [H, W, C]; what has one value per channel, such as (C, 1, 1), as [C].
Tensor channels_last(const Tensor& array) {
  const Shape& shape = array.shape();
  const Tensor from = to_f32(array);
  if (shape.size() < 2 || from.size() == shape[0]) {
    Tensor flat({from.size()});
    std::copy(from.f32().begin(), from.f32().end(), flat.f32().begin());
    return flat;
  }
  if (shape.size() != 3)
    throw Error(ErrorCode::kData,
                fmt::format("has shape {}: one value, one per channel or one per neuron is needed",
                            to_string(shape)));
  Tensor to({shape[1], shape[2], shape[0]});
  const int64_t area = shape[1] * shape[2];
  for (int64_t c = 0; c < shape[0]; ++c) {
    for (int64_t i = 0; i < area; ++i)
      to.f32()[static_cast<size_t>(i * shape[0] + c)] =
          from.f32()[static_cast<size_t>(c * area + i)];
  }
  return to;
}

// Time constants, of which beta = 1 - dt / tau is left after a step.
Tensor taus_of(const Tensor& betas, double dt) {
  constexpr double kLongest = kAny / 2;  // as float it is still a parameter
  Tensor taus(betas.shape());
  for (size_t i = 0; i < taus.f32().size(); ++i) {
    const double beta = double{betas.f32()[i]};
    if (!(beta >= 0 && beta <= 1))
      throw Error(ErrorCode::kData, fmt::format("holds {}, no number from 0 to 1", beta));
    taus.f32()[i] = static_cast<float>(beta < 1 ? dt / (1 - beta) : kLongest);
  }
  return taus;
}

void take_parameter(const std::string& parameter, const std::string& array, double dt,
                    Weights& stored, LayerArrays& arrays) {
  const bool is_beta = parameter == "beta";
  const std::string name = is_beta ? array + ".tau" : array;
  if (arrays.numbers.contains(name) || arrays.shapes.contains(name)) return;
  if (!stored.contains(array)) return;  // building says so
  try {
    Tensor values = channels_last(stored.at(array).data);
    if (is_beta) values = taus_of(values, dt);
    stored.erase(array);
    if (values.size() == 1) {
      arrays.numbers[name] = double{values.f32()[0]};
    } else {
      arrays.shapes[name] = values.shape();
      stored.add(name, std::move(values));
    }
  } catch (const Error& error) {
    throw error.in(array);
  }
}

// A kernel along one axis as one of height 1.
void take_conv1d(const std::string& array, Weights& stored) {
  if (!stored.contains(array)) return;
  const Tensor from = to_f32(stored.at(array).data);
  const Shape& shape = from.shape();
  if (shape.size() != 3) return;
  Tensor to({shape[0], shape[1], 1, shape[2]});
  std::copy(from.f32().begin(), from.f32().end(), to.f32().begin());
  stored.erase(array);
  stored.add(array, std::move(to));
}

// What the arrays decide; those that are parameters of neurons leave `stored` as numbers.
ModelSpec take_arrays(const ModelSpec& spec, Weights& stored) {
  ModelSpec taken = spec;
  auto& config = taken.as<LayersConfig>();
  config.arrays = {};
  std::vector<std::string> missing;
  for (const LayerRow& row : layer_rows(config)) {
    for (const std::string& name : arrays_of(row)) {
      if (!stored.contains(name) && !config.arrays.numbers.contains(name)) missing.push_back(name);
    }
    if (row.kind == LayerKind::kConv1d) take_conv1d(row.weight, stored);
    for (const auto& [parameter, array] : row.arrays)
      take_parameter(parameter, array, config.dt, stored, config.arrays);
    check_arrays(row, config.arrays, stored);
  }
  if (!missing.empty()) {
    const size_t shown = std::min<size_t>(missing.size(), 3);
    std::vector<std::string> there = stored.names();
    there.resize(std::min<size_t>(there.size(), 6));
    throw Error(
        ErrorCode::kData,
        fmt::format("{} of the arrays that layers name are missing ({}{}); it has {}",
                    missing.size(),
                    fmt::join(missing.begin(), missing.begin() + static_cast<long>(shown), ", "),
                    missing.size() > shown ? ", ..." : "", fmt::join(there, ", ")));
  }
  for (const std::string& name : stored.names())
    config.arrays.shapes[name] = stored.at(name).data.shape();
  const Graph graph = Building(config, {.frames = 1}).build();
  config.arrays.classes = element_count(graph.node(graph.outputs()[0].second).shape);
  return taken;
}

ModelSpec start_layers(std::string_view preset) {
  if (!preset.empty())
    throw Error(ErrorCode::kUsage, "a list of layers has no presets, found " + std::string(preset));
  return ModelSpec::of(LayersConfig());
}

std::optional<Graph> twin_of(const ModelSpec& spec, const DataShape& data) {
  if (spec.as<LayersConfig>().arrays.shapes.empty()) return std::nullopt;
  return dense_twin_of_still(build_from(spec, data), data);
}

}  // namespace

Family layers_family() {
  Family row{.name = "layers",
             .title = "the list of layers",
             .about = "a checkpoint and a list of its layers, [[layer]]",
             .sample = SampleKind::kFrames,
             .length_key = "time_steps"};
  row.start = start_layers;
  row.keys = [](ModelSpec& spec) { return layers_keys(spec.as<LayersConfig>()); };
  row.check = check_layers;
  row.shape = [](const ModelSpec& spec) {
    const auto& c = spec.as<LayersConfig>();
    ModelShape shape{.steps = c.time_steps, .classes = c.arrays.classes};
    if (c.input.empty()) return shape;
    shape.frame = nir::channels_last(c.input);
    shape.channels = shape.frame.back();
    return shape;
  };
  row.fit = with_steps_of<LayersConfig>;
  row.build = build_from;
  row.arrays = {names_of, take_arrays};
  row.twin = {"the dense twin", "same topology, ReLU for neurons, one pass", twin_of};
  return row;
}

}  // namespace spikeloom
