// core: work beside the caller's thread.

#include <algorithm>
#include <atomic>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/background.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

TEST_CASE("results of a background queue come in order, on the caller's thread") {
  for (const size_t most : {size_t{0}, size_t{10}, size_t{1000}, size_t{1} << 20}) {
    std::mt19937 random(5);
    const auto caller = std::this_thread::get_id();
    std::vector<int> taken;
    std::vector<int> squares(500);
    bool elsewhere = false;
    {
      BackgroundQueue queue(most);
      for (int i = 0; i < 500; ++i) {
        int* square = &squares[static_cast<size_t>(i)];
        queue.add(
            random() % 50, [square, i] { *square = i * i; },
            [&taken, &elsewhere, square, i, caller] {
              elsewhere |= std::this_thread::get_id() != caller;
              taken.push_back(*square == i * i ? i : -1);
            });
        if (i % 97 == 0) queue.finish();
      }
      queue.finish();
      queue.finish();  // nothing is left
    }
    REQUIRE(taken.size() == 500);
    for (int i = 0; i < 500; ++i) REQUIRE(taken[static_cast<size_t>(i)] == i);
    CHECK_FALSE(elsewhere);
  }
}

TEST_CASE("a full background queue holds no more than it says") {
  std::atomic<int> waiting{0};
  int most = 0;
  BackgroundQueue queue(100);
  for (int i = 0; i < 200; ++i) {
    ++waiting;
    queue.add(
        10, [] { std::this_thread::yield(); }, [&] { --waiting; });
    most = std::max(most, waiting.load());
  }
  CHECK(most <= 10);
}

TEST_CASE("what a background job throws comes out in its turn, and the rest can be taken") {
  for (const bool in_work : {true, false}) {
    BackgroundQueue queue(1 << 20);
    std::vector<int> taken;
    const auto feed = [&] {
      for (int i = 0; i < 20; ++i) {
        const bool fails = i == 7;
        queue.add(
            1,
            [fails, in_work] {
              if (fails && in_work) throw std::runtime_error("seven");
            },
            [&taken, i, fails, in_work] {
              if (fails && !in_work) throw std::runtime_error("seven");
              taken.push_back(i);
            });
      }
      queue.finish();
    };
    CHECK_THROWS_WITH(feed(), "seven");
    CHECK(taken == std::vector<int>{0, 1, 2, 3, 4, 5, 6});
    queue.finish();
    CHECK(taken.back() >= 6);
  }
}

TEST_CASE("jobs that nobody takes are dropped with their queue") {
  std::atomic<int> taken{0};
  {
    BackgroundQueue queue(1 << 20);
    for (int i = 0; i < 3; ++i)
      queue.add(
          1, [] {}, [&] { ++taken; });
  }
  CHECK(taken <= 3);
}
