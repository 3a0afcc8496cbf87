// The front door as a library: what programs see of a run, several runs at a time, a run that is
// cancelled, experiments built in memory.

#include "run/run.hpp"

#include <algorithm>
#include <numeric>
#include <thread>

#include "core/io/folder_lock.hpp"
#include "core/io/json.hpp"
#include "core/io/npy.hpp"
#include "core/rng.hpp"
#include "run/decision_stream.hpp"
#include "run/frames.hpp"
#include "run/generate.hpp"
#include "run/price_trace.hpp"
#include "run/sample_loop.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/trace/trace_file.hpp"
#include "tests/catch.hpp"
#include "tests/unit/io_helpers.hpp"

using namespace spikeloom;
namespace fs = std::filesystem;

namespace {

Tensor random_values(Shape shape, uint64_t seed) {
  Tensor values(std::move(shape));
  uint64_t index = 0;
  for (float& value : values.f32()) value = 4 * random_uniform(seed, 0, index++) - 1;
  return values;
}

// A folder with the data of the experiments below.
struct Data {
  io_test::Scratch folder;
  Data() {
    save_npy(folder / "images.npy", random_values({6, 1, 32, 32}, 1));
    save_npy(folder / "sequences.npy", random_values({5, 12, 5}, 2));
    Tensor tokens({12, 24}, DType::kI64);
    uint64_t index = 0;
    for (int64_t& id : tokens.as<int64_t>())
      id = static_cast<int64_t>(random_bits(3, 0, index++) % 50);
    save_npy(folder / "tokens.npy", tokens);
  }

  Experiment experiment(const std::string& text, const std::string& out) const {
    Experiment e = read_experiment(Config::parse(text, (folder / "e.toml").string()));
    e.output.dir = folder / out;
    return e;
  }
};

const char* const kImages = R"(
dataset = {kind = "npy", path = "images.npy"}
run = {threads = 2}
chip = {name = "loihi2"}
output = {features = ["block3.0"], checkpoint_s = 0.0}
[model]
family = "meta_spikeformer"
embed_dim = [8, 16, 16, 24]
num_heads = 2
num_classes = 4
in_channels = 1
depths = [1, 1, 1, 1, 1]
strides = [2, 2, 1, 2, 1]
mlp_ratio = 2
time_steps = 2
)";
const char* const kSequences = R"(
dataset = {kind = "npy", path = "sequences.npy"}
run = {threads = 2, form = "fused"}
report = {neurobench = true}
[model]
family = "lmuformer"
dim = 24
memory_size = 16
num_classes = 3
seq_len = 12
theta = 8
in_channels = 5
)";
const char* const kTokens = R"(
model = {family = "spikegpt", layers = 2, width = 16, vocabulary = 50}
dataset = {kind = "tokens", path = "tokens.npy", window = 10}
run = {threads = 2, batch = 3}
what_if = {drop_rate = 0.25}
output = {checkpoint_s = 0.0}
)";
const char* const kWhole = R"(
model = {family = "kwt", seq_len = 12, in_channels = 5, mlp = 8}
dataset = {kind = "npy", path = "sequences.npy"}
run = {threads = 1, precision = "int8"}
)";
const std::vector<const char*> kAll = {kImages, kSequences, kTokens, kWhole};

// Kernels as they are usually chosen, without measuring.
RunOptions usual() {
  RunOptions options;
  options.cpu.sums = "usual";
  return options;
}

// A report without what differs from run to run, whatever ran.
nlohmann::json lasting(const fs::path& folder) {
  nlohmann::json report = load_json(folder / "report.json");
  for (const char* key : {"wall_seconds", "peak_memory_bytes", "config_sha256"})
    report["provenance"].erase(key);
  report["config"]["output"].erase("dir");
  report.erase("config_sha256");
  return report;
}

// Nor how many threads there were, and samples in flight.
nlohmann::json found(const fs::path& folder) {
  nlohmann::json report = lasting(folder);
  for (const char* key : {"threads", "batch"}) {
    report["provenance"].erase(key);
    report["config"]["run"].erase(key);
  }
  return report;
}

