#include "hw_model/chip/spike_record.hpp"

#include <algorithm>
#include <numeric>
#include <span>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "hw_model/chip/op_rules.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {
namespace {

// What follows from recorded spikes, step by step.
class Derivation {
 public:
  Derivation(const Graph& graph, const Weights& weights, SpikeRecord& record)
      : graph_(graph), weights_(weights), record_(record) {
    for (const int64_t steps : record.sample_steps) {
      for (int64_t t = 0; t < steps; ++t) step_in_sample_.push_back(t);
    }
  }

  // Populations that others wait for may come later in the graph.
  void run() {
    bool found = true;
    while (found) {
      found = false;
      for (const Node& node : graph_.nodes()) {
        if (is_population(node) && !recorded(node.name) && is_known(node)) {
          record_.populations.emplace(node.name, derived(node));
          found = true;
        }
      }
    }
  }

 private:
  bool recorded(const std::string& name) const { return record_.populations.count(name) > 0; }
  static NodeId earlier_of(const Node& node) {
    return node.feedback >= 0 ? node.feedback : node.inputs[0];
  }

  // A value that shows a recorded population, in whatever order.
  bool is_shown(NodeId id) const {
    const Node& node = graph_.node(source_of(graph_, id));
    return recorded(node.name) ||
           (chip_rule(node).role == ChipRole::kMoved && is_shown(node.inputs[0]));
  }

  bool is_known(const Node& node) const {
    const ChipRule rule = chip_rule(node);
    if (rule.shows_earlier)
      return is_shown(earlier_of(node)) && (rule.delays.empty() || weights_.contains(rule.delays));
    return rule.follows && std::all_of(node.inputs.begin(), node.inputs.end(),
                                       [&](NodeId input) { return is_shown(input); });
  }

  ChipLevels at(NodeId id, int64_t step) const {
    const Node& node = graph_.node(source_of(graph_, id));
    if (!recorded(node.name))
      return chip_rule(node).follows(graph_.node(node.inputs[0]).shape, {at(node.inputs[0], step)});
    ChipLevels levels(static_cast<size_t>(element_count(node.shape)));
    const SpikeRecord::Population& own = record_.populations.at(node.name);
    const auto s = static_cast<size_t>(step);
    for (int64_t e = own.first[s]; e < own.first[s + 1]; ++e)
      levels[own.events[static_cast<size_t>(e)].neuron] = own.events[static_cast<size_t>(e)].level;
    return levels;
  }

  // Zeros before the first step of the sample.
  ChipLevels earlier(NodeId id, int64_t step, int64_t by) const {
    if (by > step_in_sample_[static_cast<size_t>(step)])
      return ChipLevels(static_cast<size_t>(element_count(graph_.node(id).shape)));
    return at(id, step - by);
  }

  // Every element after steps of its own.
  ChipLevels earlier_by_element(NodeId id, int64_t step, const std::string& delays) const {
    const std::span<const float> steps = weights_.at(delays).data.f32();
    ChipLevels out(steps.size());
    std::map<int64_t, ChipLevels> shown;
    for (size_t i = 0; i < steps.size(); ++i) {
      const auto by = static_cast<int64_t>(steps[i]);
      auto found = shown.find(by);
      if (found == shown.end()) found = shown.emplace(by, earlier(id, step, by)).first;
      out[i] = found->second[i];
    }
    return out;
  }

  ChipLevels step_of(const Node& node, int64_t step) const {
    const ChipRule rule = chip_rule(node);
    if (rule.shows_earlier) {
      const NodeId from = earlier_of(node);
      if (!rule.delays.empty()) return earlier_by_element(from, step, rule.delays);
      return earlier(from, step, node.feedback >= 0 ? 1 : rule.delay);
    }
    std::vector<ChipLevels> in;
    for (const NodeId input : node.inputs) in.push_back(at(input, step));
    return rule.follows(graph_.node(node.inputs[0]).shape, in);
  }

  SpikeRecord::Population derived(const Node& node) const {
    SpikeRecord::Population out;
    for (int64_t step = 0; step < static_cast<int64_t>(step_in_sample_.size()); ++step) {
      const ChipLevels levels = step_of(node, step);
      for (size_t n = 0; n < levels.size(); ++n) {
        if (levels[n] != 0) out.events.push_back({static_cast<uint32_t>(n), levels[n]});
      }
      out.first.push_back(static_cast<int64_t>(out.events.size()));
    }
    return out;
  }

