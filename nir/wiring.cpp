#include "nir/wiring.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <queue>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "sim/graph/map_window.hpp"

namespace spikeloom::nir {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

// The first of some nodes: "a, b, c and 4 more".
std::string names_of(const Network& network, const std::vector<size_t>& nodes) {
  constexpr size_t kShown = 5;
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(nodes.size(), kShown); ++i)
    names.push_back(printable(network.nodes[nodes[i]].name, 60));
  std::string text = fmt::format("{}", fmt::join(names, ", "));
  if (nodes.size() > kShown) text += fmt::format(" and {} more", nodes.size() - kShown);
  return text;
}

std::vector<std::vector<size_t>> readers_of(const Network& network) {
  std::vector<std::vector<size_t>> readers(network.nodes.size());
  for (size_t node = 0; node < network.nodes.size(); ++node) {
    for (const size_t from : network.inputs[node]) readers[from].push_back(node);
  }
  return readers;
}

std::vector<bool> reached(const std::vector<std::vector<size_t>>& next, std::vector<size_t> from) {
  std::vector<bool> seen(next.size(), false);
  for (const size_t node : from) seen[node] = true;
  while (!from.empty()) {
    const size_t at = from.back();
    from.pop_back();
    for (const size_t to : next[at]) {
      if (seen[to]) continue;
      seen[to] = true;
      from.push_back(to);
    }
  }
  return seen;
}

std::vector<size_t> of_kind(const Network& network, NodeKind kind) {
  std::vector<size_t> found;
  for (size_t node = 0; node < network.nodes.size(); ++node) {
    if (network.nodes[node].kind == kind) found.push_back(node);
  }
  return found;
}

void check_reach(const Network& network, const std::vector<std::vector<size_t>>& readers,
                 Wiring& wiring) {
  const auto inputs = of_kind(network, NodeKind::kInput),
             outputs = of_kind(network, NodeKind::kOutput);
  const std::vector<bool> seen = reached(readers, inputs);
  const bool leads = std::any_of(inputs.begin(), inputs.end(),
                                 [&](size_t node) { return !readers[node].empty(); });
  const bool arrives =
      std::any_of(outputs.begin(), outputs.end(), [&](size_t node) { return seen[node]; });
  if (!leads) refuse("no path from input to output: no edge leaves the Input");
  std::vector<size_t> lost, idle;
  const std::vector<bool> used = reached(network.inputs, outputs);
  for (size_t node = 0; node < network.nodes.size(); ++node) {
    if (!seen[node] && (arrives || network.nodes[node].kind != NodeKind::kOutput))
      lost.push_back(node);
    if (!used[node]) idle.push_back(node);
  }
  // Those that read nothing stand for all behind them.
  if (std::any_of(lost.begin(), lost.end(),
                  [&](size_t node) { return network.inputs[node].empty(); }))
    std::erase_if(lost, [&](size_t node) { return !network.inputs[node].empty(); });
  if (!lost.empty()) {
    refuse(fmt::format("node{} {} cannot be reached from the input", lost.size() > 1 ? "s" : "",
                       names_of(network, lost)));
  }
  if (!arrives) refuse("no path from input to output");
  if (!idle.empty()) wiring.warnings.push_back("no output reads " + names_of(network, idle));
}

// Parts of the graph whose nodes lead to each other, by node (Tarjan, SIAM J. Computing 1972),
// without recursion.
class Parts {
 public:
  explicit Parts(const std::vector<std::vector<size_t>>& next)
      : part(next.size(), 0), next_(next), index_(next.size(), 0), low_(next.size(), 0) {
    for (size_t node = 0; node < next.size(); ++node) {
      if (index_[node] == 0) visit(node);
    }
  }
  std::vector<size_t> part;  // from 1

 private:
  void visit(size_t root) {
    std::vector<std::pair<size_t, size_t>> frames{{root, 0}};
    enter(root);
    while (!frames.empty()) {
      auto& [node, at] = frames.back();
      if (at < next_[node].size()) {
        const size_t to = next_[node][at++];
        if (index_[to] == 0) {
          enter(to);
          frames.emplace_back(to, 0);
        } else if (part[to] == 0) {
          low_[node] = std::min(low_[node], index_[to]);
        }
        continue;
      }
      const size_t done = node;
      frames.pop_back();
      if (!frames.empty()) {
        size_t& low = low_[frames.back().first];
        low = std::min(low, low_[done]);
      }
      if (low_[done] == index_[done]) close(done);
    }
  }
  void enter(size_t node) {
    index_[node] = low_[node] = ++count_;
    stack_.push_back(node);
  }
  void close(size_t root) {
    ++parts_;
    size_t node = 0;
    do {
      node = stack_.back();
      stack_.pop_back();
      part[node] = parts_;
    } while (node != root);
  }

