#include "sim/counts/op_counter.hpp"

#include "core/bit_packing.hpp"
#include "core/error.hpp"

namespace spikeloom {
namespace {

// The population whose spikes node `id` shows, seen through View nodes.
size_t population_index(const Graph& graph, const std::vector<Population>& populations, NodeId id,
                        const std::string& attention) {
  const NodeId source = source_of(graph, id);
  for (size_t p = 0; p < populations.size(); ++p) {
    if (populations[p].node == source) return p;
  }
  throw Error(ErrorCode::kInternal,
              attention + ": operand " + graph.node(source).name + " is no population");
}

// Sum over heads and tokens of ones(K segment) x ones(V segment).
int64_t count_coincidences(SpikeView k, SpikeView v, int64_t heads) noexcept {
  const int64_t d = k.channels / heads;
  int64_t sum = 0;
  for (int64_t n = 0; n < k.rows; ++n) {
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t ones = count_segment(k.row(n), h * d, d);
      if (ones != 0) sum += ones * count_segment(v.row(n), h * d, d);
    }
  }
  return sum;
}

// Sum over the spikes Q[n, h*d+i] of the number of j where (K^T V)[h, i, j] is not 0: row i of K^T
// V is not 0 exactly where some V row of a token with K[., h*d+i] set is, hence the OR.
int64_t count_nonzero_adds(SpikeView q, SpikeView k, SpikeView v, int64_t heads) {
  const int64_t d = k.channels / heads, width = words_for(d);
  std::vector<uint64_t> reached(static_cast<size_t>(k.channels * width));
  std::vector<uint64_t> segment(static_cast<size_t>(width));
  for (int64_t n = 0; n < k.rows; ++n) {
    int64_t loaded = -1;  // head whose V segment is in `segment`
    k.for_each(n, [&](int64_t c) {
      if (c / d != loaded) {
        loaded = c / d;
        copy_segment(v.row(n), loaded * d, d, segment.data());
      }
      uint64_t* row = reached.data() + c * width;
      for (int64_t w = 0; w < width; ++w) row[w] |= segment[static_cast<size_t>(w)];
    });
  }
  std::vector<int64_t> nonzero(static_cast<size_t>(k.channels));
  for (int64_t c = 0; c < k.channels; ++c) {
    nonzero[static_cast<size_t>(c)] = count_segment(reached.data() + c * width, 0, d);
  }
  int64_t sum = 0;
  for (int64_t n = 0; n < q.rows; ++n) {
    q.for_each(n, [&](int64_t c) { sum += nonzero[static_cast<size_t>(c)]; });
  }
  return sum;
}

}  // namespace

OpCounter::OpCounter(const Graph& graph) {
  const std::vector<Population> populations = populations_of(graph);
  for (const Population& population : populations) {
    PopulationStatistics& entry = statistics_.populations[population.name];
    entry.neurons = element_count(population.shape);
    const auto rows = static_cast<size_t>(rows_of(population.shape));
    entry.events_per_row.resize(rows);
    if (population.levels != LevelRange())
      entry.packets = EventCounts{0, std::vector<int64_t>(rows), {}};
    levels_.push_back(population.levels);
    by_population_.push_back(&entry);
  }
  for (const Node& node : graph.nodes()) {
    const auto* apply = std::get_if<QApply>(&node.op);
    if (apply == nullptr) continue;
    const Node& product = graph.node(source_of(graph, node.inputs[1]));
    if (!std::holds_alternative<KtV>(product.op)) {
      throw Error(ErrorCode::kInternal, node.name + ": input 1 is no K^T V");
    }
    Attention attention{attention_name(node.name), apply->heads};
    attention.q = population_index(graph, populations, node.inputs[0], node.name);
    attention.k = population_index(graph, populations, product.inputs[0], node.name);
    attention.v = population_index(graph, populations, product.inputs[1], node.name);
    if (!statistics_.attention.try_emplace(attention.name).second) {
      throw Error(ErrorCode::kInternal, "two attentions are called " + attention.name);
    }
    attention_.push_back(std::move(attention));
  }
}

void OpCounter::restore(const RunStatistics& statistics) {
  for (auto& [name, population] : statistics_.populations) {
    population = statistics.populations.at(name);
  }
  statistics_.attention = statistics.attention;
  statistics_.samples = statistics.samples;
  statistics_.evaluations = statistics.evaluations;
  statistics_.step_pairs = statistics.step_pairs;
}

void OpCounter::begin_sample(const SampleStart&) {
  ++statistics_.samples;
}

void OpCounter::chunk(const SpikeChunk& chunk) {
  if (chunk.populations.size() != by_population_.size()) {
    throw Error(ErrorCode::kInternal, "operation counter: the chunk is of another graph");
  }
  statistics_.evaluations += chunk.steps;
  for (int64_t t = 1; t <= chunk.steps; ++t) statistics_.step_pairs += chunk.first_step + t;
  for (size_t p = 0; p < by_population_.size(); ++p) {
    PopulationStatistics& entry = *by_population_[p];
    entry.evaluations += chunk.steps;
    const auto end = static_cast<size_t>(chunk.first_step + chunk.steps);
    if (entry.events_per_step.size() < end) entry.events_per_step.resize(end);
    if (entry.packets) {
      count_level_rows(chunk, p, entry);
      continue;
    }
    for (int64_t t = 0; t < chunk.steps; ++t) {
      const SpikeView spikes = chunk.spikes(p, t);
      int64_t events = 0;
      for (int64_t r = 0; r < spikes.rows; ++r) {
        const int64_t ones = spikes.count_row(r);
        entry.events_per_row[static_cast<size_t>(r)] += ones;
        events += ones;
      }
      entry.events += events;
      entry.events_per_step[static_cast<size_t>(chunk.first_step + t)] += events;
    }
  }
  for (const Attention& attention : attention_) {
    for (int64_t t = 0; t < chunk.steps; ++t) count_attention(attention, chunk, t);
  }
}

void OpCounter::count_level_rows(const SpikeChunk& chunk, size_t p, PopulationStatistics& entry) {
  EventCounts& packets = *entry.packets;
  const LevelRange range = levels_[p];
  packets.per_step.resize(entry.events_per_step.size());
  for (int64_t t = 0; t < chunk.steps; ++t) {
    const SpikeView planes = chunk.spikes(p, t);
    const auto step = static_cast<size_t>(chunk.first_step + t);
    for (size_t row = 0; row < entry.events_per_row.size(); ++row) {
      const LevelCount count =
          count_levels(planes, std::ssize(entry.events_per_row), static_cast<int64_t>(row), range);
      entry.events += count.units;
      entry.events_per_row[row] += count.units;
      entry.events_per_step[step] += count.units;
      packets += EventCounts{count.nonzero, {}, {}};
      packets.per_row[row] += count.nonzero;
      packets.per_step[step] += count.nonzero;
    }
  }
}

void OpCounter::end_sample(const SampleEnd&) {}

void OpCounter::count_attention(const Attention& attention, const SpikeChunk& chunk, int64_t step) {
  const SpikeView q = chunk.spikes(attention.q, step);
  const SpikeView k = chunk.spikes(attention.k, step);
  const SpikeView v = chunk.spikes(attention.v, step);
  AttentionStatistics& entry = statistics_.attention[attention.name];
  entry.q_events += q.count();
  entry.k_events += k.count();
  entry.v_events += v.count();
  entry.kv_coincidences += count_coincidences(k, v, attention.heads);
  entry.qkv_nonzero_adds += count_nonzero_adds(q, k, v, attention.heads);
}

}  // namespace spikeloom
