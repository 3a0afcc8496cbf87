// What NIR graphs mean where files and programs leave it open: cycles, first steps, sums, nesting.

#include <map>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "nir/describe.hpp"
#include "nir/lift.hpp"
#include "nir/lower.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

using Numbers = std::vector<double>;

// A file in the making.
struct Made {
  nir::Content content;

  Made() {
    group("/node");
    graph("/node");
  }
  void group(const std::string& path) { content[path].is_group = true; }
  void graph(const std::string& path) {
    group(path);
    text(path + "/type", {"NIRGraph"});
    group(path + "/nodes");
    text(path + "/edges", {});
    content[path + "/edges"].shape = {0};
  }
  void text(const std::string& path, std::vector<std::string> values) {
    content[path].shape = {static_cast<int64_t>(values.size())};
    content[path].values = std::move(values);
  }
  void numbers(const std::string& path, const Numbers& values, Shape shape = {}) {
    if (shape.empty()) shape = {static_cast<int64_t>(values.size())};
    Tensor tensor(shape, DType::kF64);
    std::copy(values.begin(), values.end(), tensor.as<double>().begin());
    content[path].shape = shape;
    content[path].values = std::move(tensor);
  }
  Made& node(const std::string& name, const std::string& type,
             const std::map<std::string, Numbers>& fields, const std::string& in = "/node") {
    const std::string path = in + "/nodes/" + name;
    group(path);
    text(path + "/type", {type});
    for (const auto& [field, values] : fields) numbers(path + "/" + field, values);
    return *this;
  }
  Made& port(const std::string& name, bool input, Numbers shape, const std::string& in = "/node") {
    return node(name, input ? "Input" : "Output", {{"shape", std::move(shape)}}, in);
  }
  // weight [out, in]
  Made& affine(const std::string& name, const Numbers& weight, int64_t outputs,
               const Numbers& bias = {}, const std::string& in = "/node") {
    node(name, bias.empty() ? "Linear" : "Affine", {}, in);
    numbers(in + "/nodes/" + name + "/weight", weight,
            {outputs, static_cast<int64_t>(weight.size()) / outputs});
    if (!bias.empty()) numbers(in + "/nodes/" + name + "/bias", bias);
    return *this;
  }
  // An integrator that fires above `threshold` and forgets: with r = 1 and dt = 1, a spike where a
  // step brings more than that.
  Made& neurons(const std::string& name, size_t count, double threshold,
                const std::string& in = "/node") {
    return node(name, "LIF",
                {{"tau", Numbers(count, 1)},
                 {"r", Numbers(count, 1)},
                 {"v_leak", Numbers(count, 0)},
                 {"v_threshold", Numbers(count, threshold)},
                 {"v_reset", Numbers(count, threshold - 1)}},
                in);
  }
  Made& edges(std::vector<std::string> names, const std::string& in = "/node") {
    const auto count = static_cast<int64_t>(names.size()) / 2;
    text(in + "/edges", std::move(names));
    content[in + "/edges"].shape = {count, 2};
    return *this;
  }
};

nir::File file_of(const Made& made) {
  nir::File file;
  file.network = nir::parse(made.content);
  file.wiring = nir::wire(file.network);
  return file;
}

nir::Choices usual() {
  nir::Choices choices;
  choices.dt = 1;
  choices.readout = nir::Readout::kLast;
  return choices;
}

nir::Lowered lowered_of(const Made& made, const nir::Choices& choices = usual(),
                        const nir::Frames& frames = {}) {
  const nir::File file = file_of(made);
  return nir::lower(file.network, file.wiring, choices, frames);
}

