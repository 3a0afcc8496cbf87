#include "hw_model/chip/event.hpp"

#include <algorithm>
#include <cstdlib>

#include "hw_model/chip/step_time.hpp"

namespace spikeloom {
namespace {

double value_or_zero(const MaybeConstant& constant) {
  return constant ? constant->value : 0;
}

bool same(TilePlace a, TilePlace b) {
  return a.x == b.x && a.y == b.y;
}

// The first link of the XY route.
Direction towards(TilePlace at, TilePlace to) {
  if (to.x != at.x) return to.x < at.x ? kWest : kEast;
  return to.y < at.y ? kSouth : kNorth;
}

}  // namespace

EventModel::EventModel(const Placed& placed, const ChipSpikes& spikes)
    : placed_(placed), spikes_(spikes), keys_(placed) {
  const NocSpec& noc = placed.chip.noc;
  const auto cores = static_cast<uint32_t>(placed.tiles.size());
  const auto links = static_cast<uint32_t>(placed.geometry.links());
  first_link_ = cores;
  tiles_ = static_cast<uint32_t>(placed.geometry.tiles());
  first_side_ = cores + links;
  first_reception_ = first_side_ + 4 * static_cast<uint32_t>(placed.chip.chips());
  servers_ = first_reception_ + cores;
  int64_t longest = 1;
  for (const PlacedPopulation& population : placed.populations) {
    longest = std::max(longest, population.flits);
  }
  if (placed.geometry.torus) least_space_ = longest;
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
      server = first_side_ + 4 * static_cast<uint32_t>(placed.geometry.chip_of(place)) + direction;
    }
    server_of_link_.push_back(server);
    const int32_t step = direction == kEast || direction == kNorth ? 1 : -1;
    const TilePlace by = direction <= kWest ? TilePlace{step, 0} : TilePlace{0, step};
    tile_behind_link_.push_back(
        static_cast<uint32_t>(placed.geometry.tile_index(placed.geometry.moved(place, by))));
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

EventOutcome EventModel::run(int64_t step, const StepCounter& counts, double bottleneck_ns) {
  outcome_ = {};
  // About one event a day: a packet is sent, passes its hops, arrives and is served.
  const StepResult& expected = counts.result;
  const double events = static_cast<double>(expected.hops + 3 * expected.deliveries + 1);
  queue_.start(bottleneck_ns > 0 ? bottleneck_ns / events : 1);
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
    if (!freed_servers_.empty()) drain_freed(event.ns);
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

// Starts what can be started of a queue. `granted`: the queue whose turn to be entered it is.
void EventModel::try_start(uint32_t server, double now, uint32_t granted) {
  while (start_head(server, now, granted)) granted = kNone;
}

bool EventModel::start_head(uint32_t server, double now, uint32_t granted) {
  Server& at = state_[server];
  if (at.waits || at.first == kNone) return false;
  if (now < at.free_ns) {
    if (!at.timer) queue_.push(at.free_ns, server, kNone);
    at.timer = true;
    return false;
  }
  if (server >= first_reception_) {
    serve(server, now);
    return true;
  }
  const Copy& copy = copies_[at.first];
  const Onward way = way_of(server, copy, now);
  if (copy.end - copy.begin == 1 && copy.core >= 0) return start_single(server, now, granted, way);
  return start_branches(server, now, granted, way);
}

// A packet leaves its queue when there is room in all those it goes to.
bool EventModel::start_branches(uint32_t server, double now, uint32_t granted, const Onward& way) {
  Server& at = state_[server];
  const uint32_t message = copies_[at.first].message;
  find_branches(server, copies_[at.first], way);
  for (const Branch& branch : branches_) {
    if (!may_enter(branch, server, granted)) return false;
  }
  if (is_link(server)) ++outcome_.hops;
  const uint32_t moved = pop_head(server);
  at.free_ns = now + way.busy_ns;
  // The packet goes on as the copy of the first branch.
  if (branches_.size() != 1) messages_[message].users += static_cast<uint32_t>(branches_.size());
  for (const Branch& branch : branches_) {
    const uint32_t id = &branch == branches_.data() ? moved : new_copy(copies_[moved]);
    Copy& next = copies_[id];
    if (next.begin != branch.begin || next.end != branch.end) {
      const Target& first = messages_[message].targets[branch.begin];
      next.begin = branch.begin;
      next.end = branch.end;
      next.to = first.by;
      next.core = first.core;
    }
    next.next = kNone;
    next.by = way.by;
    next.tile = way.tile;
    state_[branch.server].taken += space(next.flits);
    queue_.push(branch.arrives_ns, branch.server, id);
  }
  if (branches_.empty()) free_copies_.push_back(moved);
  if (branches_.size() != 1) release(message);
  return true;
}

// Most packets have one target left; they need no list of branches.
bool EventModel::start_single(uint32_t server, double now, uint32_t granted, const Onward& way) {
  Server& at = state_[server];
  Copy& copy = copies_[at.first];
  const Branch next = same(copy.to, way.by) ? branch_into(copy.core, copy.flits, way.head_ns)
                                            : branch_to(server, towards(way.by, copy.to), way.tile,
                                                        copy.flits, way.head_ns);
  if (!may_enter(next, server, granted)) return false;
  if (is_link(server)) ++outcome_.hops;
  const uint32_t id = pop_head(server);
  at.free_ns = now + way.busy_ns;
  copy.next = kNone;
  copy.by = way.by;
  copy.tile = way.tile;
  state_[next.server].taken += space(copy.flits);
  queue_.push(next.arrives_ns, next.server, id);
  return true;
}

// The router a server leads to, and when the head of its queue is there.
EventModel::Onward EventModel::way_of(uint32_t server, const Copy& copy,
                                      double now) const noexcept {
  const auto flits = static_cast<double>(copy.flits);
  if (!is_link(server)) return {copy.by, copy.tile, now, flits * link_ns_};
  const auto direction = static_cast<Direction>(direction_of_server_[server]);
  const bool side = is_side(server);
  Onward way{copy.by, tile_behind_link_[direction * tiles_ + copy.tile],
             now + (side ? interchip_hop_ns_ : hop_ns_[direction <= kWest ? 0 : 1]),
             flits * (side ? interchip_ns_ : link_ns_)};
  (direction <= kWest ? way.by.x : way.by.y) += direction == kEast || direction == kNorth ? 1 : -1;
  return way;
}

// Whether there is room for a branch; if not, `server` waits for it.
bool EventModel::may_enter(const Branch& branch, uint32_t server, uint32_t granted) {
  const bool in_ring =
      placed_.geometry.torus && branch.flits == least_space_ && is_link(branch.server);
  const bool queued = branch.server != granted && state_[branch.server].first_waiter != kNone;
  if ((in_ring || !queued) && has_room(branch.server, branch.flits)) return true;
  wait_for(branch.server, server, branch.flits);
  state_[server].waits = true;
  return false;
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
}

// Where the targets of a copy go from its router: west, south, cores here, north, east.
void EventModel::find_branches(uint32_t server, const Copy& copy, const Onward& way) {
  branches_.clear();
  const Target* targets = messages_[copy.message].targets.data();
  for (uint32_t i = copy.begin; i < copy.end;) {
    const uint32_t begin = i++;
    const TilePlace to = targets[begin].by;
    if (same(to, way.by)) {
      if (targets[begin].core < 0) continue;
      branches_.push_back(branch_into(targets[begin].core, copy.flits, way.head_ns));
    } else {
      // Targets are in the order of x, then y: those that go the same way are neighbours.
      const Direction direction = towards(way.by, to);
      while (i < copy.end && !same(targets[i].by, way.by) &&
             towards(way.by, targets[i].by) == direction) {
        ++i;
      }
      branches_.push_back(branch_to(server, direction, way.tile, copy.flits, way.head_ns));
    }
    branches_.back().begin = begin;
    branches_.back().end = i;
  }
}

// Over a link to the next router. On a torus, entering a ring takes room for a second packet.
EventModel::Branch EventModel::branch_to(uint32_t server, Direction direction, uint32_t tile,
                                         int64_t flits, double now) const noexcept {
  const bool same_ring = is_link(server) && direction_of_server_[server] == direction;
  const int64_t packets = placed_.geometry.torus && !same_ring ? 2 : 1;
  return {server_of_link_[direction * tiles_ + tile], 0, 0, packets * space(flits), now};
}

// Into a core, where a packet is served when its tail has arrived.
EventModel::Branch EventModel::branch_into(int64_t core, int64_t flits, double now) const noexcept {
  return {reception(core), 0, 0, space(flits),
          now + delivery_ns_ + static_cast<double>(flits) * link_ns_};
}

bool EventModel::has_room(uint32_t server, int64_t flits) const noexcept {
  // What lies between chips has no bound on a torus: rings over several chips share it.
  return state_[server].taken + flits <= room_ || (placed_.geometry.torus && is_side(server));
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
    for (;;) {
      const uint32_t waiter = next_waiter(server);
      if (waiter == kNone) break;
      if (waiter >= servers_) {
        send(waiter - servers_, now, true);
      } else {
        state_[waiter].waits = false;
        try_start(waiter, now, server);
      }
    }
  }
}

// Takes who may enter a queue off the list of those that wait for it: the first or, on a torus,
// the first whose need there is room for.
uint32_t EventModel::next_waiter(uint32_t server) {
  Server& at = state_[server];
  uint32_t before = kNone;
  for (uint32_t id = at.first_waiter; id != kNone; before = id, id = waiters_[id].next) {
    if (has_room(server, waiters_[id].flits)) {
      (before == kNone ? at.first_waiter : waiters_[before].next) = waiters_[id].next;
      if (at.last_waiter == id) at.last_waiter = before;
      return id;
    }
    if (!placed_.geometry.torus) break;
  }
  return kNone;
}

uint32_t EventModel::pop_head(uint32_t server) {
  Server& at = state_[server];
  const uint32_t id = at.first;
  at.first = copies_[id].next;
  at.taken -= space(copies_[id].flits);
  if (at.first_waiter != kNone) freed_servers_.push_back(server);
  return id;
}

uint32_t EventModel::new_copy(Copy copy) {
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
