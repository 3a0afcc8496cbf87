#include "hw_model/chip/event.hpp"

#include <algorithm>
#include <cstdlib>

#include "hw_model/chip/step_time.hpp"

namespace spikeloom {
namespace {

double value_or_zero(const MaybeConstant& constant) {
  return constant ? constant->value : 0;
}

}  // namespace

EventModel::EventModel(const Placed& placed, const ChipSpikes& spikes)
    : placed_(placed), spikes_(spikes), keys_(placed) {
  const NocSpec& noc = placed.chip.noc;
  const auto cores = static_cast<uint32_t>(placed.tiles.size());
  const auto links = static_cast<uint32_t>(placed.geometry.links());
  first_link_ = cores;
  const uint32_t first_side = cores + links;
  first_reception_ = first_side + 4 * static_cast<uint32_t>(placed.chip.chips());
  servers_ = first_reception_ + cores;
  int64_t longest = 1;
  for (const PlacedPopulation& population : placed.populations) {
    longest = std::max(longest, population.flits);
  }
  room_ = std::max(noc.buffer_flits, placed.geometry.torus ? 2 * longest : longest);
  link_ns_ = value_or_zero(noc.link_ns_per_flit);
  interchip_ns_ = value_or_zero(noc.interchip_ns_per_flit);
  delivery_ns_ = value_or_zero(noc.delivery.latency_ns);
  hop_ns_[0] = value_or_zero(noc.hop_x.latency_ns);
  hop_ns_[1] = value_or_zero(noc.hop_y.latency_ns);
  interchip_hop_ns_ = value_or_zero(noc.interchip.latency_ns);
  for (const PricedOp& op : placed.ops.ops) {
    latency_ns_.push_back(value_or_zero(op.cost.latency_ns));
  }
  direction_of_server_.resize(servers_);
  for (uint32_t link = 0; link < links; ++link) {
    const auto direction = static_cast<Direction>(link / placed.geometry.tiles());
    const int64_t tile = link % placed.geometry.tiles();
    const TilePlace place{static_cast<int32_t>(tile % placed.geometry.width),
                          static_cast<int32_t>(tile / placed.geometry.width)};
    uint32_t server = first_link_ + link;
    if (placed.geometry.leaves_chip(direction, place)) {
      server = first_side + 4 * static_cast<uint32_t>(placed.geometry.chip_of(place)) + direction;
    }
    server_of_link_.push_back(server);
    direction_of_server_[server] = direction;
  }
  state_.resize(servers_);
  waiters_.resize(servers_ + cores);
  senders_.resize(cores);
  target_of_core_.assign(cores, -1);
  running_ns_.resize(cores);
  start_ns_.resize(cores);
  per_neuron_ns_.resize(cores);
}

EventOutcome EventModel::run(int64_t step, const StepCounter& counts) {
  outcome_ = {};
  queue_.clear();
  std::fill(state_.begin(), state_.end(), Server{});
  keys_.count(spikes_, step);
  load(step, counts);
  for (uint32_t core = 0; core < senders_.size(); ++core) prepare_next(core);
  while (!queue_.empty()) {
    const Event event = queue_.pop();
    if (event.target >= servers_) {
      send(event.target - servers_, event.ns, false);
    } else if (event.copy != kNone) {
      arrive(event.target, event.copy, event.ns);
    } else {
      state_[event.target].timer = false;
      try_start(event.target, event.ns, kNone);
    }
    drain_freed(event.ns);
  }
  const size_t ops = placed_.ops.size();
  for (size_t core = 0; core < senders_.size(); ++core) {
    const double generated =
        side_ns(placed_.ops.ops, counts.by_core.data() + core * ops, Side::kGenerate);
    outcome_.busy_ns = std::max(outcome_.busy_ns, generated + senders_[core].shift_ns);
    outcome_.blocked_ns += senders_[core].shift_ns;
  }
  return outcome_;
}

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
  queue_.push(sender.ready_ns, servers_ + core, kNone);
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
  if (!has_room(port(core), message.flits) || (!granted && server.first_waiter != kNone)) {
    wait_for(port(core), servers_ + core, message.flits);
    return;
  }
  sender.shift_ns += now - sender.ready_ns;
  server.taken += message.flits;
  ++messages_[sender.message].users;
  const uint32_t copy = new_copy({sender.message,
                                  message.packets[sender.packet],
                                  message.packets[sender.packet + 1],
                                  kNone,
                                  {0, 0},
                                  sender.ready_ns});
  prepare_next(core);
  arrive(port(core), copy, now);
}

void EventModel::arrive(uint32_t server, uint32_t copy, double now) {
  Server& at = state_[server];
  if (at.first == kNone) {
    at.first = copy;
  } else {
    copies_[at.last].next = copy;
  }
  at.last = copy;
  if (at.first == copy) try_start(server, now, kNone);
}

