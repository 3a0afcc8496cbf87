#include "hw_model/report/residual_stream.hpp"

#include <fmt/format.h>

#include <map>

#include "core/error.hpp"

namespace spikeloom {
namespace {

// The matrices whose products reach node `id` without passing the residual stream.
void projections_behind(const Graph& graph, NodeId id, const std::string& neurons,
                        std::vector<bool>& seen, std::map<std::string, std::string>& owner) {
  if (seen[static_cast<size_t>(id)]) return;
  seen[static_cast<size_t>(id)] = true;
  const Node& node = graph.node(id);
  if (std::holds_alternative<Linear>(node.op)) owner.emplace(node.name, neurons);
  if (std::holds_alternative<LayerNorm>(node.op) || std::holds_alternative<Add>(node.op)) return;
  for (const NodeId input : node.inputs) projections_behind(graph, input, neurons, seen, owner);
}

// Spikes that were added to the stream before a node, and whether its root is real.
struct Stream {
  int64_t events = 0;
  bool real_root = false;
};

// Nothing where it is no sum of an embedding and spikes: `obstacle` is the node.
std::optional<Stream> stream_before(const Graph& graph, const RunStatistics& run, NodeId id,
                                    std::string& obstacle) {
  Stream sum;
  const auto add_spikes = [&](const Node& node) {
    const auto found = run.populations.find(node.name);
    if (found == run.populations.end()) return false;
    sum.events += found->second.events;
    return true;
  };
  for (;;) {
    const Node& node = graph.node(id);
    obstacle = node.name;
    if (std::holds_alternative<Threshold>(node.op))
      return add_spikes(node) ? std::optional(sum) : std::nullopt;
    if (std::holds_alternative<Embedding>(node.op)) {
      sum.real_root = true;
      return sum;
    }
    if (std::holds_alternative<Add>(node.op)) {
      if (!add_spikes(graph.node(node.inputs[1]))) return std::nullopt;
    } else if (!std::holds_alternative<Scale>(node.op) &&
               !std::holds_alternative<LayerNorm>(node.op)) {
      return std::nullopt;
    }
    id = node.inputs[0];
  }
}

std::optional<ProjectionCount> count_projection(const Graph& graph, const Node& node,
                                                const RunStatistics& run, std::string& obstacle) {
  const auto& linear = std::get<Linear>(node.op);
  ProjectionCount count;
  count.layer = node.name;
  count.outputs = linear.out_features;
  count.dense_macs = linear.in_features * linear.out_features * run.evaluations;
  const Node& from = graph.node(node.inputs[0]);
  const bool mixes = std::holds_alternative<TokenMix>(from.op);
  const Node& norm = mixes ? graph.node(from.inputs[0]) : from;
  if (!std::holds_alternative<LayerNorm>(norm.op)) return count;
  const auto stream = stream_before(graph, run, norm.inputs[0], obstacle);
  if (!stream) return std::nullopt;
  count.reads_stream = true;
  count.tokens_read = mixes ? 2 : 1;
  count.column_events = stream->events;
  count.root_macs = stream->real_root ? count.dense_macs : 0;
  return count;
}

}  // namespace

std::optional<ResidualStream> count_residual_stream(const Graph& graph, const RunStatistics& run,
                                                    const PublishedClaim& claim,
                                                    std::string* obstacle) {
  ResidualStream stream;
  stream.claim = claim;
  std::map<std::string, std::string> owner;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (std::holds_alternative<Wkv>(node.op))
      stream.wkv_updates += element_count(node.shape) * run.evaluations;
    if (!std::holds_alternative<Neuron>(node.op)) continue;
    std::vector<bool> seen(static_cast<size_t>(graph.size()));
    projections_behind(graph, node.inputs[0], node.name, seen, owner);
  }
  std::string at;
  for (const Node& node : graph.nodes()) {
    if (!std::holds_alternative<Linear>(node.op)) continue;
    std::optional<ProjectionCount> count = count_projection(graph, node, run, at);
    if (!count) {
      if (obstacle != nullptr) *obstacle = at;
      return std::nullopt;
    }
    if (const auto found = owner.find(node.name); found != owner.end()) {
      const PopulationStatistics& neurons = run.populations.at(found->second);
      count->neurons = found->second;
      count->spikes = neurons.events;
      count->updates = neurons.neurons * neurons.evaluations;
    } else {
      stream.head = node.name;
    }
    stream.projections.push_back(std::move(*count));
  }
  return stream;
}

std::vector<std::string> assumptions_of(const PublishedClaim& claim, double measured_rate) {
  std::vector<std::string> all;
  all.emplace_back(
      "every projection is priced as additions, as if spikes drove it; in the authors' program all "
      "of them read real numbers (normalised sums, gates, squared ReLUs)");
  all.push_back(
      fmt::format("a firing rate of {:.2f} is assumed for their inputs; the neurons of this run, "
                  "which stand behind the projections, fired at {:.4f}",
                  claim.rate, measured_rate));
  all.emplace_back("the output head (vocabulary x width MACs a token) is left out on both sides");
  all.emplace_back(
      "WKV counts as 7 MACs a channel; its four exponentials and the division cost nothing");
  all.emplace_back(
      "layer normalisation, token shifts, sigmoids, gates, neuron updates and all memory traffic "
      "cost nothing");
  all.push_back(fmt::format(
      "45 nm prices of {} and {} pJ for a MAC and an addition, fp32, width {}; the dense side is "
      "the same projections as MACs, without WKV and without skipping the zeros of relu^2",
      claim.mac_pJ, claim.ac_pJ, claim.width));
  return all;
}

}  // namespace spikeloom
