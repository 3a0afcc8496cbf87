#pragma once
// How `spikeloom bench` measures: contenders take turns in one process, round by round, so that
// whatever else the machine does meets all of them alike. Figures of one run may be compared,
// those of two runs may not.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

// Seconds a call took, one entry per round.
struct Timing {
  std::string name;
  std::vector<double> rounds;
  double median() const;
  double best() const;
};

struct Contender {
  std::string name;
  // Makes so many calls, one after the other; the seconds they took.
  std::function<double(int64_t calls)> run;
};

struct Turns {
  int64_t rounds = 9;
  double seconds = 0.004;  // least time of a turn: short calls are repeated
  bool warm = false;       // a turn begins with a call that does not count: caches are then its own
  std::function<void(int64_t)> told = {};  // before each round, its number
  // Above 1: before each turn the threads of the last one get time to fall asleep.
  int threads = 1;
};

// One thread: processor time of this process, all of its threads (a busy machine disturbs it less,
// and a contender that starts more threads than it may gains nothing). Several: time on the wall.
double seconds_now(int threads);

// A function of this process, timed by seconds_now(threads).
Contender contender(std::string name, int threads, std::function<void()> call);

// A warm-up of every contender, then the rounds, each in an order of its own: who follows the same
// one every time inherits its caches or clock every time (measured: 15 % for the one after
// `clock`).
std::vector<Timing> take_turns(const std::vector<Contender>& contenders, const Turns& turns);

// Calls are chains of dependent additions, one per clock: kClockChain / seconds is the clock.
constexpr int64_t kClockChain = 1 << 20;
Contender clock_contender();

// The entry of that name; nullptr where it did not take part.
const Timing* find_timing(const std::vector<Timing>& timings, std::string_view name);

}  // namespace spikeloom
