#include <algorithm>

#include "core/error.hpp"
#include "hw_model/chip/placed.hpp"

namespace spikeloom {
namespace {

constexpr size_t kListed = 10;
constexpr int64_t kMatrixBits = 32;  // of an element of an attention's K^T V

int64_t bytes_for(int64_t count, int64_t bits) {
  return (count * bits + 7) / 8;
}

// Output channels of a population each core holds at least one neuron of.
std::vector<int64_t> channels_by_core(const Placed& placed, size_t population) {
  const std::vector<int32_t>& cores = placed.populations[population].cores;
  const int64_t channels = placed.network.populations[population].channels;
  std::vector<int64_t> pairs;
  for (size_t n = 0; n < cores.size(); ++n) {
    const int64_t pair = cores[n] * channels + static_cast<int64_t>(n) % channels;
    // The same channel one position earlier is mostly on the same core.
    const auto before = n - static_cast<size_t>(channels);
    if (n >= static_cast<size_t>(channels) && cores[before] == cores[n]) continue;
    pairs.push_back(pair);
  }
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  std::vector<int64_t> count(placed.tiles.size());
  for (const int64_t pair : pairs) ++count[static_cast<size_t>(pair / channels)];
  return count;
}

void add_projection(const Placed& placed, size_t q, std::vector<CoreNeed>& needs) {
  const Projection& projection = placed.network.projections[q];
  const FanOut& fan_out = placed.projections[q].fan_out;
  const ChipPopulation& source = placed.network.populations[static_cast<size_t>(projection.source)];
  const int64_t sharing = fan_out.neurons_of_row(source);
  std::vector<int64_t> synapses(needs.size());
  for (const FanOut::Entry entry : fan_out.entries) {
    const auto core = static_cast<size_t>(entry.core);
    needs[core].axons_in += sharing;
    synapses[core] += sharing * entry.synapses;
  }
  const auto* attention = std::get_if<AttentionSynapses>(&projection.synapses);
  const bool shared = std::holds_alternative<ConvSynapses>(projection.synapses) &&
                      placed.chip.limits.shared_kernels;
  if (attention == nullptr && !shared) {
    for (size_t core = 0; core < needs.size(); ++core) {
      needs[core].weight_bytes += bytes_for(synapses[core], projection.weight_bits);
    }
    return;
  }
  if (attention != nullptr && attention->role != AttentionRole::kValue) return;
  const auto target = static_cast<size_t>(projection.target);
  const std::vector<int64_t> channels = channels_by_core(placed, target);
  for (size_t core = 0; core < needs.size(); ++core) {
    if (attention != nullptr) {
      needs[core].state_bytes +=
          bytes_for(channels[core] * (source.channels / attention->heads), kMatrixBits);
    } else {
      needs[core].weight_bytes +=
          bytes_for(channels[core] * fan_in_of(placed.network, projection), projection.weight_bits);
    }
  }
}

void add_axons_out(const Placed& placed, std::vector<CoreNeed>& needs) {
  std::vector<int64_t> reached(placed.tiles.size(), -1);
  int64_t serial = 0;
  for (const PlacedPopulation& population : placed.populations) {
    if (population.outgoing.empty()) continue;
    for (uint32_t n = 0; n < population.cores.size(); ++n, ++serial) {
      int64_t targets = 0;
      for (const int q : population.outgoing) {
        const FanOut& fan_out = placed.projections[static_cast<size_t>(q)].fan_out;
        for (const FanOut::Entry entry : fan_out.row(fan_out.row_of(n))) {
          int64_t& last = reached[static_cast<size_t>(entry.core)];
          if (last != serial) ++targets;
          last = serial;
        }
      }
      if (placed.chip.noc.cast != Cast::kUnicast) targets = std::min<int64_t>(targets, 1);
      needs[static_cast<size_t>(population.cores[n])].axons_out += targets;
    }
  }
}

std::vector<CoreNeed> needs_of(const Placed& placed) {
  std::vector<CoreNeed> needs(placed.tiles.size());
  for (size_t p = 0; p < placed.populations.size(); ++p) {
    for (const PlacedPopulation::Share& share : placed.populations[p].shares) {
      CoreNeed& need = needs[static_cast<size_t>(share.core)];
      need.neurons += share.neurons;
      need.state_bytes += bytes_for(share.neurons, placed.network.populations[p].state_bits);
    }
  }
  for (size_t q = 0; q < placed.projections.size(); ++q) add_projection(placed, q, needs);
  add_axons_out(placed, needs);
  return needs;
}

// Collects violations: the first are written out, the others counted.
class Violations {
 public:
  void check(const std::string& where, const char* what, int64_t need,
             const std::optional<int64_t>& limit) {
    if (!limit || need <= *limit) return;
    if (++count_ > kListed) return;
    text_ += (text_.empty() ? "" : "; ") + where + ": " + what + ": needs " + std::to_string(need) +
             ", limit " + std::to_string(*limit);
  }

