// The queue of events against a sorted set of (time, number of insertion).

#include "hw_model/chip/event_queue.hpp"

#include <set>
#include <tuple>

#include "core/rng.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

TEST_CASE("events come in the order of time, then of insertion, whatever their lanes", "[chip]") {
  EventQueue queue;
  uint64_t draw = 0;
  const auto dice = [&](uint64_t sides) { return random_bits(7, 0, draw++) % sides; };
  const double delays[] = {0, 1, 1, 2.5, 4.1};
  // The same queue again and again, with days far too long, about right, and far too short.
  for (const double day_ns : {1e6, 1.0, 1e-4}) {
    INFO("day " << day_ns);
    queue.start(day_ns);
    std::set<std::tuple<double, uint32_t>> expected;
    uint32_t pushed = 0;
    const auto push = [&](double now) {
      // Mostly a delay that suits the lane, now and then any, up to far beyond the calendar's ring.
      const auto lane = static_cast<uint32_t>(dice(EventQueue::kLanes - 1));
      double ns = now + delays[lane % 5];
      if (dice(8) == 0) ns = now + static_cast<double>(dice(1000)) / 8;
      if (dice(100) == 0) ns = now + 1e5;
      if (lane + 2 < EventQueue::kLanes && dice(2) == 0) {
        queue.push_any(lane, lane + 1, ns, pushed, ~pushed);
      } else {
        queue.push(lane, ns, pushed, ~pushed);
      }
      expected.insert({ns, pushed++});
    };
    for (int i = 0; i < 200; ++i) push(static_cast<double>(dice(50)));
    while (!expected.empty()) {
      REQUIRE_FALSE(queue.empty());
      const Event event = queue.pop();
      REQUIRE(std::tuple(event.ns, event.target) == *expected.begin());
      REQUIRE(event.copy == ~event.target);
      expected.erase(expected.begin());
      // Grows for a while, then runs dry.
      for (uint64_t more = pushed < 20000 ? dice(4) : 0; more > 0; --more) push(event.ns);
    }
    CHECK(queue.empty());
    CHECK(pushed >= 20000);
  }
}
