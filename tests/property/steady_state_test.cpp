// A session that has run once allocates nothing when it runs again: not for steps, not for loops on
// several threads (what the other threads allocate is theirs: they may see their first large tile
// late). Sanitizers bring their own operators and are left out.

#include <malloc.h>

#include "models/lmuformer/lmuformer.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "models/spikegpt/spikegpt.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/graph/lmu.hpp"
#include "sim/graph/quantize.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/session.hpp"
#include "tests/allocation_watch.hpp"
#include "tests/catch.hpp"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace spikeloom {
namespace {

int64_t allocations_of_a_run(const Graph& graph, Precision precision, int64_t steps, int threads) {
  const auto weights = quantize(graph, random_weights(graph, 1), precision).weights;
  Session session(
      compile(graph, weights, make_cpu_backend(), {Schedule::kLayerMajor, steps + 5, {}}));
  const Node& input = graph.node(0);
  Shape shape = input.shape;
  shape.insert(shape.begin(), input.is_static ? 1 : steps);
  Tensor frames(shape);
  if (std::get<Input>(input.op).vocabulary == 0) {
    for (size_t i = 0; i < frames.f32().size(); ++i)
      frames.f32()[i] = static_cast<float>(i % 7) * 0.3f;
  }
  const auto run = [&] {
    session.reset();
    session.run_chunk(frames, steps, threads);
  };
  run();
  const int64_t before = allocations_of_thread;
  run();
  return allocations_of_thread - before;
}

// The memory is transformed as a whole; the reference has no working memory but this.
std::shared_ptr<const Plan> plan_of_memory(const std::shared_ptr<const Backend>& backend,
                                           LmuForm form, int64_t steps) {
  Graph graph;
  const NodeId in = graph.add("in", Input{{1}, false});
  const LmuMemory memory{5, 9, form, lmu_system(5, 9)->taps, steps, "lmu"};
  graph.output("out", graph.add("memory", memory, {in}));
  return compile(graph, {}, backend, {Schedule::kLayerMajor, steps, {}});
}

int64_t allocations_of_fft(const std::shared_ptr<const Backend>& backend, int64_t steps) {
  Session session(plan_of_memory(backend, LmuForm::kFft, steps));
  Session other(session);
  const Tensor frames({steps, 1});
  session.run_chunk(frames, steps, 1);
  const int64_t before = allocations_of_thread;
  session.reset();
  session.run_chunk(frames, steps, 1);
  other.run_chunk(frames, steps, 1);
  return allocations_of_thread - before;
}

TEST_CASE("the fft memory works in what its session holds", "[property]") {
  for (const int64_t steps : {1, 6, 7, 16, 22})
    CHECK(allocations_of_fft(make_cpu_backend(), steps) == 0);
  CHECK(allocations_of_fft(make_reference_backend(), 14) == 0);
}

TEST_CASE("a session of the fft memory takes what its plan says", "[property]") {
  const auto held = [] { return static_cast<int64_t>(mallinfo2().uordblks); };
  for (const int64_t steps : {784, 999, 1000, 1022}) {
    INFO(steps);
    const auto backend = make_cpu_backend();
    const auto plan = plan_of_memory(backend, LmuForm::kFft, steps);
    const int64_t before = held();
    const std::shared_ptr<void> workspace = backend->workspace(plan->prepared.back().get());
    const auto taken = static_cast<double>(held() - before);
    CHECK(taken == Approx(static_cast<double>(plan->workspace_bytes)).epsilon(0.02));
    CHECK(plan_of_memory(backend, LmuForm::kRecurrent, steps)->workspace_bytes == 0);
    Plan without = *plan;
    without.workspace_bytes = 0;
    CHECK(plan->session_bytes() == without.session_bytes() + plan->workspace_bytes);
  }
}

TEST_CASE("a session that has run once allocates nothing when it runs again", "[property]") {
  SpikeGptConfig language;
  language.layers = 2;
  language.width = 40;
  LmuformerConfig speech;
  speech.in_channels = 20;
  speech.dim = 24;
  speech.theta = 20;
  SpikeformerConfig images;
  images.embed_dim = {8, 16, 32, 40};
  images.height = images.width = 32;
  for (const Precision precision : {Precision::kF32, Precision::kInt8, Precision::kBF16}) {
    for (const int threads : {1, 2}) {
      CHECK(allocations_of_a_run(build_spikegpt(language), precision, 3, threads) == 0);
      CHECK(allocations_of_a_run(build_lmuformer(speech), precision, 9, threads) == 0);
      CHECK(allocations_of_a_run(build_spikeformer(images), precision, 2, threads) == 0);
    }
  }
}

}  // namespace
}  // namespace spikeloom

#endif
