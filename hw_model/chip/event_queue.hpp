#pragma once
// Events in the order of time, then of insertion. A heap with four children per node: half as deep
// as a binary one, and the children share a cache line or two. Internal to hw_model/chip.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace spikeloom {

struct Event {
  double ns = 0;
  uint32_t order = 0;
  uint32_t target = 0, copy = 0;

  bool before(const Event& other) const noexcept {
    return ns < other.ns || (ns == other.ns && order < other.order);
  }
};

class EventQueue {
 public:
  bool empty() const noexcept { return heap_.empty(); }
  void clear() noexcept {
    heap_.clear();
    order_ = 0;
  }

  void push(double ns, uint32_t target, uint32_t copy) {
    const Event event{ns, order_++, target, copy};
    size_t at = heap_.size();
    heap_.push_back(event);
    while (at > 0) {
      const size_t parent = (at - 1) / 4;
      if (!event.before(heap_[parent])) break;
      heap_[at] = heap_[parent];
      at = parent;
    }
    heap_[at] = event;
  }

  Event pop() {
    const Event first = heap_.front();
    const Event last = heap_.back();
    heap_.pop_back();
    const size_t size = heap_.size();
    if (size == 0) return first;
    size_t at = 0;
    while (true) {
      const size_t child = 4 * at + 1;
      if (child >= size) break;
      size_t least = child;
      for (size_t other = child + 1; other < std::min(child + 4, size); ++other) {
        if (heap_[other].before(heap_[least])) least = other;
      }
      if (!heap_[least].before(last)) break;
      heap_[at] = heap_[least];
      at = least;
    }
    heap_[at] = last;
    return first;
  }

 private:
  std::vector<Event> heap_;
  uint32_t order_ = 0;
};

}  // namespace spikeloom
