// The network on chip against closed forms (hardware_model 6, item 2).

#include <cmath>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "hw_model/chip/noc.hpp"
#include "tests/catch.hpp"
#include "tests/chip/networks.hpp"

using namespace spikeloom;
using namespace spikeloom::test;

namespace {

constexpr ReplayOptions kEvents{.level = Level::kEvent};

// One neuron on core `from`, `targets` neurons on core `to`, one spike.
ChipCase one_spike(int64_t from, int64_t to, int64_t targets) {
  ChipCase out;
  out.network.populations = {flat("a", 1), flat("b", targets)};
  out.network.projections = {{"a->b", 0, 1, DenseSynapses{}, "", 8}};
  out.mapping.boxes = {whole(out.network, 0, from), whole(out.network, 1, to)};
  out.spikes = silent(out.network, 1);
  fire_always(out.network, 0, out.spikes);
  return out;
}

}  // namespace

TEST_CASE("an empty network's latency is the sum of its parts", "[chip]") {
  const std::vector<std::string> sets = {
      "core.unit.soma.fire_latency_ns=30", "core.unit.out.latency_ns=5",
      "core.unit.in.latency_ns=16",        "core.unit.synapse.latency_ns=4",
      "noc.delivery_latency_ns=8",         "noc.packet_flits=3"};
  // Access 1, fire, out; hops of 2 and 3 ns; delivery; three flits of 1 ns; in; 7 synapses.
  const double parts = 1 + 30 + 5 + 8 + 3 + 16 + 7 * 4;
  const auto time = [&](std::vector<std::string> more, int64_t from, int64_t to) {
    more.insert(more.begin(), sets.begin(), sets.end());
    const ChipCase run = one_spike(from, to, 7);
    return replay(run.network, grid_chip(8, 4, more), run.mapping, run.spikes, kEvents)
        .steps[0]
        .time_ns;
  };
  CHECK(time({}, 0, 0) == Approx(parts));
  CHECK(time({}, 0, 31) == Approx(parts + 7 * 2 + 3 * 3));
  CHECK(time({}, 31, 0) == Approx(parts + 7 * 2 + 3 * 3));
  // Round the ring: one hop each way, row 0 to row 2 is two hops either way.
  CHECK(time({"noc.topology=torus"}, 0, 31) == Approx(parts + 2 + 3));
  CHECK(time({"noc.topology=torus"}, 0, 16) == Approx(parts + 2 * 3));
  // Column major: core 5 is tile (1, 1).
  CHECK(time({"chip.numbering=column_major"}, 0, 5) == Approx(parts + 2 + 3));
  // Two chips side by side: core 32 is tile (8, 0), the eighth hop leaves the chip.
  CHECK(time({"chip.chips_x=2"}, 0, 32) == Approx(parts + 7 * 2 + 11));
}

TEST_CASE("one queue waits as long as M/D/1 says", "[chip]") {
  // Arrivals in slots of 1 ns with probability p, service of m slots: mean wait rho (m - 1) /
  // (2 (1 - rho)), which becomes M/D/1's rho m / (2 (1 - rho)) for long services.
  constexpr int64_t kSlots = 2000000, kService = 50;
  ChipCase run;
  run.network.populations = {flat("slots", kSlots), flat("sink", 1)};
  run.network.projections = {{"", 0, 1, DenseSynapses{}, "", 8}};
  run.mapping.boxes = {whole(run.network, 0, 0), whole(run.network, 1, 1)};
  const ChipSpec chip = grid_chip(2, 1, {"core.unit.in.latency_ns=50", "noc.buffer_flits=1048576"});
  const double zero_load = 2 + 1;  // hop and flit
  uint64_t draw = 0;
  for (const double rho : {0.2, 0.5, 0.8}) {
    const double p = rho / kService;
    const auto steps = static_cast<int64_t>(std::ceil(1e6 / (p * kSlots)));
    run.spikes = silent(run.network, steps);
    std::vector<std::vector<uint32_t>> fired(static_cast<size_t>(steps));
    for (auto& step : fired) {
      double slot = -1;
      while (true) {
        // Gaps between successes are geometric.
        const double u = (static_cast<double>(random_bits(5, 0, draw++) >> 11) + 1) * 0x1p-53;
        slot += 1 + std::floor(std::log(u) / std::log1p(-p));
        if (slot >= kSlots) break;
        step.push_back(static_cast<uint32_t>(slot));
      }
    }
    set_spikes(run.spikes, 0, fired);
    const StepResult sum = replay(run.network, chip, run.mapping, run.spikes, kEvents).total();
    REQUIRE(sum.deliveries > 990000);
    const double wait = sum.latency_ns / static_cast<double>(sum.deliveries) - zero_load;
    CHECK(wait == Approx(rho * (kService - 1) / (2 * (1 - rho))).epsilon(0.02));
  }
}

