// The graph a trace carries: every operator and model family comes back; every wrong field is
// named.

#include "sim/trace/graph_json.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "core/error.hpp"
#include "models/ann/gpt.hpp"
#include "models/ann/kwt.hpp"
#include "models/ann/rwkv4.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "models/spikegpt/spikegpt.hpp"
#include "neurons/simple_lif.hpp"
#include "sim/graph/fuse.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;
using nlohmann::json;

namespace {

// Operators the model families leave out.
Graph odd_operators() {
  Graph graph;
  const NodeId image = graph.add("image", Input{{4, 4, 2}, true});
  const NodeId rows = graph.add("rows", View{{16, 2}}, {image});
  const NodeId table = graph.add("table", Positions{16, 2, false, "positions"}, {rows});
  const NodeId longer = graph.add("longer", Prepend{2, "class"}, {table});
  const NodeId attended =
      graph.add("attended", SoftmaxAttention{2, 0.5f, 0}, {longer, longer, longer});
  const NodeId first = graph.add("first", FirstRow{}, {attended});
  const NodeId step = graph.add("step", Input{{1}, false});
  const NodeId memory =
      graph.add("memory", LmuMemory{2, 8.5, LmuForm::kRecurrent, 30, 40, "m"}, {step});
  const NodeId causal = graph.add("causal", SoftmaxAttention{1, 1.5f, 7}, {memory, memory, memory});
  for (const PoolMode mode : {PoolMode::kSum, PoolMode::kAverage, PoolMode::kMax})
    graph.add(kPoolModeNames[static_cast<size_t>(mode)], Pool2d{mode, {2, 3}, 2, {1, 0}}, {image});
  const NodeId back = graph.add("back", Feedback{{1}, false});
  const NodeId late = graph.add("late", Delay{3, "delays", {1}}, {back});
  graph.close(back, graph.add("round", Add{}, {step, late}));
  graph.add("flat", Flatten{}, {image});
  graph.add("wide", Conv2d{2, 3, {2, 3}, {1, 2}, {0, 1}, 1, "wide", "", {2, 1}}, {image});
  graph.add("even", Conv2d{2, 2, 2, 1, 0, 2, "even", "even.b", 1, true}, {image});
  const NodeId scaled = graph.add("scaled", Scale{1.0f, "factors", {2}}, {image});
  graph.add("above", Threshold{0.0f, FireRule::kAboveThreshold, "thresholds", {4, 4, 2}}, {scaled});
  RecordedOp told{"einsum", {5, 3}};
  told.macs = 60;
  told.fan_out = 15;
  told.weights = 12;
  told.weight = "told.w";
  const NodeId product = graph.add("told", told, {late, image});
  graph.add("fired", RecordedOp{"Cell", {5, 3}, true, 0, 0, true}, {product});
  graph.add("counted", RecordedOp{"Cells", {5, 3}, false, -2, 9, false, true}, {product});
  graph.output("first", first);
  graph.output("causal", causal);
  return graph;
}

std::vector<Graph> all_families() {
  SpikeformerConfig image;
  image.embed_dim = {16, 32, 64, 80};
  image.height = image.width = 32;
  image.kd = true;
  SpikeGptConfig language;
  language.layers = 3;
  language.width = 8;
  language.vocabulary = 77;
  language.rescale_every = 2;
  LmuformerConfig psmnist = lmuformer_preset("psmnist"), dense;
  dense.spiking = false;
  SpikeformerConfig events = image;
  events.static_input = false;
  events.events = LevelRange();
  SpikeformerConfig counted = events;
  counted.events = LevelRange{-2, 9};
  psmnist.dim = 20;
  psmnist.memory_size = 24;
  std::vector<Graph> graphs = {build_spikeformer(image),
                               build_spikeformer(events),
                               build_spikeformer(counted),
                               build_spikegpt(language),
                               build_lmuformer({}),
                               build_lmuformer(dense),
                               build_lmuformer(psmnist),
                               build_kwt({}),
                               odd_operators()};
  const size_t written = graphs.size();
  for (size_t i = 0; i < written; ++i) graphs.push_back(fuse(graphs[i]));
  return graphs;
}

// The error of a graph whose JSON was changed.
std::string error_of(const json& text) {
  try {
    graph_from_json(text.dump(), "g");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("feedback that a graph's JSON leaves open or closes wrongly") {
  const auto fault = [](const char* key, const json& value) {
    json text = json::parse(graph_to_json(odd_operators(), nullptr));
    for (json& node : text["nodes"]) {
      if (node["name"] != "back") continue;
      if (value.is_null()) {
        node.erase(key);
      } else {
        node[key] = value;
      }
    }
    return error_of(text);
  };
  CHECK_THAT(fault("feedback", nullptr), Catch::Contains("node \"back\": has no field 'feedback'"));
  CHECK_THAT(fault("feedback", "nobody"),
             Catch::Contains("its feedback names no node: \"nobody\""));
  CHECK_THAT(fault("feedback", "rows"), Catch::Contains("back shows real [1], but rows has"));
  CHECK_THAT(fault("feedback", 3), Catch::Contains("field 'feedback' must be a text"));
}

TEST_CASE("graphs of every model family come back from their JSON") {
  std::set<size_t> kinds;
  for (const Graph& graph : all_families()) {
    const std::string text = graph_to_json(graph, nullptr);
    const Graph again = graph_from_json(text, "g");
    CHECK(graph_to_json(again, nullptr) == text);
    CHECK(again.form == graph.form);
    REQUIRE(again.size() == graph.size());
    for (NodeId id = 0; id < graph.size(); ++id) {
      kinds.insert(graph.node(id).op.index());
      CHECK(again.node(id).inputs == graph.node(id).inputs);
      CHECK(again.node(id).feedback == graph.node(id).feedback);
      CHECK(describe(again.node(id).op) == describe(graph.node(id).op));
      CHECK(parameters_of(again.node(id).op).size() == parameters_of(graph.node(id).op).size());
    }
    CHECK(again.outputs() == graph.outputs());
  }
  CHECK(kinds.size() == std::variant_size_v<Op>);
}

TEST_CASE("zero weights counted at writing are accepted") {
  Graph graph;
  graph.add("fc", Linear{2, 3, 0, "w", ""}, {graph.add("in", Input{{2}, true})});
  Weights weights;
  weights.add("w", Tensor({3, 2}));
  json text = json::parse(graph_to_json(graph, &weights));
  CHECK(text["nodes"][1]["zero_weights"] == 6);
  CHECK(error_of(text).empty());
  text["nodes"][1]["zero_weights"] = 7;
  CHECK(error_of(text) == "g: node \"fc\": field 'zero_weights' must be an integer from 0 to 6");
}

TEST_CASE("every field that does not follow is needed, and its type is checked") {
  for (const Graph& graph : {fuse(all_families()[0]), all_families()[1], odd_operators()}) {
    const json whole = json::parse(graph_to_json(graph, nullptr));
    std::set<std::string> seen;  // one node of each kind
    for (size_t i = 0; i < whole["nodes"].size(); ++i) {
      const json& node = whole["nodes"][i];
      if (!seen.insert(node["op"]["kind"]).second) continue;
      const std::string name = node["name"];
      for (const char* part : {"", "op"}) {
        const json& object = *part == 0 ? node : node["op"];
        for (const auto& [key, value] : object.items()) {
          INFO(name << " " << part << " " << key);
          json damaged = whole;
          json& target = *part == 0 ? damaged["nodes"][i] : damaged["nodes"][i][part];
          target[key] = json::object();
          CHECK_THAT(error_of(damaged),
                     Catch::Contains(key == "name" ? "node " + std::to_string(i) : name));
          // A feedback without its field has a test of its own.
          const bool of_delay = name == "late" && *part != 0 && key != "kind";
          const bool of_array =
              key == "factors" || key == "thresholds" ||
              (key == "shape" && (object.contains("factors") || object.contains("thresholds")));
          // What it needs of these hangs on the others.
          const bool of_recorded = node["op"]["kind"] == "recorded" && *part != 0 &&
                                   key != "what" && key != "shape" && key != "kind";
          const std::set<std::string> of_node = {"shape", "edge", "static", "inputs"},
                                      usual = {"stride", "padding", "groups", "trailing_ones",
                                               "bias"};
          const bool follows = *part == 0                       ? of_node.count(key) > 0
                               : node["op"]["kind"] == "neuron" ? key != "kind" && key != "model"
                                                                : usual.count(key) > 0;
          const bool optional = key == "weights" || key == "vocabulary" || key == "context" ||
                                key == "events" || key == "feedback" || key == "dilation" ||
                                key == "same" || of_delay || of_array || of_recorded || follows;
          target.erase(key);
          if (!optional)
            CHECK_THAT(error_of(damaged), Catch::Contains("field '" + key + "' is missing"));
          target[key] = value;
          target["surplus"] = 1;
          CHECK_THAT(error_of(damaged), Catch::Contains("unknown field \"surplus\""));
        }
      }
    }
  }
}

TEST_CASE("a graph as another program writes it") {
  const Graph graph = graph_from_json(R"({"nodes": [
    {"name": "in", "op": {"kind": "input", "shape": [6, 6, 2], "repeated": false, "events": true}},
    {"name": "conv", "inputs": ["in"], "op": {"kind": "conv2d", "in_channels": 2, "out_channels": 4,
                                              "kernel": 3, "weight": "w"}},
    {"name": "lif", "inputs": ["conv"], "op": {"kind": "neuron", "model": "LIF", "tau": 3}}]})",
                                      "g");
  CHECK(graph.form == GraphForm::kAsWritten);
  CHECK(graph.node(2).shape == Shape{4, 4, 4});
  CHECK(graph.node(2).kind == EdgeKind::kSpikes);
  const auto& op = std::get<Neuron>(graph.node(2).op);
  CHECK(op.spec["tau"].value == 3);
  CHECK(op.spec["v_threshold"].value == neuron("LIF")["v_threshold"].value);
  CHECK(op.spec.rules.reset == neuron("LIF").rules.reset);
}

