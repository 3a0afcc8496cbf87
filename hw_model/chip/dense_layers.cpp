#include "hw_model/chip/dense_layers.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom {
namespace {

class WorkList {
 public:
  WorkList(const Graph& graph, int64_t steps, int64_t batch)
      : graph_(graph), steps_(steps), batch_(batch) {
    for (const auto& [name, id] : graph.outputs()) outputs_.push_back(source_of(graph, id));
  }

  void add(NodeId id) {
    const Node& node = graph_.node(id);
    node_ = id;
    passes_ = (node.is_static ? 1 : steps_) * batch_;
    std::visit([&](const auto& op) { lower(node, op); }, node.op);
  }

  DenseWork work;

 private:
  void lower(const Node& node, const Conv2d& op) {
    const int64_t pixels = rows_of(node.shape);
    weighted({pixels * passes_, op.kernel.area() * (op.in_channels / op.groups),
              op.out_channels / op.groups, op.groups});
  }
  void lower(const Node& node, const Linear& op) {
    weighted({rows_of(node.shape) * passes_, op.in_features, op.out_features});
  }
  void lower(const Node&, const Conv1d& op) {
    weighted({passes_, op.kernel() * op.in_channels, op.out_channels});
  }
  void lower(const Node&, const LmuMemory& op) {
    if (op.form == LmuForm::kRecurrent) {
      weighted({batch_, op.order + 1, op.order, steps_});
      work.layers.back().second = (op.order + 1) * op.order;  // the same at every step
      return;
    }
    weighted({passes_, std::min(op.taps, steps_), op.order});
  }
  void lower(const Node& node, const KtV& op) {
    const Shape& keys = shape_of(node.inputs[0]);
    const int64_t d = channels_of(keys) / op.heads;
    product("", {d, rows_of(keys), d, op.heads * passes_});
  }
  void lower(const Node& node, const QApply& op) {
    const Shape& queries = shape_of(node.inputs[0]);
    const int64_t d = channels_of(queries) / op.heads;
    product("", {rows_of(queries), d, d, op.heads * passes_});
  }
  void lower(const Node& node, const SoftmaxAttention& op) {
    const int64_t d = channels_of(node.shape) / op.heads;
    const bool causal = op.context > 0;
    const int64_t queries = causal ? steps_ : rows_of(node.shape);
    const int64_t keys = causal ? std::min(op.context, steps_) : queries;
    const int64_t repeats = op.heads * (causal ? batch_ : passes_);
    product(".qk", {queries, d, keys, repeats});
    product(".av", {queries, keys, d, repeats});
    elementwise("softmax", queries * keys * repeats);
  }
  // Nothing to compute.
  void lower(const Node&, const Input&) {}
  void lower(const Node&, const View&) {}
  void lower(const Node&, const Concat&) {}
  void lower(const Node&, const Delay&) {}
  void lower(const Node&, const Prepend&) {}
  void lower(const Node&, const FirstRow&) {}
  void lower(const Node&, const Feedback&) {}
  void lower(const Node&, const Flatten&) {}
  void lower(const Node& node, const BatchNorm&) { one_each(node); }
  void lower(const Node& node, const Neuron&) { one_each(node); }
  void lower(const Node& node, const Add&) { one_each(node); }
  void lower(const Node& node, const Scale&) { one_each(node); }
  void lower(const Node& node, const SpatialMean&) { one_each(node); }
  void lower(const Node& node, const StepMean&) { one_each(node); }
  void lower(const Node& node, const Activation&) { one_each(node); }
  void lower(const Node& node, const Embedding&) { one_each(node); }
  void lower(const Node& node, const Threshold&) { one_each(node); }
  void lower(const Node& node, const LayerNorm&) { one_each(node); }
  void lower(const Node& node, const TokenMix&) { one_each(node); }
  void lower(const Node& node, const Wkv&) { one_each(node); }
  void lower(const Node& node, const Mul&) { one_each(node); }
  void lower(const Node& node, const Positions&) { one_each(node); }
  void lower(const Node& node, const Pool2d&) { one_each(node); }

  void one_each(const Node& node) {
    elementwise(describe(node.op), element_count(node.shape) * passes_);
  }

  void weighted(const Gemm& gemm) {
    DenseLayer& layer = product("", gemm);
    const Node& from = graph_.node(source_of(graph_, graph_.node(node_).inputs[0]));
    layer.has_weights = true;
    layer.inputs = element_count(from.shape) * (from.is_static ? batch_ : steps_ * batch_);
  }

  DenseLayer& product(const char* suffix, const Gemm& gemm) {
    const Node& node = graph_.node(node_);
    const NodeId from = source_of(graph_, node.inputs[0]);
    DenseLayer layer{.name = node.name + suffix, .op = describe(node.op), .gemm = gemm};
    layer.has_weights = false;
    layer.inputs = gemm.m * gemm.k * gemm.repeats;
    layer.second = gemm.k * gemm.n * gemm.repeats;
    layer.outputs = gemm.m * gemm.n * gemm.repeats;
    layer.reads_network_input = std::holds_alternative<Input>(graph_.node(unflattened(from)).op);
    layer.is_network_output = std::find(outputs_.begin(), outputs_.end(), node_) != outputs_.end();
    work.layers.push_back(std::move(layer));
    return work.layers.back();
  }

  void elementwise(const std::string& what, int64_t elements) {
    auto& list = work.elementwise;
    const auto found =
        std::find_if(list.begin(), list.end(), [&](const auto& row) { return row.first == what; });
    if (found == list.end()) {
      list.emplace_back(what, elements);
    } else {
      found->second += elements;
    }
  }

  // What a Flatten moves is read as it lies.
  NodeId unflattened(NodeId id) const {
    while (std::holds_alternative<Flatten>(graph_.node(id).op))
      id = source_of(graph_, graph_.node(id).inputs[0]);
    return id;
  }

  const Shape& shape_of(NodeId id) const { return graph_.node(id).shape; }

  const Graph& graph_;
  const int64_t steps_, batch_;
  std::vector<NodeId> outputs_;
  NodeId node_ = 0;
  int64_t passes_ = 1;  // evaluations of the node at hand, over steps and batch
};

}  // namespace

DenseWork dense_work(const Graph& graph, int64_t steps, int64_t batch) {
  if (steps < 1 || batch < 1) {
    throw Error(ErrorCode::kUsage, "a dense pass needs at least one step and one sample");
  }
  WorkList list(graph, steps, batch);
  for (NodeId id = 0; id < graph.size(); ++id) list.add(id);
  return std::move(list.work);
}

}  // namespace spikeloom
