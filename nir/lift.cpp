#include "nir/lift.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "nir/choices.hpp"
#include "nir/values.hpp"
#include "nir/wiring.hpp"

namespace spikeloom::nir {
namespace {

constexpr size_t kNowhere = static_cast<size_t>(-1);

Array integers(std::vector<int64_t> values, bool scalar = false) {
  Tensor data(scalar ? Shape{} : Shape{static_cast<int64_t>(values.size())}, DType::kF64);
  std::copy(values.begin(), values.end(), data.as<double>().begin());
  return {std::move(data)};
}

// fp32 where that holds every number.
Array numbers(const Shape& shape, const std::vector<double>& values) {
  const bool single = std::all_of(values.begin(), values.end(), [](double value) {
    return static_cast<double>(static_cast<float>(value)) == value;
  });
  Tensor data(shape, single ? DType::kF32 : DType::kF64);
  for (size_t i = 0; i < values.size(); ++i) {
    single ? data.f32()[i] = static_cast<float>(values[i]) : data.as<double>()[i] = values[i];
  }
  return {std::move(data)};
}

class Lifting {
 public:
  Lifting(const Graph& graph, const Weights& weights, bool in_steps)
      : graph_(graph), weights_(weights), in_steps_(in_steps), consumers_(consumers_of(graph)) {
    flat_ = is_flat();
  }

  Lifted run() {
    place_.assign(graph_.nodes().size(), kNowhere);
    for (NodeId id = 0; id < graph_.size(); ++id) add(id);
    if (!refused_.empty()) {
      throw Error(ErrorCode::kUsage,
                  fmt::format("NIR cannot say {} layer{}: {}", refused_.size(),
                              refused_.size() == 1 ? "" : "s", listed(refused_)));
    }
    for (NodeId id = 0; id < graph_.size(); ++id) connect(id);
    add_outputs();
    sort();
    state();
    check();
    return std::move(result_);
  }

 private:
  static std::string listed(const std::vector<std::string>& names) {
    constexpr size_t kShown = 12;
    std::string text;
    for (size_t i = 0; i < std::min(names.size(), kShown); ++i)
      text += (i == 0 ? "" : ", ") + names[i];
    if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
    return text;
  }

  const spikeloom::Node& at(NodeId id) const { return graph_.node(id); }

  void refuse(NodeId id, const std::string& why = "") {
    refused_.push_back(fmt::format("{} ({})", printable(at(id).name, 60),
                                   why.empty() ? describe(at(id).op) : why));
  }

  // Maps of one row are sequences where nothing reaches beyond the row.
  bool is_flat() const {
    bool any = false;
    for (const spikeloom::Node& node : graph_.nodes()) {
      if (node.shape.size() == 3 && node.shape[0] != 1) return false;
      if (std::holds_alternative<Pool2d>(node.op)) return false;
      const auto* conv = std::get_if<Conv2d>(&node.op);
      if (conv == nullptr) continue;
      any = true;
      if (conv->kernel.y != 1 || conv->stride.y != 1 || conv->padding.y != 0) return false;
    }
    return any;
  }

  // Channels first.
  Shape nir_shape(const Shape& shape) const {
    if (shape.size() != 3) return shape;
    if (flat_) return {shape[2], shape[1]};
    return {shape[2], shape[0], shape[1]};
  }

  Node& put(NodeId id, NodeKind kind, std::string name = "") {
    if (name.empty()) name = at(id).name;
    std::replace(name.begin(), name.end(), '/', '.');
    while (!names_.insert(name).second) name += "_";
    place_[static_cast<size_t>(id)] = result_.network.nodes.size();
    result_.network.inputs.emplace_back();
    Node& node = result_.network.nodes.emplace_back();
    node.name = std::move(name);
    node.kind = kind;
    return node;
  }

  // A number for each value of a node, channels first; `of` counts channels last.
  Array each(NodeId id, const std::function<double(int64_t)>& of) const {
    const Shape& shape = at(id).shape;
    const int64_t count = element_count(shape), channels = shape.back(), pixels = count / channels;
    std::vector<double> values;
    for (int64_t i = 0; i < count; ++i) values.push_back(of(i % pixels * channels + i / pixels));
    return numbers(nir_shape(shape), values);
  }

  // Elements of an array of a parameter; `one` where there is none.
  std::function<double(int64_t)> elements(const std::string& array, double one,
                                          int64_t channels) const {
    if (array.empty()) return [one](int64_t) { return one; };
    const Tensor values = to_f32(weights_.at(array).data);
    std::vector<float> own(values.f32().begin(), values.f32().end());
    return [own = std::move(own), channels](int64_t i) {
      const bool by_channel = std::ssize(own) == channels;
      return static_cast<double>(own[static_cast<size_t>(by_channel ? i % channels : i)]);
    };
  }

