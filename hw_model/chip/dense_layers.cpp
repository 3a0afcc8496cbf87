#include "hw_model/chip/dense_layers.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "hw_model/chip/op_rules.hpp"

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
    const int64_t evaluations = (node.is_static ? 1 : steps_) * batch_;
    const DenseRule rule = dense_rule(graph_, node, {steps_, batch_, evaluations});
    for (const DenseProduct& product : rule.products) add_product(id, product);
    if (rule.elements > 0)
      elementwise(rule.what.empty() ? describe(node.op) : rule.what, rule.elements);
  }

  DenseWork work;

 private:
  void add_product(NodeId id, const DenseProduct& product) {
    const Node& node = graph_.node(id);
    const NodeId source = source_of(graph_, node.inputs[0]);
    const Node& from = graph_.node(source);
    const Gemm& gemm = product.gemm;
    DenseLayer layer{.name = node.name + product.part, .op = describe(node.op), .gemm = gemm};
    layer.has_weights = product.has_weights;
    layer.inputs = product.has_weights
                       ? element_count(from.shape) * (from.is_static ? batch_ : steps_ * batch_)
                       : gemm.m * gemm.k * gemm.repeats;
    layer.second = product.second < 0 ? gemm.k * gemm.n * gemm.repeats : product.second;
    layer.outputs = gemm.m * gemm.n * gemm.repeats;
    const Node& origin = graph_.node(unflattened(source));
    layer.reads_network_input = chip_rule(origin).role == ChipRole::kInput;
    layer.is_network_output = std::find(outputs_.begin(), outputs_.end(), id) != outputs_.end();
    work.layers.push_back(std::move(layer));
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
    while (chip_rule(graph_.node(id)).role == ChipRole::kMoved)
      id = source_of(graph_, graph_.node(id).inputs[0]);
    return id;
  }

  const Graph& graph_;
  const int64_t steps_, batch_;
  std::vector<NodeId> outputs_;
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
