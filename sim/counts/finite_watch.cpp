#include "sim/counts/finite_watch.hpp"

#include "core/tensor.hpp"

namespace spikeloom {
namespace {

bool is_watched(const Node& node) {
  const bool computes = !node.inputs.empty() && !is_view(node.op);
  return node.kind == EdgeKind::kReal && computes;
}

bool is_finite(const ValueRef& value) {
  for (int64_t row = 0; row < value.rows; ++row) {
    if (!all_finite({value.real_row(0, row), static_cast<size_t>(value.channels)})) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> FiniteWatch::watched(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) {
    if (is_watched(node)) names.push_back(node.name);
  }
  return names;
}

std::string FiniteWatch::find(const Session& session) {
  const Graph& graph = session.plan().graph;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (!is_watched(node)) continue;
    const int64_t steps = node.is_static ? 1 : session.last_chunk().steps;
    for (int64_t t = 0; t < steps; ++t) {
      if (!is_finite(session.view(id, t))) return node.name;
    }
  }
  return "";
}

}  // namespace spikeloom
