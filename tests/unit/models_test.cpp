// Meta-SpikeFormer's published sizes: parameters, dense operations by layer type, names and
// refusals.

#include <limits>
#include <map>

#include "core/error.hpp"
#include "models/dense_twin.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/counts/op_counts.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/random_weights.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

// Dense MACs of one step by layer type, named as in the reference's table.
std::map<std::string, int64_t> macs_by_type(const Graph& graph) {
  std::map<std::string, int64_t> sum;
  const auto ends = [](const std::string& name, const char* tail) { return name.ends_with(tail); };
  for (const LayerCount& layer : count_dense(graph, 1).layers) {
    const std::string& name = layer.name;
    const char* type = name == "downsample1_1.encode_conv" ? "stem"
                       : ends(name, "encode_conv")         ? "downsample"
                       : ends(name, "dwconv+pwconv2")      ? "sep tail fused"
                       : ends(name, "pwconv1")             ? "pwconv1"
                       : ends(name, "dwconv")              ? "dwconv"
                       : ends(name, "pwconv2")             ? "pwconv2"
                       : ends(name, ".body.0")             ? "rep first"
                       : ends(name, ".body.2.0")           ? "rep depthwise"
                       : ends(name, ".body.2.1")           ? "rep second"
                       : ends(name, ".conv1")              ? "conv1"
                       : ends(name, ".conv2")              ? "conv2"
                       : ends(name, "_conv") && name.find(".attn.") != std::string::npos
                           ? "rep fused"
                       : ends(name, "fc1_conv") ? "fc1"
                       : ends(name, "fc2_conv") ? "fc2"
                                                : "head";
    sum[type] += layer.dense_macs;
  }
  return sum;
}

struct Size {
  const char* preset;
  int64_t parameters, with_kd;
  std::map<std::string, int64_t> written, fused;
  int64_t total_written, total_fused, attention_product, softmax_product, neurons;
};

const std::vector<Size>& published() {
  static const std::vector<Size> sizes = {
      {"15M",
       15112208,
       15473208,
       {{"stem", 59006976},
        {"downsample", 335978496},
        {"pwconv1", 102760448},
        {"dwconv", 78675968},
        {"pwconv2", 102760448},
        {"conv1", 1849688064},
        {"conv2", 1849688064},
        {"rep first", 511494144},
        {"rep depthwise", 15918336},
        {"rep second", 511494144},
        {"fc1", 511494144},
        {"fc2", 511494144},
        {"head", 360000}},
       {{"rep fused", 4603447296}, {"sep tail fused", 5035261952}},
       6472781760,
       14891147968,
       15984192,
       86666496,
       11597288},
      {"31M",
       31333864,
       31814864,
       {{"stem", 88510464},
        {"downsample", 715309056},
        {"pwconv1", 231211008},
        {"dwconv", 118013952},
        {"pwconv2", 231211008},
        {"conv1", 4161798144},
        {"conv2", 4161798144},
        {"rep first", 1054900224},
        {"rep depthwise", 23030784},
        {"rep second", 1054900224},
        {"fc1", 1054900224},
        {"fc2", 1054900224},
        {"head", 480000}},
       {{"rep fused", 9494102016}, {"sep tail fused", 11329339392}},
       14016894720,
       32358279936,
       32965632,
       125389824,
       17160672},
      {"55M",
       55350248,
       55991248,
       {{"stem", 118013952},
        {"downsample", 1271660544},
        {"pwconv1", 411041792},
        {"dwconv", 157351936},
        {"pwconv2", 411041792},
        {"conv1", 7398752256},
        {"conv2", 7398752256},
        {"rep first", 1875378176},
        {"rep depthwise", 30707712},
        {"rep second", 1875378176},
        {"fc1", 1875378176},
        {"fc2", 1875378176},
        {"head", 640000}},
       {{"rep fused", 16878403584}, {"sep tail fused", 20141047808}},
       24816686080,
       57486279680,
       58605568,
       167186432,
       22880896},
  };
  return sizes;
}

}  // namespace