  Array weight(const std::string& array, const Shape& shape) const {
    const Tensor values = to_f32(weights_.at(array).data);
    Tensor data(shape);
    std::copy(values.f32().begin(), values.f32().end(), data.f32().begin());
    return {std::move(data)};
  }

  void add(NodeId id) {
    std::visit([&](const auto& op) { add(id, op); }, at(id).op);
  }

  void add(NodeId id, const Input& op) {
    if (op.vocabulary > 0) return refuse(id, "tokens");
    if (op.shape.size() == 2) return refuse(id, "tokens of several channels");
    const Shape shape = nir_shape(op.shape);
    put(id, NodeKind::kInput).arrays["shape"] = integers({shape.begin(), shape.end()});
  }

  void add(NodeId id, const Linear& op) {
    const Shape& from = at(at(id).inputs[0]).shape;
    if (from.size() == 3) return add_conv(id, op.weight, op.bias, op.out_features, op.in_features);
    if (from.size() != 1) return refuse(id, "a matrix for each token");
    Node& node = put(id, op.bias.empty() ? NodeKind::kLinear : NodeKind::kAffine);
    node.arrays["weight"] = weight(op.weight, {op.out_features, op.in_features});
    if (!op.bias.empty()) node.arrays["bias"] = weight(op.bias, {op.out_features});
  }

  // A matrix for each pixel.
  void add_conv(NodeId id, const std::string& array, const std::string& bias, int64_t outputs,
                int64_t inputs) {
    add(id, Conv2d{inputs, outputs, 1, 1, 0, 1, array, bias});
  }

  void add(NodeId id, const Conv2d& op) {
    Node& node = put(id, flat_ ? NodeKind::kConv1d : NodeKind::kConv2d);
    const Shape& from = at(at(id).inputs[0]).shape;
    const auto pair = [&](YX of) {
      return flat_ ? integers({of.x}, true) : integers({of.y, of.x});
    };
    node.arrays["input_shape"] = flat_ ? integers({from[1]}, true) : integers({from[0], from[1]});
    Shape shape{op.out_channels, op.in_channels / op.groups, op.kernel.y, op.kernel.x};
    if (flat_) shape.erase(shape.begin() + 2);
    node.arrays["weight"] = weight(op.weight, shape);
    node.arrays["stride"] = pair(op.stride);
    if (!op.same) node.arrays["padding"] = pair(op.padding);
    node.same = op.same;
    node.arrays["dilation"] = pair(op.dilation);
    node.arrays["groups"] = integers({op.groups}, true);
    // NIR's class has no convolution without one.
    node.arrays["bias"] =
        op.bias.empty() ? Array{Tensor({op.out_channels})} : weight(op.bias, {op.out_channels});
  }

  void add(NodeId id, const Pool2d& op) {
    if (op.mode == PoolMode::kMax) return refuse(id);
    Node& node = put(id, op.mode == PoolMode::kSum ? NodeKind::kSumPool2d : NodeKind::kAvgPool2d);
    node.arrays["kernel_size"] = integers({op.kernel.y, op.kernel.x});
    node.arrays["stride"] = integers({op.stride.y, op.stride.x});
    node.arrays["padding"] = integers({op.padding.y, op.padding.x});
  }

  void add(NodeId id, const Flatten&) {
    Node& node = put(id, NodeKind::kFlatten);
    const Shape from = nir_shape(at(at(id).inputs[0]).shape);
    node.arrays["start_dim"] = integers({0}, true);
    node.arrays["end_dim"] = integers({-1}, true);
    node.arrays["input_type"] = integers({from.begin(), from.end()});
  }

  void add(NodeId id, const Scale& op) {
    const spikeloom::Node& from = at(at(id).inputs[0]);
    // Spikes as numbers: edges of NIR have no kinds.
    if (op.factors.empty() && op.factor == 1 && is_events(from.kind)) return;
    if (at(id).shape.size() == 2) return refuse(id);
    put(id, NodeKind::kScale).arrays["scale"] =
        each(id, elements(op.factors, double{op.factor}, channels_of(at(id).shape)));
  }

  void add(NodeId id, const Threshold& op) {
    if (op.fire != FireRule::kAboveThreshold || at(id).shape.size() == 2) return refuse(id);
    put(id, NodeKind::kThreshold).arrays["threshold"] =
        each(id, elements(op.thresholds, double{op.threshold}, channels_of(at(id).shape)));
  }

