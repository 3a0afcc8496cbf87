// Do we equal the authors' program? MS-ResNet18 with narrow layers and random weights
// (tests/golden/ms_resnet/generate.py): every spike of its 17 layers of neurons, and the logits.

#include "models/ms_resnet/ms_resnet.hpp"
#include "core/io/npz.hpp"
#include "models/families.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

constexpr int64_t kSteps = 6, kSamples = 2, kExtent = 32, kClasses = 10;
const std::string kFolder = SPIKELOOM_SOURCE_DIR "/tests/golden/ms_resnet/";

MsResnetConfig golden_config() {
  MsResnetConfig config;
  config.widths = {4, 8, 16, 32};
  config.num_classes = kClasses;
  config.height = config.width = kExtent;
  return config;
}

const Weights& expected() {
  static const Weights data = load_npz(kFolder + "expected.npz");
  return data;
}

// Image `sample` as one channels-last frame.
Tensor frame(int64_t sample) {
  Tensor result({1, kExtent, kExtent, 3});
  const auto from = expected().at("input").data.f32();
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t p = 0; p < kExtent * kExtent; ++p) {
      result.f32()[static_cast<size_t>(p * 3 + c)] =
          from[static_cast<size_t>((sample * 3 + c) * kExtent * kExtent + p)];
    }
  }
  return result;
}

// Spikes of a chunk of all steps that the authors' program has not, or the other way round. Theirs
// are bits [steps, samples, channels, height, width].
int64_t differing_bits(const SpikeChunk& chunk, int64_t sample) {
  int64_t differing = 0;
  for (size_t p = 0; p < chunk.populations.size(); ++p) {
    const std::string& name = chunk.populations[p].name;
    const auto bits = expected().at("spikes/" + name).data.as<uint8_t>();
    const SpikeView first = chunk.spikes(p, 0);
    REQUIRE(expected().at("shape/" + name).data.as<int32_t>()[2] == first.channels);
    for (int64_t t = 0; t < kSteps; ++t) {
      const SpikeView spikes = chunk.spikes(p, t);
      for (int64_t row = 0; row < spikes.rows; ++row) {
        for (int64_t c = 0; c < spikes.channels; ++c) {
          const int64_t at = ((t * kSamples + sample) * spikes.channels + c) * spikes.rows + row;
          const bool fired = (bits[static_cast<size_t>(at >> 3)] >> (7 - (at & 7))) & 1;
          differing += spikes.test(row, c) != fired;
        }
      }
    }
  }
  return differing;
}

void check(const Model& model, std::shared_ptr<const Backend> backend, Schedule schedule) {
  const auto plan = compile(model.graph, model.weights, std::move(backend), {schedule, kSteps, {}});
  INFO(plan->backend->name() << ", " << name_of(model.graph.form) << ", schedule "
                             << static_cast<int>(schedule));
  REQUIRE(plan->populations.size() == 17);
  Session session(plan);
  for (int64_t sample = 0; sample < kSamples; ++sample) {
    session.reset();
    session.run_chunk(frame(sample), kSteps, 2);
    CHECK(differing_bits(session.last_chunk(), sample) == 0);
    const NodeId output = *plan->graph.find_output("logits");
    const Tensor logits = session.value(output, kSteps - 1);
    const auto theirs = expected().at("logits").data.f32();
    for (size_t c = 0; c < kClasses; ++c)
      CHECK(std::abs(logits.f32()[c] - theirs[static_cast<size_t>(sample) * kClasses + c]) <=
            1e-5f);
  }
}

}  // namespace

TEST_CASE("MS-ResNet18 fires as the authors' program does") {
  const Graph graph = build_ms_resnet(golden_config());
  const Weights weights = bind_weights(graph, load_npz(kFolder + "weights.npz"));
  const Model written{graph, weights}, fused = fuse(graph, weights, 2);
  for (const Schedule schedule : {Schedule::kLayerMajor, Schedule::kStepMajor}) {
    check(written, make_cpu_backend(""), schedule);
    check(written, make_reference_backend(), schedule);
    check(fused, make_cpu_backend(""), schedule);
  }
}

TEST_CASE("MS-ResNet has as many parameters and neurons' layers as the authors' program") {
  struct Row {
    const char* preset;
    int64_t parameters;
    size_t neurons;
  };
  for (const Row& row : {Row{"18", 11693736, 17}, Row{"34", 21801896, 33}}) {
    const Family& family = *find_family("ms_resnet");
    const Graph graph = family.build(family.start(row.preset), {1, 224, 224, 3});
    CHECK(parameter_count(graph) == row.parameters);
    CHECK(populations_of(graph).size() == row.neurons);
  }
}
