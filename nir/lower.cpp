#include "nir/lower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "nir/values.hpp"

namespace spikeloom::nir {
namespace {

constexpr size_t kNothing = static_cast<size_t>(-1);

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

bool is_recurrent_layer(NodeKind kind) {
  return kind == NodeKind::kAffine || kind == NodeKind::kConv1d || kind == NodeKind::kConv2d;
}

// Nodes whose values are taken a step later, behind them and not in front: layers that read only
// spikes of the step before, where one of them has a bias that the first step must not have.
std::vector<bool> deferred_nodes(const Network& network, const Wiring& wiring,
                                 RecurrentStart start) {
  std::vector<bool> deferred(network.nodes.size(), false);
  if (start == RecurrentStart::kBias) return deferred;
  // What is reached from spikes of the step before and from nothing else.
  bool biased = false;
  for (const size_t node : wiring.order) {
    const auto& inputs = network.inputs[node];
    bool only = !inputs.empty() && !network.nodes[node].type().is_neuron &&
                network.nodes[node].kind != NodeKind::kOutput;
    for (size_t i = 0; only && i < inputs.size(); ++i)
      only = wiring.later[node][i] || deferred[inputs[i]];
    deferred[node] = only;
    biased = biased || (only && is_recurrent_layer(network.nodes[node].kind) &&
                        network.nodes[node].has("bias"));
  }
  if (!biased) deferred.assign(deferred.size(), false);
  return deferred;
}

class Lowering {
 public:
  Lowering(const Network& network, const Wiring& wiring, const Choices& choices,
           const Frames& frames)
      : network_(network),
        wiring_(wiring),
        choices_(choices),
        frames_(frames),
        deferred_(deferred_nodes(network, wiring, choices.recurrent_start)),
        out_(network.nodes.size(), -1),
        before_(network.nodes.size(), -1) {
    for (const Node& node : network.nodes) names_.insert(node.name);
    names_.insert("logits");
  }

  Lowered run() {
    add_input();
    for (const bool late : {false, true}) {
      for (const size_t node : wiring_.order) {
        if (deferred_[node] == late && out_[node] < 0) add(node);
      }
    }
    for (size_t node = 0; node < before_.size(); ++node) {
      if (before_[node] >= 0)
        result_.graph.close(before_[node], deferred_[node] ? real(out_[node]) : out_[node]);
    }
    add_outputs();
    return std::move(result_);
  }

 private:
  const Node& node_of(size_t node) const { return network_.nodes[node]; }

  // A name that no other node has.
  std::string fresh(std::string name) {
    while (!names_.insert(name).second) name += "_";
    return name;
  }
  NodeId put(std::string name, Op op, std::vector<NodeId> inputs) {
    return result_.graph.add(std::move(name), std::move(op), std::move(inputs));
  }
  const spikeloom::Node& at(NodeId id) const { return result_.graph.node(id); }

  void add_input() {
    size_t input = kNothing;
    std::vector<std::string> all;
    for (size_t node = 0; node < network_.nodes.size(); ++node) {
      if (node_of(node).kind != NodeKind::kInput) continue;
      input = node;
      all.push_back(printable(node_of(node).name, 60));
    }
    if (all.size() > 1)
      throw Error(ErrorCode::kUsage,
                  fmt::format("the network has {} Inputs ({}); samples are for one", all.size(),
                              fmt::join(all, ", ")));
    const Shape own = channels_last(wiring_.out[input]);
    const Shape shape = frames_.shape.empty() ? own : frames_.shape;
    const bool flatten =
        shape != own && own.size() == 1 && element_count(shape) == element_count(own);
    if (shape != own && !flatten) {
      throw Error(ErrorCode::kUsage,
                  fmt::format("the network takes {}, channels last, samples are {}", to_string(own),
                              to_string(shape)));
    }
    const std::string name = node_of(input).name;
    Input op = input_of(shape, frames_.repeated, frames_.events);
    if (!flatten) {
      out_[input] = put(name, op, {});
      return;
    }
    const NodeId image = put(fresh(name + ".image"), op, {});
    out_[input] = put(name, Flatten{}, {image});
    result_.notes.push_back(
        fmt::format("samples of {} are flattened to the {} values of Input {} "
                    "in the order channels, rows, columns",
                    to_string(shape), own[0], name));
  }