  void add(NodeId id, const Delay& op) {
    if (at(id).shape.size() == 2) return refuse(id);
    delays_.push_back(id);  // their step is known once all neurons are
    const auto steps =
        elements(op.by_element, static_cast<double>(op.steps), channels_of(at(id).shape));
    put(id, NodeKind::kDelay).arrays["delay"] = each(id, steps);
  }

  void add(NodeId, const Add&) {}
  void add(NodeId, const Feedback&) {}

  void add(NodeId id, const StepMean& op) {
    const bool last = consumers_[static_cast<size_t>(id)].empty();
    if (!last) return refuse(id, "a mean or sum over the steps that others read");
    constexpr Readout kReadouts[] = {Readout::kMean, Readout::kRate, Readout::kMax};
    readout_ = kReadouts[static_cast<size_t>(op.mode)];
  }

  void add(NodeId id, const SpatialMean&) {
    const Shape& from = at(at(id).inputs[0]).shape;
    if (from.size() != 3 || flat_) return refuse(id);
    Node& pool = put(id, NodeKind::kAvgPool2d, at(id).name + ".pool");
    pool.arrays["kernel_size"] = integers({from[0], from[1]});
    pool.arrays["stride"] = integers({1, 1});
    pool.arrays["padding"] = integers({0, 0});
    inner_[id] = place_[static_cast<size_t>(id)];
    Node& flatten = put(id, NodeKind::kFlatten);
    flatten.arrays["start_dim"] = integers({0}, true);
    flatten.arrays["end_dim"] = integers({-1}, true);
    flatten.arrays["input_type"] = integers({from[2], 1, 1});
    result_.notes.push_back(at(id).name +
                            ": the mean of a map became an average pool, whose sums "
                            "have another order");
  }

  void add(NodeId id, const Neuron& op);

  // Without a word of NIR.
  void add(NodeId id, const BatchNorm&) { refuse(id); }
  void add(NodeId id, const KtV&) { refuse(id); }
  void add(NodeId id, const QApply&) { refuse(id); }
  void add(NodeId id, const View&) { refuse(id); }
  void add(NodeId id, const Activation&) { refuse(id); }
  void add(NodeId id, const SoftmaxAttention&) { refuse(id); }
  void add(NodeId id, const Embedding&) { refuse(id); }
  void add(NodeId id, const LayerNorm&) { refuse(id); }
  void add(NodeId id, const TokenMix&) { refuse(id); }
  void add(NodeId id, const Wkv&) { refuse(id); }
  void add(NodeId id, const Mul&) { refuse(id); }
  void add(NodeId id, const Conv1d&) { refuse(id, "a convolution along the steps"); }
  void add(NodeId id, const LmuMemory&) { refuse(id); }
  void add(NodeId id, const Concat&) { refuse(id); }
  void add(NodeId id, const Positions&) { refuse(id); }
  void add(NodeId id, const Prepend&) { refuse(id); }
  void add(NodeId id, const FirstRow&) { refuse(id); }
  void add(NodeId id, const RecordedOp&) { refuse(id); }

  // The NIR nodes whose values add up to that of a node; `back`: on a way through Feedback.
  struct Source {
    size_t place;
    bool back;
  };
  void sources(NodeId id, bool back, int depth, std::vector<Source>& found) const {
    if (depth > 1000) throw Error(ErrorCode::kUsage, "NIR cannot say sums that go round");
    if (place_[static_cast<size_t>(id)] != kNowhere) {
      found.push_back({place_[static_cast<size_t>(id)], back});
      return;
    }
    const spikeloom::Node& node = at(id);
    if (node.feedback >= 0) return sources(node.feedback, true, depth + 1, found);
    for (const NodeId input : node.inputs) sources(input, back, depth + 1, found);
  }

  void join(NodeId id, size_t to) {
    std::vector<Source> found;
    for (const NodeId input : at(id).inputs) sources(input, false, 0, found);
    std::set<size_t> seen;
    for (const Source& source : found) {
      if (!seen.insert(source.place).second) {
        throw Error(
            ErrorCode::kUsage,
            fmt::format("{} reads {} twice, which NIR counts once", printable(at(id).name, 60),
                        printable(result_.network.nodes[source.place].name, 60)));
      }
      result_.network.inputs[to].push_back(source.place);
      back_.insert({{source.place, to}, source.back});
    }
  }

  void connect(NodeId id) {
    const size_t own = place_[static_cast<size_t>(id)];
    if (own == kNowhere) return;
    const auto inner = inner_.find(id);
    if (inner == inner_.end()) return join(id, own);
    join(id, inner->second);
    result_.network.inputs[own].push_back(inner->second);
    back_.insert({{inner->second, own}, false});
  }