// Starts the head of a queue if it can. `granted`: the queue whose turn to be entered it is.
void EventModel::try_start(uint32_t server, double now, uint32_t granted) {
  Server& at = state_[server];
  if (at.waits || at.first == kNone) return;
  if (now < at.free_ns) {
    if (!at.timer) queue_.push(at.free_ns, server, kNone);
    at.timer = true;
    return;
  }
  if (server >= first_reception_) {
    serve(server, now);
    return;
  }
  const Copy copy = copies_[at.first];
  const int64_t flits = messages_[copy.message].flits;
  TilePlace by = copy.by;
  double latency = 0, busy = static_cast<double>(flits) * link_ns_;
  if (is_link(server)) {
    const uint8_t direction = direction_of_server_[server];
    (direction <= kWest ? by.x : by.y) += direction == kEast || direction == kNorth ? 1 : -1;
    latency = hop_ns_[direction <= kWest ? 0 : 1];
    if (is_side(server)) {
      latency = interchip_hop_ns_;
      busy = static_cast<double>(flits) * interchip_ns_;
    }
  }
  find_branches(server, copy, by, now, latency);
  for (const Branch& branch : branches_) {
    const bool queued = branch.server != granted && state_[branch.server].first_waiter != kNone;
    if (queued || !has_room(branch.server, branch.flits)) {
      wait_for(branch.server, server, branch.flits);
      at.waits = true;
      return;
    }
  }
  if (is_link(server)) ++outcome_.hops;
  const uint32_t moved = pop_head(server);
  at.free_ns = now + busy;
  messages_[copy.message].users += static_cast<uint32_t>(branches_.size());
  for (const Branch& branch : branches_) {
    state_[branch.server].taken += flits;
    queue_.push(branch.arrives_ns, branch.server,
                new_copy({copy.message, branch.begin, branch.end, kNone, by, copy.sent_ns}));
  }
  free_copies_.push_back(moved);
  release(copy.message);
  try_start(server, now, kNone);
}

// A core takes the packet at the head of its queue.
void EventModel::serve(uint32_t server, double now) {
  Server& at = state_[server];
  const uint32_t id = pop_head(server);
  const Copy& copy = copies_[id];
  const Message& message = messages_[copy.message];
  const double service = message.targets[copy.begin].service_ns;
  const double arriving = static_cast<double>(message.flits) * link_ns_;
  at.free_ns = now + std::max(service, arriving);
  outcome_.busy_ns = std::max(outcome_.busy_ns, now + service);
  outcome_.latency_ns += now - copy.sent_ns;
  ++outcome_.delivered;
  free_copies_.push_back(id);
  release(copy.message);
  try_start(server, now, kNone);
}

// Where the targets of a copy go from the router `by`: west, south, cores here, north, east.
void EventModel::find_branches(uint32_t server, const Copy& copy, TilePlace by, double now,
                               double latency) {
  branches_.clear();
  const Message& message = messages_[copy.message];
  const std::vector<Target>& targets = message.targets;
  const double arrives = now + latency;
  uint32_t i = copy.begin;
  const auto run = [&](Direction direction, auto&& inside) {
    const uint32_t begin = i;
    while (i < copy.end && inside(targets[i].by)) ++i;
    if (i > begin) add_branch(server, message, direction, by, begin, i, arrives);
  };
  run(kWest, [&](TilePlace to) { return to.x < by.x; });
  run(kSouth, [&](TilePlace to) { return to.x == by.x && to.y < by.y; });
  for (; i < copy.end && targets[i].by.x == by.x && targets[i].by.y == by.y; ++i) {
    if (targets[i].core < 0) continue;
    // Served when the tail has arrived.
    const double tail = arrives + delivery_ns_ + static_cast<double>(message.flits) * link_ns_;
    branches_.push_back({reception(targets[i].core), i, i + 1, message.flits, tail});
  }
  run(kNorth, [&](TilePlace to) { return to.x == by.x && to.y > by.y; });
  run(kEast, [&](TilePlace to) { return to.x > by.x; });
}

void EventModel::add_branch(uint32_t server, const Message& message, Direction direction,
                            TilePlace by, uint32_t begin, uint32_t end, double arrives_ns) {
  const TilePlace tile = placed_.geometry.moved(message.from, by);
  const int64_t link = placed_.geometry.link(direction, tile);
  const bool same_ring = is_link(server) && direction_of_server_[server] == direction;
  const int64_t packets = placed_.geometry.torus && !same_ring ? 2 : 1;
  branches_.push_back({server_of_link_[static_cast<size_t>(link)], begin, end,
                       packets * message.flits, arrives_ns});
}

bool EventModel::has_room(uint32_t server, int64_t flits) const noexcept {
  // What lies between chips has no bound on a torus: rings over several chips share it.
  if (placed_.geometry.torus && is_side(server)) return true;
  return state_[server].taken + flits <= room_;
}

void EventModel::wait_for(uint32_t server, uint32_t waiter, int64_t flits) {
  Server& at = state_[server];
  waiters_[waiter] = {kNone, flits};
  if (at.first_waiter == kNone) {
    at.first_waiter = waiter;
  } else {
    waiters_[at.last_waiter].next = waiter;
  }
  at.last_waiter = waiter;
}

// Queues that lost a packet let in who waits, which may free places further back.
void EventModel::drain_freed(double now) {
  while (!freed_servers_.empty()) {
    const uint32_t server = freed_servers_.back();
    freed_servers_.pop_back();
    Server& at = state_[server];
    while (at.first_waiter != kNone && has_room(server, waiters_[at.first_waiter].flits)) {
      const uint32_t waiter = at.first_waiter;
      at.first_waiter = waiters_[waiter].next;
      if (waiter >= servers_) {
        send(waiter - servers_, now, true);
      } else {
        state_[waiter].waits = false;
        try_start(waiter, now, server);
      }
    }
  }
}

uint32_t EventModel::pop_head(uint32_t server) {
  Server& at = state_[server];
  const uint32_t id = at.first;
  at.first = copies_[id].next;
  at.taken -= messages_[copies_[id].message].flits;
  if (at.first_waiter != kNone) freed_servers_.push_back(server);
  return id;
}

uint32_t EventModel::new_copy(const Copy& copy) {
  if (free_copies_.empty()) {
    copies_.push_back(copy);
    return static_cast<uint32_t>(copies_.size()) - 1;
  }
  const uint32_t id = free_copies_.back();
  free_copies_.pop_back();
  copies_[id] = copy;
  return id;
}

void EventModel::release(uint32_t message) {
  if (--messages_[message].users == 0) free_messages_.push_back(message);
}

}  // namespace spikeloom
