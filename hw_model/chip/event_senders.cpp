#include <algorithm>

#include "hw_model/chip/event.hpp"

namespace spikeloom {

// Spikes of each core in the order of its neurons. Updates are spread evenly over the neurons a
// population has on a core, for only their number is known.
void EventModel::load(int64_t step, const StepCounter& counts) {
  for (Sender& sender : senders_) {
    sender.spikes.clear();
    sender.next = 0;
    sender.message = kNone;
    sender.extra_ns = sender.shift_ns = 0;
  }
  std::fill(running_ns_.begin(), running_ns_.end(), 0.0);
  for (size_t p = 0; p < placed_.populations.size(); ++p) {
    const PlacedPopulation& from = placed_.populations[p];
    const auto soma = static_cast<size_t>(from.soma);
    const double access_ns = latency_ns_[soma], update_ns = latency_ns_[soma + 1];
    for (size_t k = 0; k < from.shares.size(); ++k) {
      const auto core = static_cast<size_t>(from.shares[k].core);
      const auto neurons = static_cast<double>(from.shares[k].neurons);
      const auto updated = static_cast<double>(counts.updates[p][k]);
      const double all_ns =
          (from.access_every_step ? neurons : updated) * access_ns + updated * update_ns;
      start_ns_[core] = running_ns_[core];
      per_neuron_ns_[core] = all_ns / neurons;
      running_ns_[core] += all_ns;
    }
    const auto add = [&](uint32_t n) {
      const auto core = static_cast<size_t>(from.cores[n]);
      senders_[core].spikes.push_back(
          {n, static_cast<uint32_t>(p),
           start_ns_[core] + (from.ranks[n] + 1.0) * per_neuron_ns_[core]});
    };
    if (placed_.network.populations[p].sends_always) {
      for (uint32_t n = 0; n < from.cores.size(); ++n) add(n);
    } else {
      for (const uint32_t n : spikes_.at(p, step)) add(n);
    }
  }
}

// Schedules the next packet of a core, if it has one.
void EventModel::prepare_next(uint32_t core) {
  Sender& sender = senders_[core];
  if (sender.message != kNone) {
    if (++sender.packet + 1 == messages_[sender.message].packets.size()) {
      release(sender.message);
      sender.message = kNone;
    }
  }
  while (sender.message == kNone && sender.next < sender.spikes.size()) {
    const Spike& spike = sender.spikes[sender.next++];
    const auto fire = static_cast<size_t>(placed_.populations[spike.population].soma) + 2;
    sender.extra_ns += latency_ns_[fire];
    build_message(core, spike);
  }
  if (sender.message == kNone) return;
  sender.extra_ns += latency_ns_[static_cast<size_t>(placed_.ops.axon_out)];
  sender.ready_ns = sender.spikes[sender.next - 1].base_ns + sender.extra_ns + sender.shift_ns;
  queue_.push_any(kSend, kLastSend, sender.ready_ns, servers_ + core, kNone);
}

void EventModel::build_message(uint32_t core, const Spike& spike) {
  if (placed_.populations[spike.population].outgoing.empty()) return;
  uint32_t id = 0;
  if (free_messages_.empty()) {
    id = static_cast<uint32_t>(messages_.size());
    messages_.emplace_back();
  } else {
    id = free_messages_.back();
    free_messages_.pop_back();
  }
  Message& message = messages_[id];
  message.from = placed_.tiles[core];
  message.flits = placed_.populations[spike.population].flits;
  message.targets.clear();
  message.packets.clear();
  ++serial_;
  for_each_delivery(
      placed_, keys_, spike.population, spike.neuron, [&](size_t q, int32_t to, int64_t count) {
        const PlacedProjection& projection = placed_.projections[q];
        int64_t& slot = target_of_core_[static_cast<size_t>(to)];
        if (slot >> 32 != serial_) {
          slot = serial_ << 32 | static_cast<int64_t>(message.targets.size());
          message.targets.push_back(
              {placed_.geometry.offset(message.from, placed_.tiles[static_cast<size_t>(to)]), to,
               latency_ns_[static_cast<size_t>(placed_.ops.axon_in)]});
        }
        double& service = message.targets[static_cast<size_t>(slot & 0xffffffff)].service_ns;
        const auto add = [&](int op, int64_t times) {
          if (op >= 0) service += static_cast<double>(times) * latency_ns_[static_cast<size_t>(op)];
        };
        add(projection.event, count);
        add(projection.slots, (count + projection.lanes - 1) / projection.lanes);
        add(projection.accumulate, count);
      });
  if (message.targets.empty()) {
    free_messages_.push_back(id);
    return;
  }
  sort_targets(message);
  message.users = 1;
  senders_[core].message = id;
  senders_[core].packet = 0;
}

// Cuts the targets into packets: one per core, one for all, or one per chip with all its tiles.
void EventModel::sort_targets(Message& message) const {
  const auto order = [](const Target& a, const Target& b) {
    if (a.by.x != b.by.x) return a.by.x < b.by.x;
    if (a.by.y != b.by.y) return a.by.y < b.by.y;
    return a.core < b.core;
  };
  std::vector<Target>& targets = message.targets;
  if (placed_.chip.noc.cast == Cast::kUnicast) {
    for (uint32_t i = 0; i <= targets.size(); ++i) message.packets.push_back(i);
    return;
  }
  if (placed_.chip.noc.cast == Cast::kMulticast) {
    std::sort(targets.begin(), targets.end(), order);
    message.packets = {0, static_cast<uint32_t>(targets.size())};
    return;
  }
  const int64_t per_chip = placed_.chip.cores_per_chip();
  std::sort(targets.begin(), targets.end(),
            [](const Target& a, const Target& b) { return a.core < b.core; });
  std::vector<Target> all;
  for (size_t i = 0; i < targets.size();) {
    const int64_t chip = targets[i].core / per_chip;
    const size_t begin = all.size();
    message.packets.push_back(static_cast<uint32_t>(begin));
    for (; i < targets.size() && targets[i].core / per_chip == chip; ++i) all.push_back(targets[i]);
    for (const TilePlace tile : placed_.chip_tiles[static_cast<size_t>(chip)]) {
      all.push_back({placed_.geometry.offset(message.from, tile), -1, 0});
    }
    std::sort(all.begin() + static_cast<std::ptrdiff_t>(begin), all.end(), order);
  }
  message.packets.push_back(static_cast<uint32_t>(all.size()));
  targets = std::move(all);
}

void EventModel::send(uint32_t core, double now, bool granted) {
  Sender& sender = senders_[core];
  const Message& message = messages_[sender.message];
  Server& server = state_[port(core)];
  const int64_t room = space(message.flits);
  if (!has_room(port(core), room) || (!granted && server.first_waiter != kNone)) {
    wait_for(port(core), servers_ + core, room);
    return;
  }
  sender.shift_ns += now - sender.ready_ns;
  server.taken += room;
  const uint32_t id = new_copy();
  Copy& copy = copies_[id];
  copy.message = sender.message;
  copy.next = kNone;
  copy.tile = static_cast<uint32_t>(placed_.geometry.tile_index(message.from));
  copy.left = message.targets[message.packets[sender.packet]].by;
  copy.flits = static_cast<uint32_t>(message.flits);
  copy.sent_ns = sender.ready_ns;
  set_targets(copy, message.packets[sender.packet], message.packets[sender.packet + 1]);
  prepare_next(core);
  arrive(port(core), id, now);
}

}  // namespace spikeloom
