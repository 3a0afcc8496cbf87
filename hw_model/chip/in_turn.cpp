#include "hw_model/chip/in_turn.hpp"

#include <algorithm>
#include <bit>

#include "core/error.hpp"
#include "hw_model/chip/mapper.hpp"

namespace spikeloom {
namespace {

// Behind all names that a file can hold, so that no other population gets it by default.
constexpr const char* kPlayback = "~stored";

ChipSpec with_playback(ChipSpec chip) {
  UnitSpec unit;
  unit.name = kPlayback;
  unit.kind = UnitKind::kSoma;
  unit.access_every_step = false;
  const Constant free{0, 'S', "per_op", "outside the chip"};
  unit.access = unit.update = unit.fire = {free, free};
  chip.units.push_back(unit);
  return chip;
}

using Edges = std::vector<std::vector<int>>;

// Who must run with or before whom: readers by population, and the reverse.
void find_edges(const ChipNetwork& network, Edges& after, Edges& before) {
  after.assign(network.populations.size(), {});
  before = after;
  const auto add = [&](int from, int to) {
    after[static_cast<size_t>(from)].push_back(to);
    before[static_cast<size_t>(to)].push_back(from);
  };
  for (const Projection& projection : network.projections) {
    add(projection.source, projection.target);
    const auto* attention = std::get_if<AttentionSynapses>(&projection.synapses);
    if (attention != nullptr && attention->role == AttentionRole::kValue) {
      add(attention->keys, projection.target);
    }
  }
  for (size_t p = 0; p < network.populations.size(); ++p) {
    const int home = network.populations[p].beside;
    if (home < 0) continue;
    add(static_cast<int>(p), home);
    add(home, static_cast<int>(p));
  }
}

std::vector<bool> reached(const Edges& edges, int from) {
  std::vector<bool> seen(edges.size());
  std::vector<int> open = {from};
  seen[static_cast<size_t>(from)] = true;
  while (!open.empty()) {
    const int at = open.back();
    open.pop_back();
    for (const int to : edges[static_cast<size_t>(at)]) {
      if (!seen[static_cast<size_t>(to)]) open.push_back(to);
      seen[static_cast<size_t>(to)] = true;
    }
  }
  return seen;
}

// Populations that feed each other, in an order in which each group follows all it reads.
std::vector<std::vector<int>> ordered_groups(const ChipNetwork& network) {
  Edges after, before;
  find_edges(network, after, before);
  std::vector<std::vector<int>> groups;
  std::vector<bool> grouped(network.populations.size()), done = grouped;
  for (int p = 0; p < static_cast<int>(grouped.size()); ++p) {
    if (grouped[static_cast<size_t>(p)]) continue;
    const std::vector<bool> down = reached(after, p), up = reached(before, p);
    groups.emplace_back();
    for (size_t n = 0; n < grouped.size(); ++n) {
      if (!down[n] || !up[n]) continue;
      groups.back().push_back(static_cast<int>(n));
      grouped[n] = true;
    }
  }
  const auto ready = [&](const std::vector<int>& group) {
    for (const int p : group) {
      for (const int from : before[static_cast<size_t>(p)]) {
        if (!done[static_cast<size_t>(from)] &&
            !std::binary_search(group.begin(), group.end(), from)) {
          return false;
        }
      }
    }
    return true;
  };
  std::vector<std::vector<int>> ordered;
  while (!groups.empty()) {
    const auto next = std::find_if(groups.begin(), groups.end(), ready);
    for (const int p : *next) done[static_cast<size_t>(p)] = true;
    ordered.push_back(std::move(*next));
    groups.erase(next);
  }
  return ordered;
}

// What runs when `running` populations take a turn, and what of others they read.
Turn turn_of(const ChipNetwork& network, std::vector<int> running) {
  Turn turn;
  std::vector<int> place(network.populations.size(), -1);
  const auto add = [&](int p) {
    if (place[static_cast<size_t>(p)] >= 0) return;
    place[static_cast<size_t>(p)] = static_cast<int>(turn.populations.size());
    turn.populations.push_back(p);
    turn.network.populations.push_back(network.populations[static_cast<size_t>(p)]);
  };
  std::sort(running.begin(), running.end());
  for (const int p : running) add(p);
  for (size_t q = 0; q < network.projections.size(); ++q) {
    const Projection& projection = network.projections[q];
    if (!std::binary_search(running.begin(), running.end(), projection.target)) continue;
    add(projection.source);
    turn.projections.push_back(static_cast<int>(q));
    turn.network.projections.push_back(projection);
    const auto* attention = std::get_if<AttentionSynapses>(&projection.synapses);
    if (attention != nullptr && attention->role == AttentionRole::kValue) add(attention->keys);
  }
  turn.stored = static_cast<int64_t>(turn.populations.size() - running.size());
  for (size_t i = 0; i < turn.populations.size(); ++i) {
    ChipPopulation& population = turn.network.populations[i];
    if (population.beside >= 0) population.beside = place[static_cast<size_t>(population.beside)];
    if (i < running.size()) continue;
    population.beside = -1;
    population.update = UpdateRule::kFired;
    population.soma = kPlayback;
    population.state_bits = 0;
  }
  for (Projection& projection : turn.network.projections) {
    projection.source = place[static_cast<size_t>(projection.source)];
    projection.target = place[static_cast<size_t>(projection.target)];
    if (auto* attention = std::get_if<AttentionSynapses>(&projection.synapses)) {
      if (attention->keys >= 0) attention->keys = place[static_cast<size_t>(attention->keys)];
    }
  }
  return turn;
}

int64_t spike_count(const ChipNetwork& network, const ChipSpikes& spikes, int p) {
  const ChipPopulation& population = network.populations[static_cast<size_t>(p)];
  if (population.sends_always) return spikes.steps * population.neurons();
  return static_cast<int64_t>(spikes.populations[static_cast<size_t>(p)].neurons.size());
}

int64_t stored_bytes(const ChipNetwork& network, const ChipSpikes& spikes, int p) {
  const ChipPopulation& population = network.populations[static_cast<size_t>(p)];
  const int64_t address =
      population.sends_always ? 0 : std::bit_width(static_cast<uint64_t>(population.neurons() - 1));
  return (spike_count(network, spikes, p) * (address + population.payload_bits) + 7) / 8;
}

ChipSpikes spikes_of_turn(const ChipSpikes& spikes, const Turn& turn) {
  ChipSpikes out;
  out.steps = spikes.steps;
  out.sample_starts = spikes.sample_starts;
  for (const int p : turn.populations) {
    out.populations.push_back(spikes.populations[static_cast<size_t>(p)]);
  }
  return out;
}

void run_turn(const ChipNetwork& network, const ChipSpikes& spikes, const InTurnOptions& options,
              InTurnResult& out, Turn& turn) {
  const ChipSpikes own = spikes_of_turn(spikes, turn);
  turn.result = replay(turn.network, out.chip, turn.mapping, own, options.replay);
  if (options.check) check_result(turn.network, out.chip, own, turn.result);
  const StepResult total = turn.result.total();
  out.fired += total.fired;
  out.updated += total.updated;
  out.events += total.events;
  for (const CoreNeed& need : needs_of(turn.network, out.chip, turn.mapping)) {
    turn.weight_bytes += need.weight_bytes;
  }
  for (size_t i = turn.populations.size() - static_cast<size_t>(turn.stored);
       i < turn.populations.size(); ++i) {
    const int64_t played = spike_count(network, spikes, turn.populations[i]);
    out.fired -= played;
    out.updated -= played;
    turn.read_bytes += stored_bytes(network, spikes, turn.populations[i]);
  }
}

// What each turn leaves for those behind it.
void count_written(const ChipNetwork& network, const ChipSpikes& spikes, std::vector<Turn>& turns) {
  std::vector<bool> read(network.populations.size());
  for (auto turn = turns.rbegin(); turn != turns.rend(); ++turn) {
    const size_t running = turn->populations.size() - static_cast<size_t>(turn->stored);
    for (size_t i = 0; i < turn->populations.size(); ++i) {
      const int p = turn->populations[i];
      if (i >= running)
        read[static_cast<size_t>(p)] = true;
      else if (read[static_cast<size_t>(p)])
        turn->written_bytes += stored_bytes(network, spikes, p);
    }
  }
}

void price(InTurnResult& out) {
  const int64_t bytes = out.loaded_bytes + out.spike_bytes;
  if (out.chip.reload_pj_per_byte) {
    out.outside_j = static_cast<double>(bytes) * out.chip.reload_pj_per_byte->value * 1e-12;
  }
  if (out.chip.reload_ns_per_byte) {
    out.outside_ns = static_cast<double>(bytes) * out.chip.reload_ns_per_byte->value;
  }
  if (bytes == 0) return;
  const std::string what = std::to_string(out.loaded_bytes) + " bytes of weights loaded and " +
                           std::to_string(out.spike_bytes) + " bytes of spikes stored and read";
  if (!out.outside_j) out.unpriced.push_back("energy of " + what);
  if (!out.outside_ns) out.unpriced.push_back("time of " + what + ", and static power meanwhile");
}

}  // namespace

std::vector<Turn> plan_turns(const ChipNetwork& network, const ChipSpec& chip) {
  check_network(network);
  std::vector<Turn> turns;
  std::vector<int> running;
  for (const std::vector<int>& group : ordered_groups(network)) {
    if (!turns.empty()) {
      std::vector<int> more = running;
      more.insert(more.end(), group.begin(), group.end());
      Turn turn = turn_of(network, more);
      try {
        turn.mapping = map_sequential(turn.network, chip);
        turns.back() = std::move(turn);
        running = std::move(more);
        continue;
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kCapacity) throw;
      }
    }
    turns.push_back(turn_of(network, group));
    running = group;
    try {
      turns.back().mapping = map_sequential(turns.back().network, chip);
    } catch (const Error& error) {
      const auto name = [&](int p) { return network.populations[static_cast<size_t>(p)].name; };
      throw error.in(group.size() == 1
                         ? "layer " + name(group[0])
                         : std::to_string(group.size()) + " layers, " + name(group.front()) +
                               " to " + name(group.back()) + ", that must be on the chip together");
    }
  }
  return turns;
}

InTurnResult replay_in_turn(const ChipNetwork& network, const ChipSpec& chip,
                            const ChipSpikes& spikes, const InTurnOptions& options) {
  if (options.samples_per_turn < 1) {
    throw Error(ErrorCode::kUsage,
                "samples_per_turn: 1 or more, not " + std::to_string(options.samples_per_turn));
  }
  check_network(network);
  check_spikes(network, spikes);
  InTurnResult out;
  out.chip = with_playback(chip);
  out.turns = plan_turns(network, out.chip);
  for (Turn& turn : out.turns) run_turn(network, spikes, options, out, turn);
  count_written(network, spikes, out.turns);
  if (out.turns.size() > 1) {
    const auto samples = static_cast<int64_t>(spikes.sample_starts.size());
    out.loads = (samples + options.samples_per_turn - 1) / options.samples_per_turn;
  }
  for (const Turn& turn : out.turns) {
    out.loaded_bytes += out.loads * turn.weight_bytes;
    out.spike_bytes += turn.read_bytes + turn.written_bytes;
  }
  price(out);
  return out;
}

bool is_playback(const PricedOp& op) {
  return op.name.starts_with(std::string("soma.") + kPlayback + ".");
}

}  // namespace spikeloom
