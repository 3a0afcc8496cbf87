// The neurons that die with a core are those of the boxes on it.

#include "hw_model/chip/dead_cores.hpp"

#include <set>

#include "core/error.hpp"
#include "hw_model/chip/mapper.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "tests/catch.hpp"
#include "tests/small_spikeformer.hpp"

using namespace spikeloom;
using Catch::Matchers::Contains;

TEST_CASE("dead cores: the mask is the boxes, neuron by neuron") {
  const Graph graph = build_spikeformer(small_spikeformer());
  const ChipSpec chip = load_chip("loihi2", {"core.limits.neurons=700"});
  const LoweredNetwork lowered = lower(graph, chip);
  const Mapping mapping = map_sequential(lowered.network, chip);
  std::set<int64_t> used;
  for (const Box& box : mapping.boxes) used.insert(box.core);
  REQUIRE(used.size() > 8);
  std::vector<int64_t> cores;  // every third one
  for (const int64_t core : used) {
    if (core % 3 == 0) cores.push_back(core);
  }
  const DeadNeurons found = dead_neurons(lowered, chip, mapping, cores);

  std::map<std::string, SpikeTensor> expected;
  std::set<std::string> others;
  int64_t count = 0, neurons = 0;
  for (const Population& layer : populations_of(graph)) {
    if (!layer.is_neuron) continue;
    neurons += element_count(layer.shape);
    expected.emplace(layer.name, SpikeTensor(rows_of(layer.shape), channels_of(layer.shape)));
  }
  for (const Box& box : mapping.boxes) {
    if (box.core % 3 != 0) continue;
    const ChipPopulation& population =
        lowered.network.populations[static_cast<size_t>(box.population)];
    const auto layer = expected.find(population.name);
    if (layer == expected.end()) {
      others.insert(population.name);
      continue;
    }
    for (int64_t y = box.y.begin; y < box.y.end; ++y) {
      for (int64_t x = box.x.begin; x < box.x.end; ++x) {
        for (int64_t c = box.channels.begin; c < box.channels.end; ++c, ++count) {
          layer->second.set(y * population.width + x, c);
        }
      }
    }
  }
  CHECK(found.count == count);
  CHECK(found.count > 0);
  CHECK(found.neurons == neurons);
  CHECK(found.count < found.neurons);
  CHECK(std::set<std::string>(found.others.begin(), found.others.end()) == others);
  for (const auto& [name, bits] : expected) {
    INFO(name);
    const auto at = found.dead.find(name);
    if (bits.view().count() == 0)
      CHECK(at == found.dead.end());
    else
      CHECK((at != found.dead.end() && at->second == bits));
  }

  CHECK(dead_neurons(lowered, chip, mapping, {}).dead.empty());
  const std::vector<int64_t> all(used.begin(), used.end());
  CHECK(dead_neurons(lowered, chip, mapping, all).count == neurons);
  CHECK_THROWS_WITH(dead_neurons(lowered, chip, mapping, {chip.cores()}),
                    Contains("there is no core"));
  CHECK_THROWS_WITH(dead_neurons(lowered, chip, mapping, {-1}), Contains("there is no core"));
}
