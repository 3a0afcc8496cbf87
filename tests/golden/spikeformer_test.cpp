// Do we equal the authors' program? Golden set A of Meta-SpikeFormer: 77 LIF layers, every bit;
// logits; residual streams; integer attention products; operation counts.

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/io/npy.hpp"
#include "core/io/npz.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

constexpr int64_t kSteps = 4, kSamples = 2;
const std::string kFolder = SPIKELOOM_SOURCE_DIR "/tests/golden/meta_spikeformer/";

SpikeformerConfig golden_config() {
  SpikeformerConfig config;
  config.embed_dim = {16, 32, 64, 80};
  config.num_classes = 10;
  config.height = config.width = 64;
  return config;
}

struct Golden {
  Weights weights = load_npz(kFolder + "weights.npz");
  Weights spikes = load_npz(kFolder + "spikes.npz");
  Weights streams = load_npz(kFolder + "streams.npz");
  Tensor input = load_npy(kFolder + "input.npy");
  Tensor logits = load_npy(kFolder + "logits.npy");
};

const Golden& golden() {
  static const Golden data;
  return data;
}

// Image b as one channels-last frame.
Tensor frame(int64_t b) {
  Tensor result({1, 64, 64, 3});
  const auto from = golden().input.f32();
  const auto to = result.f32();
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t p = 0; p < 64 * 64; ++p)
      to[static_cast<size_t>(p * 3 + c)] = from[static_cast<size_t>((b * 3 + c) * 64 * 64 + p)];
  }
  return result;
}

// Expected spike of population `name`, step t, sample b, by row and channel.
class ExpectedSpikes {
 public:
  explicit ExpectedSpikes(const std::string& name)
      : bits_(golden().spikes.at("spikes/" + name).data.as<uint8_t>()),
        shape_(golden().spikes.at("shape/" + name).data.as<int32_t>()) {}
  bool operator()(int64_t t, int64_t b, int64_t row, int64_t channel) const {
    int64_t rows = 1;
    for (size_t i = 3; i < shape_.size(); ++i) rows *= shape_[i];
    const int64_t at = ((t * shape_[1] + b) * shape_[2] + channel) * rows + row;
    return (bits_[static_cast<size_t>(at >> 3)] >> (7 - (at & 7))) & 1;
  }

 private:
  std::span<const uint8_t> bits_;
  std::span<const int32_t> shape_;
};

int64_t differing_bits(const SpikeChunk& chunk, int64_t sample) {
  int64_t differing = 0;
  for (size_t p = 0; p < chunk.populations.size(); ++p) {
    const ExpectedSpikes expected(chunk.populations[p].name);
    for (int64_t t = 0; t < chunk.steps; ++t) {
      const SpikeView spikes = chunk.spikes(p, t);
      for (int64_t row = 0; row < spikes.rows; ++row) {
        for (int64_t c = 0; c < spikes.channels; ++c) {
          differing += spikes.test(row, c) != expected(chunk.first_step + t, sample, row, c);
        }
      }
    }
  }
  return differing;
}

void check_logits(const Session& session, int64_t sample) {
  const NodeId node = *session.plan().graph.find_output("logits");
  const Tensor logits = session.value(node, session.last_chunk().steps - 1);
  for (size_t c = 0; c < 10; ++c) {
    CHECK(std::abs(logits.f32()[c] - golden().logits.f32()[static_cast<size_t>(sample) * 10 + c]) <=
          1e-5f);
  }
}

Model model_of(GraphForm form) {
  const Graph graph = build_spikeformer(golden_config());
  Weights weights = bind_weights(graph, golden().weights);
  if (form == GraphForm::kFused) return fuse(graph, weights, 2);
  return {graph, weights};
}

void run_and_compare(std::shared_ptr<const Backend> backend, const Model& model, Schedule schedule,
                     int threads) {
  const auto plan = compile(model.graph, model.weights, std::move(backend), {schedule, kSteps, {}});
  REQUIRE(plan->populations.size() == 77);
  Session session(plan);
  for (int64_t sample = 0; sample < kSamples; ++sample) {
    session.reset();
    session.run_chunk(frame(sample), kSteps, threads);
    CHECK(differing_bits(session.last_chunk(), sample) == 0);
    check_logits(session, sample);
  }
}

}  // namespace

