// Networks larger than the chip: turns together do what the whole network does at once.

#include "hw_model/chip/in_turn.hpp"

#include "core/error.hpp"
#include "hw_model/chip/mapper.hpp"
#include "tests/catch.hpp"
#include "tests/chip/networks.hpp"

using namespace spikeloom;
using namespace spikeloom::test;
using Catch::Matchers::Contains;

namespace {

void fire_some(const ChipNetwork& network, ChipSpikes& spikes) {
  uint64_t state = 1;
  for (size_t p = 0; p < network.populations.size(); ++p) {
    if (network.populations[p].sends_always) continue;
    std::vector<std::vector<uint32_t>> fired(static_cast<size_t>(spikes.steps));
    for (auto& step : fired) {
      for (uint32_t n = 0; n < network.populations[p].neurons(); ++n) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        if (state >> 62 == 0) step.push_back(n);
      }
    }
    set_spikes(spikes, p, fired);
  }
}

// in -> a -> b -> c and a -> c, b recurrent, real values -> c; two samples of three steps.
ChipCase chain() {
  ChipCase out;
  for (const char* name : {"in", "a", "b", "c", "real"}) {
    out.network.populations.push_back(flat(name, 20));
  }
  out.network.populations[4].payload_bits = 24;
  out.network.populations[4].sends_always = true;
  for (const auto& [from, to] : {std::pair{0, 1}, {1, 2}, {2, 2}, {2, 3}, {1, 3}, {4, 3}}) {
    out.network.projections.push_back({"w", from, to, DenseSynapses{}, "", 8});
  }
  out.spikes = silent(out.network, 6);
  out.spikes.sample_starts = {0, 3};
  fire_some(out.network, out.spikes);
  return out;
}

// Four cores of 20 neurons.
ChipSpec small_chip(std::vector<std::string> sets = {}) {
  sets.emplace_back("core.limits.neurons=20");
  return grid_chip(2, 2, sets);
}

void check_sums(const ChipCase& run, const InTurnResult& turns, const ReplayOptions& options) {
  const ChipSpec large = grid_chip(8, 8, {"core.limits.neurons=20"});
  const ReplayResult whole =
      replay(run.network, large, map_sequential(run.network, large), run.spikes, options);
  CHECK(turns.fired == whole.total().fired);
  CHECK(turns.updated == whole.total().updated);
  CHECK(turns.events == whole.total().events);
  std::vector<int64_t> events(run.network.projections.size());
  std::vector<int> runs(run.network.populations.size());
  for (const Turn& turn : turns.turns) {
    for (size_t q = 0; q < turn.projections.size(); ++q) {
      events[static_cast<size_t>(turn.projections[q])] += turn.result.events[q];
    }
    for (size_t i = 0; i + static_cast<size_t>(turn.stored) < turn.populations.size(); ++i) {
      ++runs[static_cast<size_t>(turn.populations[i])];
    }
  }
  CHECK(events == whole.events);
  CHECK(runs == std::vector<int>(runs.size(), 1));
}

}  // namespace

TEST_CASE("turns count what the whole network counts, at every level", "[chip]") {
  const ChipCase run = chain();
  for (const Level level : {Level::kCounts, Level::kBottleneck, Level::kEvent}) {
    const InTurnOptions options{{.level = level}, 1};
    const InTurnResult result = replay_in_turn(run.network, small_chip(), run.spikes, options);
    REQUIRE(result.turns.size() == 2);
    CHECK(result.turns[0].populations == std::vector<int>{0, 1, 2, 4});
    CHECK(result.turns[1].populations == std::vector<int>{3, 2, 1, 4});
    CHECK(result.turns[1].stored == 3);
    check_sums(run, result, options.replay);
  }
}

