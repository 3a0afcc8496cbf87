#include "hw_model/chip/event_calendar.hpp"

#include <algorithm>
#include <bit>

namespace spikeloom {

void EventCalendar::push(const Event& event) {
  uint32_t id = free_;
  if (id == kNone) {
    id = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    free_ = nodes_[id].next;
  }
  nodes_[id].event = event;
  insert(id);
  if (today_.empty()) next_day();
}

void EventCalendar::pop() {
  const uint32_t id = today_.back();
  today_.pop_back();
  nodes_[id].next = free_;
  free_ = id;
  if (today_.empty() && (in_ring_ > 0 || !later_.empty())) next_day();
}

int64_t EventCalendar::day_of(uint32_t id) const noexcept {
  // Beyond this, whatever is left is one day.
  return static_cast<int64_t>(std::min(nodes_[id].event.ns * days_per_ns_, 0x1p62));
}

void EventCalendar::insert(uint32_t id) {
  const int64_t day = day_of(id);
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

void EventCalendar::next_day() {
  day_ = in_ring_ > 0 ? next_in_ring() : day_of(later_.front());
  const auto slot = static_cast<size_t>(day_ % kDays);
  for (uint32_t id = first_[slot]; id != kNone; id = nodes_[id].next) {
    today_.push_back(id);
    --in_ring_;
  }
  if (today_.size() > 1) std::sort(today_.begin(), today_.end(), by_time());
  first_[slot] = kNone;
  busy_[slot / 64] &= ~(uint64_t{1} << slot % 64);
  while (!later_.empty() && day_of(later_.front()) < day_ + kDays) {
    const uint32_t id = later_.front();
    std::pop_heap(later_.begin(), later_.end(), by_time());
    later_.pop_back();
    insert(id);
  }
}

// The next day with events; the ring holds days day_ + 1 to day_ + kDays - 1.
int64_t EventCalendar::next_in_ring() const noexcept {
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

}  // namespace spikeloom
