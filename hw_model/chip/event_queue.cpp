#include "hw_model/chip/event_queue.hpp"

#include <utility>

namespace spikeloom {

void EventQueue::start(double day_ns) {
  for (uint32_t node = 0; node < 2 * kLanes; ++node) set_best(node, kNever);
  for (Lane& lane : lanes_) lane.last_ns = 0;
  calendar_.start(day_ns);
  order_ = 0;
}

void EventQueue::Lane::grow() {
  const uint32_t larger = 2 * mask + 1;
  std::vector<Event> events(larger + 1);
  for (uint32_t i = begin; i != end; ++i) events[i & larger] = at(i);
  ring = std::move(events);
  mask = larger;
}

void EventQueue::push_aside(double ns, uint32_t target, uint32_t copy) {
  calendar_.push({ns, order_++ * kLanes + kCalendar, target, copy});
  play(kCalendar, key_of(calendar_.first()));
}

Event EventQueue::pop_calendar() {
  const Event event = calendar_.first();
  calendar_.pop();
  play(kCalendar, calendar_.empty() ? kNever : key_of(calendar_.first()));
  return event;
}

}  // namespace spikeloom