TEST_CASE("sizes whose products could overflow a count are refused") {
  Graph graph;
  const NodeId wide = graph.add("in", Input{{1 << 20, 1 << 10}, true});
  graph.add("fc", Linear{1 << 10, 1 << 17, 0, "w", ""}, {wide});
  CHECK(error_of(json::parse(graph_to_json(graph, nullptr))) == "g: fc: has more than 2^31 values");
  Graph attention;
  const NodeId rows = attention.add("in", Input{{1 << 24, 4}, true});
  attention.add("softmax", SoftmaxAttention{1, 1.0f, 0}, {rows, rows, rows});
  CHECK(error_of(json::parse(graph_to_json(attention, nullptr))) ==
        "g: softmax: needs more than 2^46 multiply-accumulates a step");
}

TEST_CASE("a window alike along both axes is one number, any other a list of two") {
  const json whole = json::parse(graph_to_json(odd_operators(), nullptr));
  const auto pool = [&](const char* mode) {
    for (size_t i = 0; i < whole["nodes"].size(); ++i) {
      if (whole["nodes"][i]["name"] == mode) return i;
    }
    return size_t{0};
  };
  const json& op = whole["nodes"][pool("max")]["op"];
  CHECK(op["kernel"] == json({2, 3}));
  CHECK(op["stride"] == 2);
  CHECK(op["padding"] == json({1, 0}));
  const json& conv = whole["nodes"][pool("wide")]["op"];
  CHECK(conv["kernel"] == json({2, 3}));
  CHECK(conv["dilation"] == json({2, 1}));
  CHECK_FALSE(conv.contains("same"));
  CHECK(whole["nodes"][pool("even")]["op"]["same"] == true);
  // Square ones are written as ever.
  Graph square;
  square.add("conv", Conv2d{2, 4, 3, 2, 1, 1, "w", ""}, {square.add("in", Input{{8, 8, 2}, true})});
  CHECK(
      json::parse(graph_to_json(square, nullptr))["nodes"][1]["op"].dump() ==
      R"({"bias":"","groups":1,"in_channels":2,"kernel":3,"kind":"conv2d","out_channels":4,"padding":1,"stride":2,"weight":"w"})");
  for (const json& wrong : {json({2}), json({2, 3, 1}), json({2, 0}), json({0, 3}), json("2"),
                            json(2.5), json({2, 70000}), json(nullptr)}) {
    INFO(wrong.dump());
    json damaged = whole;
    damaged["nodes"][pool("max")]["op"]["kernel"] = wrong;
    CHECK(error_of(damaged) ==
          "g: node \"max\": field 'kernel' must be an integer from 1 to 65535, or a list of two "
          "such");
  }
}