// Values of a node over the steps, one row each.
std::vector<std::vector<float>> run(const nir::Lowered& net, const std::vector<float>& frames,
                                    int64_t steps, const std::string& node = "") {
  const NodeId id = node.empty() ? *net.graph.find_output("logits") : *net.graph.find(node);
  PlanOptions options{Schedule::kLayerMajor, steps, {}};
  options.keep = {net.graph.node(id).name};
  Session session(
      compile(net.graph, bind_weights(net.graph, net.weights), make_reference_backend(), options));
  Shape shape = net.graph.node(0).shape;
  shape.insert(shape.begin(), static_cast<int64_t>(frames.size()) / element_count(shape));
  Tensor input(shape);
  std::copy(frames.begin(), frames.end(), input.f32().begin());
  session.run_chunk(input, steps, 1);
  std::vector<std::vector<float>> rows;
  for (int64_t t = 0; t < steps; ++t) {
    const Tensor value = session.value(id, t);
    rows.emplace_back(value.f32().begin(), value.f32().end());
  }
  return rows;
}

std::string fault_of(const Made& made, const nir::Choices& choices = usual()) {
  try {
    lowered_of(made, choices);
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing";
}

using Rows = std::vector<std::vector<float>>;

}  // namespace

TEST_CASE("a neuron that drives itself does so a step later", "[fast]") {
  Made made;
  made.port("in", true, {1}).port("out", false, {1}).neurons("n", 1, 0.5);
  made.edges({"in", "n", "n", "n", "n", "out"});
  CHECK(run(lowered_of(made), {1, 0, 0, 0}, 4) == Rows{{1}, {1}, {1}, {1}});
}

TEST_CASE("a loop through two neurons takes a step at each, whatever the names", "[fast]") {
  for (const bool swapped : {false, true}) {
    const std::string a = swapped ? "z" : "a", b = swapped ? "b" : "y";
    Made made;
    made.port("in", true, {1}).port("out", false, {1}).neurons(a, 1, 0.5).neurons(b, 1, 0.5);
    made.affine("w1", {1}, 1).affine("w2", {1}, 1);
    made.edges({"in", a, a, "w1", "w1", b, b, "w2", "w2", a, b, "out"});
    const auto net = lowered_of(made);
    CHECK(run(net, {1, 0, 0, 0, 0}, 5, a) == Rows{{1}, {0}, {1}, {0}, {1}});
    CHECK(run(net, {1, 0, 0, 0, 0}, 5, b) == Rows{{0}, {1}, {0}, {1}, {0}});
  }
}

TEST_CASE("a recurrent layer starts with its bias, or with nothing", "[fast]") {
  Made made;
  made.port("in", true, {1}).port("out", false, {1}).neurons("n", 1, 0.5);
  made.affine("w", {0}, 1, {1}).edges({"in", "n", "n", "w", "w", "n", "n", "out"});
  nir::Choices choices = usual();
  CHECK(run(lowered_of(made, choices), {0, 0, 0}, 3) == Rows{{1}, {1}, {1}});
  choices.recurrent_start = nir::RecurrentStart::kZero;
  CHECK(run(lowered_of(made, choices), {0, 0, 0}, 3) == Rows{{0}, {1}, {1}});
  // Whoever reads it outside the cycle sees the same.
  Made two;
  two.port("in", true, {1}).port("out", false, {1}).neurons("n", 1, 0.5);
  two.affine("w", {0}, 1, {1}).edges({"in", "n", "n", "w", "w", "n", "w", "out"});
  CHECK(run(lowered_of(two, choices), {0, 0, 0}, 3) == Rows{{0}, {1}, {1}});
  // Through another layer as well: nothing of the way back is there in the first step.
  Made chain;
  chain.port("in", true, {1}).port("out", false, {1}).neurons("n", 1, 0.5);
  chain.affine("u", {0}, 1).affine("w", {0}, 1, {1});
  chain.edges({"in", "n", "n", "u", "u", "w", "w", "n", "n", "out"});
  CHECK(run(lowered_of(chain, choices), {0, 0, 0}, 3) == Rows{{0}, {1}, {1}});
  // A layer that also reads the present keeps its bias.
  Made mixed;
  mixed.port("in", true, {1}).port("out", false, {1}).neurons("n", 1, 0.5);
  mixed.affine("w", {1}, 1, {1}).edges({"in", "w", "n", "w", "w", "n", "n", "out"});
  CHECK(run(lowered_of(mixed, choices), {0, 0, 0}, 3) == Rows{{1}, {1}, {1}});
}