  // The value of the step before.
  NodeId before(size_t from) {
    if (before_[from] >= 0) return before_[from];
    const Node& node = node_of(from);
    Feedback op{channels_last(wiring_.out[from]), false};
    if (!deferred_[from] && node.type().fires) {
      op.spikes = choices_.reset != Reset::kMulti;
      if (!op.spikes) op.highest = kMostSpikesInStep;
    }
    return before_[from] = put(fresh(node.name + ".before"), op, {});
  }

  NodeId source(size_t node, size_t i) {
    const size_t from = network_.inputs[node][i];
    if (deferred_[node]) return out_[from];
    if (deferred_[from] || wiring_.later[node][i]) return before(from);
    return out_[from];
  }

  // Spikes as numbers.
  NodeId real(NodeId id) {
    if (at(id).kind != EdgeKind::kSpikes) return id;
    const auto known = numbers_.find(id);
    if (known != numbers_.end()) return known->second;
    return numbers_[id] = put(fresh(at(id).name + ".value"), Scale{}, {id});
  }

  NodeId plus(const std::string& name, NodeId a, NodeId b) {
    const bool both = is_events(at(a).kind) && is_events(at(b).kind);
    if (both) {
      const LevelRange &x = at(a).levels, &y = at(b).levels;
      if (std::max(x.high + y.high, -x.low - y.low) > kMostLevel) {
        a = put(fresh(at(a).name + ".value"), Scale{}, {a});
      }
    } else if (is_events(at(a).kind)) {
      std::swap(a, b);
    }
    return put(fresh(name), Add{}, {a, b});
  }

  // What arrives at a node: the sum of its edges, in their order.
  NodeId arriving(size_t node) {
    NodeId sum = source(node, 0);
    for (size_t i = 1; i < network_.inputs[node].size(); ++i)
      sum = plus(node_of(node).name + ".sum", sum, source(node, i));
    return sum;
  }

  // The name of the array, which now is one of the weights.
  std::string array(const Node& node, std::string_view field, Tensor tensor) {
    std::string name = node.name + "." + std::string(field);
    if (!result_.weights.contains(name)) result_.weights.add(name, std::move(tensor));
    return name;
  }
  std::string weight(const Node& node, const Shape& shape) {
    return array(node, "weight", weight_of(node["weight"], shape));
  }
  std::string bias(const Node& node) {
    if (!node.has("bias")) return "";
    return array(node, "bias", weight_of(node["bias"], node["bias"].shape()));
  }

  void add(size_t index) {
    const Node& node = node_of(index);
    NodeId in = arriving(index);
    out_[index] = in;
    switch (node.kind) {
      case NodeKind::kInput:
      case NodeKind::kOutput: return;
      case NodeKind::kAffine:
      case NodeKind::kLinear: out_[index] = put(node.name, linear(node), {in}); return;
      case NodeKind::kConv1d:
      case NodeKind::kConv2d: out_[index] = put(node.name, conv(node), {in}); return;
      case NodeKind::kSumPool2d:
      case NodeKind::kAvgPool2d: out_[index] = add_pool(node, in); return;
      case NodeKind::kFlatten:
        if (at(in).shape.size() > 1) out_[index] = put(node.name, Flatten{}, {in});
        return;
      case NodeKind::kScale: out_[index] = put(node.name, scale(node, index), {in}); return;
      case NodeKind::kDelay: out_[index] = add_delay(node, index, in); return;
      case NodeKind::kThreshold:
        out_[index] = put(node.name, threshold(node, index), {real(in)});
        return;
      default:
        out_[index] =
            put(node.name, Neuron{neuron_of(node, wiring_.out[index], choices_, &result_.weights)},
                {real(in)});
    }
  }

  Linear linear(const Node& node) {
    const Shape& shape = node["weight"].shape();
    return {shape[1], shape[0], 0, weight(node, shape), bias(node)};
  }

