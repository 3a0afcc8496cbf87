// Weights that are given away are in memory once, whatever is made of them.

#include "models/spikeformer/spikeformer.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/quantize.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/plan.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

// Packs nothing; notes which arrays are there when each unit is prepared.
class Witness final : public Backend {
 public:
  std::string name() const override { return "witness"; }
  std::string simd() const override { return "none"; }
  bool groups_units() const noexcept override { return true; }
  std::shared_ptr<const void> prepare(const Graph&, const Unit&,
                                      const Weights& weights) const override {
    seen_.push_back(weights.names());
    return nullptr;
  }
  std::shared_ptr<void> workspace(const void*) const override { return nullptr; }
  void run(const Graph&, const Unit&, const void*, const UnitIo&) const noexcept override {}
  const std::vector<std::vector<std::string>>& seen() const { return seen_; }

 private:
  mutable std::vector<std::vector<std::string>> seen_;
};

// Two layers and a norm; the layers read one array.
Graph tied_layers() {
  Graph graph;
  NodeId x = graph.add("input", Input{{6}, false});
  x = graph.add("first", Linear{6, 6, 0, "tied", "first.bias"}, {x});
  x = graph.add("norm", BatchNorm{.channels = 6, .prefix = "norm"}, {x});
  x = graph.add("lif", Neuron{}, {x});
  x = graph.add("second", Linear{6, 6, 0, "tied", ""}, {x});
  graph.output("out", graph.add("third", Linear{6, 2, 0, "third", ""}, {x}));
  return graph;
}

const float* place_of(const Weights& weights, const std::string& name) {
  return weights.at(name).data.f32().data();
}

}  // namespace

TEST_CASE("a unit is given the arrays that it reads, a tied one as often as it is read") {
  const auto witness = std::make_shared<Witness>();
  const Weights weights = random_weights(tied_layers(), 1);
  compile(tied_layers(), weights, witness, {Schedule::kLayerMajor, 1, {}});
  using Names = std::vector<std::string>;
  REQUIRE(witness->seen().size() == 3);
  Names first = weights.names();
  std::erase(first, "third");
  CHECK(witness->seen()[0] == first);
  CHECK(witness->seen()[1] == Names{"tied"});
  CHECK(witness->seen()[2] == Names{"third"});
  CHECK(weights.size() == 7);
}

TEST_CASE("arrays that stay as they are are shared, not copied") {
  SpikeformerConfig config;
  config.embed_dim = {8, 16, 32, 48};
  config.height = config.width = 32;
  const Graph graph = build_spikeformer(config);
  const Weights stored = random_weights(graph, 1);
  const Weights bound = bind_weights(graph, stored);
  for (const std::string& name : stored.names())
    CHECK(place_of(bound, name) == place_of(stored, name));

  const QuantizedWeights int8 = quantize(graph, stored, Precision::kInt8);
  REQUIRE_FALSE(int8.layers.empty());
  size_t shared = 0;
  for (const std::string& name : stored.names()) {
    if (int8.weights.at(name).data.dtype() != DType::kF32) continue;
    CHECK(place_of(int8.weights, name) == place_of(stored, name));
    ++shared;
  }
  CHECK(shared == stored.size() - int8.layers.size());

  const Model fused = fuse(graph, stored, 1);
  shared = 0;
  for (const std::string& name : fused.weights.names()) {
    if (!stored.contains(name)) continue;
    CHECK(place_of(fused.weights, name) == place_of(stored, name));
    ++shared;
  }
  CHECK(shared > 0);
  CHECK(fused.weights.size() > shared);
}