  // Names sorted behind "output", so that it stays the first.
  void add_outputs() {
    std::vector<std::string> others;
    for (const auto& [name, id] : graph_.outputs()) {
      if (name != "logits") others.push_back(name);
    }
    std::string first = "output";
    while (names_.count(first) > 0 ||
           std::any_of(others.begin(), others.end(), [&](const auto& o) { return o < first; }))
      first = "0" + first;
    for (const auto& [name, id] : graph_.outputs()) {
      std::string own = name == "logits" ? first : name;
      while (!names_.insert(own).second) own += "_";
      const size_t place = result_.network.nodes.size();
      Node& node = result_.network.nodes.emplace_back();
      node.name = own;
      node.kind = NodeKind::kOutput;
      const Shape shape = nir_shape(at(id).shape);
      node.arrays["shape"] = integers({shape.begin(), shape.end()});
      result_.network.inputs.emplace_back();
      std::vector<Source> found;
      sources(id, false, 0, found);
      for (const Source& source : found) {
        result_.network.inputs[place].push_back(source.place);
        back_.insert({{source.place, place}, source.back});
      }
    }
  }

  // In byte order of names.
  void sort() {
    Network& network = result_.network;
    std::vector<size_t> order(network.nodes.size()), places(order.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return network.nodes[a].name < network.nodes[b].name; });
    for (size_t i = 0; i < order.size(); ++i) places[order[i]] = i;
    Network sorted;
    for (const size_t from : order) {
      sorted.nodes.push_back(std::move(network.nodes[from]));
      auto& inputs = sorted.inputs.emplace_back();
      for (const size_t input : network.inputs[from]) inputs.push_back(places[input]);
    }
    std::map<std::pair<size_t, size_t>, bool> back;
    for (const auto& [edge, is] : back_) back[{places[edge.first], places[edge.second]}] = is;
    back_ = std::move(back);
    network = std::move(sorted);
  }

  // What stands beside the graph.
  void state() {
    const double dt = step();
    for (Node& node : result_.network.nodes) {
      if (node.kind != NodeKind::kDelay) continue;
      Array& delay = node.arrays["delay"];
      std::vector<double> seconds;
      for (int64_t i = 0; i < delay.size(); ++i) seconds.push_back(delay.at(i) * dt);
      delay = numbers(delay.shape(), seconds);
    }
    result_.network.version = "1.0.8";
    Metadata& metadata = result_.metadata;
    metadata["dt"] = dt;
    if (readout_) metadata["readout"] = std::string(kReadoutWords[static_cast<size_t>(*readout_)]);
    if (form_) metadata["form"] = std::string(name_of(*form_));
    if (gain_) metadata["if_gain"] = std::string(*gain_ == NeuronForm::kUnit ? "unit" : "ode");
    if (!rules_) return;
    const bool at_threshold = rules_->fire == FireRule::kAtThreshold;
    metadata["fire"] = std::string(at_threshold ? "ge" : "gt");
    metadata["reset"] = std::string(name_of(rules_->reset));
    if (rules_->reset != Reset::kHard)
      result_.notes.push_back(
          fmt::format("NIR has no word for reset {}: readers set v_reset unless "
                      "they are told (model.reset)",
                      name_of(rules_->reset)));
    if (at_threshold)
      result_.notes.emplace_back(
          "NIR fires above the threshold, this network also at it: readers must be told "
          "(model.fire)");
  }

  double step() const { return dt_ && !in_steps_ ? *dt_ : kUsualStep; }

  // Layers whose values are taken a step later, behind them (nir/lower.hpp): those that Feedback
  // shows, and what leads to them from neurons.
  std::vector<bool> late_layers() const {
    const Network& network = result_.network;
    std::vector<bool> late(network.nodes.size(), false);
    std::vector<size_t> open;
    const auto take = [&](size_t node) {
      const NodeKind kind = network.nodes[node].kind;
      if (late[node] || network.nodes[node].type().is_neuron || kind == NodeKind::kInput) return;
      late[node] = true;
      open.push_back(node);
    };
    for (const auto& [edge, back] : back_) {
      if (back) take(edge.first);
    }
    while (!open.empty()) {
      const size_t node = open.back();
      open.pop_back();
      for (const size_t from : network.inputs[node]) {
        if (!back_.at({from, node})) take(from);
      }
    }
    return late;
  }