TEST_CASE("a mesh saturates at its middle cut", "[chip]") {
  // Every core sends to every core, as fast as its port allows: N/4 of the traffic of each
  // direction crosses the middle over h links.
  constexpr int64_t kSide = 8, kCores = kSide * kSide, kSpikes = 100;
  ChipCase run;
  ChipPopulation senders = flat("senders", kCores);
  senders.width = kSpikes;
  run.network.populations = {senders, flat("targets", kCores)};
  run.network.projections = {{"", 0, 1, DenseSynapses{}, "", 8}};
  run.mapping.cores.resize(2);
  for (int64_t n = 0; n < kCores * kSpikes; ++n) {
    run.mapping.cores[0].push_back(static_cast<int32_t>(n % kCores));
  }
  for (int32_t n = 0; n < kCores; ++n) run.mapping.cores[1].push_back(n);
  run.spikes = silent(run.network, 1);
  fire_always(run.network, 0, run.spikes);
  const ChipSpec chip =
      grid_chip(kSide, kSide, {"noc.buffer_flits=1048576", "core.unit.soma.access_latency_ns=0"});
  const double bound = kCores * kSpikes * kCores / 4 / kSide;  // ns: one flit per ns
  const StepResult step = replay(run.network, chip, run.mapping, run.spikes, kEvents).steps[0];
  CHECK(step.link_ns == bound);
  CHECK(step.time_ns >= bound);
  CHECK(step.time_ns == Approx(bound).epsilon(0.03));
}

TEST_CASE("a hotspot serves one packet after the other, and senders feel it", "[chip]") {
  const ChipCase run = hotspot_case(1);
  std::vector<std::string> sets = {"core.unit.in.latency_ns=16"};
  // The sources of this network stand on cores up to 124.
  const ChipSpec chip = grid_chip(125, 1, sets);
  const StepResult step = replay(run.network, chip, run.mapping, run.spikes, kEvents).steps[0];
  const double first = 1 + 64 * 2 + 1;  // access, hops from core 64, flit
  CHECK(step.time_ns == Approx(512 * 16 + first));
  CHECK(step.blocked_ns > 0);
}

TEST_CASE("rings never lock, however long they are and whatever packets share them", "[chip]") {
  // Short packets beside long ones, both from everywhere to everywhere.
  ChipCase run = uniform_case(2);
  run.network.populations.push_back(run.network.populations[0]);
  run.network.populations[1].name = "values";
  run.network.populations[1].payload_bits = 64;
  run.network.projections.push_back(run.network.projections[0]);
  run.network.projections[1].source = 1;
  run.mapping.cores.push_back(run.mapping.cores[0]);
  run.spikes.populations.push_back(run.spikes.populations[0]);
  for (const char* cast : {"unicast", "multicast", "broadcast"}) {
    INFO(cast);
    const ChipSpec chip = grid_chip(
        16, 8, {"noc.topology=torus", "noc.buffer_flits=2", std::string("noc.cast=") + cast});
    const ReplayResult counts =
        replay(run.network, chip, run.mapping, run.spikes, {.level = Level::kCounts});
    const ReplayResult events =
        replay(run.network, chip, run.mapping, run.spikes, {.level = Level::kEvent});
    CHECK(events.total().hops == counts.total().hops);
    CHECK(events.total().blocked_ns > 0);
  }
}

