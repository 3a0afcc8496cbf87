// Break-even of spiking and dense operations, from the constants of presets.

#include "core/error.hpp"
#include "hw_model/chip/synapse_break_even.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;
using Catch::Matchers::Contains;

TEST_CASE("break-even: 1.714 spikes in 22FDX, 5.11 by arithmetic at 45 nm", "[dense]") {
  const SynapseCosts furber =
      synapse_costs(load_chip("davidson_furber22"), load_dense("davidson_furber22_ann"), 1, 0);
  CHECK(break_even_spikes(furber, 1) == Approx(12.0 / 7.0));
  const SynapseCosts horowitz = synapse_costs(
      load_chip("horowitz45"), load_dense("dense_systolic", {"dense.format=fp32"}), 1, 0);
  CHECK(break_even_spikes(horowitz, 1) == Approx(4.6 / 0.9));
  CHECK_THROWS_WITH(synapse_costs(load_chip("horowitz45"), load_dense("eyeriss65"), 1, 0),
                    Contains("no price in pJ"));
}

TEST_CASE("break-even: energy ratio against rate for 1 to 16 steps", "[dense]") {
  const SynapseCosts costs =
      synapse_costs(load_chip("davidson_furber22"), load_dense("davidson_furber22_ann"), 1, 0);
  const auto table = break_even_table(costs, 16, {0.05, 0.25, 1});
  REQUIRE(table.size() == 16);
  for (const BreakEvenRow& row : table) {
    const auto steps = static_cast<double>(row.steps);
    CHECK(row.rate == Approx(12.0 / 7.0 / steps));
    CHECK(row.ratios[0] == Approx(0.05 * steps * 7 / 12));
    CHECK(row.ratios[1] == Approx(5 * row.ratios[0]));
    CHECK(energy_ratio(costs, row.rate, row.steps) == Approx(1));
  }
  // Updating neurons takes its share at every step: with 10 synapses each and 45 nm prices, an
  // update of 0.9 pJ costs 0.09 pJ per synapse.
  const SynapseCosts updated = synapse_costs(
      load_chip("horowitz45"), load_dense("dense_systolic", {"dense.format=fp32"}), 1, 10);
  CHECK(break_even_spikes(updated, 4) == Approx((4.6 - 4 * 0.09) / 0.9));
}