TEST_CASE("turns: weights are loaded, spikes stored and read, at the chip's price", "[chip]") {
  const ChipCase run = chain();
  int64_t stored = 6 * 20 * 24 / 8;  // real values
  for (const size_t p : {1U, 2U}) {
    // Twenty neurons take five bits.
    stored += (static_cast<int64_t>(run.spikes.populations[p].neurons.size()) * 5 + 7) / 8;
  }
  const ChipSpec priced = small_chip({"reload.energy_pj_per_byte=2", "reload.ns_per_byte=0.5"});
  const InTurnResult each = replay_in_turn(run.network, priced, run.spikes);
  CHECK(each.loads == 2);
  CHECK(each.loaded_bytes == 2 * 6 * 20 * 20);
  CHECK(each.spike_bytes == 2 * stored);
  const double bytes = static_cast<double>(each.loaded_bytes + each.spike_bytes);
  CHECK(each.outside_j.value() == Approx(bytes * 2e-12));
  CHECK(each.unpriced.empty());
  double time = bytes * 0.5, dynamic = 0;
  for (const Turn& turn : each.turns) {
    time += turn.result.total().time_ns;
    dynamic += energy_of(each.chip, turn.result).dynamic_j;
  }
  CHECK(each.time_ns() == Approx(time));
  CHECK(each.energy().dynamic_j == Approx(dynamic));
  CHECK(each.energy().of("synapse") > 0);

  const InTurnResult both = replay_in_turn(run.network, small_chip(), run.spikes, {{}, 2});
  CHECK(both.loads == 1);
  CHECK(both.loaded_bytes == each.loaded_bytes / 2);
  CHECK(both.spike_bytes == each.spike_bytes);
  CHECK_FALSE(both.outside_j.has_value());
  REQUIRE(both.unpriced.size() == 2);
  CHECK_THAT(both.unpriced[0], Contains("2400 bytes of weights"));
}

TEST_CASE("a network that fits takes one turn: an ordinary replay", "[chip]") {
  const ChipCase run = chain();
  const ChipSpec chip = grid_chip(3, 2, {"core.limits.neurons=20"});
  const Mapping mapping = map_sequential(run.network, chip);
  for (const Level level : {Level::kBottleneck, Level::kEvent}) {
    const ReplayResult plain = replay(run.network, chip, mapping, run.spikes, {.level = level});
    const InTurnResult result =
        replay_in_turn(run.network, chip, run.spikes, {{.level = level}, 1});
    REQUIRE(result.turns.size() == 1);
    CHECK(result.loaded_bytes == 0);
    CHECK(result.spike_bytes == 0);
    CHECK(result.unpriced.empty());
    CHECK(result.time_ns() == plain.total().time_ns);
    CHECK(result.turns[0].result.link_flits == plain.link_flits);
    CHECK(result.turns[0].result.events == plain.events);
    CHECK(result.energy().total_j() == Approx(energy_of(chip, plain).total_j()).epsilon(1e-12));
    const ReplayResult sum = result.sum(run.network);
    CHECK(sum.by_core == plain.by_core);
    CHECK(sum.by_layer == plain.by_layer);
    CHECK(sum.total().time_ns == plain.total().time_ns);
    CHECK(sum.step_count() == plain.step_count());
  }
}

