#include "hw_model/chip/event.hpp"

#include <algorithm>
#include <cstdint>

#include "hw_model/chip/step_time.hpp"

namespace spikeloom {
namespace {

double value_or_zero(const MaybeConstant& constant) {
  return constant ? constant->value : 0;
}

bool is_zero(TilePlace left) {
  return left.x == 0 && left.y == 0;
}

// The first link of the XY route.
uint32_t towards(TilePlace left) {
  const uint32_t along_y = left.x == 0 ? 1 : 0;
  const int32_t steps = left.x | (left.y & -static_cast<int32_t>(along_y));
  return 2 * along_y + (static_cast<uint32_t>(steps) >> 31);
}

constexpr TilePlace kSteps[] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};  // by direction

}  // namespace

EventModel::EventModel(const Placed& placed, const ChipSpikes& spikes)
    : placed_(placed), spikes_(spikes), keys_(placed) {
  const NocSpec& noc = placed.chip.noc;
  const auto cores = static_cast<uint32_t>(placed.tiles.size());
  const auto links = static_cast<uint32_t>(placed.geometry.links());
  first_link_ = cores;
  torus_ = placed.geometry.torus;
  tiles_ = static_cast<uint32_t>(placed.geometry.tiles());
  first_reception_ = cores + links + 4 * static_cast<uint32_t>(placed.chip.chips());
  servers_ = first_reception_ + cores;
  int64_t longest = 1;
  for (const PlacedPopulation& population : placed.populations) {
    longest = std::max(longest, population.flits);
  }
  if (torus_) least_space_ = longest;
  link_ns_ = value_or_zero(noc.link_ns_per_flit);
  delivery_ns_ = value_or_zero(noc.delivery.latency_ns);
  for (const PricedOp& op : placed.ops.ops) {
    latency_ns_.push_back(value_or_zero(op.cost.latency_ns));
  }
  Server queue;
  queue.room = std::max(noc.buffer_flits, torus_ ? 2 * longest : longest);
  queue.flit_ns = link_ns_;
  queue.onward = kFromPort;
  state_.assign(servers_, queue);
  for (uint32_t link = 0; link < links; ++link) add_link(link);
  waiters_.resize(servers_ + cores);
  senders_.resize(cores);
  target_of_core_.assign(cores, -1);
  running_ns_.resize(cores);
  start_ns_.resize(cores);
  per_neuron_ns_.resize(cores);
}

// The links over one side of a chip share a server.
void EventModel::add_link(uint32_t link) {
  const Geometry& geometry = placed_.geometry;
  const NocSpec& noc = placed_.chip.noc;
  const auto direction = static_cast<Direction>(link / tiles_);
  const auto tile = static_cast<int32_t>(link % tiles_);
  const auto width = static_cast<int32_t>(geometry.width);
  const TilePlace place{tile % width, tile / width};
  const bool leaves = geometry.leaves_chip(direction, place);
  uint32_t id = first_link_ + link;
  if (leaves) {
    id = first_link_ + 4 * (tiles_ + static_cast<uint32_t>(geometry.chip_of(place))) + direction;
  }
  links_.push_back(
      {id, static_cast<uint32_t>(geometry.tile_index(geometry.moved(place, kSteps[direction])))});
  Server& server = state_[id];
  server.direction = direction;
  if (leaves) {
    // What lies between chips has no bound on a torus: rings over several chips share it.
    if (torus_) server.room = INT64_MAX / 2;
    server.hop_ns = value_or_zero(noc.interchip.latency_ns);
    server.flit_ns = value_or_zero(noc.interchip_ns_per_flit);
    server.onward = server.into_core = kRare;
  } else {
    const bool along_x = direction <= kWest;
    server.hop_ns = value_or_zero(along_x ? noc.hop_x.latency_ns : noc.hop_y.latency_ns);
    server.onward = along_x ? kOverX : kOverY;
    server.into_core = along_x ? kIntoCoreFromX : kIntoCoreFromY;
  }
}