  Conv2d conv(const Node& node) {
    const bool flat = node.kind == NodeKind::kConv1d;
    const size_t axes = flat ? 1 : 2;
    Shape shape = node["weight"].shape();
    if (flat) shape.insert(shape.begin() + 2, 1);
    const auto pair = [&](std::string_view field, int64_t absent) {
      const auto values = node.integers(field, axes, absent);
      return flat ? YX(field == "padding" ? 0 : 1, values[0]) : YX(values[0], values[1]);
    };
    Conv2d op;
    op.groups = node.integers("groups", 1, 1)[0];
    op.in_channels = shape[1] * op.groups;
    op.out_channels = shape[0];
    op.kernel = {shape[2], shape[3]};
    op.stride = pair("stride", 1);
    op.padding = node.same ? YX(0) : pair("padding", 0);
    op.dilation = pair("dilation", 1);
    op.same = node.same;
    op.weight = weight(node, shape);
    op.bias = bias(node);
    return op;
  }

  NodeId add_pool(const Node& node, NodeId in) {
    const auto pair = [&](std::string_view field, int64_t absent) {
      const auto values = node.integers(field, 2, absent);
      return YX(values[0], values[1]);
    };
    const bool sums = node.kind == NodeKind::kSumPool2d;
    const Pool2d op{sums ? PoolMode::kSum : PoolMode::kAverage, pair("kernel_size", 1),
                    pair("stride", 1), pair("padding", 0)};
    if (sums && is_events(at(in).kind) &&
        at(in).levels.largest() > kMostLevel / std::max<int64_t>(op.kernel.area(), 1))
      in = put(fresh(at(in).name + ".value"), Scale{}, {in});
    return put(node.name, op, {in});
  }

  Scale scale(const Node& node, size_t index) {
    const PerValue factors = per_value(node["scale"], wiring_.out[index]);
    if (factors.shape.empty()) return {static_cast<float>(factors.values[0])};
    return {1, array(node, "scale", factors.single()), factors.shape};
  }

  Threshold threshold(const Node& node, size_t index) {
    const PerValue values = per_value(node["threshold"], wiring_.out[index]);
    Threshold op{0, FireRule::kAboveThreshold};
    op.threshold = static_cast<float>(values.values[0]);
    if (values.shape.empty()) return op;
    op.threshold = 0;
    op.thresholds = array(node, "threshold", values.single());
    op.shape = values.shape;
    return op;
  }

  NodeId add_delay(const Node& node, size_t index, NodeId in) {
    constexpr double kMostSteps = 65535;
    const Shape shape = channels_last(wiring_.out[index]);
    const Array& delays = node["delay"];
    double most = 0, worst = 0;
    for (int64_t i = 0; i < delays.size(); ++i) {
      const double steps = delays.at(i) / choices_.dt, whole = std::rint(steps);
      if (whole > kMostSteps)
        refuse(fmt::format("delay of {} is {} steps of {} s, at most {}", title_of(node), whole,
                           choices_.dt, kMostSteps));
      most = std::max(most, whole);
      worst = std::max(worst, std::abs(steps - whole));
    }
    if (worst > 1e-3) {
      result_.notes.push_back(fmt::format(
          "{}: delays are no multiples of dt = {} s and were rounded to steps, by up to {:.3g} of "
          "one",
          title_of(node), choices_.dt, worst));
    }
    if (most == 0) return in;
    Delay op{static_cast<int64_t>(most), "", {}};
    PerValue steps = per_value(delays, wiring_.out[index]);
    if (!steps.shape.empty()) {
      // One for each element, also where those of a channel are alike.
      Tensor all(shape);
      const auto channels = static_cast<size_t>(shape.back());
      for (size_t i = 0; i < all.f32().size(); ++i) {
        const size_t from = steps.shape.size() == 1 ? i % channels : i;
        all.f32()[i] = static_cast<float>(std::rint(steps.values[from] / choices_.dt));
      }
      op.by_element = array(node, "delay", std::move(all));
      op.shape = shape;
    }
    return put(node.name, op, {in});
  }

  NodeId read_out(const std::string& name, NodeId value) {
    const std::optional<StepMean> reader = reader_of(choices_.readout);
    return reader ? put(name, *reader, {value}) : value;
  }