TEST_CASE("values out of range are refused by node and field") {
  const json whole = json::parse(graph_to_json(all_families()[0], nullptr));
  const auto with = [&](const std::string& pointer, const json& value) {
    json changed = whole;
    changed[json::json_pointer(pointer)] = value;
    return error_of(changed);
  };
  CHECK(with("/form", "folded") ==
        "g: field 'form' is \"folded\", must be one of \"as_written\", \"fused\"");
  CHECK(with("/nodes", json::array()) == "g: field 'nodes' must list 1 to 8192 nodes");
  CHECK(with("/nodes/1/op/kernel", 0) ==
        "g: node \"downsample1_1.encode_conv\": field 'kernel' must be an integer from 1 to 65535, "
        "or a list of two such");
  CHECK(with("/nodes/1/op/padding", -1).find("'padding'") != std::string::npos);
  CHECK(with("/nodes/1/op/out_channels", 18446744073709551615u).find("'out_channels'") !=
        std::string::npos);
  CHECK(with("/nodes/1/inputs/0", "nobody").find("names no earlier node: \"nobody\"") !=
        std::string::npos);
  CHECK(with("/nodes/1/inputs/0", "downsample1_1.encode_conv").find("names the node itself") !=
        std::string::npos);
  CHECK(with("/nodes/1/inputs", json::array()).find("needs 1 inputs, got 0") != std::string::npos);
  CHECK(with("/nodes/1/name", "input").find("field 'name' must be a new name") !=
        std::string::npos);
  CHECK(with("/nodes/1/shape", {1, 2, 3}).find("field 'shape' is [1, 2, 3], follows as") !=
        std::string::npos);
  CHECK(with("/nodes/1/edge", "spikes").find("field 'edge'") != std::string::npos);
  CHECK(with("/nodes/1/static", false).find("field 'static'") != std::string::npos);
  CHECK(with("/nodes/1/weights", 5).find("field 'weights'") != std::string::npos);
  CHECK(with("/nodes/0/op/shape", {1099511627776, 1, 1}).find("field 'shape'") !=
        std::string::npos);
  CHECK(with("/nodes/0/op/shape", {2147483648, 2, 1}).find("2^31 values") != std::string::npos);
  CHECK(with("/outputs/0/node", "nobody").find("output 0: field 'node' names no earlier node") !=
        std::string::npos);
  CHECK(with("/outputs/1/name", whole["outputs"][0]["name"]).find("must be a new name") !=
        std::string::npos);
  CHECK_THROWS_AS(graph_from_json("{", "g"), Error);
}