TEST_CASE("a delay in a cycle comes on top of its step; delays are rounded", "[fast]") {
  Made made;
  made.port("in", true, {2}).port("out", false, {2}).neurons("n", 2, 0.5);
  made.node("d", "Delay", {{"delay", {1, 2.2}}});
  made.edges({"in", "n", "n", "d", "d", "n", "n", "out"});
  const auto net = lowered_of(made);
  CHECK(run(net, {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 7) ==
        Rows{{1, 1}, {0, 0}, {1, 0}, {0, 1}, {1, 0}, {0, 0}, {1, 1}});
  REQUIRE(net.notes.size() == 1);
  CHECK_THAT(net.notes[0], Catch::Contains("node d: delays are no multiples of dt = 1 s"));
  Made none;
  none.port("in", true, {1}).port("out", false, {1}).node("d", "Delay", {{"delay", {0}}});
  none.edges({"in", "d", "d", "out"});
  CHECK(run(lowered_of(none), {3, 4}, 2) == Rows{{3}, {4}});
  Made negative;
  negative.port("in", true, {1}).port("out", false, {1}).node("d", "Delay", {{"delay", {-1}}});
  negative.edges({"in", "d", "d", "out"});
  CHECK(fault_of(negative) == "delay of node d is negative");
}

TEST_CASE("several edges are summed in their order, spikes and numbers alike", "[fast]") {
  Made made;
  made.port("in", true, {1}).port("out", false, {1}).neurons("a", 1, 0.5).neurons("b", 1, 0.5);
  made.node("s", "Scale", {{"scale", {0.25}}});
  made.edges({"in", "a", "in", "b", "in", "s", "a", "out", "b", "out", "s", "out", "a", "out"});
  const nir::File file = file_of(made);
  REQUIRE(file.network.warnings.size() == 1);
  CHECK_THAT(file.network.warnings[0], Catch::Contains("the edge from \"a\" to \"out\" stands"));
  CHECK(run(lowered_of(made), {1, 0}, 2) == Rows{{2.25f}, {0}});
  // Straight into a neuron, too: a threshold of 1.5 needs both.
  Made direct;
  direct.port("in", true, {1}).port("out", false, {1}).neurons("a", 1, 0.5).neurons("b", 1, 0.5);
  direct.neurons("c", 1, 1.5).edges({"in", "a", "in", "b", "a", "c", "b", "c", "c", "out"});
  CHECK(run(lowered_of(direct), {1, 0}, 2) == Rows{{1}, {0}});
  // Spikes alone become numbers: 1 is not above 1.
  Made alone;
  alone.port("in", true, {1}).port("out", false, {1}).neurons("a", 1, 0.5).neurons("c", 1, 0.9);
  alone.edges({"in", "a", "a", "c", "c", "out"});
  CHECK(run(lowered_of(alone), {1, 0}, 2) == Rows{{1}, {0}});
}

TEST_CASE("readouts: the sum, the last, the largest and the mean over the steps", "[fast]") {
  Made made;
  made.port("in", true, {2}).port("out", false, {2});
  made.node("s", "Scale", {{"scale", {1, 2}}}).edges({"in", "s", "s", "out"});
  const std::vector<float> frames{1, -1, 5, -3, 3, -2};
  nir::Choices choices = usual();
  const auto last = [&](nir::Readout readout) {
    choices.readout = readout;
    return run(lowered_of(made, choices), frames, 3)[2];
  };
  CHECK(last(nir::Readout::kRate) == std::vector<float>{9, -12});
  CHECK(last(nir::Readout::kLast) == std::vector<float>{3, -4});
  CHECK(last(nir::Readout::kMax) == std::vector<float>{5, -2});
  CHECK(last(nir::Readout::kMean) == std::vector<float>{3, -4});
}

TEST_CASE("nested graphs vanish, their nodes are called outer.inner", "[fast]") {
  Made made;
  made.port("in", true, {1}).port("out", false, {1}).affine("w", {2}, 1);
  const std::string inner = "/node/nodes/g";
  made.graph(inner);
  made.port("i", true, {1}, inner).port("o", false, {1}, inner).affine("w", {3}, 1, {}, inner);
  made.edges({"i", "w", "w", "o"}, inner).edges({"in", "w", "w", "g", "g", "out"});
  const auto net = lowered_of(made);
  CHECK(net.graph.find("g.w"));
  CHECK(net.weights.contains("g.w.weight"));
  CHECK(run(net, {1, 2}, 2) == Rows{{6}, {12}});
  made.edges({"in", "w", "w", "g.i", "g", "out"});
  CHECK_THAT(fault_of(made), Catch::Contains("\"w\" to \"g.i\"; there are g, in, out, w"));
  made.edges({"in", "w", "w", "g", "g", "out"});
  made.port("i2", true, {1}, inner);
  CHECK_THAT(fault_of(made), Catch::Contains("several Inputs or Outputs"));
}

TEST_CASE("one parameter stands for all neurons, with a warning", "[fast]") {
  Made made;
  made.port("in", true, {3}).port("out", false, {3}).neurons("n", 1, 0.5);
  made.edges({"in", "n", "n", "out"});
  CHECK(run(lowered_of(made), {1, 0, 1}, 1) == Rows{{1, 0, 1}});
  CHECK_THAT(file_of(made).wiring.warnings.at(0), Catch::Contains("stands for all 3"));
}

TEST_CASE("images of as many values are flattened, channels first", "[fast]") {
  Made made;
  made.port("in", true, {4}).port("out", false, {4});
  made.node("s", "Scale", {{"scale", {1, 10, 100, 1000}}}).edges({"in", "s", "s", "out"});
  const nir::Frames image{{1, 2, 2}, false};  // one row of two pixels, two channels
  const auto net = lowered_of(made, usual(), image);
  CHECK(run(net, {1, 2, 3, 4}, 1) == Rows{{1, 30, 200, 4000}});
  CHECK_THROWS_WITH(lowered_of(made, usual(), {{1, 2, 3}, false}),
                    Catch::Contains("the network takes [4]"));
}

TEST_CASE("the first Output in byte order gives the logits, others have their names", "[fast]") {
  Made made;
  made.port("in", true, {1}).port("out", false, {1}).port("also", false, {1, 1, 1});
  made.affine("w", {2}, 1).edges({"in", "w", "w", "out", "in", "also"});
  const auto net = lowered_of(made);
  CHECK(run(net, {1, 2}, 2) == Rows{{1}, {2}});
  REQUIRE(net.graph.find_output("out"));
  CHECK_THAT(net.notes.at(0), Catch::Contains("logits are those of also"));
  Made two;
  two.port("a", true, {1}).port("b", true, {1}).port("out", false, {1});
  two.edges({"a", "out", "b", "out"});
  CHECK_THAT(fault_of(two), Catch::Contains("2 Inputs (a, b)"));
}

TEST_CASE("an integrator adds its input where r says so", "[fast]") {
  const auto gain = [](double r, double dt, nir::IfGain how) {
    Made made;
    made.port("in", true, {1}).port("out", false, {1}).node("i", "I", {{"r", {r}}});
    made.edges({"in", "i", "i", "out"});
    nir::Choices choices = usual();
    choices.dt = dt;
    choices.if_gain = how;
    return run(lowered_of(made, choices), {1}, 1)[0][0];
  };
  CHECK(gain(1, 0.25, nir::IfGain::kAuto) == 1);
  CHECK(gain(1, 0.25, nir::IfGain::kOde) == 0.25f);
  CHECK(gain(4, 0.25, nir::IfGain::kAuto) == 1);
  CHECK(gain(2, 0.25, nir::IfGain::kAuto) == 0.5f);
  CHECK(gain(2, 0.25, nir::IfGain::kUnit) == 1);
}

TEST_CASE("several spikes a step go round and are summed beyond what levels hold", "[fast]") {
  Made made;
  made.port("in", true, {1}).port("out", false, {1});
  made.node("n", "IF", {{"r", {1}}, {"v_threshold", {1}}, {"v_reset", {0}}});
  made.affine("w", {0.5}, 1).edges({"in", "n", "n", "w", "w", "n", "n", "out"});
  nir::Choices choices = nir::choices_of(nir::Origin::kSinabs);
  choices.readout = nir::Readout::kLast;
  CHECK(run(lowered_of(made, choices), {4, 0, 0, 0}, 4) == Rows{{4}, {2}, {1}, {0}});
}

TEST_CASE("what is odd in a file is told, and what it does not say", "[fast]") {
  Made made;
  made.port("in", true, {1}).port("out", false, {1});
  made.node("n", "LIF",
            {{"tau", {5}}, {"r", {1}}, {"v_leak", {0}}, {"v_threshold", {1}}, {"extra", {1}}});
  made.edges({"in", "n", "n", "out"});
  made.group("/node/metadata");
  made.numbers("/node/metadata/dt", {0.5});
  const nir::File file = file_of(made);
  nir::Choices choices;
  const nir::Facts open = nir::describe(file, choices);
  CHECK(open.nodes.at(1).form == "give dt");
  CHECK(open.nodes.at(1).leak.empty());
  choices.dt = 0.25;
  const nir::Facts facts = nir::describe(file, choices);
  CHECK(facts.nodes.at(1).leak == "0.05");
  CHECK(facts.nodes.at(1).form == "euler, fires >, reset value");
  std::string all;
  for (const std::string& warning : facts.warnings) all += warning + "\n";
  CHECK_THAT(all, Catch::Contains("\"extra\" is no field of LIF"));
  CHECK_THAT(all, Catch::Contains("tau above 1 s: are these steps, as Sinabs writes?"));
  CHECK_THAT(all, Catch::Contains("state dt = 0.5 s, chosen is 0.25 s"));
}

TEST_CASE("what NIR's own reader forgives or trips over is told by name", "[fast]") {
  const auto conv = [](const Shape& weight, const std::map<std::string, Numbers>& fields) {
    Made made;
    made.port("in", true, {4, 6, 5}).port("out", false, {1});
    made.node("c", "Conv2d", fields).edges({"in", "c", "c", "out"});
    made.numbers("/node/nodes/c/weight", Numbers(static_cast<size_t>(element_count(weight)), 1),
                 weight);
    return fault_of(made);
  };
  const std::map<std::string, Numbers> plain{
      {"stride", {1}}, {"padding", {0}}, {"dilation", {1}}, {"groups", {1}}};
  CHECK_THAT(conv({2, 3, 3, 3}, plain), Catch::Contains("weight of node c does not fit"));
  CHECK_THAT(conv({2, 4, 7, 3}, plain), Catch::Contains("window of node c spans 7 values, 6"));
  auto grouped = plain;
  grouped["groups"] = {2};
  CHECK_THAT(conv({3, 2, 3, 3}, grouped), Catch::Contains("3 outputs in 2 groups"));
  auto odd = plain;
  odd["stride"] = {1.5};
  CHECK_THAT(conv({2, 4, 3, 3}, odd), Catch::Contains("stride of node c is 1.5, not a whole"));
  auto shaped = plain;
  shaped["input_shape"] = {5, 6};
  CHECK_THAT(conv({2, 4, 3, 3}, shaped),
             Catch::Contains("input_shape of node c is [5, 6], [6, 5]"));
  Made flat;
  flat.port("in", true, {4, 6, 5}).port("out", false, {4, 30});
  flat.node("f", "Flatten", {{"start_dim", {1}}, {"end_dim", {-1}}});
  flat.edges({"in", "f", "f", "out"});
  CHECK_THAT(fault_of(flat), Catch::Contains("leaves others"));
}

namespace {

// The same network, by way of what would be written.
nir::Lowered written_and_read(const nir::Lowered& net, const nir::Choices& choices) {
  nir::File file;
  file.network = nir::lift(net.graph, net.weights, false).network;
  file.wiring = nir::wire(file.network);
  return nir::lower(file.network, file.wiring, choices, {});
}

}  // namespace

TEST_CASE("cycles are written as they were read, whatever the first step", "[fast]") {
  Made made;
  made.port("in", true, {1}).port("out", false, {1}).neurons("n", 1, 0.5);
  made.affine("u", {0.75}, 1).affine("w", {0.5}, 1, {0.25}).node("d", "Delay", {{"delay", {2}}});
  made.edges({"in", "n", "n", "u", "u", "w", "w", "n", "n", "d", "d", "n", "n", "out"});
  for (const auto start : {nir::RecurrentStart::kBias, nir::RecurrentStart::kZero}) {
    nir::Choices choices = usual();
    choices.dt = 0.5;
    choices.recurrent_start = start;
    const nir::Lowered net = lowered_of(made, choices);
    const nir::Lifted lifted = nir::lift(net.graph, net.weights, false);
    const bool zero = start == nir::RecurrentStart::kZero;
    CHECK(std::get<std::string>(lifted.metadata.at("recurrent_start")) == (zero ? "zero" : "bias"));
    CHECK(std::get<double>(lifted.metadata.at("dt")) == 0.5);
    const std::vector<float> frames{1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0};
    CHECK(run(written_and_read(net, choices), frames, 12) == run(net, frames, 12));
  }
}

TEST_CASE("networks that count steps are written in seconds, what NIR lacks is named", "[fast]") {
  Graph graph;
  const NodeId in = graph.add("in", Input{{2}, false});
  const NodeId sum = graph.add("fc", Linear{2, 2, 0, "w", ""}, {in});
  NeuronSpec neuron = lif(4.0f, 0.5f);
  neuron.rules.form = NeuronForm::kBeta;
  neuron.rules.reset = Reset::kSoft;
  const NodeId fires = graph.add("lif", Neuron{neuron}, {sum});
  graph.output("logits", graph.add("logits", StepMean{}, {fires}));
  Weights weights;
  weights.add("w", Tensor({2, 2}));
  const nir::Lifted lifted = nir::lift(graph, weights, true);
  REQUIRE(lifted.network.nodes.size() == 4);
  const nir::Node& node = lifted.network.nodes[2];
  CHECK(node.name == "lif");
  CHECK(node["tau"].at(1) == Approx(4e-4));
  CHECK(node["r"].at(0) == Approx(4));
  CHECK(std::get<std::string>(lifted.metadata.at("readout")) == "mean");
  CHECK_THAT(lifted.notes.at(0), Catch::Contains("no word for reset subtract"));
  const NodeId relu = graph.add("relu", Activation{}, {sum});
  graph.add("norm", BatchNorm{.channels = 2, .prefix = "norm"}, {relu});
  CHECK_THROWS_WITH(
      nir::lift(graph, weights, true),
      Catch::Contains("NIR cannot say 2 layers: relu (") && Catch::Contains("norm ("));
  // The value of the step before of what is no way back to a neuron.
  Graph shift;
  const NodeId input = shift.add("in", Input{{2}, false});
  const NodeId back = shift.add("back", Feedback{{2}, false});
  const NodeId twice = shift.add("twice", Scale{2.0f}, {input});
  shift.close(back, twice);
  shift.output("logits", shift.add("s", Scale{0.5f}, {back}));
  CHECK_THROWS_WITH(nir::lift(shift, {}, true), Catch::Contains("which step's value node"));
}
