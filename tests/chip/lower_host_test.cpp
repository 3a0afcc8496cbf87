// What no core can do, and what stays on the chip all the same.

#include "core/error.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikegpt/spikegpt.hpp"
#include "tests/catch.hpp"
#include "tests/chip/lowered_run.hpp"

using namespace spikeloom;
using namespace spikeloom::lower_test;

TEST_CASE("what a chip cannot express is refused by node and operator") {
  CHECK(refusal(golden_spikeformer(), "loihi2").empty());
  CHECK_THAT(
      refusal(golden_spikeformer(), "truenorth"),
      Catch::Contains("block3.0.attn.kv (k^t v): the chip has no unit for outer products") &&
          Catch::Contains("downsample1_1.encode_conv (conv2d k7 s2 p3 g1): its operand is real"));
  CHECK(refusal(golden_lmuformer(), "loihi2").empty());
  LmuformerConfig recurrent;
  recurrent.memory = LmuForm::kRecurrent;
  CHECK_THAT(
      refusal(build_lmuformer(recurrent), "loihi2"),
      Catch::Contains("block.0.attn.lmu.memory (lmu memory recurrent): only the event form"));
  SpikeGptConfig language;
  language.layers = 1;
  language.width = 8;
  language.vocabulary = 77;
  const std::string why = refusal(build_spikegpt(language), "loihi2");
  CHECK_THAT(why, Catch::Contains("emb (embedding): no unit of a core computes it"));
  CHECK_THAT(why, Catch::Contains("(linear): its operand comes from the host"));
}

TEST_CASE("neurons behind the host stay on the chip") {
  const Folder folder;
  SpikeGptConfig language;
  language.layers = 2;
  language.width = 8;
  language.vocabulary = 77;
  const Graph graph = build_spikegpt(language);
  record_random(folder / "t.h5", graph, 6, 0.5);
  const Run run = price(folder / "t.h5", load_chip("horowitz45", {"chip.cols=8"}));
  CHECK(run.lowered.network.projections.empty());
  int64_t neurons = 0, spikes = 0;
  for (const ChipPopulation& population : run.lowered.network.populations) {
    neurons += population.neurons();
    spikes += run.statistics.populations.at(population.name).events;
  }
  CHECK(neurons == 8 * 5);  // embedding, two layers per block
  CHECK(run.result.total().updated == neurons * 12);
  CHECK(run.result.total().fired == spikes);
  // Every weighted layer is on the host's list.
  size_t weighted = 0;
  for (const HostOperation& operation : run.lowered.host)
    weighted += std::holds_alternative<Linear>(run.lowered.graph.node(operation.node).op);
  CHECK(weighted == run.counts.layers.size());
}