TEST_CASE("published sizes have the published parameters and dense operations") {
  for (const Size& size : published()) {
    INFO(size.preset);
    SpikeformerConfig config = spikeformer_preset(size.preset);
    const Graph graph = build_spikeformer(config);
    CHECK(parameter_count(graph) == size.parameters);
    const OpCounts dense = count_dense(graph, 1);
    CHECK(macs_by_type(graph) == size.written);
    CHECK(dense.totals.dense_macs + dense.totals.dense_macs_attention == size.total_written);

    const Graph fused = fuse(graph);
    const OpCounts dense_fused = count_dense(fused, 1);
    auto fused_types = macs_by_type(fused);
    for (const auto& [type, macs] : size.fused) CHECK(fused_types[type] == macs);
    CHECK(dense_fused.totals.dense_macs + dense_fused.totals.dense_macs_attention ==
          size.total_fused);

    int64_t kv = 0, neurons = 0;
    for (const AttentionCount& attention : dense.attention) kv += attention.dense_macs_kv;
    for (const Population& population : populations_of(graph))
      neurons += element_count(population.shape);
    CHECK(kv == size.attention_product);
    CHECK(neurons == size.neurons);
    CHECK(populations_of(graph).size() == 77);

    int64_t qk = 0;
    for (const AttentionCount& attention : count_dense(dense_twin(graph), 1).attention)
      qk += attention.dense_macs_kv;
    CHECK(qk == size.softmax_product);

    config.kd = true;
    CHECK(parameter_count(build_spikeformer(config)) == size.with_kd);
  }
}

TEST_CASE("the checkpoint of the 15M size has 825 entries in our naming") {
  const Graph graph = build_spikeformer(spikeformer_preset("15M"));
  int64_t arrays = 0, norms = 0;
  for (const Node& node : graph.nodes()) {
    arrays += static_cast<int64_t>(parameters_of(node.op).size());
    norms += std::holds_alternative<BatchNorm>(node.op);
  }
  CHECK(arrays + norms == 825);  // one num_batches_tracked per norm
}

TEST_CASE("odd and non-square images, one channel and other depths build") {
  SpikeformerConfig config;
  config.embed_dim = {16, 32, 64, 80};
  config.height = 37;
  config.width = 53;
  config.in_channels = 1;
  config.depths = {2, 1, 3, 0, 1};
  config.strides = {1, 2, 2, 2, 1};
  const Graph graph = build_spikeformer(config);
  CHECK(graph.node(*graph.find_output("ConvBlock1_1.1")).shape == Shape{37, 53, 8});
  CHECK(graph.node(*graph.find_output("block4.0")).shape == Shape{5, 7, 80});
  CHECK(graph.find_output("ConvBlock2_3.0"));
  CHECK_FALSE(graph.find_output("block3.5"));
}

TEST_CASE("impossible dimensions are refused by name") {
  SpikeformerConfig config;
  config.embed_dim = {15, 32, 64, 80};
  CHECK_THROWS_WITH(build_spikeformer(config), Catch::Contains("embed_dim[0] must be even"));
  config.embed_dim = {16, 32, 63, 80};
  CHECK_THROWS_WITH(build_spikeformer(config), Catch::Contains("embed_dim[2] = 63"));
  CHECK_THROWS_WITH(spikeformer_preset("14M"), Catch::Contains("15M, 31M, 55M"));
}

TEST_CASE("the dense twin keeps every tensor and has no neurons") {
  const Graph graph = build_spikeformer(spikeformer_preset("15M"));
  const Graph twin = dense_twin(graph);
  CHECK(parameter_count(twin) == parameter_count(graph));
  CHECK(populations_of(twin).empty());
  CHECK(twin.node(*twin.find_output("logits")).shape == Shape{1000});
}

TEST_CASE("weights that do not fit are all listed in one error") {
  SpikeformerConfig config;
  config.embed_dim = {16, 32, 64, 80};
  config.num_classes = 10;
  config.height = config.width = 32;
  const Graph graph = build_spikeformer(config);
  Weights weights = random_weights(graph, 1);
  CHECK(bind_weights(graph, weights).size() == weights.size());
  weights.erase("head.bias");
  weights.erase("head.weight");
  weights.add("head.weight", Tensor({10, 81}));
  weights.add("extra", Tensor({1}));
  weights.add("lif.num_batches_tracked", Tensor({1}, DType::kI64));
  weights.erase("ConvBlock1_1.0.bn1.bias");
  Tensor nan({32});
  nan.f32()[3] = std::numeric_limits<float>::quiet_NaN();
  weights.add("ConvBlock1_1.0.bn1.bias", std::move(nan));
  weights.erase("downsample2.encode_bn.weight");
  weights.add("downsample2.encode_bn.weight", Tensor({32}, DType::kI32));
  try {
    bind_weights(graph, weights);
    FAIL("accepted");
  } catch (const Error& error) {
    const std::string text = error.what();
    INFO(text);
    for (const char* part :
         {"5 faults", "missing head.bias [10]",
          "head.weight has shape [10, 81], the network needs [10, 80]", "surplus extra",
          "ConvBlock1_1.0.bn1.bias holds NaN", "downsample2.encode_bn.weight is int32"}) {
      CHECK(text.find(part) != std::string::npos);
    }
  }
}