void check_equal(const RunResult& a, const RunResult& b) {
  CHECK(a.signature() == b.signature());
  CHECK(a.files == b.files);
  CHECK(found(a.folder) == found(b.folder));
  CHECK(TraceFile(a.folder / "trace.h5").header().signature ==
        TraceFile(b.folder / "trace.h5").header().signature);
  for (const std::string& file : a.files) {
    INFO(file);
    CHECK(fs::is_regular_file(a.folder / file));
    if (file.ends_with(".npy") || file.ends_with(".csv"))
      CHECK(io_test::text_of(a.folder / file) == io_test::text_of(b.folder / file));
  }
}

TEST_CASE("samples in memory are as their files, and another folder leaves no mark") {
  const Data data;
  const std::string name = (data.folder / "images.npy").string();
  const Tensor labels = [] {
    Tensor values({6}, DType::kI64);
    std::iota(values.as<int64_t>().begin(), values.as<int64_t>().end(), -2);
    for (int64_t& label : values.as<int64_t>()) label = std::max<int64_t>(label, 0);
    return values;
  }();
  save_npy(data.folder / "labels.npy", labels);
  const Tensor images = load_npy(name), tokens = load_npy(data.folder / "tokens.npy");
  const auto memory = [](std::string called, const char* descr, const Tensor& values) {
    return NpyMemory{std::move(called), descr, false, values.shape(),
                     std::span(values.data(), static_cast<size_t>(values.bytes()))};
  };
  const auto config = [&](const char* text) {
    Config read = Config::parse(text, (data.folder / "e.toml").string());
    read.set("output.dir=stated");
    return read;
  };
  RunOptions options = usual();
  const auto run = [&](const Experiment& experiment, const char* folder) {
    options.folder = data.folder / folder;
    return run_experiment(experiment, options);
  };
  Config by_file = config(kImages);
  by_file.set("dataset.path=" + name);
  by_file.set("dataset.labels=" + (data.folder / "labels.npy").string());
  const NpyMemory told = memory((data.folder / "labels.npy").string(), "<i8", labels);
  const RunResult a = run(read_experiment(std::move(by_file)), "a");
  const RunResult b =
      run(read_experiment(config(kImages), memory(name, "<f4", images), &told), "b");
  check_equal(a, b);
  CHECK(a.report.input.config_sha256 == b.report.input.config_sha256);
  CHECK(a.report.input.inputs == b.report.input.inputs);
  CHECK(load_json(b.folder / "report.json")["config"]["output"]["dir"] == "stated");
  CHECK(io_test::text_of(b.folder / "page.html").find(b.folder.string()) == std::string::npos);
  CHECK_FALSE(fs::exists("stated"));
  const RunResult c = run(read_experiment(config(kTokens)), "c");
  const RunResult d =
      run(read_experiment(config(kTokens), memory(name, "<i8", tokens), nullptr), "d");
  CHECK(c.signature() == d.signature());
  CHECK(c.report.input.inputs == d.report.input.inputs);
  CHECK_THROWS_AS(read_experiment(config(kTokens), memory(name, "<i8", tokens), &told), Error);
}

TEST_CASE("a run tells what it did, and leaves the files that it names") {
  const Data data;
  const RunResult result = run_experiment(data.experiment(kImages, "out"), usual());
  CHECK(result.done == 6);
  CHECK(result.size == 6);
  CHECK(result.unit == "sample");
  CHECK_FALSE(result.cancelled);
  CHECK(result.files == std::vector<std::string>{"report.json", "report.csv", "energy.csv",
                                                 "page.html", "chip.csv", "trace.h5", "logits.npy",
                                                 "block3.0.npy"});
  CHECK(std::distance(fs::directory_iterator(result.folder), fs::directory_iterator()) == 8);
  const nlohmann::json report = load_json(result.folder / "report.json");
  CHECK(report["signature"] == result.signature());
  CHECK(report["verdict"][0] == result.report.verdict.lines()[0]);
  CHECK(report["run"]["samples"] == 6);
  REQUIRE(result.report.input.hardware);
  CHECK(result.report.input.hardware->samples == 6);
  CHECK(load_npy(result.folder / "logits.npy").shape() == Shape{6, 4});
}

