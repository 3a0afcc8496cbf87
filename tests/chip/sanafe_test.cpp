// Counts, energies and times of the reference runs (hardware_model 1.9): N1 to N4, the bundled
// example, and 128 steps of the gesture network, all with the same constants.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "tests/catch.hpp"
#include "tests/chip/networks.hpp"

using namespace spikeloom;
using namespace spikeloom::test;

namespace {

// As printed: seven significant digits.
std::string printed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6e", value);
  return text;
}

// Equal to all digits of a printed value; a tie may have been rounded either way.
void check_printed(double value, double expected) {
  CHECK(std::abs(value - expected) <=
        0.500001e-6 * std::pow(10, std::floor(std::log10(std::max(expected, 1e-30)))));
}

double network_j(const ChipEnergy& energy) {
  return energy.of("axon_in") + energy.of("axon_out") + energy.of("network");
}

struct Expected {
  int64_t fired, updated, packets, events, hops;
  const char *synapse, *soma, *network, *total, *simple;
};

void check_run(const ChipCase& run, const ChipSpec& chip, const Expected& expected) {
  ReplayOptions options;
  options.touched_lag = 1;
  options.keep_core_traffic = true;
  const ReplayResult result = replay(run.network, chip, run.mapping, run.spikes, options);
  CHECK_NOTHROW(check_result(run.network, chip, run.spikes, result));
  const StepResult sum = result.total();
  CHECK(sum.fired == expected.fired);
  CHECK(sum.updated == expected.updated);
  CHECK(sum.deliveries == expected.packets);
  CHECK(sum.events == expected.events);
  CHECK(sum.hops == expected.hops);
  const ChipEnergy energy = energy_of(chip, result);
  CHECK(printed(energy.of("synapse")) == expected.synapse);
  CHECK(printed(energy.of("soma")) == expected.soma);
  CHECK(printed(network_j(energy)) == expected.network);
  CHECK(printed(energy.total_j()) == expected.total);
  if (expected.simple != nullptr) CHECK(printed(sum.time_ns * 1e-9) == expected.simple);
}

}  // namespace

TEST_CASE("N1 to N4: counts, energies and bottleneck times to all printed digits", "[chip]") {
  const ChipSpec chip = load_chip("loihi1_sanafe");
  const Expected n1{640,
                    1216,
                    640,
                    40960,
                    0,
                    "1.454080e-06",
                    "1.361536e-07",
                    "7.104000e-08",
                    "1.661274e-06",
                    "1.718880e-04"};
  SECTION("N1: two cores of a tile") {
    check_run(pair_case(1, 10), chip, n1);
  }
  SECTION("N1b: one core") {
    check_run(pair_case(0, 10), chip, n1);
  }
  SECTION("N2: opposite corners") {
    check_run(pair_case(127, 10), chip,
              {640, 1216, 640, 40960, 6400, "1.454080e-06", "1.361536e-07", "9.254400e-08",
               "1.682778e-06", "1.758880e-04"});
  }
  SECTION("N3: hotspot") {
    check_run(hotspot_case(10), chip,
              {5120, 5408, 5120, 163840, 35840, "5.816320e-06", "7.501568e-07", "6.850560e-07",
               "7.251533e-06", "7.185120e-04"});
  }
  SECTION("N4: uniform random") {
    check_run(uniform_case(10), chip,
              {13652, 81920, 205693, 218432, 795863, "7.339315e-06", "6.909860e-06", "2.552835e-05",
               "3.977752e-05", "5.882830e-05"});
  }
}

TEST_CASE("N4: the first steps", "[chip]") {
  const ChipCase run = uniform_case(3);
  const ReplayResult result =
      replay(run.network, load_chip("loihi1_sanafe"), run.mapping, run.spikes);
  const int64_t packets[] = {20535, 20567, 20602}, hops[] = {79325, 80062, 79372};
  const char* times[] = {"5.9183", "5.8308", "5.7019"};
  for (size_t step = 0; step < 3; ++step) {
    CHECK(result.steps[step].deliveries == packets[step]);
    CHECK(result.steps[step].hops == hops[step]);
    char text[16];
    std::snprintf(text, sizeof text, "%.4f", result.steps[step].time_ns / 1000);
    CHECK(std::string(text) == times[step]);
  }
}

TEST_CASE("the bundled example: counts and energy", "[chip]") {
  const ChipCase run = example_case();
  const ChipSpec chip = example_chip();
  check_run(
      run, chip,
      {3, 20, 3, 5, 0, "1.000000e-10", "6.400000e-10", "3.000000e-10", "1.040000e-09", nullptr});
  const ReplayResult result = replay(run.network, chip, run.mapping, run.spikes);
  const int64_t packets[] = {1, 1, 1, 0}, events[] = {2, 1, 2, 0}, updated[] = {1, 2, 3, 2};
  for (size_t step = 0; step < 4; ++step) {
    CHECK(result.steps[step].deliveries == packets[step]);
    CHECK(result.steps[step].events == events[step]);
    CHECK(result.steps[step].updated == updated[step]);
  }
}

