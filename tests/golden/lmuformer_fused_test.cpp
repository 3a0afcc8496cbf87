// The fused form of the spiking LMUFormer against the authors' program, and what it cannot fold.

#include "core/io/npy.hpp"
#include "core/io/npz.hpp"
#include "sim/counts/elementwise.hpp"
#include "sim/graph/fuse.hpp"
#include "tests/catch.hpp"
#include "tests/golden/lmuformer_run.hpp"

using namespace spikeloom;

TEST_CASE("the fused form of both spiking networks reproduces every golden spike") {
  const bool full = GENERATE(false, true);
  const std::string folder = full ? "full_spiking/" : "spiking/";
  const Graph graph = build_lmuformer(full ? LmuformerConfig{} : small_config(true));
  const Weights weights =
      full ? formula_weights(graph, lmuformer_file(folder + "meta.json"))
           : bind_weights(graph, load_npz(lmuformer_file(folder + "weights.npz")));
  const Weights spikes = load_npz(lmuformer_file(folder + "spikes.npz"));
  const Tensor input = load_npy(lmuformer_file(folder + "input.npy"));
  const Tensor logits = load_npy(lmuformer_file(folder + "logits_all_seq.npy"));
  const Model fused = fuse(graph, weights, 2);
  CHECK(graph.size() - fused.graph.size() == 7);
  for (const auto& backend : all_backends()) {
    if (full && backend->name() == "reference") continue;  // slow; the small one has it
    const auto plan = compile(fused.graph, fused.weights, backend, whole(kSteps));
    for (int64_t b = 0; b < input.shape()[0]; ++b) {
      Session session(plan);
      const SequenceRecord record = run_sequence(session, sample_of(input, b), {kSteps}, 2);
      CHECK(differing_spikes(record, *plan, spikes, b) == 0);
      CHECK(worst_logit(record, logits, b) <= 1e-5f);
    }
  }
}

TEST_CASE("the fused form keeps the norms that cannot be folded, and counts the same events") {
  const LmuformerConfig config = small_config(true);
  const Graph graph = build_lmuformer(config), fused = fuse(graph);
  const int64_t d = config.dim, m = 2 * d;
  std::vector<std::string> norms;
  for (const Node& node : fused.nodes()) {
    if (std::holds_alternative<BatchNorm>(node.op)) norms.push_back(node.name);
  }
  CHECK(norms == std::vector<std::string>{"patch_embed.proj_bn3", "block.0.attn.prev_bn",
                                          "block.0.attn.lmu.bn_m", "block.0.mlp.fc1_bn",
                                          "head_bn"});
  const ElementwiseCounts written = count_elementwise(graph, uniform_run(1, kSteps));
  const ElementwiseCounts kept = count_elementwise(fused, uniform_run(1, kSteps));
  CHECK(written.batch_norm == kSteps * (13 * d + m + 1));
  CHECK(kept.batch_norm == kSteps * (4 * d + m));
  CHECK(kept.batch_norm_unfoldable == kSteps * 4 * d);
  CHECK(written.batch_norm_unfoldable == kept.batch_norm_unfoldable);
  // A folded layer gains a bias where it had none.
  CHECK(kept.bias_additions - written.bias_additions == kSteps * 3 * d);
}
