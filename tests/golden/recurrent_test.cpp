// A recurrent layer of 1,000 neurons against a plain numpy loop (recurrent/make_recurrent.py).

#include <fstream>

#include "core/hash.hpp"
#include "core/rng.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

constexpr int64_t kNeurons = 1000, kInputs = 200, kSteps = 100;
constexpr uint64_t kSeed = 20261130;

Tensor weights(uint64_t stream, int64_t inputs, float middle, float scale) {
  Tensor result({kNeurons, inputs});
  for (size_t i = 0; i < result.f32().size(); ++i)
    result.f32()[i] = (random_uniform(kSeed, stream, i) - middle) * scale;
  return result;
}

Graph network() {
  Graph graph;
  const NodeId in = graph.add("in", Input{{kInputs}, false, 0, true});
  const NodeId back = graph.add("back", Feedback{{kNeurons}, true});
  const NodeId driven = graph.add("driven", Linear{kInputs, kNeurons, 0, "w_in", ""}, {in});
  const NodeId again = graph.add("again", Linear{kNeurons, kNeurons, 0, "w_back", ""}, {back});
  const NodeId sum = graph.add("sum", Add{}, {driven, again});
  graph.close(back, graph.add("lif", Neuron{lif(2.0f)}, {sum}));
  graph.output("logits", *graph.find("lif"));
  return graph;
}

}  // namespace

TEST_CASE("a recurrent layer equals a numpy loop", "[fast]") {
  std::ifstream file(SPIKELOOM_SOURCE_DIR "/tests/golden/recurrent/spikes.txt");
  std::vector<int64_t> wanted(kSteps);
  for (int64_t& count : wanted) file >> count;
  std::string digest;
  REQUIRE(file >> digest);
  Weights arrays;
  arrays.add("w_in", weights(1, kInputs, 0.4375f, 0.5f));
  arrays.add("w_back", weights(2, kNeurons, 0.53125f, 0.125f));
  Tensor frames({kSteps, kInputs});
  for (size_t i = 0; i < frames.f32().size(); ++i)
    frames.f32()[i] = random_uniform(kSeed, 3, i) < 0.2f ? 1.0f : 0.0f;
  for (const bool reference : {true, false}) {
    Session session(compile(network(), arrays,
                            reference ? make_reference_backend() : make_cpu_backend(),
                            {Schedule::kLayerMajor, kSteps, {}}));
    session.run_chunk(frames, kSteps, 2);
    std::vector<std::byte> bytes;
    for (int64_t t = 0; t < kSteps; ++t) {
      const Tensor spikes = session.value(*session.plan().graph.find("lif"), t);
      int64_t count = 0;
      for (const float spike : spikes.f32()) {
        bytes.push_back(static_cast<std::byte>(spike != 0));
        count += spike != 0;
      }
      CHECK(count == wanted[static_cast<size_t>(t)]);
    }
    CHECK(sha256_hex(bytes) == digest);
  }
}
