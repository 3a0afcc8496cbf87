#include "sim/trace/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "core/bit_packing.hpp"
#include "core/error.hpp"

namespace spikeloom {
namespace {

constexpr size_t kTop = 5;

// Calls f(row, packed bits) for every row, a block of rows at a time.
template <typename F>
void for_each_row(const TraceFile& trace, size_t p, F&& f) {
  const TracePopulation& population = trace.populations()[p];
  const auto row_bytes = static_cast<size_t>(packed_bytes(population.bits()));
  const int64_t block = trace.block_rows(p);
  for (int64_t first = 0; first < population.rows; first += block) {
    const int64_t rows = std::min(block, population.rows - first);
    const std::vector<uint8_t> bits = trace.bits(p, first, rows);
    for (int64_t r = 0; r < rows; ++r) {
      f(first + r, std::span(bits).subspan(static_cast<size_t>(r) * row_bytes, row_bytes));
    }
  }
}

// The first kTop of `count` neurons in the order that `before` gives.
template <typename Before>
std::vector<int64_t> first_neurons(int64_t count, Before&& before) {
  std::vector<int64_t> first;
  for (int64_t i = 0; i < count; ++i) {
    if (first.size() == kTop && !before(i, first.back())) continue;
    if (first.size() == kTop) first.pop_back();
    first.insert(std::upper_bound(first.begin(), first.end(), i, before), i);
  }
  return first;
}

void rank_neurons(const TraceFile& trace, size_t p, PopulationSummary& summary) {
  if (summary.rows == 0) return;
  const int64_t neurons = summary.neurons;
  std::vector<int64_t> spikes(static_cast<size_t>(neurons));
  for_each_row(trace, p, [&](int64_t, std::span<const uint8_t> bits) {
    for_each_level(bits, neurons, trace.populations()[p].levels, [&](int64_t i, int64_t level) {
      if (i < neurons) spikes[static_cast<size_t>(i)] += std::abs(level);
    });
  });
  const auto count = [&](int64_t i) { return spikes[static_cast<size_t>(i)]; };
  const auto more = [&](int64_t a, int64_t b) {
    return count(a) != count(b) ? count(a) > count(b) : a < b;
  };
  const auto fewer = [&](int64_t a, int64_t b) {
    return count(a) != count(b) ? count(a) < count(b) : a < b;
  };
  for (const int64_t i : first_neurons(neurons, more)) {
    summary.most_active.push_back({i, count(i)});
  }
  for (const int64_t i : first_neurons(neurons, fewer)) {
    summary.least_active.push_back({i, count(i)});
  }
}

PopulationSummary summarise_population(const TraceFile& trace, size_t p) {
  const TracePopulation& population = trace.populations()[p];
  PopulationSummary summary;
  summary.name = population.name;
  summary.axes = population.axes;
  summary.shape = population.shape;
  summary.neurons = population.neurons;
  summary.rows = population.rows;
  try {
    summary.spikes_per_step = spikes_by_step(trace, p).spikes;
    for (const int64_t spikes : summary.spikes_per_step) summary.spikes += spikes;
    rank_neurons(trace, p, summary);
  } catch (const Error& error) {
    summary.fault = error.what();
  }
  return summary;
}

}  // namespace

StepSpikes spikes_by_step(const TraceFile& trace, size_t population) {
  StepSpikes steps;
  const std::vector<uint32_t> counts = trace.popcounts(population);
  const std::vector<TraceRow> rows = trace.rows(population);
  for (size_t r = 0; r < counts.size(); ++r) {
    const auto step = static_cast<size_t>(rows[r].step);
    if (step >= steps.rows.size()) {
      steps.rows.resize(step + 1);
      steps.spikes.resize(step + 1);
    }
    ++steps.rows[step];
    steps.spikes[step] += counts[r];
  }
  return steps;
}

TraceSummary summarise(const TraceFile& trace) {
  TraceSummary summary;
  summary.header = trace.header();
  summary.warning = trace.warning();
  summary.partial = trace.is_partial();
  summary.samples = static_cast<int64_t>(trace.samples().size());
  for (const TraceSample& sample : trace.samples()) summary.steps += sample.steps;
  for (size_t p = 0; p < trace.populations().size(); ++p) {
    summary.populations.push_back(summarise_population(trace, p));
  }
  return summary;
}

std::string coordinates(const TracePopulation& population, int64_t neuron) {
  const int64_t channels = population.shape.back();
  const int64_t channel = neuron % channels, place = neuron / channels;
  if (population.shape.size() == 1) return fmt::format("{}", channel);
  if (population.shape.size() == 2) return fmt::format("{},{}", channel, place);
  return fmt::format("{},{},{}", channel, place / population.shape[1], place % population.shape[1]);
}

void export_events(const TraceFile& trace, const std::string& population, std::ostream& out) {
  static constexpr const char* kColumns[] = {"c", "c,n", "c,y,x"};
  const size_t p = trace.at(population);
  const TracePopulation& entry = trace.populations()[p];
  const std::vector<TraceRow> rows = trace.rows(p);
  const bool is_levels = entry.levels != LevelRange();
  out << "sample,step,node," << (is_levels ? "level," : "") << kColumns[entry.shape.size() - 1]
      << '\n';
  for_each_row(trace, p, [&](int64_t r, std::span<const uint8_t> bits) {
    const TraceRow& row = rows[static_cast<size_t>(r)];
    const int64_t index = trace.samples()[static_cast<size_t>(row.sample)].index;
    for_each_level(bits, entry.neurons, entry.levels, [&](int64_t node, int64_t level) {
      if (node >= entry.neurons) {
        throw Error(ErrorCode::kData, fmt::format("{}: {}: pad bits of row {} are set",
                                                  trace.path().string(), entry.name, r));
      }
      out << fmt::format("{},{},{},", index, row.step, node);
      if (is_levels) out << level << ',';
      out << coordinates(entry, node) << '\n';
    });
    if (!out) throw Error(ErrorCode::kRuntime, "cannot write the events of " + entry.name);
  });
  if (!out.flush()) throw Error(ErrorCode::kRuntime, "cannot write the events of " + entry.name);
}

}  // namespace spikeloom