  const std::vector<std::vector<size_t>>& next_;
  std::vector<size_t> index_, low_, stack_;
  size_t count_ = 0, parts_ = 0;
};

void find_later(const Network& network, const std::vector<std::vector<size_t>>& readers,
                Wiring& wiring) {
  const Parts parts(readers);
  for (size_t node = 0; node < network.nodes.size(); ++node) {
    auto& later = wiring.later.emplace_back();
    for (const size_t from : network.inputs[node]) {
      later.push_back(network.nodes[from].type().is_neuron && parts.part[from] == parts.part[node]);
    }
    wiring.recurrent.push_back(!later.empty() &&
                               std::all_of(later.begin(), later.end(), [](bool is) { return is; }));
  }
}

// Of nodes that could run, the first in byte order of names.
void find_order(const Network& network, const std::vector<std::vector<size_t>>& readers,
                Wiring& wiring) {
  std::vector<size_t> waits(network.nodes.size(), 0);
  for (size_t node = 0; node < waits.size(); ++node)
    waits[node] = static_cast<size_t>(
        std::count(wiring.later[node].begin(), wiring.later[node].end(), false));
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t node = 0; node < waits.size(); ++node) {
    if (waits[node] == 0) ready.push(node);
  }
  while (!ready.empty()) {
    const size_t from = ready.top();
    ready.pop();
    wiring.order.push_back(from);
    std::vector<size_t> to = readers[from];
    std::sort(to.begin(), to.end());
    to.erase(std::unique(to.begin(), to.end()), to.end());
    for (const size_t node : to) {
      for (size_t i = 0; i < network.inputs[node].size(); ++i) {
        if (network.inputs[node][i] == from && !wiring.later[node][i] && --waits[node] == 0)
          ready.push(node);
      }
    }
  }
  std::vector<size_t> stuck;
  for (size_t node = 0; node < waits.size(); ++node) {
    if (waits[node] > 0) stuck.push_back(node);
  }
  if (!stuck.empty()) refuse("a cycle without a neuron: " + names_of(network, stuck));
}

// The one shape of all vectors of a node; nothing where all have one element.
Shape shape_of_vectors(const Node& node) {
  Shape common;
  bool found = false;
  for (const Field& field : node.type().fields) {
    if (field.kind != FieldKind::kPerValue || !node.has(field.name)) continue;
    const Array& array = node[field.name];
    if (array.size() == 1 && array.shape().size() <= 1) continue;
    if (found && array.shape() != common) {
      refuse(fmt::format("vectors of {} have different lengths: {} and {}", title_of(node),
                         to_string(common), to_string(array.shape())));
    }
    common = array.shape();
    found = true;
  }
  return common;
}

[[noreturn]] void misfit(const Node& node, std::string_view what, const std::string& has,
                         const Shape& arrives) {
  const bool batch = arrives.size() > 1 && arrives[0] == 1;
  refuse(fmt::format("{} of {} does not fit the layer before: it {}, {} arrive{}", what,
                     title_of(node), has, to_string(arrives),
                     batch ? " (is the leading 1 a batch axis that the exporter left?)" : ""));
}

Shape integers_as_shape(const Node& node, std::string_view field) {
  Shape shape;
  const Array& array = node[field];
  for (int64_t i = 0; i < array.size(); ++i) shape.push_back(static_cast<int64_t>(array.at(i)));
  return shape;
}

void check_bias(const Node& node, int64_t outputs) {
  if (!node.has("bias") || node["bias"].shape() == Shape{outputs}) return;
  refuse(fmt::format("bias of {} has shape {}, its weight gives {} outputs", title_of(node),
                     to_string(node["bias"].shape()), outputs));
}

Shape affine_shape(const Node& node, const Shape& in) {
  const Shape& weight = node["weight"].shape();
  if (weight.size() != 2)
    refuse(
        fmt::format("weight of {} must have two axes, it has {}", title_of(node), weight.size()));
  if (in != Shape{weight[1]}) misfit(node, "weight", fmt::format("has {} columns", weight[1]), in);
  check_bias(node, weight[0]);
  return {weight[0]};
}