  const Graph& graph_;
  const Weights& weights_;
  SpikeRecord& record_;
  std::vector<int64_t> step_in_sample_;
};

}  // namespace

int64_t SpikeRecord::steps() const {
  return std::accumulate(sample_steps.begin(), sample_steps.end(), int64_t{0});
}

void derive_populations(const Graph& graph, const Weights& weights, SpikeRecord& record) {
  Derivation(graph, weights, record).run();
}

std::string signature_of(const Graph& graph, const SpikeRecord& record) {
  std::vector<std::string> names;
  std::vector<uint64_t> hashes;
  for (const Population& population : populations_of(graph)) {
    const auto found = record.populations.find(population.name);
    if (found == record.populations.end()) return "";
    names.push_back(population.name);
    uint64_t hash = kFnvStart;
    const SpikeRecord::Population& own = found->second;
    for (size_t step = 0; step + 1 < own.first.size(); ++step) {
      uint32_t count = 0;
      for (int64_t e = own.first[step]; e < own.first[step + 1]; ++e)
        count += static_cast<uint32_t>(std::abs(own.events[static_cast<size_t>(e)].level));
      hash = hash_spike_count(count, hash);
    }
    hashes.push_back(hash);
  }
  return signature_text(names, hashes);
}

std::vector<std::string> missing_populations(const LoweredNetwork& lowered,
                                             const SpikeRecord& record) {
  std::vector<std::string> missing;
  for (size_t p = 0; p < lowered.sources.size(); ++p) {
    const std::string& name = lowered.network.populations[p].name;
    if (lowered.sources[p] == SpikeSource::kTrace && !record.populations.count(name))
      missing.push_back(name);
  }
  return missing;
}

namespace {

// A few events may stand for more packets than there is memory for.
void refuse_packets(const ChipPopulation& population, const SpikeRecord::Population& record) {
  constexpr int64_t kFree = int64_t{1} << 26, kOfEvent = 64;
  int64_t packets = 0;
  const int64_t most = std::max(kFree, kOfEvent * std::ssize(record.events));
  for (const SpikeRecord::Event& event : record.events) {
    packets += population.packets_of(event.level);
    if (packets > most)
      throw Error(ErrorCode::kCapacity, "levels of " + population.name +
                                            " are more than 2^26 packets, and 64 for each of them");
  }
}

}  // namespace

ChipSpikes spikes_of(const LoweredNetwork& lowered, const SpikeRecord& record, int64_t samples) {
  const auto all = static_cast<int64_t>(record.sample_steps.size());
  if (samples < 1 || samples > all) {
    throw Error(ErrorCode::kUsage, record.path.string() + " holds " + std::to_string(all) +
                                       " samples, asked for " + std::to_string(samples));
  }
  ChipSpikes spikes;
  for (int64_t s = 0; s < samples; ++s) {
    spikes.sample_starts.push_back(spikes.steps);
    spikes.steps += record.sample_steps[static_cast<size_t>(s)];
  }
  for (size_t p = 0; p < lowered.sources.size(); ++p) {
    ChipSpikes::Population& out = spikes.populations.emplace_back();
    const ChipPopulation& population = lowered.network.populations[p];
    if (lowered.sources[p] == SpikeSource::kFirstStep) fill_first_steps(population, spikes, out);
    const auto found = record.populations.find(population.name);
    if (lowered.sources[p] != SpikeSource::kTrace || found == record.populations.end()) continue;
    refuse_packets(population, found->second);
    out.first.push_back(0);
    for (int64_t step = 0; step < spikes.steps; ++step) {
      const auto s = static_cast<size_t>(step);
      for (int64_t e = found->second.first[s]; e < found->second.first[s + 1]; ++e) {
        const SpikeRecord::Event& event = found->second.events[static_cast<size_t>(e)];
        add_packets(population, event.neuron, event.level, out.neurons);
      }
      out.first.push_back(static_cast<int64_t>(out.neurons.size()));
    }
  }
  return spikes;
}

}  // namespace spikeloom
