#include "sim/counts/residual_stream.hpp"

#include <fmt/format.h>

#include <map>

#include "core/error.hpp"

namespace spikeloom {
namespace {

// What an operator is to a residual stream.
enum class Part {
  kOther,
  kMatrix,
  kNorm,
  kSum,
  kScale,
  kEmbedding,
  kBinary,
  kMix,
  kAverage,
  kNeurons
};

constexpr std::pair<std::string_view, Part> kParts[] = {
    {Linear::kKind, Part::kMatrix},    {LayerNorm::kKind, Part::kNorm},
    {Add::kKind, Part::kSum},          {Scale::kKind, Part::kScale},
    {Threshold::kKind, Part::kBinary}, {Embedding::kKind, Part::kEmbedding},
    {TokenMix::kKind, Part::kMix},     {Wkv::kKind, Part::kAverage},
    {Neuron::kKind, Part::kNeurons}};

// Whatever is not in the table is kOther: a stream it is part of has no decomposition, and its node
// is named as the obstacle.
Part part_of(const Op& op) {
  for (const auto& [kind, part] : kParts) {
    if (kind == kind_of(op)) return part;
  }
  return Part::kOther;
}

// The matrices whose products reach node `id` without passing the residual stream.
void projections_behind(const Graph& graph, NodeId id, const std::string& neurons,
                        std::vector<bool>& seen, std::map<std::string, std::string>& owner) {
  if (seen[static_cast<size_t>(id)]) return;
  seen[static_cast<size_t>(id)] = true;
  const Node& node = graph.node(id);
  const Part part = part_of(node.op);
  if (part == Part::kMatrix) owner.emplace(node.name, neurons);
  if (part == Part::kNorm || part == Part::kSum) return;
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
    const Part part = part_of(node.op);
    if (part == Part::kBinary) return add_spikes(node) ? std::optional(sum) : std::nullopt;
    if (part == Part::kEmbedding) {
      sum.real_root = true;
      return sum;
    }
    if (part == Part::kSum) {
      if (!add_spikes(graph.node(node.inputs[1]))) return std::nullopt;
    } else if (part != Part::kScale && part != Part::kNorm) {
      return std::nullopt;
    }
    id = node.inputs[0];
  }
}

std::optional<ProjectionCount> count_projection(const Graph& graph, const Node& node,
                                                const RunStatistics& run, std::string& obstacle) {
  const Layer layer = layer_of(node.op);
  ProjectionCount count;
  count.layer = node.name;
  count.outputs = layer.outputs;
  count.dense_macs = layer.inputs * layer.outputs * run.evaluations;
  const Node& from = graph.node(node.inputs[0]);
  const bool mixes = part_of(from.op) == Part::kMix;
  const Node& norm = mixes ? graph.node(from.inputs[0]) : from;
  if (part_of(norm.op) != Part::kNorm) return count;
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
    const Part part = part_of(node.op);
    if (part == Part::kAverage) stream.wkv_updates += element_count(node.shape) * run.evaluations;
    if (part != Part::kNeurons) continue;
    std::vector<bool> seen(static_cast<size_t>(graph.size()));
    projections_behind(graph, node.inputs[0], node.name, seen, owner);
  }
  std::string at;
  for (const Node& node : graph.nodes()) {
    if (part_of(node.op) != Part::kMatrix) continue;
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
