#include "bench/bench_measure.hpp"

#include <ctime>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <thread>

#include "core/rng.hpp"

namespace spikeloom {

double Timing::median() const {
  std::vector<double> sorted = rounds;
  std::sort(sorted.begin(), sorted.end());
  const size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

double Timing::best() const {
  return *std::min_element(rounds.begin(), rounds.end());
}

double seconds_now(int threads) {
  timespec now{};
  clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Contender contender(std::string name, int threads, std::function<void()> call) {
  return {std::move(name), [threads, call = std::move(call)](int64_t calls) {
            const double start = seconds_now(threads);
            for (int64_t i = 0; i < calls; ++i) call();
            return seconds_now(threads) - start;
          }};
}

std::vector<Timing> take_turns(const std::vector<Contender>& contenders, const Turns& turns) {
  constexpr double kMostCalls = 1e6;
  std::vector<Timing> timings;
  std::vector<int64_t> calls;
  for (const Contender& one : contenders) {
    one.run(1);
    const double seconds = std::max(one.run(1), 1e-9);
    timings.push_back({one.name, {}});
    calls.push_back(
        static_cast<int64_t>(std::clamp(std::ceil(turns.seconds / seconds), 1.0, kMostCalls)));
  }
  std::vector<size_t> order(contenders.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (int64_t round = 0; round < turns.rounds; ++round) {
    if (turns.told) turns.told(round);
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const auto key = [&](size_t i) { return random_bits(0, static_cast<uint64_t>(round), i); };
      return key(a) < key(b);
    });
    for (const size_t at : order) {
      if (turns.threads > 1) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (turns.warm) contenders[at].run(1);
      timings[at].rounds.push_back(contenders[at].run(calls[at]) / static_cast<double>(calls[at]));
    }
  }
  return timings;
}

Contender clock_contender() {
  return contender("clock", 1, [] {
    uint64_t x = 1;
    for (int64_t i = 0; i < kClockChain; ++i) {
      x += 3;
      asm volatile("" : "+r"(x));
    }
  });
}

const Timing* find_timing(const std::vector<Timing>& timings, std::string_view name) {
  const auto at = std::find_if(timings.begin(), timings.end(),
                               [&](const Timing& timing) { return timing.name == name; });
  return at == timings.end() ? nullptr : &*at;
}

}  // namespace spikeloom