inline uint32_t EventModel::pop_head(uint32_t server) {
  Server& at = state_[server];
  const uint32_t id = at.first;
  at.first = copies_[id].next;
  if (at.first != kNone) __builtin_prefetch(&copies_[at.first]);  // moves on in a moment
  at.taken -= space(copies_[id].flits);
  if (at.first_waiter != kNone) freed_servers_.push_back(server);
  return id;
}

// The way to a target that is `left` from the router: into its core, where a packet is served when
// its tail has arrived, or over a link. On a torus, entering a ring takes room for a second packet.
inline EventModel::Branch EventModel::branch_on(const Server& at, const Copy& copy, double now,
                                                TilePlace left, int32_t core) const noexcept {
  Branch branch;
  branch.flits = space(copy.flits);
  branch.arrives_ns = now + at.hop_ns;
  if (is_zero(left)) {
    branch.server = reception(core);
    branch.arrives_ns += delivery_ns_;
    branch.arrives_ns += static_cast<double>(copy.flits) * link_ns_;
    branch.lane = at.into_core;
    return branch;
  }
  const uint32_t direction = towards(left);
  const Link link = links_[direction * tiles_ + copy.tile];
  branch.server = link.server;
  branch.tile = link.behind;
  branch.left = {left.x - kSteps[direction].x, left.y - kSteps[direction].y};
  if (torus_ && at.direction != direction) branch.flits *= 2;
  branch.lane = at.onward;
  return branch;
}

// Whether there is room for a branch; if not, `server` waits for it.
inline bool EventModel::may_enter(const Branch& branch, uint32_t server, uint32_t granted) {
  const Server& to = state_[branch.server];
  const bool in_ring = torus_ && branch.flits == least_space_ && is_link(branch.server);
  const bool queued = branch.server != granted && to.first_waiter != kNone;
  if ((in_ring || !queued) && has_room(branch.server, branch.flits)) return true;
  wait_for(branch.server, server, branch.flits);
  state_[server].waits = true;
  return false;
}

// Most packets go to one core; they need no list of branches.
inline bool EventModel::start_single(uint32_t server, double now, uint32_t granted) {
  Server& at = state_[server];
  const uint32_t id = at.first;
  Copy& copy = copies_[id];
  const Branch next = branch_on(at, copy, now, copy.left, copy.core);
  if (!may_enter(next, server, granted)) return false;
  outcome_.hops += at.direction != kNowhere ? 1 : 0;
  pop_head(server);
  at.free_ns = now + static_cast<double>(copy.flits) * at.flit_ns;
  copy.next = kNone;
  copy.tile = next.tile;
  copy.left = next.left;
  state_[next.server].taken += space(copy.flits);
  queue_.push(next.lane, next.arrives_ns, next.server, id);
  return true;
}

// A core takes the packet at the head of its queue.
inline void EventModel::serve(uint32_t server, double now) {
  Server& at = state_[server];
  const uint32_t id = pop_head(server);
  const Copy& copy = copies_[id];
  const double arriving = static_cast<double>(copy.flits) * link_ns_;
  at.free_ns = now + std::max(copy.service_ns, arriving);
  outcome_.busy_ns = std::max(outcome_.busy_ns, now + copy.service_ns);
  outcome_.latency_ns += now - copy.sent_ns;
  ++outcome_.delivered;
  free_copies_.push_back(id);
}

inline bool EventModel::start_head(uint32_t server, double now, uint32_t granted) {
  Server& at = state_[server];
  if (at.waits || at.first == kNone) return false;
  if (now < at.free_ns) {
    if (!at.timer) {
      const bool core = server >= first_reception_;
      queue_.push_any(core ? kServed : kEnd, core ? kLastServed : kLastEnd, at.free_ns, server,
                      kNone);
    }
    at.timer = true;
    return false;
  }
  if (server >= first_reception_) {
    serve(server, now);
    return true;
  }
  return copies_[at.first].message == kNone ? start_single(server, now, granted)
                                            : start_branches(server, now, granted);
}