TEST_CASE("the reference backend reproduces every golden spike") {
  const auto form = GENERATE(GraphForm::kAsWritten, GraphForm::kFused);
  const auto schedule = GENERATE(Schedule::kLayerMajor, Schedule::kStepMajor);
  run_and_compare(make_reference_backend(), model_of(form), schedule, 1);
}

TEST_CASE("the cpu backend reproduces every golden spike on every SIMD target and thread count") {
  const auto form = GENERATE(GraphForm::kAsWritten, GraphForm::kFused);
  const Model model = model_of(form);
  for (const std::string& simd : cpu_simd_targets()) {
    for (const Schedule schedule : {Schedule::kLayerMajor, Schedule::kStepMajor}) {
      for (const int threads : {1, 2}) {
        INFO(name_of(form) << ", " << simd << ", " << threads << " threads");
        run_and_compare(make_cpu_backend(simd), model, schedule, threads);
      }
    }
  }
}

TEST_CASE("streams and integer attention products agree with the golden ones") {
  const bool reference = GENERATE(true, false);
  const Model model = model_of(GraphForm::kAsWritten);
  std::vector<std::string> keep;
  for (const Node& node : model.graph.nodes()) {
    if (node.kind == EdgeKind::kCounts) keep.push_back(node.name);
  }
  REQUIRE(keep.size() == 16);
  const auto backend = reference ? make_reference_backend() : make_cpu_backend();
  Session session(
      compile(model.graph, model.weights, backend, {Schedule::kLayerMajor, kSteps, keep}));
  for (int64_t sample = 0; sample < kSamples; ++sample) {
    session.reset();
    session.run_chunk(frame(sample), kSteps, 2);
    for (const std::string& name : keep) {
      const bool is_kv = name.ends_with(".kv");
      const Tensor& expected =
          golden().streams.at((is_kv ? "kv/" : "qkv/") + attention_name(name)).data;
      const auto values = expected.as<int8_t>();
      const int64_t heads = expected.shape()[2], rows = expected.shape()[3],
                    d = expected.shape()[4];
      int64_t differing = 0;
      for (int64_t t = 0; t < kSteps; ++t) {
        const Tensor value = session.value(*model.graph.find(name), t);
        for (int64_t h = 0; h < heads; ++h) {
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t j = 0; j < d; ++j) {
              const float got =
                  is_kv ? value.f32()[static_cast<size_t>((h * d + r) * d + j)]
                        : value.f32()[static_cast<size_t>(r * heads * d + h * d + j)] / 0.125f;
              differing += got != values[static_cast<size_t>(
                                      (((t * kSamples + sample) * heads + h) * rows + r) * d + j)];
            }
          }
        }
      }
      CHECK(differing == 0);
    }
    if (sample > 0) continue;
    for (const std::string name : {"ConvBlock1_2.0", "ConvBlock2_2.0", "block3.5", "block4.1"}) {
      const Tensor& expected = golden().streams.at("stream/" + name).data;
      const int64_t channels = expected.shape()[2],
                    rows = expected.shape()[3] * expected.shape()[4];
      float worst = 0;
      for (int64_t t = 0; t < kSteps; ++t) {
        const Tensor value = session.value(*model.graph.find_output(name), t);
        for (int64_t c = 0; c < channels; ++c) {
          for (int64_t r = 0; r < rows; ++r) {
            worst = std::max(
                worst,
                std::abs(value.f32()[static_cast<size_t>(r * channels + c)] -
                         expected.f32()[static_cast<size_t>((t * channels + c) * rows + r)]));
          }
        }
      }
      CHECK(worst <= 1e-4f);
    }
  }
}

TEST_CASE("saving and loading the session between steps changes no spike") {
  const Model model = model_of(GraphForm::kAsWritten);
  const auto plan =
      compile(model.graph, model.weights, make_cpu_backend(), {Schedule::kStepMajor, 1, {}});
  Session session(plan);
  for (int64_t t = 0; t < kSteps; ++t) {
    Session next(plan);
    next.load(session.save());
    next.run_chunk(frame(0), 1, 1);
    CHECK(differing_bits(next.last_chunk(), 0) == 0);
    session.load(next.save());
    if (t == kSteps - 1) check_logits(next, 0);
  }
}

