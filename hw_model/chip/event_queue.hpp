#pragma once
// Events in the order of time, then of insertion. Internal to hw_model/chip.
//
// A calendar: days of equal length in a ring of lists, today's events sorted, those beyond the ring
// in a heap. With about one event a day, pushing and popping take constant time; the
// order never depends on the length of a day. What happens at once, at the time of the event just
// taken, only waits in line behind what was already there for that time.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace spikeloom {

struct Event {
  double ns = 0;
  uint32_t target = 0, copy = 0;
};

class EventQueue {
 public:
  EventQueue() { first_.fill(kNone); }

  // Empties the queue. Times to come are not negative.
  void start(double day_ns) {
    while (!empty()) pop();
    now_ns_ = -1;
    days_per_ns_ = 1 / day_ns;
    day_ = 0;
    order_ = 0;
  }

  bool empty() const noexcept { return count_ == 0; }

  void push(double ns, uint32_t target, uint32_t copy) {
    ++count_;
    if (ns == now_ns_) {
      at_once_.push_back({ns, target, copy});
      return;
    }
    uint32_t id = free_;
    if (id == kNone) {
      id = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
    } else {
      free_ = nodes_[id].next;
    }
    Node& node = nodes_[id];
    node.ns = ns;
    node.order = order_++;
    node.target = target;
    node.copy = copy;
    insert(id);
  }

  Event pop() {
    --count_;
    if (!at_once_.empty() && (today_.empty() || nodes_[today_.back()].ns > now_ns_)) {
      const Event event = at_once_[next_at_once_++];
      if (next_at_once_ == at_once_.size()) {
        at_once_.clear();
        next_at_once_ = 0;
      }
      return event;
    }
    if (today_.empty()) next_day();
    const uint32_t id = today_.back();
    today_.pop_back();
    Node& node = nodes_[id];
    node.next = free_;
    free_ = id;
    now_ns_ = std::max(now_ns_, node.ns);
    return {node.ns, node.target, node.copy};
  }

 private:
  static constexpr int64_t kDays = 8192;
  static constexpr uint32_t kNone = UINT32_MAX;

  // Nodes stay where they are; lists and heaps hold their numbers.
  struct Node {
    double ns = 0;
    uint32_t order = 0, target = 0, copy = 0, next = kNone;
  };

  bool later(uint32_t a, uint32_t b) const noexcept {
    const Node &x = nodes_[a], &y = nodes_[b];
    return x.ns > y.ns || (x.ns == y.ns && x.order > y.order);
  }
  auto by_time() const noexcept {
    return [this](uint32_t a, uint32_t b) { return later(a, b); };
  }

  int64_t day_of(double ns) const noexcept {
    // Beyond this, whatever is left is one day.
    return static_cast<int64_t>(std::min(ns * days_per_ns_, 0x1p62));
  }

  void insert(uint32_t id) {
    const int64_t day = day_of(nodes_[id].ns);
    if (day <= day_) {
      today_.insert(std::lower_bound(today_.begin(), today_.end(), id, by_time()), id);
    } else if (day < day_ + kDays) {
      const auto slot = static_cast<size_t>(day % kDays);
      nodes_[id].next = first_[slot];
      first_[slot] = id;
      busy_[slot / 64] |= uint64_t{1} << slot % 64;
      ++in_ring_;
    } else {
      later_.push_back(id);
      std::push_heap(later_.begin(), later_.end(), by_time());
    }
  }

  void next_day() {
    day_ = in_ring_ > 0 ? next_in_ring() : day_of(nodes_[later_.front()].ns);
    const auto slot = static_cast<size_t>(day_ % kDays);
    for (uint32_t id = first_[slot]; id != kNone; id = nodes_[id].next) {
      today_.push_back(id);
      --in_ring_;
    }
    if (today_.size() > 1) std::sort(today_.begin(), today_.end(), by_time());
    first_[slot] = kNone;
    busy_[slot / 64] &= ~(uint64_t{1} << slot % 64);
    while (!later_.empty() && day_of(nodes_[later_.front()].ns) < day_ + kDays) {
      const uint32_t id = later_.front();
      std::pop_heap(later_.begin(), later_.end(), by_time());
      later_.pop_back();
      insert(id);
    }
  }

  // The next day with events; the ring holds days day_ + 1 to day_ + kDays - 1.
  int64_t next_in_ring() const noexcept {
    const auto from = static_cast<size_t>((day_ + 1) % kDays);
    uint64_t bits = busy_[from / 64] & (~uint64_t{0} << from % 64);
    size_t word = from / 64;
    while (bits == 0) {
      word = (word + 1) % busy_.size();
      bits = busy_[word];
    }
    const auto slot = static_cast<int64_t>(word * 64) + std::countr_zero(bits);
    return day_ + 1 + (slot - static_cast<int64_t>(from) + kDays) % kDays;
  }

  std::vector<Event> at_once_;  // at now_ns_, from next_at_once_ on
  size_t next_at_once_ = 0;
  double now_ns_ = -1;
  std::vector<uint32_t> today_;          // latest first
  std::vector<uint32_t> later_;          // heap
  std::array<uint32_t, kDays> first_{};  // by day
  std::array<uint64_t, kDays / 64> busy_{};
  std::vector<Node> nodes_;
  uint32_t free_ = kNone;
  double days_per_ns_ = 1;
  int64_t day_ = 0, count_ = 0, in_ring_ = 0;
  uint32_t order_ = 0;
};

}  // namespace spikeloom
