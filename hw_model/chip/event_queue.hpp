#pragma once
// Events in the order of time, then of insertion. Internal to hw_model/chip.
//
// Most events follow their cause after a delay that is the same for all of their kind, so that the
// events of one kind come in the order of their times: each kind has a lane, a queue that is only
// appended to. What would break the order of its lane goes to a calendar. A tournament between the
// heads of all lanes and of the calendar finds the next event, without a branch to guess.

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "hw_model/chip/event_calendar.hpp"

namespace spikeloom {

class EventQueue {
 public:
  static constexpr uint32_t kLanes = 16;  // the last is the calendar's
  // The lane of what happens at once: nearly always empty or next, it stays out of the tournament.
  static constexpr uint32_t kAtOnce = 0;

  // The queue must be empty. `day_ns`: about what lies between two events of the calendar.
  void start(double day_ns);

  bool empty() const noexcept { return best(1) == kNever && lanes_[kAtOnce].empty(); }

  void push(uint32_t lane, double ns, uint32_t target, uint32_t copy) {
    Lane& line = lanes_[lane];
    if (ns < line.last_ns) [[unlikely]] {
      push_aside(ns, target, copy);
      return;
    }
    line.last_ns = ns;
    if (line.end - line.begin > line.mask) [[unlikely]]
      line.grow();
    Event& event = line.at(line.end);
    event = {ns, order_++ * kLanes + lane, target, copy};
    if (line.begin == line.end++ && lane != kAtOnce) play(lane, key_of(event));
  }

  // Into the first of several lanes that keeps its order, or the last.
  void push_any(uint32_t lane, uint32_t last, double ns, uint32_t target, uint32_t copy) {
    while (lane < last && ns < lanes_[lane].last_ns) ++lane;
    push(lane, ns, target, copy);
  }

  Event pop() {
    const Key key = best(1);
    if (Lane& line = lanes_[kAtOnce]; !line.empty() && key_of(line.at(line.begin)) < key) {
      return line.at(line.begin++);
    }
    const auto lane = static_cast<uint32_t>(key) % kLanes;
    if (lane == kCalendar) [[unlikely]]
      return pop_calendar();
    Lane& line = lanes_[lane];
    const Event& first = line.at(line.begin++);
    // Time and order come from the key: a wide load of what was stored piecewise would wait.
    const Event event{std::bit_cast<double>(static_cast<uint64_t>(key >> 64)),
                      static_cast<uint64_t>(key), first.target, first.copy};
    // All ones, which is never, for an empty lane: no branch.
    play(lane, key_of(line.at(line.begin)) | (Key{0} - Key{line.empty()}));
    return event;
  }

 private:
  // Bits of a time that is not negative, then of the number of insertion and the lane.
  __extension__ using Key = unsigned __int128;
  static constexpr Key kNever = ~Key{0};
  static constexpr uint32_t kCalendar = kLanes - 1;

  struct Lane {
    uint32_t begin = 0, end = 0;  // places in the ring, modulo its size
    uint32_t mask = 15;           // its size less one, a power of two
    double last_ns = 0;
    std::vector<Event> ring = std::vector<Event>(16);

    bool empty() const noexcept { return begin == end; }
    Event& at(uint32_t place) noexcept { return ring.data()[place & mask]; }
    void grow();
  };

  static Key key_of(const Event& event) noexcept {
    return Key{std::bit_cast<uint64_t>(event.ns)} << 64 | event.order;
  }

  void push_aside(double ns, uint32_t target, uint32_t copy);
  Event pop_calendar();

  Key best(uint32_t node) const noexcept { return Key{best_ns_[node]} << 64 | best_order_[node]; }
  void set_best(uint32_t node, Key key) noexcept {
    best_ns_[node] = static_cast<uint64_t>(key >> 64);
    best_order_[node] = static_cast<uint64_t>(key);
  }
  // The new head of a lane against those of the others.
  void play(uint32_t lane, Key key) noexcept {
    uint32_t node = kLanes + lane;
    set_best(node, key);
    for (uint32_t round = 1; round < kLanes; round *= 2) {
      const Key other = best(node ^ 1);
      key = other < key ? other : key;
      node /= 2;
      set_best(node, key);
    }
  }

  // Keys in a tree: 1 is the root, lanes are the leaves.
  std::array<uint64_t, 2 * kLanes> best_ns_{}, best_order_{};
  std::array<Lane, kLanes - 1> lanes_;
  EventCalendar calendar_;
  uint64_t order_ = 0;
};

}  // namespace spikeloom