  void refuse(const ChipSpec& chip) const {
    if (count_ == 0) return;
    std::string message = "the network does not fit chip " + chip.name + ": " + text_;
    if (count_ > kListed) message += "; and " + std::to_string(count_ - kListed) + " more";
    if (!advice_.empty()) message += " (" + advice_ + ")";
    throw Error(ErrorCode::kCapacity, message);
  }

  // What to do about it.
  void advise(std::string advice) { advice_ = std::move(advice); }

 private:
  std::string text_, advice_;
  size_t count_ = 0;
};

std::string layers_on(const Placed& placed, size_t core) {
  std::string names;
  for (size_t p = 0; p < placed.populations.size(); ++p) {
    for (const PlacedPopulation::Share& share : placed.populations[p].shares) {
      if (static_cast<size_t>(share.core) != core) continue;
      names += (names.empty() ? "" : " + ") + placed.network.populations[p].name;
    }
  }
  return names;
}

void check_core(const Placed& placed, size_t core, const CoreNeed& need, Violations& violations) {
  const CoreLimits& limits = placed.chip.limits;
  const struct {
    const char* name;
    int64_t need;
    const std::optional<int64_t>& limit;
  } rows[] = {
      {"neurons", need.neurons, limits.neurons},
      {"weight_bytes", need.weight_bytes, limits.weight_bytes},
      {"state_bytes", need.state_bytes, limits.state_bytes},
      {"memory_bytes", need.weight_bytes + need.state_bytes, limits.memory_bytes},
      {"axons_in", need.axons_in, limits.axons_in},
      {"axons_out", need.axons_out, limits.axons_out},
  };
  std::string where;
  for (const auto& row : rows) {
    if (!row.limit || row.need <= *row.limit) continue;
    if (where.empty()) {
      const CorePlace place = place_of_core(placed.chip, static_cast<int64_t>(core));
      where = layers_on(placed, core) + ", core " + std::to_string(core) + " (chip " +
              std::to_string(place.chip) + ", tile " + std::to_string(place.tile) + ", slot " +
              std::to_string(place.slot) + ")";
    }
    violations.check(where, row.name, row.need, row.limit);
  }
}

}  // namespace

std::vector<CoreNeed> needs_of(const ChipNetwork& network, const ChipSpec& chip,
                               const Mapping& mapping) {
  return needs_of(place(network, chip, mapping));
}

void check_capacity(const ChipNetwork& network, const ChipSpec& chip, const Mapping& mapping) {
  const Placed placed = place(network, chip, mapping);
  const std::vector<CoreNeed> needs = needs_of(placed);
  Violations violations;
  std::vector<int64_t> fan_in(network.populations.size());
  for (const Projection& projection : network.projections) {
    const std::string where = network.populations[static_cast<size_t>(projection.target)].name +
                              ", projection " + projection.name;
    violations.check(where, "weight_bits", projection.weight_bits, chip.limits.weight_bits);
    if (chip.limits.weight_bits && projection.weight_bits > *chip.limits.weight_bits)
      violations.advise("--weight-bits " + std::to_string(*chip.limits.weight_bits) +
                        ", or chip.weight_bits of a run, rounds them to what fits");
    fan_in[static_cast<size_t>(projection.target)] += fan_in_of(network, projection);
  }
  for (size_t p = 0; p < fan_in.size(); ++p) {
    violations.check(network.populations[p].name, "fan_in", fan_in[p], chip.limits.fan_in);
  }
  for (size_t core = 0; core < needs.size(); ++core) {
    check_core(placed, core, needs[core], violations);
  }
  violations.refuse(chip);
}

}  // namespace spikeloom
