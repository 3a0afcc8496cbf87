// What a chip cannot do, and why.

#include "hw_model/chip/lowering.hpp"

namespace spikeloom {
namespace {

// What a feedback or a delay shows a later step of; -1: the node is neither.
NodeId earlier_of(const Node& node) {
  if (!chip_rule(node).shows_earlier) return -1;
  return node.feedback >= 0 ? node.feedback : node.inputs[0];
}

}  // namespace

// In these walks a value that came round to itself through feedback alone would have no end.

NodeId Lowering::stripped(NodeId id) const {
  for (NodeId hops = 0;; ++hops) {
    id = behind_free(graph(), id);
    const Node& node = graph().node(id);
    const NodeId earlier = earlier_of(node);
    if (earlier < 0 || hops > graph().size() || node.kind != EdgeKind::kReal ||
        !delay_obstacle(id).empty())
      return id;
    id = earlier;
  }
}

NodeId Lowering::sender_of(NodeId id) const {
  for (NodeId hops = 0;; ++hops) {
    id = source_of(graph(), id);
    const Node& node = graph().node(id);
    const NodeId earlier = earlier_of(node);
    if (earlier < 0 || hops > graph().size() || !is_population(node)) return id;
    id = earlier;
  }
}

bool Lowering::is_integrator(NodeId id) const {
  return rule(id).integrates;
}

int64_t Lowering::delay_of(NodeId id) const {
  int64_t steps = 0;
  for (NodeId hops = 0;; ++hops) {
    id = behind_free(graph(), source_of(graph(), id));
    const Node& node = graph().node(id);
    const NodeId earlier = earlier_of(node);
    if (earlier < 0 || hops > graph().size()) return steps;
    steps += rule(id).delay;
    id = earlier;
  }
}

std::string Lowering::delay_obstacle(NodeId id) const {
  const int64_t steps = delay_of(id);
  if (steps <= delay_steps_) return "";
  return "what it sends is wanted " + std::to_string(steps) + (steps == 1 ? " step" : " steps") +
         " later, and the chip holds back " +
         (delay_steps_ == 0 ? "nothing" : "at most " + std::to_string(delay_steps_));
}

std::string Lowering::obstacle(NodeId id) {
  const Node& node = graph().node(id);
  if (earlier_of(node) >= 0) {
    if (std::string reason = delay_obstacle(id); !reason.empty()) return reason;
  }
  if (is_population(node)) return signs_obstacle(id);
  const ChipRule rule = chip_rule(node);
  if (is_integrator(id)) {
    if (!integrates_) return "its neurons never fire, and no core shows a membrane";
    return multiplies_ ? "" : "its values are real, and the chip has no unit that multiplies";
  }
  if (rule.role == ChipRole::kInput)
    return multiplies_ ? "" : "its values are real, and the chip has no unit that multiplies";
  if (rule.role == ChipRole::kAttention) return attention_obstacle(id);
  if (!rule.obstacle.empty()) return rule.obstacle;
  if (rule.over_map) {
    if (std::string reason = map_obstacle(id); !reason.empty()) return reason;
  }
  return operand_obstacle(node.inputs[0], rule.reads_all);
}

std::string Lowering::signs_obstacle(NodeId id) const {
  const Node& node = graph().node(id);
  const bool loses = node.kind == EdgeKind::kLevels && node.levels.is_signed() && !multiplies_;
  return loses ? "its operand has negative levels, and the chip has no unit that multiplies" : "";
}

std::string Lowering::operand_obstacle(NodeId id, bool reads_all) {
  const NodeId source = source_of(graph(), id);
  const Node& node = graph().node(source);
  if (is_moved(id)) {
    return reads_all ? operand_obstacle(unmoved(id), reads_all)
                     : "its operand is flattened, and it does not read all of it";
  }
  if (role(source) == ChipRole::kParts) {
    for (const NodeId part : node.inputs) {
      std::string reason = operand_obstacle(part, reads_all);
      if (!reason.empty()) return reason;
    }
    return "";
  }
  if (std::string reason = delay_obstacle(id); !reason.empty()) return reason;
  if (is_population(node)) return signs_obstacle(source);
  if (node.kind == EdgeKind::kReal && !multiplies_)
    return "its operand is real, and the chip has no unit that multiplies";
  return is_pure(stripped(id)) ? "" : "its operand comes from the host";
}

std::string Lowering::map_obstacle(NodeId id) const {
  const NodeId input = graph().node(id).inputs[0];
  const Extent from = extents_[static_cast<size_t>(source_of(graph(), input))];
  const Shape& seen = graph().node(input).shape;
  if (from.height == seen[0] && from.width == seen[1]) return "";
  return "it reads its operand under another shape";
}

std::string Lowering::attention_obstacle(NodeId id) {
  const Node& node = graph().node(id);
  if (!has_outer_products_) return "the chip has no unit for outer products";
  const NodeId products = source_of(graph(), node.inputs[1]);
  const ChipRule matrix = rule(products);
  if (matrix.role != ChipRole::kProducts || matrix.heads != rule(id).heads)
    return "it is no product of K^T V";
  const std::vector<NodeId>& pair = graph().node(products).inputs;
  for (const NodeId operand : {node.inputs[0], pair[0], pair[1]}) {
    if (!populations_.count(source_of(graph(), operand)))
      return "an operand is no layer of neurons";
  }
  return "";
}

NodeId Lowering::unmoved(NodeId id) const {
  while (is_moved(id)) id = graph().node(stripped(id)).inputs[0];
  return id;
}

bool Lowering::is_pure(NodeId id) {
  if (homes_.count(id)) return true;
  const auto known = pure_.find(id);
  if (known != pure_.end()) return known->second;
  pure_[id] = true;  // while it is being found out, for values that come round to themselves
  bool pure = true;
  if (role(id) == ChipRole::kSum) {
    for (const NodeId input : graph().node(id).inputs) pure = pure && is_pure(stripped(input));
  } else {
    pure = obstacle(id).empty();
  }
  return pure_[id] = pure;
}

std::string Lowering::host_reason(NodeId id, const std::string& reason) {
  const ChipRole what = role(id);
  if (what == ChipRole::kProducts) return reason;
  const bool has_its_own = graph().node(id).kind == EdgeKind::kReal && what != ChipRole::kSum;
  return has_its_own ? obstacle(id) : "";
}

void Lowering::host(NodeId id, const std::string& reason) {
  const std::string told = reason.empty() ? "it follows or feeds what is left to the host" : reason;
  if (!hosted_.emplace(id, told).second) return;
  for (const NodeId input : graph().node(id).inputs) {
    const bool is_real = graph().node(input).kind == EdgeKind::kReal;
    // A map in another order costs the host nothing.
    const NodeId value = is_real ? stripped(unmoved(input)) : sender_of(input);
    const Node& from = graph().node(value);
    if (is_population(from)) {
      exchanged_.insert("spikes of " + from.name);
    } else if (role(value) == ChipRole::kInput) {
      continue;
    } else if (from.kind == EdgeKind::kReal && is_pure(value)) {
      value_population(value);
      exchanged_.insert("values of " + from.name);
    } else {
      host(value, host_reason(value, reason));
    }
  }
}

}  // namespace spikeloom