TEST_CASE("turns: the sum has every layer once, and its parts add up", "[chip]") {
  const ChipCase run = chain();
  const ChipSpec chip = small_chip({"core.unit.soma.fire_energy_pj=3",
                                    "core.unit.synapse.energy_pj=2", "noc.hop_x_energy_pj=1"});
  const InTurnResult result = replay_in_turn(run.network, chip, run.spikes, {{}, 1, true});
  REQUIRE(result.turns.size() == 2);
  const ReplayResult sum = result.sum(run.network);
  const ChipSpec large = grid_chip(8, 8, {"core.limits.neurons=20"});
  const ReplayResult whole =
      replay(run.network, large, map_sequential(run.network, large), run.spikes, {});
  CHECK(sum.events == whole.events);
  CHECK(sum.total().fired == whole.total().fired);
  CHECK(sum.cores_used == 4);
  CHECK(energy_of(chip, sum).dynamic_j == Approx(result.energy().dynamic_j).epsilon(1e-12));
  for (size_t op = 0; op < sum.ops.size(); ++op) {
    INFO(sum.ops[op].name);
    CHECK_FALSE(is_playback(sum.ops[op]));
    int64_t by_layer = 0;
    for (size_t row = op; row < sum.by_layer.size(); row += sum.ops.size())
      by_layer += sum.by_layer[row];
    CHECK(sum.count(op) == by_layer);
    if (sum.ops[op].action != Action::kFire) continue;
    CHECK(sum.count(op) == sum.total().fired);
    // A layer whose spikes were stored fired in its own turn only.
    CHECK(sum.by_layer[1 * sum.ops.size() + op] ==
          static_cast<int64_t>(run.spikes.populations[1].neurons.size()));
  }
  int64_t flits = 0, hops = 0;
  for (const int64_t count : sum.link_flits) flits += count;
  for (size_t op = 0; op < sum.ops.size(); ++op) {
    if (sum.ops[op].action == Action::kHop || sum.ops[op].action == Action::kInterchip)
      hops += sum.count(op);
  }
  CHECK(flits == hops);
  CHECK(hops > 0);
}

TEST_CASE("turns: the chip leaks while bytes move", "[chip]") {
  const ChipCase run = chain();
  const std::vector<std::string> power = {"chip.static_w=0.5", "chip.idle_w_per_mhz=0.001",
                                          "chip.clock_hz=2e6"};
  const InTurnResult unpriced = replay_in_turn(run.network, small_chip(power), run.spikes);
  std::vector<std::string> sets = power;
  sets.emplace_back("reload.ns_per_byte=0.5");
  const InTurnResult priced = replay_in_turn(run.network, small_chip(sets), run.spikes);
  REQUIRE(priced.turns.size() == 2);
  CHECK(priced.time_ns() > unpriced.time_ns());
  for (const InTurnResult* result : {&unpriced, &priced}) {
    CHECK(result->energy().static_j == Approx(0.5 * result->time_ns() * 1e-9));
    CHECK(result->energy().idle_j == Approx(0.002 * result->time_ns() * 1e-9));
  }
  CHECK_THAT(unpriced.unpriced.back(), Contains("and static power meanwhile"));
}

TEST_CASE("turns: attention whose keys wait in memory", "[chip]") {
  ChipCase run;
  for (const char* name : {"x", "q", "k", "v", "attention"}) {
    run.network.populations.push_back(flat(name, 4));
    run.network.populations.back().width = 5;
  }
  for (const int to : {1, 2, 3}) {
    run.network.projections.push_back({"w", 0, to, ConvSynapses{}, "", 8});
  }
  run.network.projections.push_back(
      {"k", 2, 4, AttentionSynapses{AttentionRole::kKey, 2, -1}, "", 8});
  run.network.projections.push_back(
      {"v", 3, 4, AttentionSynapses{AttentionRole::kValue, 2, 2}, "", 8});
  run.network.projections.push_back(
      {"q", 1, 4, AttentionSynapses{AttentionRole::kQuery, 2, -1}, "", 8});
  run.spikes = silent(run.network, 3);
  fire_some(run.network, run.spikes);
  const InTurnResult result = replay_in_turn(run.network, small_chip(), run.spikes);
  REQUIRE(result.turns.size() == 2);
  CHECK(result.turns[1].stored == 3);
  check_sums(run, result, {});
}

TEST_CASE("turns: layers that must stay together and do not fit are named", "[chip]") {
  ChipCase run = chain();
  run.network.projections.push_back({"back", 3, 0, DenseSynapses{}, "", 8});
  const ChipSpec chip = grid_chip(2, 1, {"core.limits.neurons=20"});
  try {
    replay_in_turn(run.network, chip, run.spikes);
    FAIL("it fits");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kCapacity);
    CHECK_THAT(error.what(), Contains("4 layers, in to c, that must be on the chip together"));
  }
  CHECK_THROWS_WITH(replay_in_turn(run.network, chip, run.spikes, {{}, 0}),
                    Contains("samples_per_turn"));
}
