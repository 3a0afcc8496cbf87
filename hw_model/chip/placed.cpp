#include "hw_model/chip/placed.hpp"

#include <algorithm>
#include <set>

#include "core/error.hpp"

namespace spikeloom {
namespace {

size_t require_unit(const ChipSpec& chip, UnitKind kind, const std::string& unit,
                    std::optional<SynapseFormat> format, const std::string& who) {
  const auto found = find_unit(chip, kind, unit, format);
  if (found) return *found;
  throw Error(
      ErrorCode::kUsage,
      who + " needs a unit of kind " + std::string(name_of(kind)) +
          (unit.empty() ? "" : " called " + unit) +
          (format ? std::string(" for ") + kSynapseFormatNames[static_cast<size_t>(*format)] : "") +
          ", which chip " + chip.name + " does not have");
}

UnitKind unit_kind(const Projection& projection, const ChipPopulation& source) {
  if (std::holds_alternative<AttentionSynapses>(projection.synapses)) {
    return UnitKind::kOuterProduct;
  }
  return source.payload_bits > 0 ? UnitKind::kMultiply : UnitKind::kSynapse;
}

PlacedProjection place_projection(const Placed& placed, const Projection& projection,
                                  const Mapping& mapping,
                                  const std::vector<std::vector<int32_t>>& cores) {
  const ChipPopulation& source = placed.network.populations[static_cast<size_t>(projection.source)];
  PlacedProjection out;
  out.source = projection.source;
  out.target = projection.target;
  const UnitKind kind = unit_kind(projection, source);
  std::optional<SynapseFormat> format;
  if (kind == UnitKind::kSynapse) format = format_of(projection.synapses);
  const size_t unit =
      require_unit(placed.chip, kind, projection.unit, format, "projection " + projection.name);
  out.event = placed.ops.unit[unit];
  out.slots = placed.ops.slots[unit];
  out.lanes = placed.chip.units[unit].lanes;
  const auto* attention = std::get_if<AttentionSynapses>(&projection.synapses);
  if (attention == nullptr || attention->role == AttentionRole::kQuery) {
    out.accumulate = placed.ops.accumulate;
  }
  if (attention == nullptr && placed.ops.weight_read >= 0) out.weight_bits = projection.weight_bits;
  if (attention != nullptr && attention->role == AttentionRole::kValue) out.values = *attention;
  out.fan_out = fan_out_of(placed.network, projection, mapping, cores);
  return out;
}

PlacedPopulation place_population(const Placed& placed, const ChipPopulation& population,
                                  std::vector<int32_t> cores) {
  PlacedPopulation out;
  const size_t unit = require_unit(placed.chip, UnitKind::kSoma, population.soma, {},
                                   "population " + population.name);
  out.soma = placed.ops.unit[unit];
  out.access_every_step = placed.chip.units[unit].access_every_step;
  const NocSpec& noc = placed.chip.noc;
  out.flits = noc.packet_flits + (population.payload_bits + noc.flit_bits - 1) / noc.flit_bits;
  if (placed.ops.state_width > 0) {
    out.state_accesses =
        (population.state_bits + placed.ops.state_width - 1) / placed.ops.state_width;
  }
  std::vector<int64_t> neurons(static_cast<size_t>(placed.chip.cores()));
  for (const int32_t core : cores) ++neurons[static_cast<size_t>(core)];
  for (size_t core = 0; core < neurons.size(); ++core) {
    if (neurons[core] > 0) out.shares.push_back({static_cast<int32_t>(core), neurons[core]});
  }
  out.cores = std::move(cores);
  return out;
}

void count_used(Placed& placed) {
  std::set<int64_t> cores, tiles, chips;
  for (const PlacedPopulation& population : placed.populations) {
    for (const PlacedPopulation::Share& share : population.shares) {
      cores.insert(share.core);
      tiles.insert(share.core / placed.chip.cores_per_tile);
      chips.insert(share.core / placed.chip.cores_per_chip());
    }
  }
  placed.cores_used = static_cast<int64_t>(cores.size());
  placed.tiles_used = static_cast<int64_t>(tiles.size());
  placed.chips_used = static_cast<int64_t>(chips.size());
}

}  // namespace

Placed place(const ChipNetwork& network, const ChipSpec& chip, const Mapping& mapping) {
  check_network(network);
  std::vector<std::vector<int32_t>> cores = cores_of_neurons(network, chip, mapping);
  Placed placed{network, chip, Geometry(chip), operations_of(chip), {}, {}, {}, {}, 0, 0, 0};
  // From here on the placed network is the one that is referred to.
  for (const Projection& projection : placed.network.projections) {
    placed.projections.push_back(place_projection(placed, projection, mapping, cores));
  }
  for (size_t p = 0; p < network.populations.size(); ++p) {
    placed.populations.push_back(
        place_population(placed, placed.network.populations[p], std::move(cores[p])));
  }
  for (size_t q = 0; q < placed.projections.size(); ++q) {
    placed.populations[static_cast<size_t>(placed.projections[q].source)].outgoing.push_back(
        static_cast<int>(q));
  }
  for (int64_t core = 0; core < chip.cores(); ++core) {
    placed.tiles.push_back(placed.geometry.tile_of_core(core));
  }
  placed.chip_tiles.resize(static_cast<size_t>(chip.chips()));
  for (int64_t core = 0; core < chip.cores(); core += chip.cores_per_tile) {
    placed.chip_tiles[static_cast<size_t>(core / chip.cores_per_chip())].push_back(
        placed.tiles[static_cast<size_t>(core)]);
  }
  count_used(placed);
  return placed;
}

void rank_neurons(Placed& placed) {
  std::vector<uint32_t> next(placed.tiles.size());
  for (PlacedPopulation& population : placed.populations) {
    std::fill(next.begin(), next.end(), 0);
    population.ranks.reserve(population.cores.size());
    for (const int32_t core : population.cores) {
      population.ranks.push_back(next[static_cast<size_t>(core)]++);
    }
  }
}

KeyCounts::KeyCounts(const Placed& placed) : placed_(placed), counts_(placed.projections.size()) {
  for (size_t q = 0; q < counts_.size(); ++q) {
    const PlacedProjection& projection = placed.projections[q];
    if (!projection.values) continue;
    const ChipPopulation& source =
        placed.network.populations[static_cast<size_t>(projection.source)];
    counts_[q].resize(static_cast<size_t>(source.positions() * projection.values->heads));
  }
}

void KeyCounts::count(const ChipSpikes& spikes, int64_t step) {
  for (size_t q = 0; q < counts_.size(); ++q) {
    const std::optional<AttentionSynapses>& values = placed_.projections[q].values;
    if (!values) continue;
    std::fill(counts_[q].begin(), counts_[q].end(), 0);
    const auto keys = static_cast<size_t>(values->keys);
    const int64_t depth = placed_.network.populations[keys].channels / values->heads;
    // A channel count is a whole number of heads, so n / depth is token * heads + head.
    for (const uint32_t neuron : spikes.at(keys, step)) {
      ++counts_[q][static_cast<size_t>(neuron / depth)];
    }
  }
}

}  // namespace spikeloom