int64_t extent(const Node& node, const WindowAxis& axis, int64_t inputs) {
  const int64_t outputs = axis.outputs(inputs);
  if (outputs == 0)
    refuse(fmt::format("the window of {} spans {} values, {} arrive", title_of(node), axis.span(),
                       inputs));
  return outputs;
}

Shape conv_shape(const Node& node, const Shape& in) {
  const size_t axes = node.kind == NodeKind::kConv1d ? 1 : 2;
  const Shape& weight = node["weight"].shape();
  if (weight.size() != axes + 2)
    refuse(fmt::format("weight of {} must have {} axes, it has {}", title_of(node), axes + 2,
                       weight.size()));
  const int64_t groups = node.integers("groups", 1, 1)[0];
  if (in.size() != axes + 1 || in[0] != weight[1] * groups)
    misfit(node, "weight",
           fmt::format("takes {} channels ({} in each of {} groups) of {} axes", weight[1] * groups,
                       weight[1], groups, axes),
           in);
  if (weight[0] % groups != 0)
    refuse(fmt::format("{} has {} outputs in {} groups", title_of(node), weight[0], groups));
  check_bias(node, weight[0]);
  const auto stride = node.integers("stride", axes, 1), padding = node.integers("padding", axes, 0),
             dilation = node.integers("dilation", axes, 1);
  Shape out{weight[0]};
  const Shape given(in.begin() + 1, in.end());
  if (node.has("input_shape") && integers_as_shape(node, "input_shape") != given)
    refuse(fmt::format("input_shape of {} is {}, {} arrive", title_of(node),
                       to_string(integers_as_shape(node, "input_shape")), to_string(given)));
  for (size_t i = 0; i < axes; ++i) {
    if (padding[i] < 0) refuse("padding of " + title_of(node) + " is negative");
    if (node.same && stride[i] != 1) refuse(title_of(node) + ": padding same needs stride 1");
    WindowAxis axis{weight[i + 2], stride[i], padding[i], padding[i], dilation[i]};
    if (node.same) {
      axis.before = (axis.span() - 1) / 2;
      axis.after = axis.span() - 1 - axis.before;
    }
    out.push_back(extent(node, axis, in[i + 1]));
  }
  return out;
}

Shape pool_shape(const Node& node, const Shape& in) {
  if (in.size() != 3) misfit(node, "the window", "takes maps (C, H, W)", in);
  const auto kernel = node.integers("kernel_size", 2, 1), stride = node.integers("stride", 2, 1),
             padding = node.integers("padding", 2, 0);
  Shape out{in[0]};
  for (size_t i = 0; i < 2; ++i) {
    if (padding[i] < 0 || 2 * padding[i] > kernel[i])
      refuse(fmt::format("padding of {} must be from 0 to half of kernel_size", title_of(node)));
    out.push_back(extent(node, {kernel[i], stride[i], padding[i], padding[i]}, in[i + 1]));
  }
  return out;
}

// Counts axes of one sample, without a batch.
Shape flatten_shape(const Node& node, const Shape& in) {
  const auto rank = static_cast<int64_t>(in.size());
  if (node.has("input_type") && integers_as_shape(node, "input_type") != in)
    refuse(fmt::format("input_type of {} is {}, {} arrive", title_of(node),
                       to_string(integers_as_shape(node, "input_type")), to_string(in)));
  int64_t start = node.integers("start_dim", 1, 0)[0], end = node.integers("end_dim", 1, -1)[0];
  if (start < 0) start += rank;
  if (end < 0) end += rank;
  if (start < 0 || end >= rank || start > end)
    refuse(
        fmt::format("{} flattens axes {} to {} of {}", title_of(node), start, end, to_string(in)));
  Shape out(in.begin(), in.begin() + start);
  out.push_back(element_count(Shape(in.begin() + start, in.begin() + end + 1)));
  out.insert(out.end(), in.begin() + end + 1, in.end());
  if (out != in && out.size() != 1)
    refuse(
        fmt::format("{} flattens axes {} to {} of {} and leaves others; only a flattening to a "
                    "vector is supported (start_dim 0)",
                    title_of(node), start, end, to_string(in)));
  return out;
}