TEST_CASE("gesture network: every one of 128 steps", "[chip]") {
  std::vector<DvsStep> expected;
  const ChipCase run = dvs_case(expected);
  const ChipSpec chip = load_chip("loihi1_sanafe");
  const ReplayResult result = replay(run.network, chip, run.mapping, run.spikes);
  CHECK_NOTHROW(check_result(run.network, chip, run.spikes, result));
  CHECK_NOTHROW(check_capacity(run.network, chip, run.mapping));
  REQUIRE(expected.size() == 128);
  CHECK(result.cores_used == 49);
  CHECK(result.tiles_used == 13);
  for (size_t step = 0; step < expected.size(); ++step) {
    INFO("step " << step + 1);
    const StepResult& got = result.steps[step];
    CHECK(got.fired == expected[step].fired);
    CHECK(got.updated == expected[step].updated);
    CHECK(got.deliveries == expected[step].packets);
    CHECK(got.hops == expected[step].hops);
    CHECK(got.events == expected[step].events);
    // One step alone gives its energies.
    ChipSpikes one = silent(run.network, 1);
    for (size_t p = 0; p < run.network.populations.size(); ++p) {
      const auto fired = run.spikes.at(p, static_cast<int64_t>(step));
      set_spikes(one, p, {{fired.begin(), fired.end()}});
      one.populations[p].updated = {run.spikes.populations[p].updated[step]};
    }
    const ChipEnergy energy =
        energy_of(chip, replay(run.network, chip, run.mapping, one, {.level = Level::kCounts}));
    check_printed(energy.of("synapse"), expected[step].synapse_j);
    check_printed(energy.of("soma"), expected[step].soma_j);
    check_printed(network_j(energy), expected[step].network_j);
  }
  const StepResult total = result.total();
  CHECK(total.fired == 38081);
  CHECK(total.updated == 1346821);
  CHECK(total.deliveries == 386640);
  CHECK(total.events == 5437656);
  CHECK(total.hops == 928624);
  const ChipEnergy energy = energy_of(chip, result);
  CHECK(printed(energy.of("synapse")) == "1.312266e-04");
  CHECK(printed(energy.of("soma")) == "1.541385e-04");
  CHECK(printed(network_j(energy)) == "4.639512e-05");
  CHECK(printed(energy.total_j()) == "3.317602e-04");
}

TEST_CASE("the bundled example: every step of the event level", "[chip]") {
  const ChipCase run = example_case();
  const ReplayResult result =
      replay(run.network, example_chip(), run.mapping, run.spikes, {.level = Level::kEvent});
  const double times[] = {11, 46, 11, 8, 8, 8, 8, 8, 8, 8};
  for (size_t step = 0; step < 10; ++step) CHECK(result.steps[step].time_ns == Approx(times[step]));
}

// The reference ran these packet by packet ("cycle"). No constant here was chosen to meet them.
TEST_CASE("N1 to N4: event times within 5 % of the cycle model", "[chip]") {
  const ChipSpec chip = load_chip("loihi1_sanafe");
  const struct {
    const char* name;
    ChipCase run;
    double cycle_s;
  } rows[] = {{"N1", pair_case(1, 10), 1.722500e-4},
              {"N1b", pair_case(0, 10), 1.782230e-4},
              {"N2", pair_case(127, 10), 1.766500e-4},
              {"N3", hotspot_case(10), 7.212100e-4},
              {"N4", uniform_case(10), 6.495900e-5}};
  for (const auto& row : rows) {
    INFO(row.name);
    const ReplayResult result = replay(row.run.network, chip, row.run.mapping, row.run.spikes,
                                       {.level = Level::kEvent, .touched_lag = 1});
    const double seconds = result.total().time_ns * 1e-9;
    CHECK(std::abs(seconds / row.cycle_s - 1) <= 0.05);
  }
}

TEST_CASE("N3-fast: a hotspot bound by one port takes as long as the cycle model says", "[chip]") {
  std::vector<std::string> sets = {"sync.barrier_ns=[0, 0, 0, 0]",
                                   "core.unit.axons.latency_ns=0",
                                   "core.unit.dense.latency_ns=0",
                                   "core.unit.compartments.access_latency_ns=0",
                                   "core.unit.compartments.update_latency_ns=0",
                                   "core.unit.compartments.fire_latency_ns=0",
                                   "core.unit.messages.latency_ns=1"};
  const ChipSpec chip = load_chip("loihi1_sanafe", sets);
  const ChipCase run = hotspot_case(1);
  const ReplayResult event =
      replay(run.network, chip, run.mapping, run.spikes, {.level = Level::kEvent});
  CHECK(event.steps[0].time_ns >= 512);  // packets through one port, 1 ns each
  CHECK(event.steps[0].time_ns == Approx(537).epsilon(0.1));
  const ReplayResult bottleneck = replay(run.network, chip, run.mapping, run.spikes);
  CHECK(bottleneck.steps[0].generate_ns == Approx(32));
  CHECK(bottleneck.steps[0].time_ns == Approx(512));
}
