// Descriptions of dense accelerators: TOML to checked values, and a small network on them.

#include "hw_model/chip/dense.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

namespace {

Graph small_network() {
  Graph graph;
  const NodeId input = graph.add("input", Input{{5, 6, 3}});
  const NodeId conv = graph.add("conv", Conv2d{3, 8, 3, 1, 1, 1, "conv.weight", ""}, {input});
  const NodeId tokens = graph.add("tokens", View{{30, 8}}, {conv});
  const NodeId attention = graph.add("attn", SoftmaxAttention{2}, {tokens, tokens, tokens});
  graph.output("logits", graph.add("head", Linear{8, 7, 0, "head.weight", ""}, {attention}));
  return graph;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Graph graph = small_network();
  return fuzz::errors_only([&] {
    Config config = Config::parse(fuzz::text(data, size), "a.toml");
    dense_accelerator(graph, 1, read_dense(config));
  });
}
