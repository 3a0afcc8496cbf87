// Mappers that minimise: never worse than the older ones, the same for any number of threads, the
// same work, no shorter than the bound; and what a layer that can be spread evenly takes.

#include "hw_model/chip/mapper.hpp"
#include "tests/catch.hpp"
#include "tests/chip/networks.hpp"

using namespace spikeloom;
using namespace spikeloom::test;

namespace {

double cost(Mapper aim, const ChipSpec& chip, const ReplayResult& result) {
  const double joules = energy_of(chip, result).total_j(), ns = result.total().time_ns;
  if (aim == Mapper::kTraffic) return static_cast<double>(result.total().hops);
  return aim == Mapper::kTime ? ns : aim == Mapper::kEnergy ? joules : joules * ns;
}

std::string text_of(const Mapping& mapping) {
  std::string text;
  for (const Box& box : mapping.boxes) {
    for (const int64_t n :
         {int64_t{box.population}, box.y.begin, box.x.begin, box.channels.begin, box.core})
      text += std::to_string(n) + " ";
  }
  return text;
}

// 64 inputs that all fire in every step, all to 96 neurons.
ChipCase layer_case() {
  ChipCase run;
  run.network.populations = {flat("in", 64, UpdateRule::kFired), flat("layer", 96)};
  run.network.projections = {{"all", 0, 1, DenseSynapses{}, "", 8}};
  run.spikes = silent(run.network, 3);
  fire_always(run.network, 0, run.spikes);
  run.spikes.sample_starts = {0};
  return run;
}

}  // namespace

TEST_CASE("what is minimised is never more than with an older mapper", "[chip]") {
  std::vector<DvsStep> steps;
  const std::pair<ChipCase, ChipSpec> cases[] = {
      {dvs_case(steps), load_chip("loihi1_sanafe")},
      {uniform_case(4), load_chip("loihi1_sanafe")},
      {hotspot_case(4), load_chip("loihi2")},
      {layer_case(), grid_chip(4, 4, {"core.unit.synapse.latency_ns=1"})}};
  for (const auto& [run, chip] : cases) {
    INFO(chip.name << ", " << run.network.populations.size() << " populations");
    const auto replayed = [&](Mapper kind, int threads) {
      const Placement placed = map_network(run.network, chip, run.spikes, {kind, 0.05, threads});
      CHECK_NOTHROW(check_capacity(run.network, chip, placed.mapping));
      return std::pair(text_of(placed.mapping),
                       replay(run.network, chip, placed.mapping, run.spikes));
    };
    std::vector<ReplayResult> older;
    for (const Mapper kind : {Mapper::kSequential, Mapper::kGreedy, Mapper::kAnneal})
      older.push_back(replayed(kind, 1).second);
    for (const Mapper aim : {Mapper::kTime, Mapper::kEnergy, Mapper::kEdp, Mapper::kTraffic}) {
      INFO(name_of(aim));
      const auto [mapping, result] = replayed(aim, 1);
      if (aim == Mapper::kTime) CHECK(replayed(aim, 3).first == mapping);
      check_result(run.network, chip, run.spikes, result);
      for (const ReplayResult& other : older) {
        CHECK(cost(aim, chip, result) <= cost(aim, chip, other));
        CHECK(result.total().fired == other.total().fired);
        CHECK(result.total().updated == other.total().updated);
        CHECK(result.total().events == other.total().events);
        CHECK(time_bound_ns(chip, other) <= other.total().time_ns);
      }
      CHECK(time_bound_ns(chip, result) <= result.total().time_ns);
    }
  }
}

TEST_CASE("a layer is spread as far as its chip reaches", "[chip]") {
  const ChipCase run = layer_case();
  const ChipSpec chip =
      grid_chip(4, 4, {"core.unit.synapse.latency_ns=1", "noc.link_ns_per_flit=0"});
  const auto time_ns = [&](Mapper kind) {
    const Placement placed = map_network(run.network, chip, run.spikes, {kind, 1, 1});
    return replay(run.network, chip, placed.mapping, run.spikes).total().time_ns;
  };
  // One core holds it; 15 beside that of the inputs hold 7 neurons at most.
  CHECK(time_ns(Mapper::kSequential) == Approx(3 * 64 * 96));
  CHECK(time_ns(Mapper::kTime) == Approx(3 * 64 * 7));
  const Placement placed = map_network(run.network, chip, run.spikes, {Mapper::kTime, 1, 1});
  const ReplayResult result = replay(run.network, chip, placed.mapping, run.spikes);
  CHECK(time_bound_ns(chip, result) == Approx(3 * 64 * 96 / 16.0));
}