  // That the values of the step before are those that a reader of the file finds.
  void check() {
    const Network& network = result_.network;
    const Wiring wiring = wire(network);
    const std::vector<bool> late = late_layers();
    bool loops = false, zero = false;
    for (size_t to = 0; to < network.nodes.size(); ++to) {
      zero = zero || late[to];
      for (size_t i = 0; i < network.inputs[to].size(); ++i) {
        const size_t from = network.inputs[to][i];
        const int steps = int{back_.at({from, to})} + int{late[to]} - int{late[from]};
        loops = loops || wiring.later[to][i];
        if (steps == int{wiring.later[to][i]}) continue;
        throw Error(ErrorCode::kUsage,
                    fmt::format("NIR cannot say which step's value {} reads of {}: only what leads "
                                "back to a neuron reads it a step later",
                                title_of(network.nodes[to]), title_of(network.nodes[from])));
      }
    }
    if (loops) result_.metadata["recurrent_start"] = std::string(zero ? "zero" : "bias");
  }

  const Graph& graph_;
  const Weights& weights_;
  const bool in_steps_;
  const std::vector<std::vector<NodeId>> consumers_;
  bool flat_ = false;
  std::vector<size_t> place_;                       // by node of the graph: its NIR node
  std::map<NodeId, size_t> inner_;                  // first of two NIR nodes of one
  std::map<std::pair<size_t, size_t>, bool> back_;  // by edge
  std::vector<std::string> refused_;
  std::vector<NodeId> delays_;
  std::set<std::string> names_;
  std::optional<NeuronRules> rules_;
  std::optional<NeuronForm> form_, gain_;
  std::optional<double> dt_;
  std::optional<Readout> readout_;
  Lifted result_;
};

// Fields of NIR from parameters; models without a word of NIR are refused.
void Lifting::add(NodeId id, const Neuron& op) {
  const NeuronSpec& spec = op.spec;
  const bool learned = spec.row().name == "PLIF";
  const NodeType* type = find_type(learned ? "LIF" : spec.row().name);
  if (type == nullptr || at(id).shape.size() == 2) return refuse(id, std::string(spec.row().name));
  if (spec.fires()) {
    if (rules_ && (rules_->fire != spec.rules.fire || rules_->reset != spec.rules.reset))
      return refuse(id, "fires or is reset in another way than neurons before it");
    rules_ = spec.rules;
  }
  const int64_t channels = channels_of(at(id).shape);
  const auto parameter = [&](std::string_view name, double absent) {
    if (!spec.has(name)) return elements("", absent, channels);
    return elements(spec[name].array, spec[name].value, channels);
  };
  const bool integrates = type->kind == NodeKind::kI || type->kind == NodeKind::kIf;
  const double own_step = spec.has("dt") ? spec["dt"].value : 1;
  if (dt_ && *dt_ != own_step) return refuse(id, "has another step than neurons before it");
  dt_ = own_step;
  const double scale = in_steps_ ? kUsualStep / own_step : 1;  // steps to seconds
  const double dt = in_steps_ ? kUsualStep : own_step;
  NeuronForm form = spec.rules.form;
  const bool plain = form == NeuronForm::kBeta || form == NeuronForm::kPlain;
  if (form == NeuronForm::kBeta && (spec["v_leak"].value != 0 || !spec["v_leak"].array.empty()))
    return refuse(id, "a resting potential that form beta does not know");
  if (plain) form = NeuronForm::kEuler;
  auto& common = integrates ? gain_ : form_;
  if (common && *common != form) return refuse(id, "has another form than neurons before it");
  common = form;
  const auto tau = learned ? std::function<double(int64_t)>(
                                 [w = parameter("w", 0)](int64_t i) { return 1 + std::exp(-w(i)); })
                           : parameter("tau", 1);
  Node& node = put(id, type->kind);
  for (const Field& field : type->fields) {
    std::function<double(int64_t)> value = parameter(field.name, field.name == "w_in" ? 1 : 0);
    if (field.name == "tau") value = tau;
    if (field.name.starts_with("tau")) {
      value = [value, scale](int64_t i) { return value(i) * scale; };
    }
    if (field.name == "r" && plain)
      value = [tau, scale, dt](int64_t i) { return tau(i) * scale / dt; };
    if (field.name == "r" && learned && !plain) value = [](int64_t) { return 1.0; };
    if (field.name == "r" && integrates && in_steps_)
      value = [of = parameter("r", 1), unit = form == NeuronForm::kUnit, dt, own_step](int64_t i) {
        return unit ? 1 / dt : of(i) * own_step / dt;
      };
    node.arrays[std::string(field.name)] = each(id, value);
  }
}

}  // namespace

Lifted lift(const Graph& graph, const Weights& weights, bool in_steps) {
  return Lifting(graph, weights, in_steps).run();
}

}  // namespace spikeloom::nir