// Starts what can be started of a queue. `granted`: the queue whose turn to be entered it is.
inline void EventModel::try_start(uint32_t server, double now, uint32_t granted) {
  while (start_head(server, now, granted)) granted = kNone;
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

EventOutcome EventModel::run(int64_t step, const StepCounter& counts, double bottleneck_ns) {
  outcome_ = {};
  // In the calendar, about one event a day: packets sent or served at times of their own.
  const auto events = static_cast<double>(counts.result.deliveries + 1);
  queue_.start(bottleneck_ns > 0 ? bottleneck_ns / events : 1);
  for (Server& server : state_) server.free_ns = 0;  // all else is as a step leaves it
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

// A packet to several cores leaves its queue when there is room in all those it goes to.
bool EventModel::start_branches(uint32_t server, double now, uint32_t granted) {
  Server& at = state_[server];
  find_branches(at, copies_[at.first], now);
  for (const Branch& branch : branches_) {
    if (!may_enter(branch, server, granted)) return false;
  }
  outcome_.hops += at.direction != kNowhere ? 1 : 0;
  const uint32_t moved = pop_head(server);
  const Copy whole = copies_[moved];
  at.free_ns = now + static_cast<double>(whole.flits) * at.flit_ns;
  // The packet goes on as the copy of the first branch.
  for (const Branch& branch : branches_) {
    const uint32_t id = &branch == branches_.data() ? moved : new_copy();
    Copy& next = copies_[id];
    next = whole;
    set_targets(next, branch.begin, branch.end);
    next.next = kNone;
    next.tile = branch.tile;
    next.left = branch.left;
    state_[branch.server].taken += space(next.flits);
    queue_.push(branch.lane, branch.arrives_ns, branch.server, id);
  }
  if (branches_.empty()) free_copies_.push_back(moved);
  release(whole.message);
  return true;
}

// Directs a copy to targets of its message, to which it refers if they are several.
void EventModel::set_targets(Copy& copy, uint32_t begin, uint32_t end) {
  Message& message = messages_[copy.message];
  const Target& first = message.targets[begin];
  if (end - begin == 1 && first.core >= 0) {
    copy.message = kNone;
    copy.core = first.core;
    copy.service_ns = first.service_ns;
    return;
  }
  ++message.users;
  copy.begin = begin;
  copy.end = end;
}

// Where the targets of a copy go from its router: west, south, cores here, north, east.
void EventModel::find_branches(const Server& at, const Copy& copy, double now) {
  branches_.clear();
  const Target* targets = messages_[copy.message].targets.data();
  const TilePlace first = targets[copy.begin].by;
  const auto left = [&](uint32_t i) {
    return TilePlace{copy.left.x + targets[i].by.x - first.x,
                     copy.left.y + targets[i].by.y - first.y};
  };
  for (uint32_t i = copy.begin; i < copy.end;) {
    const uint32_t begin = i++;
    const TilePlace to = left(begin);
    if (is_zero(to)) {
      if (targets[begin].core < 0) continue;
    } else {
      // Targets are in the order of x, then y: those that go the same way are neighbours.
      const uint32_t direction = towards(to);
      while (i < copy.end && !is_zero(left(i)) && towards(left(i)) == direction) ++i;
    }
    branches_.push_back(branch_on(at, copy, now, to, targets[begin].core));
    branches_.back().begin = begin;
    branches_.back().end = i;
  }
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
    if (!torus_) break;
  }
  return kNone;
}

uint32_t EventModel::new_copy() {
  if (free_copies_.empty()) {
    copies_.emplace_back();
    return static_cast<uint32_t>(copies_.size()) - 1;
  }
  const uint32_t id = free_copies_.back();
  free_copies_.pop_back();
  return id;
}

void EventModel::release(uint32_t message) {
  if (--messages_[message].users == 0) free_messages_.push_back(message);
}

}  // namespace spikeloom
