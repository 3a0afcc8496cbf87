// What lives beside neurons on a chip: their state, residual streams.

#include "core/error.hpp"
#include "hw_model/chip/mapper.hpp"
#include "tests/catch.hpp"
#include "tests/chip/lowered_run.hpp"

using namespace spikeloom;
using namespace spikeloom::lower_test;

TEST_CASE("neurons take a word of state a slot; those that do not fire stay or go to the host") {
  for (const char* model : {"LIF", "CubaLIF", "CobaLIF"}) {
    Graph graph;
    const NodeId in = graph.add("in", Input{.shape = {6}, .repeated = false, .events = true});
    std::vector<NodeId> currents;
    const NeuronSpec spec = neuron(model);
    for (int i = 0; i < spec.row().inputs; ++i) {
      const std::string name = "fc" + std::to_string(i);
      currents.push_back(graph.add(name, Linear{6, 8, 0, name, ""}, {in}));
    }
    const NodeId cell = graph.add("cell", Neuron{spec}, currents);
    const NodeId out = graph.add("out", Linear{8, 3, 0, "out", ""}, {cell});
    graph.output("logits", graph.add("li", Neuron{neuron("LI")}, {out}));
    const LoweredNetwork lowered = lower(graph, load_chip("loihi2"));
    const auto& populations = lowered.network.populations;
    const auto found = std::find_if(populations.begin(), populations.end(),
                                    [](const ChipPopulation& p) { return p.name == "cell"; });
    REQUIRE(found != populations.end());
    CHECK(found->state_bits == 32 * static_cast<int64_t>(states_of(spec).size()));
    CHECK(lowered.network.projections.size() >= currents.size());
    CHECK(lowered.host.empty());
    CHECK(population_of(lowered, "li").state_bits == 32);
    const LoweredNetwork other = lower(graph, load_chip("truenorth"));
    CHECK(std::any_of(other.host.begin(), other.host.end(),
                      [&](const auto& left) { return other.graph.node(left.node).name == "li"; }));
  }
}

TEST_CASE("a residual stream lives beside all that read it, and is delivered once") {
  const LoweredNetwork lowered = lower(golden_spikeformer(), load_chip("loihi2"));
  const ChipPopulation& second = population_of(lowered, "ConvBlock1_1.0.lif1");
  REQUIRE(second.beside >= 0);
  const auto root = static_cast<size_t>(second.beside);
  CHECK(lowered.network.populations[root].name == "ConvBlock1_1.0.Conv.lif1");
  CHECK(population_of(lowered, "downsample1_2.encode_lif").beside == second.beside);
  CHECK(population_of(lowered, "ConvBlock1_1.0.lif2").beside == -1);
  CHECK(second.state_bits == 64);
  CHECK(population_of(lowered, "ConvBlock1_1.0.lif2").state_bits == 32);
  // Tokens keep the shape of their map.
  CHECK(population_of(lowered, "block3.0.mlp.fc2_lif").height == 4);
  // Every layer is one projection here: nothing is delivered twice.
  std::map<NodeId, int> projections;
  for (const NodeId layer : lowered.layers) ++projections[layer];
  for (const auto& [layer, count] : projections) {
    const bool products = std::holds_alternative<KtV>(lowered.graph.node(layer).op);
    CHECK(count == (products ? 2 : 1));
  }
}

TEST_CASE("mappings keep a stream together, or are refused") {
  const ChipSpec chip = load_chip("loihi2", {"chip.chips_x=8", "chip.chips_y=8"});
  const LoweredNetwork lowered = lower(golden_spikeformer(), chip);
  Mapping mapping = map_sequential(lowered.network, chip);
  const auto cores = cores_of_neurons(lowered.network, chip, mapping);
  int64_t tied = 0;
  for (size_t p = 0; p < cores.size(); ++p) {
    const int beside = lowered.network.populations[p].beside;
    if (beside < 0) continue;
    CHECK(cores[p] == cores[static_cast<size_t>(beside)]);
    ++tied;
  }
  CHECK(tied > 10);
  for (Box& box : mapping.boxes) {
    if (lowered.network.populations[static_cast<size_t>(box.population)].beside >= 0) box.core = 0;
  }
  CHECK_THROWS_WITH(cores_of_neurons(lowered.network, chip, mapping),
                    Catch::Contains("shares a residual stream with"));
}

TEST_CASE("touched updates leave neurons on a stream alone") {
  LowerOptions options;
  options.update = UpdateRule::kTouched;
  const LoweredNetwork lowered = lower(golden_spikeformer(), load_chip("loihi2"), options);
  CHECK(population_of(lowered, "ConvBlock1_1.0.lif2").update == UpdateRule::kTouched);
  CHECK(population_of(lowered, "ConvBlock1_1.0.lif1").update == UpdateRule::kAll);
}
