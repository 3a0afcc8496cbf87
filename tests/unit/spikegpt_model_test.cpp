// SpikeGPT's builder: sizes and operation counts of the published shapes, what is refused.

#include "core/error.hpp"
#include "models/ann/rwkv4.hpp"
#include "sim/counts/elementwise.hpp"
#include "sim/graph/random_weights.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

// The reference's tables: sizes measured on the authors' class, counts per token.
struct Shape4 {
  int64_t layers, width, vocabulary, parameters, tensors, macs;
};
const Shape4 kShapes[] = {
    {12, 512, 205, 41174016, 222, 40999424},
    {12, 512, 5458, 46553088, 222, 43688960},
    {18, 768, 50277, 215399424, 330, 176631552},
    {24, 768, 77, 184349184, 438, 184084224},
};

SpikeGptConfig config_of(const Shape4& s) {
  SpikeGptConfig config;
  config.layers = s.layers;
  config.width = s.width;
  config.vocabulary = s.vocabulary;
  return config;
}

std::string refusal(const Weights& weights) {
  try {
    spikegpt_config_of(weights);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("published SpikeGPT shapes have the published sizes and operation counts") {
  for (const Shape4& s : kShapes) {
    INFO(s.layers << " x " << s.width << ", " << s.vocabulary);
    for (const bool spiking : {true, false}) {
      const Graph graph = spiking ? build_spikegpt(config_of(s)) : build_rwkv4(config_of(s));
      CHECK(parameter_count(graph) == s.parameters);
      int64_t tensors = 0;
      for (const Node& node : graph.nodes())
        tensors += static_cast<int64_t>(parameters_of(node.op).size());
      CHECK(tensors == s.tensors);
      CHECK(count_dense(graph, 1).totals.dense_macs == s.macs);
      const ElementwiseCounts e = count_elementwise(graph, uniform_run(1, 1));
      CHECK(4 * e.wkv == 4 * s.width * s.layers);  // exponentials
      CHECK(e.sigmoids == 2 * s.width * s.layers);
      CHECK(e.layer_norm_rows == 2 * s.layers + 2);
      CHECK(e.comparisons == (spiking ? s.width : 0));
      int64_t neurons = 0, state = 0;
      for (const Population& population : populations_of(graph))
        neurons += population.is_neuron ? element_count(population.shape) : 0;
      for (const Node& node : graph.nodes()) {
        for (const StateSlot& slot : state_of(node)) state += element_count(slot.shape);
        state += window_of(node.op).left * element_count(node.shape);  // the histories of Delay
      }
      CHECK(neurons == (spiking ? 2 * s.width * s.layers : 0));
      CHECK(state == (spiking ? 7 : 5) * s.layers * s.width);
    }
  }
}

TEST_CASE("presets are the published shapes") {
  const SpikeGptConfig big = spikegpt_preset("216M");
  CHECK(parameter_count(build_spikegpt(big)) == 215399424);
  CHECK_FALSE(big.binary_embedding);
  CHECK(parameter_count(build_spikegpt(spikegpt_preset("46M"))) == 46553088);
  CHECK(spikegpt_preset("46M").binary_embedding);
  CHECK_THROWS_WITH(spikegpt_preset("7B"), Catch::Contains("46M, 216M"));
}

TEST_CASE("dimensions of a checkpoint come from its tensors") {
  SpikeGptConfig config;
  config.layers = 11;
  config.width = 6;
  config.vocabulary = 9;
  for (const bool ffn_pre : {false, true}) {
    config.ffn_pre = ffn_pre;
    const SpikeGptConfig found = spikegpt_config_of(random_weights(build_spikegpt(config), 1));
    CHECK(found.layers == 11);
    CHECK(found.width == 6);
    CHECK(found.vocabulary == 9);
    CHECK(found.ffn_pre == ffn_pre);
  }
}

TEST_CASE("what is no SpikeGPT checkpoint is refused, and a missing layer is named") {
  CHECK(refusal(Weights()).find("emb.weight") != std::string::npos);
  SpikeGptConfig config;
  config.layers = 2;
  config.width = 4;
  config.vocabulary = 5;
  Weights weights = random_weights(build_spikegpt(config), 1);
  Weights far = weights;
  far.add("blocks.99999.ln1.weight", Tensor({4}));
  CHECK(refusal(far).find("100000 blocks") != std::string::npos);
  weights.erase("blocks.0.att.key.weight");
  CHECK_THROWS_WITH(bind_weights(build_spikegpt(spikegpt_config_of(weights)), weights),
                    Catch::Contains("missing blocks.0.att.key.weight"));
  config.width = 0;
  CHECK_THROWS_AS(build_spikegpt(config), Error);
}

TEST_CASE("rescaling divides currents by powers of two and halves the residual") {
  SpikeGptConfig config;
  config.layers = 13;
  config.width = 4;
  config.vocabulary = 5;
  const auto scales = [&] {
    std::vector<std::pair<std::string, float>> result;
    const Graph graph = build_spikegpt(config);
    for (const Node& node : graph.nodes()) {
      if (const auto* scale = std::get_if<Scale>(&node.op))
        result.emplace_back(node.name, scale->factor);
    }
    return result;
  };
  CHECK(scales().empty());
  config.rescale_every = 6;
  const auto found = scales();
  CHECK(found.size() == 2 + 2 * 7);  // after blocks 5 and 11; two currents of blocks 6 to 12
  CHECK(std::count(found.begin(), found.end(),
                   std::pair<std::string, float>("blocks.5.halved", 0.5f)) == 1);
  CHECK(std::count(found.begin(), found.end(),
                   std::pair<std::string, float>("blocks.6.att.rescaled", 0.5f)) == 1);
  CHECK(std::count(found.begin(), found.end(),
                   std::pair<std::string, float>("blocks.12.ffn.rescaled", 0.25f)) == 1);
}
