// Spikes in parts: the same result, in every bit, as all of them at once.

#include <algorithm>

#include "core/error.hpp"
#include "hw_model/chip/mapper.hpp"
#include "tests/catch.hpp"
#include "tests/chip/networks.hpp"

using namespace spikeloom;
using namespace spikeloom::test;
using Catch::Matchers::Contains;

namespace {

constexpr int64_t kSteps = 12, kPart = 3;

// Three layers whose neurons fire in a pattern that is never the same twice.
ChipCase small_case(const ChipSpec& chip) {
  ChipCase out;
  out.network.populations = {flat("a", 24), flat("b", 36), flat("c", 10)};
  out.network.projections = {{"ab", 0, 1, DenseSynapses{}, "", 8},
                             {"bc", 1, 2, DenseSynapses{}, "", 8}};
  out.mapping = map_sequential(out.network, chip);
  out.spikes = silent(out.network, kSteps);
  for (size_t p = 0; p < 2; ++p) {
    std::vector<std::vector<uint32_t>> fired(kSteps);
    for (uint32_t step = 0; step < kSteps; ++step) {
      for (uint32_t n = 0; n < out.network.populations[p].neurons(); ++n) {
        if ((n * 7 + step * step * 5 + p) % 11 < step % 4) fired[step].push_back(n);
      }
    }
    set_spikes(out.spikes, p, fired);
  }
  return out;
}

ChipSpikes part_of(const ChipSpikes& spikes, int64_t begin) {
  ChipSpikes out;
  out.steps = kPart;
  out.sample_starts = {0};
  for (size_t p = 0; p < spikes.populations.size(); ++p) {
    ChipSpikes::Population& to = out.populations.emplace_back();
    if (spikes.populations[p].first.empty()) continue;
    to.first.push_back(0);
    for (int64_t step = begin; step < begin + kPart; ++step) {
      for (const uint32_t neuron : spikes.at(p, step)) to.neurons.push_back(neuron);
      to.first.push_back(static_cast<int64_t>(to.neurons.size()));
    }
  }
  return out;
}

// A tick that about half of the steps overrun.
double middle_ns(const std::vector<std::string>& sets) {
  const ChipSpec chip = grid_chip(4, 4, sets);
  const ChipCase given = small_case(chip);
  std::vector<double> busy;
  for (const StepResult& step :
       replay(given.network, chip, given.mapping, given.spikes, {}).steps) {
    busy.push_back(step.busy_ns);
  }
  std::sort(busy.begin(), busy.end());
  return busy[busy.size() / 2];
}

}  // namespace

TEST_CASE("Replayer: parts add up to the whole, in every bit") {
  std::vector<std::string> sets = {"core.limits.neurons=9", "noc.link_ns_per_flit=2.3",
                                   "chip.static_w=0.7"};
  const double tick = middle_ns(sets);
  sets.emplace_back("sync.mode=\"fixed_tick\"");
  sets.push_back("sync.tick_ns=" + std::to_string(tick - 0.01));
  const ChipSpec chip = grid_chip(4, 4, sets);
  const ChipCase given = small_case(chip);
  for (const Level level : {Level::kCounts, Level::kBottleneck, Level::kEvent}) {
    ReplayOptions options;
    options.level = level;
    const ReplayResult whole = replay(given.network, chip, given.mapping, given.spikes, options);
    options.threads = 2;
    Replayer parts(given.network, chip, given.mapping, options);
    for (int64_t begin = 0; begin < kSteps; begin += kPart) parts.add(part_of(given.spikes, begin));
    const ReplayResult& result = parts.result();
    CHECK(result.steps.empty());
    CHECK(result.step_count() == kSteps);
    CHECK(whole.step_count() == kSteps);
    CHECK(result.by_core == whole.by_core);
    CHECK(result.by_layer == whole.by_layer);
    CHECK(result.events == whole.events);
    CHECK(result.deliveries == whole.deliveries);
    CHECK(result.link_flits == whole.link_flits);
    CHECK(result.overruns == whole.overruns);
    const StepSums a = result.sums(), b = whole.sums();
    CHECK(a.total.events == b.total.events);
    CHECK(a.total.events > 0);
    CHECK(a.total.busy_ns == b.total.busy_ns);
    CHECK(a.total.time_ns == b.total.time_ns);
    CHECK(a.total.latency_ns == b.total.latency_ns);
    CHECK(a.critical_ns == b.critical_ns);
    REQUIRE(a.critical.size() == b.critical.size());
    for (const auto& [place, share] : a.critical) {
      CHECK(share.busy_ns == b.critical.at(place).busy_ns);
      CHECK(share.steps == b.critical.at(place).steps);
    }
    CHECK(energy_of(chip, result).total_j() == energy_of(chip, whole).total_j());
    if (level == Level::kCounts) continue;
    CHECK_FALSE(a.critical.empty());
    CHECK(energy_of(chip, result).static_j > 0);
    CHECK(result.overruns > 0);
    CHECK(result.overruns < kSteps);
  }
}

TEST_CASE("Replayer: a free-running chip takes a whole trace") {
  const ChipSpec chip = grid_chip(4, 4, {"core.limits.neurons=9", "sync.mode=\"free_run\""});
  const ChipCase given = small_case(chip);
  CHECK_THROWS_WITH(Replayer(given.network, chip, given.mapping, {}), Contains("free_run"));
}