Shape without_leading_ones(const Shape& shape) {
  const auto first = std::find_if(shape.begin(), shape.end(), [](int64_t n) { return n != 1; });
  return {first, shape.end()};
}

Shape port_shape(const Node& node, const Shape& in) {
  const Shape own = integers_as_shape(node, "shape");
  if (node.kind == NodeKind::kInput) return own;
  if (without_leading_ones(own) != without_leading_ones(in))
    refuse(fmt::format("shape of Output {} is {}, what arrives is {}", printable(node.name, 100),
                       to_string(own), to_string(in)));
  return in;
}

Shape vector_shape(const Node& node, const Shape& in, std::vector<bool>::reference broadcast) {
  const Shape own = shape_of_vectors(node);
  broadcast = own.empty() && element_count(in) > 1;
  if (!own.empty() && own != in)
    misfit(node, "the vectors", fmt::format("has {} values", to_string(own)), in);
  return in;
}

// What a node makes of what arrives. Throws where it does not fit.
Shape shape_of(const Node& node, const Shape& in, std::vector<bool>::reference broadcast) {
  switch (node.kind) {
    case NodeKind::kInput:
    case NodeKind::kOutput: return port_shape(node, in);
    case NodeKind::kAffine:
    case NodeKind::kLinear: return affine_shape(node, in);
    case NodeKind::kConv1d:
    case NodeKind::kConv2d: return conv_shape(node, in);
    case NodeKind::kSumPool2d:
    case NodeKind::kAvgPool2d: return pool_shape(node, in);
    case NodeKind::kFlatten: return flatten_shape(node, in);
    default: return vector_shape(node, in, broadcast);
  }
}

void check_input(const Node& node) {
  const Array& shape = node["shape"];
  if (shape.shape().size() != 1 || shape.size() > 3) {
    refuse(fmt::format("shape of Input {} has {} axes; samples are (N), (C, L) or (C, H, W)",
                       printable(node.name, 100), shape.size()));
  }
}

// Shapes spread from the inputs; within a cycle also from neurons that tell their own.
void find_shapes(const Network& network, Wiring& wiring) {
  const size_t count = network.nodes.size();
  std::vector<bool> known(count, false);
  wiring.in.resize(count);
  wiring.out.resize(count);
  wiring.broadcast.assign(count, false);
  for (size_t node = 0; node < count; ++node) {
    const Node& own = network.nodes[node];
    if (own.kind == NodeKind::kInput) check_input(own);
    if (own.type().is_neuron) wiring.out[node] = shape_of_vectors(own);
    known[node] = !wiring.out[node].empty();
  }
  std::vector<bool> done(count, false);
  for (bool more = true; more;) {
    more = false;
    for (const size_t node : wiring.order) {
      if (done[node]) continue;
      const auto& inputs = network.inputs[node];
      const auto from =
          std::find_if(inputs.begin(), inputs.end(), [&](size_t input) { return known[input]; });
      if (from == inputs.end() && network.nodes[node].kind != NodeKind::kInput) continue;
      if (from != inputs.end()) wiring.in[node] = wiring.out[*from];
      wiring.out[node] = shape_of(network.nodes[node], wiring.in[node], wiring.broadcast[node]);
      known[node] = done[node] = more = true;
    }
  }
  for (size_t node = 0; node < count; ++node) {
    if (!done[node]) refuse("the shape of " + title_of(network.nodes[node]) + " cannot be told");
    for (const size_t input : network.inputs[node]) {
      if (wiring.out[input] == wiring.in[node]) continue;
      refuse(fmt::format("what arrives at {} differs: {} from {}, {} from others",
                         title_of(network.nodes[node]), to_string(wiring.out[input]),
                         printable(network.nodes[input].name, 100), to_string(wiring.in[node])));
    }
    if (wiring.broadcast[node]) {
      wiring.warnings.push_back(
          fmt::format("{} holds one value of each parameter; it stands for all {}",
                      title_of(network.nodes[node]), element_count(wiring.in[node])));
    }
  }
}

}  // namespace

Wiring wire(const Network& network) {
  Wiring wiring;
  const auto readers = readers_of(network);
  check_reach(network, readers, wiring);
  find_later(network, readers, wiring);
  find_order(network, readers, wiring);
  find_shapes(network, wiring);
  return wiring;
}

}  // namespace spikeloom::nir
