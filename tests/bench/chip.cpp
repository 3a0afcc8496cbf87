// How many synaptic events per second does a chip replay price at bottleneck level, and how many
// packets per second at event level? One thread; compiling network and mapping is part of it.
//
// "events" and "packets" per second of CPU time; "MB" is the peak resident size of the program so
// far.

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <random>

#include "tests/chip/networks.hpp"

namespace spikeloom::test {
namespace {

void report(benchmark::State& state, const StepResult& sum) {
  const auto rate = [](int64_t count) {
    return benchmark::Counter(static_cast<double>(count),
                              benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["events"] = rate(sum.events);
  state.counters["packets"] = rate(sum.deliveries);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["MB"] = static_cast<double>(usage.ru_maxrss) / 1024;
}

void run(benchmark::State& state, const ChipCase& net, Level level) {
  const ChipSpec chip = load_chip("loihi1_sanafe");
  StepResult sum;
  for (auto _ : state) {
    sum = replay(net.network, chip, net.mapping, net.spikes, {.level = level}).total();
  }
  report(state, sum);
}

// The gesture network, 128 recorded steps.
void dvs(benchmark::State& state, Level level) {
  std::vector<DvsStep> steps;
  run(state, dvs_case(steps), level);
}

// Uniform random traffic on 128 cores, 100 steps.
void uniform(benchmark::State& state, Level level) {
  run(state, uniform_case(100), level);
}

// The same network, where `per_mille` of all neurons fire, at random, in each of 100 steps.
void rate(benchmark::State& state, Level level) {
  ChipCase net = uniform_case(1);
  std::mt19937 random(1);
  std::vector<std::vector<uint32_t>> fired(100);
  for (auto& step : fired) {
    for (uint32_t n = 0; n < net.network.populations[0].neurons(); ++n) {
      if (static_cast<int64_t>(random() % 1000) < state.range(0)) step.push_back(n);
    }
  }
  net.spikes = silent(net.network, 100);
  set_spikes(net.spikes, 0, fired);
  run(state, net, level);
}

}  // namespace
}  // namespace spikeloom::test

int main(int argc, char** argv) {
  using namespace spikeloom;
  using namespace spikeloom::test;
  benchmark::Initialize(&argc, argv);
  for (const auto& [name, level] :
       {std::pair{"bottleneck", Level::kBottleneck}, std::pair{"event", Level::kEvent}}) {
    benchmark::RegisterBenchmark((std::string("gesture/") + name).c_str(), dvs, level)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark((std::string("uniform/") + name).c_str(), uniform, level)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark((std::string("rate/") + name).c_str(), rate, level)
        ->RangeMultiplier(10)
        ->Range(1, 1000)
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::RunSpecifiedBenchmarks();
}