TEST_CASE("routes, trees and their links", "[chip]") {
  const ChipSpec chip = grid_chip(6, 5, {"chip.chips_x=2"});
  const Geometry geometry(chip);
  LinkLoads loads(geometry);
  const TilePlace from{4, 1};
  const Hops route = loads.add_route(from, {9, 4}, 2);
  CHECK(route.on_chip == std::array<int64_t, 4>{4, 0, 3, 0});
  CHECK(route.interchip == 1);
  auto links = loads.finish();
  CHECK(links[static_cast<size_t>(geometry.link(kEast, {4, 1}))] == 2);
  CHECK(links[static_cast<size_t>(geometry.link(kEast, {9, 1}))] == 0);
  CHECK(links[static_cast<size_t>(geometry.link(kNorth, {9, 3}))] == 2);
  CHECK(geometry.leaves_chip(kEast, {5, 0}));
  CHECK_FALSE(geometry.leaves_chip(kEast, {4, 0}));
  // A tree passes each link once.
  const TilePlace targets[] = {{0, 1}, {2, 3}, {2, 0}, {2, 3}, {4, 1}};
  const Hops tree = loads.add_tree(from, targets, 1);
  CHECK(tree.on_chip == std::array<int64_t, 4>{0, 4, 2, 1});
  int64_t sum = 0;
  for (const int64_t flits : loads.finish()) sum += flits;
  CHECK(sum == tree.total());
}

TEST_CASE("mean hops of uniform traffic", "[chip]") {
  // (w^2 - 1) / 3w + (h^2 - 1) / 3h, the own tile included.
  const Geometry geometry(grid_chip(8, 4));
  int64_t hops = 0;
  for (int64_t a = 0; a < 32; ++a) {
    for (int64_t b = 0; b < 32; ++b) {
      const TilePlace by = geometry.offset(geometry.tile_of_core(a), geometry.tile_of_core(b));
      hops += std::abs(by.x) + std::abs(by.y);
    }
  }
  CHECK(static_cast<double>(hops) / (32 * 32) == 3.875);
}

TEST_CASE("tick, barrier by chips, and free running", "[chip]") {
  const ChipCase run = pair_case(1, 4);
  const auto times = [&](std::vector<std::string> sets) {
    sets.push_back("core.unit.in.latency_ns=10");
    return replay(run.network, grid_chip(2, 1, sets), run.mapping, run.spikes);
  };
  const double busy = 640;  // 64 packets
  CHECK(times({}).steps[0].time_ns == busy);
  CHECK(times({"sync.barrier_ns=[7]"}).steps[0].time_ns == busy + 7);
  CHECK(times({"sync.barrier_ns=[7, 9]", "sync.barrier_from=[1, 2]", "sync.barrier_per=chips"})
            .steps[0]
            .time_ns == busy + 7);
  const ReplayResult slow = times({"sync.mode=fixed_tick", "sync.tick_ns=1000"});
  CHECK(slow.steps[0].time_ns == 1000);
  CHECK(slow.overruns == 0);
  const ReplayResult late = times({"sync.mode=fixed_tick", "sync.tick_ns=100"});
  CHECK(late.steps[0].time_ns == busy);
  CHECK(late.overruns == 4);
  // The sender goes on as it likes: receptions follow each other without a pause.
  const ReplayResult free = times({"sync.mode=free_run"});
  CHECK(free.total().time_ns == 4 * busy);
  CHECK(free.steps[0].time_ns == busy);
  ChipSpec chip = grid_chip(2, 1, {"sync.mode=free_run"});
  CHECK_THROWS_AS(replay(run.network, chip, run.mapping, run.spikes, kEvents), Error);
}
