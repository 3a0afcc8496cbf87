#pragma once
// Events in the order of time, then of their number. Internal to hw_model/chip.
//
// A calendar: days of equal length in a ring of lists, today's events sorted, those beyond the ring
// in a heap. With about one event a day, pushing and popping take constant time; the order never
// depends on the length of a day.

#include <array>
#include <cstdint>
#include <vector>

namespace spikeloom {

struct Event {
  double ns = 0;
  uint64_t order = 0;  // of equal times
  uint32_t target = 0, copy = 0;
};

class EventCalendar {
 public:
  EventCalendar() { first_.fill(kNone); }

  // The calendar must be empty. Times to come are not negative.
  void start(double day_ns) {
    days_per_ns_ = 1 / day_ns;
    day_ = 0;
  }

  bool empty() const noexcept { return today_.empty(); }

  // The earliest event; there must be one.
  const Event& first() const noexcept { return nodes_[today_.back()].event; }

  void push(const Event& event);
  void pop();

 private:
  static constexpr int64_t kDays = 8192;
  static constexpr uint32_t kNone = UINT32_MAX;

  // Nodes stay where they are; lists and heaps hold their numbers.
  struct Node {
    Event event;
    uint32_t next = kNone;
  };

  auto by_time() const noexcept {
    return [this](uint32_t a, uint32_t b) {
      const Event &x = nodes_[a].event, &y = nodes_[b].event;
      return x.ns > y.ns || (x.ns == y.ns && x.order > y.order);
    };
  }
  int64_t day_of(uint32_t id) const noexcept;
  void insert(uint32_t id);
  void next_day();
  int64_t next_in_ring() const noexcept;

  std::vector<uint32_t> today_;          // latest first; empty only when there is no event at all
  std::vector<uint32_t> later_;          // heap
  std::array<uint32_t, kDays> first_{};  // by day
  std::array<uint64_t, kDays / 64> busy_{};
  std::vector<Node> nodes_;
  uint32_t free_ = kNone;
  double days_per_ns_ = 1;
  int64_t day_ = 0, in_ring_ = 0;
};

}  // namespace spikeloom
