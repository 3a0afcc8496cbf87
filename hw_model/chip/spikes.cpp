#include "hw_model/chip/spikes.hpp"

#include <algorithm>

#include "core/bit_packing.hpp"
#include "core/error.hpp"

namespace spikeloom {
namespace {

Error wrong(const ChipPopulation& population, const std::string& what) {
  return {ErrorCode::kUsage, "spikes of " + population.name + ": " + what};
}

void check_population(const ChipPopulation& population, const ChipSpikes::Population& spikes,
                      int64_t steps) {
  if (population.update == UpdateRule::kGiven) {
    if (static_cast<int64_t>(spikes.updated.size()) != steps) {
      throw wrong(population, "updates must be given for every step");
    }
    for (const int64_t updated : spikes.updated) {
      if (updated < 0 || updated > population.neurons()) {
        throw wrong(population, std::to_string(updated) + " updates of " +
                                    std::to_string(population.neurons()) + " neurons");
      }
    }
  }
  if (spikes.first.empty()) return;
  if (static_cast<int64_t>(spikes.first.size()) != steps + 1 || spikes.first.front() != 0 ||
      spikes.first.back() != static_cast<int64_t>(spikes.neurons.size()) ||
      !std::is_sorted(spikes.first.begin(), spikes.first.end())) {
    throw wrong(population, "the list of steps does not fit");
  }
  for (size_t step = 0; step + 1 < spikes.first.size(); ++step) {
    for (int64_t i = spikes.first[step]; i < spikes.first[step + 1]; ++i) {
      const uint32_t neuron = spikes.neurons[static_cast<size_t>(i)];
      if (neuron >= population.neurons()) {
        throw wrong(population, "neuron " + std::to_string(neuron) + " of " +
                                    std::to_string(population.neurons()));
      }
      const bool once = population.levels == LevelRange();
      const uint32_t before =
          i > spikes.first[step] ? spikes.neurons[static_cast<size_t>(i) - 1] : 0;
      if (i > spikes.first[step] && (once ? before >= neuron : before > neuron)) {
        throw wrong(population, "neurons of step " + std::to_string(step) + " do not ascend");
      }
    }
  }
}

constexpr size_t kMostPackets = size_t{1} << 30;  // of one population

}  // namespace

void add_packets(const ChipPopulation& population, int64_t neuron, int64_t level,
                 std::vector<uint32_t>& packets) {
  const auto count = static_cast<size_t>(population.packets_of(level));
  if (count > kMostPackets - std::min(packets.size(), kMostPackets))
    throw Error(ErrorCode::kCapacity,
                "levels of " + population.name + " are more than 2^30 packets");
  packets.insert(packets.end(), count, static_cast<uint32_t>(neuron));
}

void fill_first_steps(const ChipPopulation& population, const ChipSpikes& spikes,
                      ChipSpikes::Population& out) {
  out.first.push_back(0);
  for (int64_t step = 0; step < spikes.steps; ++step) {
    if (std::binary_search(spikes.sample_starts.begin(), spikes.sample_starts.end(), step)) {
      for (uint32_t n = 0; n < population.neurons(); ++n) out.neurons.push_back(n);
    }
    out.first.push_back(static_cast<int64_t>(out.neurons.size()));
  }
}

ChipSpikes slice_of(const ChipSpikes& spikes, Range steps) {
  ChipSpikes out;
  out.steps = steps.size();
  out.sample_starts.push_back(0);
  for (const int64_t start : spikes.sample_starts) {
    if (start > steps.begin && start < steps.end) out.sample_starts.push_back(start - steps.begin);
  }
  for (const ChipSpikes::Population& population : spikes.populations) {
    ChipSpikes::Population& part = out.populations.emplace_back();
    if (!population.updated.empty())
      part.updated.assign(population.updated.begin() + steps.begin,
                          population.updated.begin() + steps.end);
    if (population.first.empty()) continue;
    const int64_t first = population.first[static_cast<size_t>(steps.begin)];
    for (int64_t step = steps.begin; step <= steps.end; ++step)
      part.first.push_back(population.first[static_cast<size_t>(step)] - first);
    part.neurons.assign(population.neurons.begin() + first,
                        population.neurons.begin() + first + part.first.back());
  }
  return out;
}

void check_spikes(const ChipNetwork& network, const ChipSpikes& spikes) {
  if (spikes.populations.size() != network.populations.size()) {
    throw Error(ErrorCode::kUsage, "spikes of " + std::to_string(spikes.populations.size()) +
                                       " populations for a network of " +
                                       std::to_string(network.populations.size()));
  }
  if (spikes.steps < 0 || spikes.sample_starts.empty() || spikes.sample_starts.front() != 0 ||
      !std::is_sorted(spikes.sample_starts.begin(), spikes.sample_starts.end())) {
    throw Error(ErrorCode::kUsage, "starts of samples must ascend from step 0");
  }
  for (size_t p = 0; p < network.populations.size(); ++p) {
    check_population(network.populations[p], spikes.populations[p], spikes.steps);
  }
}

ChipSpikes read_spikes(const TraceFile& trace, const ChipNetwork& network, int64_t first,
                       int64_t steps) {
  if (trace.is_partial()) {
    throw Error(ErrorCode::kData, trace.path().string() +
                                      ": holds a selection of the steps; a chip needs all of them");
  }
  ChipSpikes spikes;
  spikes.steps = steps;
  for (const ChipPopulation& population : network.populations) {
    ChipSpikes::Population& out = spikes.populations.emplace_back();
    if (population.sends_always) continue;
    const size_t index = trace.at(population.name);
    const TracePopulation& recorded = trace.populations()[index];
    if (!recorded.fault.empty()) {
      throw Error(ErrorCode::kData,
                  trace.path().string() + ": " + population.name + ": " + recorded.fault);
    }
    if (recorded.levels != population.levels) {
      throw Error(ErrorCode::kData, trace.path().string() + ": population " + population.name +
                                        " holds values from " + range_text(recorded.levels) +
                                        ", the network expects " + range_text(population.levels));
    }
    if (recorded.neurons != population.neurons() || first < 0 || first + steps > recorded.rows) {
      throw Error(ErrorCode::kData, trace.path().string() + ": population " + population.name +
                                        " has " + std::to_string(recorded.neurons) +
                                        " neurons and " + std::to_string(recorded.rows) +
                                        " steps, expected " + std::to_string(population.neurons()) +
                                        " and steps " + std::to_string(first) + " to " +
                                        std::to_string(first + steps));
    }
    out.first.push_back(0);
    const int64_t block = trace.block_rows(index);
    const auto row_bytes = static_cast<size_t>(packed_bytes(recorded.bits()));
    for (int64_t row = first; row < first + steps; row += block) {
      const int64_t rows = std::min(block, first + steps - row);
      const std::vector<uint8_t> bits = trace.bits(index, row, rows);
      for (int64_t r = 0; r < rows; ++r) {
        for_each_level({bits.data() + static_cast<size_t>(r) * row_bytes, row_bytes},
                       recorded.neurons, recorded.levels, [&](int64_t n, int64_t level) {
                         add_packets(population, n, level, out.neurons);
                       });
        out.first.push_back(static_cast<int64_t>(out.neurons.size()));
      }
    }
  }
  spikes.sample_starts.push_back(0);
  for (const TraceSample& sample : trace.samples()) {
    if (sample.first_step > first && sample.first_step < first + steps) {
      spikes.sample_starts.push_back(sample.first_step - first);
    }
  }
  return spikes;
}

}  // namespace spikeloom
