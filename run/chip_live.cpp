#include "run/chip_live.hpp"

#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "hw_model/chip/mapper.hpp"
#include "hw_model/chip/mapping_file.hpp"

namespace spikeloom {
namespace {

LoweredNetwork lower_for(const ChipChoice& choice, const Graph& graph, const ChipSpec& chip) {
  LoweredNetwork lowered = lower(graph, chip, choice.lower);
  if (!choice.host) refuse_host(lowered, chip);
  return lowered;
}

Mapping map_for(const ChipChoice& choice, const ChipNetwork& network, const ChipSpec& chip) {
  Mapping mapping = choice.mapping.empty() ? map_sequential(network, chip)
                                           : load_mapping(choice.mapping, network, chip);
  check_capacity(network, chip, mapping);
  return mapping;
}

ReplayOptions replay_options(Level level, int threads) {
  ReplayOptions options;
  options.level = level;
  options.threads = threads;
  return options;
}

}  // namespace

LiveChip::LiveChip(const ChipChoice& choice, const Graph& graph, int threads, bool by_step)
    : choice_(choice),
      chip_(load_chip(choice.name, choice.sets)),
      lowered_(lower_for(choice, graph, chip_)),
      mapping_(map_for(choice, lowered_.network, chip_)),
      replayer_(lowered_.network, chip_, mapping_, replay_options(choice.level, threads)),
      by_step_(by_step) {}

void LiveChip::find_populations(const SpikeChunk& chunk) {
  const auto& populations = lowered_.network.populations;
  recorded_.assign(populations.size(), 0);
  for (size_t p = 0; p < populations.size(); ++p) {
    if (lowered_.sources[p] != SpikeSource::kTrace) continue;
    const auto found = std::find_if(
        chunk.populations.begin(), chunk.populations.end(),
        [&](const Population& population) { return population.name == populations[p].name; });
    if (found == chunk.populations.end() ||
        element_count(found->shape) != populations[p].neurons()) {
      throw Error(ErrorCode::kInternal, "chip: the run has no population " + populations[p].name);
    }
    recorded_[p] = static_cast<size_t>(found - chunk.populations.begin());
  }
}

void LiveChip::begin_sample(const SampleStart&) {
  spikes_.steps = 0;
  spikes_.sample_starts = {0};
  spikes_.populations.resize(lowered_.sources.size());
  for (size_t p = 0; p < lowered_.sources.size(); ++p) {
    ChipSpikes::Population& out = spikes_.populations[p];
    const SpikeSource source = lowered_.sources[p];
    out.neurons.clear();
    out.first.clear();
    if (source == SpikeSource::kTrace || source == SpikeSource::kFirstStep) out.first.push_back(0);
  }
}

void LiveChip::chunk(const SpikeChunk& chunk) {
  if (recorded_.empty()) find_populations(chunk);
  for (size_t p = 0; p < lowered_.sources.size(); ++p) {
    ChipSpikes::Population& out = spikes_.populations[p];
    if (out.first.empty()) continue;
    for (int64_t t = 0; t < chunk.steps; ++t) {
      if (lowered_.sources[p] == SpikeSource::kTrace) {
        const ChipPopulation& population = lowered_.network.populations[p];
        for_each_level(chunk.spikes(recorded_[p], t), population.levels,
                       [&](int64_t neuron, int64_t level) {
                         add_packets(population, neuron, level, out.neurons);
                       });
      } else if (chunk.first_step + t == 0) {
        for (uint32_t n = 0; n < lowered_.network.populations[p].neurons(); ++n)
          out.neurons.push_back(n);
      }
      out.first.push_back(static_cast<int64_t>(out.neurons.size()));
    }
  }
  spikes_.steps += chunk.steps;
}

void LiveChip::end_sample(const SampleEnd& end) {
  replayer_.add(spikes_);
  sample_steps_.push_back(end.steps);
}

ChipRun LiveChip::price() const {
  ChipRun run = price_run(lowered_, chip_, replayer_.result(), sample_steps_);
  if (by_step_)
    per_inference(run, std::accumulate(sample_steps_.begin(), sample_steps_.end(), int64_t{0}));
  run.mapper =
      choice_.mapping.empty() ? name_of(Mapper::kSequential) : choice_.mapping.filename().string();
  run.mapping_sha256 = sha256_hex(mapping_json(mapping_, lowered_.network, chip_));
  run.weight_bits = choice_.lower.weight_bits;
  return run;
}

}  // namespace spikeloom