TEST_CASE("runs in threads of one process give what they give alone") {
  const Data data;
  std::vector<RunResult> alone, together(kAll.size());
  for (size_t i = 0; i < kAll.size(); ++i)
    alone.push_back(run_experiment(data.experiment(kAll[i], "alone" + std::to_string(i)), usual()));
  std::vector<Experiment> experiments;
  for (size_t i = 0; i < kAll.size(); ++i)
    experiments.push_back(data.experiment(kAll[i], "together" + std::to_string(i)));
  std::vector<std::string> faults(kAll.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kAll.size(); ++i) {
    threads.emplace_back([&, i] {
      try {
        together[i] = run_experiment(experiments[i], usual());
      } catch (const std::exception& error) {
        faults[i] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < kAll.size(); ++i) {
    INFO(kAll[i]);
    REQUIRE(faults[i] == "");
    check_equal(alone[i], together[i]);
  }
}

TEST_CASE("samples of several chunks are the same side by side and one after the other") {
  const Data data;
  std::string text = kImages;
  const std::string_view steps = "time_steps = 2";
  text.replace(text.find(steps), steps.size(), "time_steps = 37");  // the second chunk is short
  const auto run = [&](int threads, int64_t batch) {
    Experiment e =
        data.experiment(text, "out" + std::to_string(threads) + "x" + std::to_string(batch));
    e.run.threads = threads;
    e.run.batch = batch;
    return run_experiment(e, usual());
  };
  const RunResult alone = run(1, 1);
  for (const auto& [threads, batch] : {std::pair{1, 4}, {2, 2}, {2, 5}, {3, 4}}) {
    INFO(threads << " threads, " << batch << " samples in flight");
    check_equal(run(threads, batch), alone);
  }
}

TEST_CASE("a cancelled run is continued to what an uninterrupted one gives") {
  const Data data;
  for (const char* text : {kImages, kTokens}) {
    INFO(text);
    const RunResult whole = run_experiment(data.experiment(text, "whole"), usual());
    const Experiment experiment = data.experiment(text, "cut");
    RunOptions options = usual();
    options.observer.progress = [&](const Progress& state) {
      if (state.stage != "run") return;
      CHECK(state.total == whole.size);
      if (state.done == 2) options.cancel.cancel();
    };
    const RunResult cut = run_experiment(experiment, options);
    CHECK(cut.cancelled);
    CHECK(cut.done >= 2);
    CHECK(cut.done < cut.size);
    CHECK(fs::exists(experiment.output.dir / "checkpoint.safetensors"));
    const std::string line = "interrupted after " + std::to_string(cut.done) + " of " +
                             std::to_string(cut.size) + " " + cut.unit + "s";
    const auto& warnings = cut.report.input.warnings;
    CHECK(std::count(warnings.begin(), warnings.end(), line) == 1);

    RunOptions again = usual();
    again.resume = true;
    std::vector<std::string> notes;
    again.observer.note = [&](const std::string& note) { notes.push_back(note); };
    const RunResult rest = run_experiment(experiment, again);
    CHECK(notes ==
          std::vector<std::string>{"continuing after " + cut.unit + " " + std::to_string(cut.done) +
                                   " of " + std::to_string(cut.size)});
    CHECK_FALSE(rest.cancelled);
    CHECK_FALSE(fs::exists(experiment.output.dir / "checkpoint.safetensors"));
    check_equal(rest, whole);
  }
}

TEST_CASE("two runs cannot have one folder") {
  const Data data;
  const Experiment experiment = data.experiment(kWhole, "out");
  const FolderLock other(experiment.output.dir);
  CHECK_THROWS_WITH(run_experiment(experiment, usual()), Catch::Contains("another"));
}

TEST_CASE("an experiment says in its keys what it is") {
  const Data data;
  for (const char* text : kAll) {
    INFO(text);
    const Experiment read = data.experiment(text, "out");
    const nlohmann::json config = config_of(read);
    const Experiment again = read_experiment(Config::parse(dump_json(config), "again.json"));
    CHECK(config_of(again) == config);
    Experiment changed = read;
    changed.dataset.events = LevelRange{-2, 5};
    if (!changed.reads_tokens())
      CHECK(stated(changed)["dataset"]["levels"] == nlohmann::json({-2, 5}));
    // As it was given, but for the folder that was changed in memory.
    nlohmann::json given = read.config;
    given["output"]["dir"] = read.output.dir.string();
    CHECK(stated(read) == given);
  }
}

TEST_CASE("an experiment built in memory runs like the file that says the same") {
  const Data data;
  Experiment built;
  built.model = choose_model("lmuformer");
  set_key(built.model, "dim", "dim", int64_t{24});
  set_key(built.model, "memory_size", "memory_size", int64_t{16});
  set_key(built.model, "num_classes", "num_classes", int64_t{3});
  set_key(built.model, "seq_len", "seq_len", int64_t{12});
  set_key(built.model, "theta", "theta", 8.0);
  set_key(built.model, "in_channels", "in_channels", int64_t{5});
  built.dataset.kind = "npy";
  built.dataset.path = data.folder / "sequences.npy";
  built.run.threads = 2;
  built.run.form = GraphForm::kFused;
  built.neurobench = true;
  built.output.dir = data.folder / "built";
  const RunResult memory = run_experiment(built, usual());
  const RunResult file = run_experiment(data.experiment(kSequences, "file"), usual());
  CHECK(memory.signature() == file.signature());
  CHECK(lasting(memory.folder)["counts"] == lasting(file.folder)["counts"]);
  CHECK(lasting(memory.folder)["neurobench"] == lasting(file.folder)["neurobench"]);
  CHECK(lasting(memory.folder)["config"] == nlohmann::json([&] {
          nlohmann::json config = config_of(built);
          config["output"].erase("dir");
          return config;
        }()));
  CHECK_THROWS_WITH(choose_model("lmu"), Catch::Contains("no family \"lmu\"; there are "));
  built.trace.samples = {7};
  CHECK_THROWS_WITH(run_experiment(built, usual()),
                    "key 'trace.samples': there is no sample 7, the run has 5");
}

TEST_CASE("a trace costs on a chip what its run said") {
  const Data data;
  const RunResult result = run_experiment(data.experiment(kImages, "out"), usual());
  TracePricing pricing;
  pricing.job.trace = trace_in(result.folder);
  CHECK(pricing.job.trace == result.folder / "trace.h5");
  pricing.chips = {"loihi2"};
  const PricedTrace priced = price_trace(pricing);
  REQUIRE(priced.report.runs.size() == 1);
  CHECK(priced.warnings.empty());
  CHECK(priced.report.signature == result.signature());
  CHECK(priced.report.runs[0].total_j == result.report.input.hardware->total_j);
  CHECK(priced.report.runs[0].samples == 6);

  pricing.chips = {"loihi2", "truenorth"};
  pricing.sweep = {{"noc.cast", {"unicast", "multicast"}}};
  pricing.dense = {"dense_systolic"};
  CHECK(pricing.combinations() == 4);
  const ChipReport swept = price_trace(pricing).report;
  REQUIRE(swept.runs.size() == 4);
  CHECK(swept.runs[0].label == "loihi2 noc.cast=unicast");
  CHECK(swept.runs[3].label == "truenorth noc.cast=multicast");
  CHECK(swept.dense.size() == 1);
  pricing.sweep[0].second.assign(kMostChipRuns, "unicast");
  CHECK_THROWS_WITH(price_trace(pricing), "more than 10000 combinations");
}

TEST_CASE("text is made from a seed, and ends when it is cancelled") {
  const Data data;
  GenerateRequest request;
  request.network = data.experiment(kTokens, "unused");
  request.ids = [](int64_t vocabulary) {
    CHECK(vocabulary == 50);
    return std::vector<int32_t>{3, 1, 4};
  };
  request.cpu.sums = "usual";
  request.tokens = 12;
  request.sampling.seed = 7;
  const GeneratedText text = generate(request);
  CHECK(text.prompt == std::vector<int32_t>{3, 1, 4});
  CHECK(text.ids.size() == 12);
  CHECK_FALSE(text.has_text);
  CHECK_FALSE(text.cancelled);
  CHECK(text.energies.size() == 3);
  CHECK(generate(request).ids == text.ids);
  int made = 0;
  request.made = [&](const std::string&) {
    if (++made == 5) request.cancel.cancel();
  };
  const GeneratedText cut = generate(request);
  CHECK(cut.cancelled);
  CHECK(cut.ids == std::vector<int32_t>(text.ids.begin(), text.ids.begin() + 5));
}

TEST_CASE("fed frame by frame a network decides as on the whole sequence") {
  const Data data;
  Experiment experiment = data.experiment(kSequences, "out");
  run_experiment(experiment, usual());
  const Tensor logits = load_npy(experiment.output.dir / "logits.npy");
  const Tensor sequences = load_npy(data.folder / "sequences.npy");
  DatasetInfo info;
  info.size = 1;
  info.frames = 12;
  info.channels = 5;
  const Network network = make_network(experiment, info);
  for (int64_t sample = 0; sample < 5; ++sample) {
    DecisionStream stream(experiment, network, 2, usual().cpu);
    ArrayFrames frames(part_of(sequences, sample, 1), stream.frame_shape().back());
    Tensor frame({1, 5});
    int64_t answers = 0;
    while (frames.next(frame)) answers += stream.feed(frame).has_value();
    CHECK(stream.frames() == 12);
    CHECK(answers == 12 - stream.look_ahead());
    for (int64_t i = 0; i < stream.look_ahead(); ++i) CHECK(stream.drain().has_value());
    const auto row = logits.f32().subspan(static_cast<size_t>(3 * sample), 3);
    CHECK(stream.last().step == 11);
    CHECK(stream.last().answer == std::max_element(row.begin(), row.end()) - row.begin());
    CHECK_FALSE(stream.last().decided);
  }
}

}  // namespace

namespace {

// Vectors of one frame; sample `odd` makes the neuron behind it fire more often than a level tells.
class Bursts final : public Dataset {
 public:
  explicit Bursts(int64_t odd) : odd_(odd) {
    info_.size = 6;
    info_.channels = 2;
  }
  const DatasetInfo& info() const noexcept override { return info_; }
  Sample load(int64_t index) const override {
    Sample sample;
    sample.frames = Tensor({1, 2});
    sample.frames.f32()[0] = index == odd_ ? 1e6f : 3.5f;
    return sample;
  }

 private:
  DatasetInfo info_;
  int64_t odd_;
};

}  // namespace

TEST_CASE("what fails inside samples that run side by side is an error of the run") {
  Graph graph;
  NeuronSpec several = neuron("IF");
  several.rules.reset = Reset::kMulti;
  const NodeId in = graph.add("in", Input{{2}, false});
  graph.output("logits", graph.add("many", Neuron{several}, {in}));
  const auto plan = compile(graph, Weights(), make_cpu_backend(), {Schedule::kLayerMajor, 1, {}});
  for (const int64_t odd : {0, 1, 5, 6}) {
    for (const int threads : {1, 2, 4}) {
      CAPTURE(odd, threads);
      LoopOptions options;
      options.batch = 4;
      options.threads = threads;
      int64_t ended = 0;
      LoopCallbacks calls;
      calls.begin = [](int64_t, const Sample&) {};
      calls.chunk = [](const Session&, const Sample&) {};
      calls.end = [&](int64_t, const Sample&) { ++ended; };
      const Bursts bursts(odd);
      if (odd == 6) {
        CHECK(run_samples(plan, bursts, options, calls) == 6);
      } else {
        CHECK_THROWS_WITH(run_samples(plan, bursts, options, calls),
                          Catch::Contains("many: a level at step 0 is not a whole number"));
      }
      CHECK(ended == odd);
    }
  }
}