  void add_outputs() {
    std::string first;
    std::vector<std::string> others;
    for (size_t node = 0; node < network_.nodes.size(); ++node) {
      if (node_of(node).kind != NodeKind::kOutput) continue;
      const std::string& name = node_of(node).name;
      if (first.empty()) {
        first = name;
        result_.graph.output("logits", read_out("logits", out_[node]));
      } else {
        others.push_back(name);
        result_.graph.output(name == "logits" ? fresh(name) : name,
                             read_out(fresh(name + ".readout"), out_[node]));
      }
    }
    if (others.empty()) return;
    result_.notes.push_back(
        fmt::format("the network has {} Outputs: logits are those of {}; {} "
                    "can be had as output.features",
                    others.size() + 1, printable(first, 60),
                    printable(fmt::format("{}", fmt::join(others, ", ")))));
  }

  const Network& network_;
  const Wiring& wiring_;
  const Choices& choices_;
  const Frames& frames_;
  const std::vector<bool> deferred_;
  std::vector<NodeId> out_;     // by node: what it gives
  std::vector<NodeId> before_;  // by node: that of the step before; -1: nobody reads it
  std::map<NodeId, NodeId> numbers_;
  std::set<std::string> names_;
  Lowered result_;
};

// The parameters of a neuron that are multiplied by tau_scale.
bool is_time(std::string_view field) {
  return field.starts_with("tau");
}

void check_reset(const Node& node) {
  if (!node.has("v_threshold")) return;
  const Array& threshold = node["v_threshold"];
  const auto reset = [&](int64_t i) {
    if (!node.has("v_reset")) return 0.0;
    const Array& array = node["v_reset"];
    return array.at(array.size() == 1 ? 0 : i);
  };
  const int64_t count =
      std::max(threshold.size(), node.has("v_reset") ? node["v_reset"].size() : 1);
  for (int64_t i = 0; i < count; ++i) {
    const double fires = threshold.at(threshold.size() == 1 ? 0 : i);
    if (fires > reset(i)) continue;
    refuse(fmt::format("v_threshold of {} must lie above v_reset: {} and {}", title_of(node), fires,
                       reset(i)));
  }
}

}  // namespace

std::optional<StepMean> reader_of(Readout readout) {
  switch (readout) {
    case Readout::kRate: return StepMean{StepMode::kSum};
    case Readout::kMax: return StepMean{StepMode::kMost};
    case Readout::kMean: return StepMean{StepMode::kMean};
    case Readout::kLast: break;
  }
  return std::nullopt;
}

bool adds_unit(const Node& node, const Choices& choices) {
  if (choices.if_gain != IfGain::kAuto) return choices.if_gain == IfGain::kUnit;
  const Array& r = node["r"];
  bool agree = true, ones = true;
  for (int64_t i = 0; i < r.size(); ++i) {
    agree = agree && std::abs(choices.dt * r.at(i) - 1) <= 1e-6;
    ones = ones && r.at(i) == 1;
  }
  return agree || ones;
}

NeuronSpec neuron_of(const Node& node, const Shape& shape, const Choices& choices,
                     Weights* weights) {
  NeuronSpec spec = neuron(node.type().name);
  const bool integrates = spec.row().forms[0] == NeuronForm::kUnit;
  spec.rules.form = !integrates                ? form_of(choices.form)
                    : adds_unit(node, choices) ? NeuronForm::kUnit
                                               : NeuronForm::kOde;
  if (spec.fires()) {
    spec.rules.fire =
        choices.fire == Fire::kAt ? FireRule::kAtThreshold : FireRule::kAboveThreshold;
    spec.rules.reset = choices.reset;
    if (choices.reset == Reset::kHard || choices.reset == Reset::kValueNext) check_reset(node);
  }
  spec["dt"].value = choices.dt;
  for (const Field& field : node.type().fields) {
    NeuronValue& value = spec[field.name];
    if (!node.has(field.name)) {
      value.value = field.name == "w_in" ? 1 : 0;
      continue;
    }
    const PerValue numbers =
        per_value(node[field.name], shape, is_time(field.name) ? choices.tau_scale : 1);
    value.value = numbers.values[0];
    if (numbers.shape.empty() || weights == nullptr) continue;
    value = {0, node.name + "." + std::string(field.name), numbers.shape};
    weights->add(value.array, numbers.single());
  }
  try {
    check(spec);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUsage, title_of(node) + ": " + error.what());
  }
  return spec;
}

Lowered lower(const Network& network, const Wiring& wiring, const Choices& choices,
              const Frames& frames) {
  return Lowering(network, wiring, choices, frames).run();
}

}  // namespace spikeloom::nir
