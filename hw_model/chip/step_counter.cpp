#include "hw_model/chip/step_counter.hpp"

#include <algorithm>
#include <cstring>

namespace spikeloom {

StepCounter::StepCounter(const Placed& placed, const ChipSpikes& spikes,
                         const ReplayOptions& options)
    : placed_(placed),
      spikes_(spikes),
      options_(options),
      op_count_(static_cast<int64_t>(placed.ops.size())),
      keys_(placed),
      loads_(placed.geometry) {
  const size_t cores = placed.tiles.size();
  by_core.resize(cores * placed.ops.size());
  by_layer.resize(placed.populations.size() * placed.ops.size());
  events.resize(placed.projections.size());
  deliveries.resize(placed.projections.size());
  packets_in.resize(cores);
  packets_out.resize(cores);
  serial_of_core_.resize(cores);
  fired_on_core_.resize(cores);
  touched_on_core_.resize(cores);
  for (const PlacedPopulation& population : placed.populations) {
    updates.emplace_back(population.shares.size());
  }
  touched_.resize(placed.populations.size());
  for (size_t p = 0; p < touched_.size(); ++p) {
    if (placed.network.populations[p].update == UpdateRule::kTouched) {
      touched_[p].resize(placed.populations[p].cores.size());
    }
  }
}

void StepCounter::count(int64_t step) {
  step_ = step;
  result = {};
  for (auto* counts : {&by_core, &by_layer, &events, &deliveries, &packets_in, &packets_out}) {
    std::fill(counts->begin(), counts->end(), 0);
  }
  keys_.count(spikes_, step);
  mark_touched();
  for (size_t p = 0; p < placed_.populations.size(); ++p) {
    count_spikes(p);
    count_updates(p);
  }
  link_flits = &loads_.finish();
}

void StepCounter::count_spikes(size_t population) {
  const ChipPopulation& shape = placed_.network.populations[population];
  if (shape.sends_always) {
    for (uint32_t n = 0; n < static_cast<uint32_t>(shape.neurons()); ++n) {
      count_spike(population, n);
    }
    return;
  }
  for (const uint32_t neuron : spikes_.at(population, step_)) count_spike(population, neuron);
}

void StepCounter::count_spike(size_t population, uint32_t neuron) {
  const PlacedPopulation& from = placed_.populations[population];
  const OpTable& ops = placed_.ops;
  const int64_t source = from.cores[neuron];
  ++result.fired;
  ++fired_on_core_[static_cast<size_t>(source)];
  ++core_row(source)[from.soma + 2];
  ++layer_row(static_cast<int64_t>(population))[from.soma + 2];
  ++serial_;
  targets_.clear();
  for_each_delivery(placed_, keys_, population, neuron, [&](size_t q, int32_t core, int64_t count) {
    const PlacedProjection& projection = placed_.projections[q];
    int64_t* here = core_row(core);
    int64_t* layer = layer_row(projection.target);
    if (serial_of_core_[static_cast<size_t>(core)] != serial_) {
      serial_of_core_[static_cast<size_t>(core)] = serial_;
      targets_.push_back(core);
      ++deliveries[q];
      ++here[ops.axon_in];
      ++layer[ops.axon_in];
    }
    if (count == 0) return;
    events[q] += count;
    const auto add = [&](int op, int64_t amount) {
      if (op < 0) return;
      here[op] += amount;
      layer[op] += amount;
    };
    add(projection.event, count);
    if (projection.slots >= 0) {
      add(projection.slots, (count + projection.lanes - 1) / projection.lanes);
    }
    add(projection.accumulate, count);
    if (projection.weight_bits > 0) {
      add(ops.weight_read,
          (count * projection.weight_bits + ops.weight_width - 1) / ops.weight_width);
    }
    result.events += count;
  });
  if (!targets_.empty()) count_network(population, source);
}

void StepCounter::count_network(size_t population, int64_t source) {
  const PlacedPopulation& from = placed_.populations[population];
  const OpTable& ops = placed_.ops;
  const auto reached = static_cast<int64_t>(targets_.size());
  const TilePlace tile = placed_.tiles[static_cast<size_t>(source)];
  int64_t messages = reached;
  Hops hops;
  if (placed_.chip.noc.cast == Cast::kUnicast) {
    for (const int32_t core : targets_) {
      hops += loads_.add_route(tile, placed_.tiles[static_cast<size_t>(core)], from.flits);
    }
  } else if (placed_.chip.noc.cast == Cast::kMulticast) {
    messages = 1;
    target_tiles_.clear();
    for (const int32_t core : targets_) {
      target_tiles_.push_back(placed_.tiles[static_cast<size_t>(core)]);
    }
    hops = loads_.add_tree(tile, target_tiles_, from.flits);
  } else {
    chips_.clear();
    for (const int32_t core : targets_) chips_.push_back(core / placed_.chip.cores_per_chip());
    std::sort(chips_.begin(), chips_.end());
    chips_.erase(std::unique(chips_.begin(), chips_.end()), chips_.end());
    messages = static_cast<int64_t>(chips_.size());
    for (const int64_t chip : chips_) {
      hops += loads_.add_tree(tile, placed_.chip_tiles[static_cast<size_t>(chip)], from.flits);
    }
  }
  result.messages += messages;
  result.deliveries += reached;
  result.hops += hops.total();
  for (int64_t* row : {core_row(source), layer_row(static_cast<int64_t>(population))}) {
    row[ops.axon_out] += messages;
    for (size_t d = 0; d < 4; ++d) row[ops.hop[d]] += hops.on_chip[d] * from.flits;
    row[ops.interchip] += hops.interchip * from.flits;
    row[ops.delivery] += reached * from.flits;
  }
  packets_out[static_cast<size_t>(source)] += messages * from.flits;
  for (const int32_t core : targets_) packets_in[static_cast<size_t>(core)] += from.flits;
  if (!options_.keep_core_traffic) return;
  const auto cores = static_cast<int64_t>(placed_.tiles.size());
  for (const int32_t core : targets_) ++traffic[source * cores + core];
}

void StepCounter::add_updates(size_t population, size_t share, int64_t updated_here) {
  const PlacedPopulation& at = placed_.populations[population];
  const PlacedPopulation::Share& here = at.shares[share];
  result.updated += updated_here;
  updates[population][share] = updated_here;
  for (int64_t* row : {core_row(here.core), layer_row(static_cast<int64_t>(population))}) {
    row[at.soma] += at.access_every_step ? here.neurons : updated_here;
    row[at.soma + 1] += updated_here;
    if (placed_.ops.state_read >= 0) {
      row[placed_.ops.state_read] += updated_here * at.state_accesses;
      row[placed_.ops.state_write] += updated_here * at.state_accesses;
    }
  }
}

void StepCounter::count_updates(size_t population) {
  const PlacedPopulation& at = placed_.populations[population];
  const UpdateRule rule = placed_.network.populations[population].update;
  if (rule == UpdateRule::kTouched) {
    for (size_t n = 0; n < at.cores.size(); ++n) {
      touched_on_core_[static_cast<size_t>(at.cores[n])] += touched_[population][n];
    }
  }
  const auto neurons = static_cast<int64_t>(at.cores.size());
  int64_t given = 0, before = 0;  // updates of the step, neurons of the cores before
  if (rule == UpdateRule::kGiven) {
    given = spikes_.populations[population].updated[static_cast<size_t>(step_)];
  }
  for (size_t k = 0; k < at.shares.size(); ++k) {
    const PlacedPopulation::Share& share = at.shares[k];
    const auto core = static_cast<size_t>(share.core);
    int64_t count = share.neurons;
    if (rule == UpdateRule::kFired) count = fired_on_core_[core];
    if (rule == UpdateRule::kTouched) count = touched_on_core_[core];
    if (rule == UpdateRule::kGiven) {
      // In proportion to the neurons; the parts add up to what is given.
      count = given * (before + share.neurons) / neurons - given * before / neurons;
      before += share.neurons;
    }
    add_updates(population, k, count);
    fired_on_core_[core] = touched_on_core_[core] = 0;
  }
}

void StepCounter::mark_touched() {
  const bool starts =
      std::binary_search(spikes_.sample_starts.begin(), spikes_.sample_starts.end(), step_);
  const bool silent = options_.touched_lag > 0 && starts;
  for (std::vector<uint8_t>& map : touched_) std::fill(map.begin(), map.end(), 0);
  if (silent) return;
  const int64_t step = step_ - options_.touched_lag;
  for (const Projection& projection : placed_.network.projections) {
    if (touched_[static_cast<size_t>(projection.target)].empty()) continue;
    const auto source = static_cast<size_t>(projection.source);
    const bool always = placed_.network.populations[source].sends_always;
    const std::span<const uint32_t> spikes = spikes_.at(source, step);
    if (always || (std::holds_alternative<DenseSynapses>(projection.synapses) && !spikes.empty())) {
      std::vector<uint8_t>& map = touched_[static_cast<size_t>(projection.target)];
      std::fill(map.begin(), map.end(), 1);
      continue;
    }
    for (const uint32_t neuron : spikes) mark(projection, neuron);
  }
}

void StepCounter::mark(const Projection& projection, uint32_t neuron) {
  std::vector<uint8_t>& map = touched_[static_cast<size_t>(projection.target)];
  const ChipPopulation& source =
      placed_.network.populations[static_cast<size_t>(projection.source)];
  const ChipPopulation& target =
      placed_.network.populations[static_cast<size_t>(projection.target)];
  const int64_t position = neuron / source.channels, channel = neuron % source.channels;
  if (const auto* sparse = std::get_if<SparseSynapses>(&projection.synapses)) {
    for (int64_t i = sparse->first[neuron]; i < sparse->first[neuron + 1]; ++i) {
      map[sparse->targets[static_cast<size_t>(i)]] = 1;
    }
  } else if (const auto* attention = std::get_if<AttentionSynapses>(&projection.synapses)) {
    // A query reaches all channels of its head, whatever the matrix holds.
    if (attention->role != AttentionRole::kQuery) return;
    const int64_t depth = target.channels / attention->heads;
    std::memset(map.data() + position * target.channels + channel / depth * depth, 1,
                static_cast<size_t>(depth));
  } else if (const auto* conv = std::get_if<ConvSynapses>(&projection.synapses)) {
    const int64_t group = target.channels / conv->groups;
    const int64_t first = channel / (source.channels / conv->groups) * group;
    const Range ys = outputs_of(position / source.width, conv->kernel_y, conv->stride_y,
                                conv->padding_y, target.height);
    const Range xs = outputs_of(position % source.width, conv->kernel_x, conv->stride_x,
                                conv->padding_x, target.width);
    for (int64_t y = ys.begin; y < ys.end; ++y) {
      for (int64_t x = xs.begin; x < xs.end; ++x) {
        std::memset(map.data() + (y * target.width + x) * target.channels + first, 1,
                    static_cast<size_t>(group));
      }
    }
  }
}

}  // namespace spikeloom