TEST_CASE("neurons of every model come back from their JSON with rules and arrays") {
  for (const NeuronRow& row : neuron_table()) {
    for (const NeuronForm form : row.forms) {
      NeuronSpec spec = neuron(row.name);
      spec.rules.form = form;
      spec.rules.reset = row.resets.back();
      if (spec.fires()) spec.rules.fire = FireRule::kAboveThreshold;
      spec.values[1] = {0, "array", {3}};
      spec.values[0].value *= 1.0 / 3;
      Graph graph;
      std::vector<NodeId> inputs;
      for (int i = 0; i < row.inputs; ++i)
        inputs.push_back(graph.add("in" + std::to_string(i), Input{{2, 3}, false}));
      graph.add("cell", Neuron{spec}, inputs);
      const Graph again = graph_from_json(graph_to_json(graph, nullptr), "g");
      CHECK(std::get<Neuron>(again.node(again.size() - 1).op).spec == spec);
    }
  }
}

TEST_CASE("neurons of older graphs, with a decay, are the same neurons") {
  const json whole = json::parse(R"({"form": "as_written", "nodes": [
    {"name": "in", "op": {"kind": "input", "shape": [3], "repeated": false}, "inputs": [],
     "shape": [3], "edge": "real", "static": false},
    {"name": "u", "op": {"kind": "neuron", "model": "LIF", "decay": 0.5, "decay_input": true,
     "v_threshold": 1, "v_reset": 0, "reset": "hard", "fire": ">="}, "inputs": ["in"],
     "shape": [3], "edge": "spikes", "static": false}], "outputs": []})");
  for (const char* model : {"IF", "LIF", "PLIF"}) {
    for (const float decay : {0.5f, 0.3f, 0.99999994f, 1e-6f}) {
      for (const bool decays_input : {false, true}) {
        for (const float v_reset : {0.0f, -0.25f}) {
          json text = whole;
          json& op = text["nodes"][1]["op"];
          op["model"] = model;
          op["decay"] = decay;
          op["decay_input"] = decays_input;
          op["v_reset"] = v_reset;
          const Graph graph = graph_from_json(text.dump(), "g");
          const auto simple = simple_lif(std::get<Neuron>(graph.node(1).op).spec);
          REQUIRE(simple);
          CHECK(simple->v_reset == v_reset);
          CHECK(simple->rest == v_reset);
          if (std::string(model) == "IF") {
            CHECK(simple->charge == SimpleLif::Charge::kAdd);
            continue;
          }
          CHECK(simple->decay == decay);
          CHECK(simple->keep == 1.0f - decay);
          CHECK(simple->charge == (decays_input   ? SimpleLif::Charge::kDecayInput
                                   : v_reset == 0 ? SimpleLif::Charge::kDecay
                                                  : SimpleLif::Charge::kDecayToRest));
        }
      }
    }
  }
  const auto with = [&](const char* key, const json& value) {
    json changed = whole;
    changed["nodes"][1]["op"][key] = value;
    return error_of(changed);
  };
  CHECK(with("decay", -1) == "g: u: LIF: tau is -1, must be above 0");
  CHECK(with("reset", "value") ==
        "g: node \"u\": field 'reset' is \"value\", must be one of \"hard\", \"soft\"");
  CHECK(with("tau", 2) == "g: node \"u\": unknown field \"tau\"");
  CHECK(with("model", "GIF").find("field 'model' is \"GIF\", must be one of \"IF\", \"LIF\"") !=
        std::string::npos);
}