TEST_CASE("operation counts equal the golden ones as integers, in both forms") {
  const Graph graph = build_spikeformer(golden_config());
  const Model model = model_of(GraphForm::kAsWritten);
  Session session(
      compile(model.graph, model.weights, make_cpu_backend(), {Schedule::kLayerMajor, kSteps, {}}));
  OpCounter counter(graph);
  for (int64_t sample = 0; sample < kSamples; ++sample) {
    session.reset();
    counter.begin_sample({sample, -1, sample * kSteps});
    session.run_chunk(frame(sample), kSteps, 2);
    counter.chunk(session.last_chunk());
    counter.end_sample({kSteps, -1});
  }
  const OpCounts written = count_operations(graph, counter.statistics());
  const OpCounts fused = count_operations(fuse(graph), counter.statistics());

  const auto expected = nlohmann::json::parse(std::ifstream(kFolder + "opcounts.json"));
  const auto check_layer = [](const nlohmann::json& want, const OpCounts& counts) {
    const std::string name = want["layer"];
    INFO(name);
    const auto found = std::find_if(counts.layers.begin(), counts.layers.end(),
                                    [&](const auto& l) { return l.name == name; });
    REQUIRE(found != counts.layers.end());
    CHECK(found->dense_macs == want["dense_macs"]);
    CHECK(found->input_elements == want["input_numel"]);
    CHECK(found->spike_operand == want.contains("exact_ac"));
    if (want.contains("exact_ac")) {
      CHECK(found->input_events == want["input_spikes"]);
      CHECK(found->event_adds == want["exact_ac"]);
    }
    if (counts.form == GraphForm::kAsWritten) CHECK(found->op == want["kind"].get<std::string>());
  };
  CHECK(written.layers.size() == expected["layers"].size());
  for (const auto& layer : expected["layers"]) check_layer(layer, written);
  for (const auto& layer : expected["fused_layers"]) check_layer(layer, fused);

  REQUIRE(written.attention.size() == expected["attention"].size());
  for (size_t i = 0; i < written.attention.size(); ++i) {
    const auto& want = expected["attention"][i];
    const AttentionCount& got = written.attention[i];
    CHECK(got.name == want["layer"].get<std::string>());
    CHECK(got.dense_macs_kv == want["dense_macs_kv"]);
    CHECK(got.dense_macs_qkv == want["dense_macs_qkv"]);
    CHECK(got.spikes_q == want["spikes_q"]);
    CHECK(got.spikes_k == want["spikes_k"]);
    CHECK(got.spikes_v == want["spikes_v"]);
    CHECK(got.kv_coincidences == want["kv_coincidences"]);
    CHECK(got.kv_k_gated_adds == want["kv_k_gated_adds"]);
    CHECK(got.qkv_q_gated_adds == want["qkv_q_gated_adds"]);
    CHECK(got.qkv_nonzero_adds == want["qkv_nonzero_adds"]);
  }
  const auto& totals = expected["totals"];
  CHECK(written.totals.dense_macs == totals["dense_macs_unfused"]);
  CHECK(written.totals.dense_macs_attention == totals["dense_macs_attention"]);
  CHECK(fused.totals.dense_macs == totals["dense_macs_fused"]);
  CHECK(written.totals.stem_macs == totals["stem_macs"]);
  CHECK(written.totals.event_adds == totals["unfused_exact_ac"]);
  CHECK(written.totals.real_macs_without_stem == totals["unfused_real_macs_without_stem"]);
  CHECK(fused.totals.event_adds == totals["fused_exact_ac"]);
  CHECK(fused.totals.real_macs_without_stem == 0);
  CHECK(fused.totals.rate_adds == Approx(totals["fused_rate_ac"].get<double>()).epsilon(1e-12));
  CHECK(written.totals.rate_adds == Approx(totals["unfused_rate_ac"].get<double>()).epsilon(1e-12));
  CHECK(written.totals.kv_coincidences == totals["attn_kv_coincidences"]);
  CHECK(written.totals.qkv_nonzero_adds == totals["attn_qkv_nonzero_adds"]);
  CHECK(written.totals.neuron_updates == totals["lif_updates"]);
  CHECK(written.totals.spikes == totals["lif_spikes"]);
}
