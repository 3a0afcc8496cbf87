// The dense twins GPT and KWT against PyTorch's own transformer layers on random weights.

#include "core/error.hpp"
#include "core/io/npz.hpp"
#include "models/ann/gpt.hpp"
#include "models/ann/kwt.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/counts/op_counts.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

namespace spikeloom {
namespace {

struct Golden {
  Weights weights;
  Tensor input, logits;
};

Golden load(const char* name) {
  Golden golden;
  golden.weights = load_npz(SPIKELOOM_SOURCE_DIR "/tests/golden/ann/" + std::string(name));
  golden.input = clone(golden.weights.at("input").data);
  golden.logits = clone(golden.weights.at("logits").data);
  golden.weights.erase("input");
  golden.weights.erase("logits");
  return golden;
}

// Logits of all steps, fed in chunks.
std::vector<float> run(const Graph& graph, const Golden& golden,
                       const std::shared_ptr<const Backend>& backend, int64_t chunk) {
  Session session(compile(graph, bind_weights(graph, golden.weights), backend,
                          {Schedule::kLayerMajor, chunk, {}}));
  std::vector<float> logits;
  const int64_t steps = golden.input.shape()[0];
  for (int64_t first = 0; first < steps; first += chunk) {
    const int64_t count = std::min(chunk, steps - first);
    session.run_chunk(part_of(golden.input, first, count), count, 2);
    for (int64_t t = 0; t < count; ++t) {
      const Tensor at = session.value(*graph.find_output("logits"), t);
      logits.insert(logits.end(), at.f32().begin(), at.f32().end());
    }
  }
  return logits;
}

void check(const Graph& graph, const Golden& golden) {
  const auto expected = golden.logits.f32();
  for (const auto& backend : {make_reference_backend(), make_cpu_backend()}) {
    std::vector<float> whole;
    for (const int64_t chunk : {golden.input.shape()[0], int64_t{4}, int64_t{1}}) {
      const std::vector<float> logits = run(graph, golden, backend, chunk);
      REQUIRE(logits.size() == expected.size());
      double error = 0, power = 0;
      for (size_t i = 0; i < expected.size(); ++i) {
        const double e = static_cast<double>(expected[i]);
        error += std::pow(static_cast<double>(logits[i]) - e, 2);
        power += e * e;
      }
      INFO(backend->name() << ", chunks of " << chunk);
      CHECK(error / power < 1e-10);
      if (whole.empty()) whole = logits;
      CHECK(logits == whole);
    }
  }
}

GptConfig small_gpt() {
  return {.layers = 2, .width = 24, .vocabulary = 17, .heads = 3, .context = 12};
}

}  // namespace

TEST_CASE("GPT equals PyTorch, in any chunking", "[golden]") {
  check(build_gpt(small_gpt()), load("gpt.npz"));
}

TEST_CASE("KWT equals PyTorch", "[golden]") {
  KwtConfig config{.frames = 7, .in_channels = 5, .num_classes = 6};
  config.dim = 24;
  config.heads = 2;
  config.layers = 2;
  config.mlp = 40;
  check(build_kwt(config), load("kwt.npz"));
}

TEST_CASE("a GPT refuses more steps than it has positions", "[golden]") {
  const Golden golden = load("gpt.npz");
  const Graph graph = build_gpt(small_gpt());
  Session session(compile(graph, bind_weights(graph, golden.weights), make_cpu_backend(),
                          {Schedule::kLayerMajor, 12, {}}));
  session.run_chunk(part_of(golden.input, 0, 11), 11, 1);
  session.run_chunk(part_of(golden.input, 0, 1), 1, 1);
  CHECK_THROWS_WITH(session.run_chunk(part_of(golden.input, 0, 1), 1, 1),
                    Catch::Contains("positions for 12 steps"));
  session.reset();
  CHECK_NOTHROW(session.run_chunk(part_of(golden.input, 0, 1), 1, 1));
}

TEST_CASE("a session of a GPT is saved and goes on in the middle", "[golden]") {
  const Golden golden = load("gpt.npz");
  const Graph graph = build_gpt(small_gpt());
  const auto plan = compile(graph, bind_weights(graph, golden.weights), make_cpu_backend(),
                            {Schedule::kLayerMajor, 12, {}});
  Session whole(plan), first(plan), second(plan);
  whole.run_chunk(golden.input, 11, 1);
  first.run_chunk(part_of(golden.input, 0, 5), 5, 1);
  second.load(first.save());
  second.run_chunk(part_of(golden.input, 5, 6), 6, 1);
  const NodeId logits = *graph.find_output("logits");
  const auto a = whole.value(logits, 10), b = second.value(logits, 5);
  CHECK(std::equal(a.f32().begin(), a.f32().end(), b.f32().begin()));
}

TEST_CASE("GPT and KWT have the published sizes and operation counts", "[golden]") {
  // Keyword Transformer, Interspeech 2021: parameters of its stored models, MACs per utterance.
  struct Row {
    const char* name;
    int64_t parameters35, macs;
  };
  for (const Row& row : {Row{"KWT-1", 608803, 73700032}, Row{"KWT-2", 2397219, 264185216},
                         Row{"KWT-3", 5365283, 571455552}}) {
    const Graph graph = build_kwt(kwt_preset(row.name));
    INFO(row.name);
    CHECK(parameter_count(graph) == row.parameters35);
    const CountTotals totals = count_dense(graph, 1).totals;
    CHECK(totals.dense_macs + totals.dense_macs_attention == row.macs);
  }
  CHECK_THROWS_WITH(kwt_preset("KWT-9"), Catch::Contains("KWT-1, KWT-2, KWT-3"));

  const Graph gpt = build_gpt({.layers = 12, .width = 512, .vocabulary = 205, .heads = 8});
  const CountTotals once = count_dense(gpt, 1).totals;
  CHECK(once.dense_macs == 37748736 + 205 * 512);
  CHECK(once.dense_macs_attention == 12288);
  const CountTotals window = count_dense(gpt, 3, 1024).totals;
  CHECK(window.dense_macs_attention == 3 * 12288 * (int64_t{1024} * 1025 / 2));
  // Windows of different lengths.
  RunStatistics run = uniform_run(1, 10);
  run.evaluations += 4;
  run.step_pairs += 4 * 5 / 2;
  CHECK(count_dense(gpt, run).totals.dense_macs_attention == 12288 * (55 + 10));
}

}  // namespace spikeloom
