// Recorder, reader and inspection of a trace file in good weather; bad weather:
// trace_damage_test.cpp.

#include <algorithm>
#include <functional>
#include <sstream>

#include "core/error.hpp"
#include "sim/trace/inspect.hpp"
#include "sim/trace/signature.hpp"
#include "tests/catch.hpp"
#include "tests/unit/trace_fixture.hpp"

using namespace spikeloom;
using namespace spikeloom::trace_test;

namespace {

std::vector<std::string> names_in(const TraceFile& trace) {
  std::vector<std::string> names;
  for (const TracePopulation& population : trace.populations()) names.push_back(population.name);
  return names;
}

ErrorCode code_of(const std::function<void()>& action, const std::string& expected_text) {
  try {
    action();
  } catch (const Error& error) {
    INFO(error.what());
    CHECK(std::string(error.what()).find(expected_text) != std::string::npos);
    return error.code();
  }
  FAIL("no error");
  return ErrorCode::kInternal;
}

}  // namespace

TEST_CASE("recorded spikes are read back bit for bit") {
  const Folder folder;
  for (const auto& [channels, heads] : kWidths) {
    for (const int64_t chunk : {1, 3}) {
      INFO(channels << " channels, chunks of " << chunk);
      const Graph graph = make_graph(channels, heads);
      const Run run = make_run(graph, {4, 4, 4, 4, 4}, 0.4, 11);
      RecorderOptions options = options_for(folder / "a.trace.h5");
      options.steps_per_sample = 4;
      std::filesystem::remove(options.path);
      Recorder recorder(graph, options);
      Signature signature(graph);
      feed(run, chunk, recorder);
      feed(run, chunk, signature);
      recorder.set_signature(signature.text());
      CHECK(!std::filesystem::exists(options.path));
      recorder.close();
      CHECK(temporary_of(options.path).empty());
      const TraceFile trace(options.path);
      CHECK(trace.header().complete);
      CHECK(trace.header().signature == signature.text());
      CHECK(trace.header().run_id == "test");
      CHECK(trace.warning().empty());
      CHECK(!trace.is_partial());
      CHECK(trace.has_all_populations());
      CHECK(trace.config_json() == "{}\n");
      REQUIRE(trace.populations().size() == run.populations.size());
      REQUIRE(trace.samples().size() == 5);
      for (size_t p = 0; p < run.populations.size(); ++p) {
        const TracePopulation& entry = trace.populations()[p];
        CHECK(entry.fault.empty());
        CHECK(entry.layer == run.populations[p].name);
        CHECK(entry.shape == run.populations[p].shape);
        CHECK(entry.axes == run.populations[p].axes);
        CHECK(entry.neuron_model == "LIF");
        CHECK(entry.threshold == 1.0);
        CHECK(entry.steps_per_sample == 4);
        REQUIRE(entry.rows == 20);
        const std::vector<uint32_t> counts = trace.popcounts(p);
        for (int64_t row = 0; row < 20; ++row) {
          const SpikeTensor& expected =
              run.spikes[static_cast<size_t>(row / 4)][static_cast<size_t>(row % 4)][p];
          const bool equal = trace.read(p, row) == expected;
          CHECK(equal);
          CHECK(counts[static_cast<size_t>(row)] == expected.view().count());
        }
        CHECK_THROWS_AS(trace.read(p, 20), Error);
      }
      CHECK(trace.find("block.attn.out_lif") == trace.find("block/attn/out_lif"));
      CHECK(code_of([&] { trace.at("head.lfi"); }, "did you mean 'head.lif'") == ErrorCode::kUsage);
      CHECK(verify(trace) == std::vector<std::string>{});
    }
  }
}

TEST_CASE("samples keep their order, labels, predictions and steps") {
  const Folder folder;
  const Graph graph = make_graph(5, 1);
  const Run run = make_run(graph, {3, 0, 5, 1}, 0.2, 5);
  Recorder recorder(graph, options_for(folder / "a.h5"));
  feed(run, 2, recorder);
  recorder.close();
  const TraceFile trace(folder / "a.h5");
  REQUIRE(trace.samples().size() == 4);
  for (size_t s = 0; s < 4; ++s) {
    const TraceSample& sample = trace.samples()[s];
    CHECK(sample.index == static_cast<int64_t>(s));
    CHECK(sample.label == run.labels[s]);
    CHECK(sample.prediction == run.predictions[s]);
    CHECK(sample.first_step == run.first_steps[s]);
    CHECK(sample.steps == static_cast<int64_t>(run.spikes[s].size()));
  }
  const std::vector<TraceRow> rows = trace.rows(0);
  REQUIRE(rows.size() == 9);
  CHECK((rows[2].sample == 0 && rows[2].step == 2));
  CHECK((rows[3].sample == 2 && rows[3].step == 0));
  CHECK((rows[8].sample == 3 && rows[8].step == 0));
  CHECK(verify(trace).empty());
}

TEST_CASE("layers, every and samples select what is recorded") {
  const Folder folder;
  const Graph graph = make_graph(8, 2);
  const Run run = make_run(graph, {5, 5, 5, 5}, 0.3, 9);
  RecorderOptions options = options_for(folder / "a.h5");
  options.layers = {"head.lif", "block/attn/out_lif"};
  options.every = 2;
  options.samples = {1, 3};
  options.events = {"head.lif"};
  Recorder recorder(graph, options);
  feed(run, 2, recorder);
  recorder.set_signature("0123456789abcdef");  // cannot be checked against a selection
  recorder.close();
  const TraceFile trace(options.path);
  CHECK(names_in(trace) == std::vector<std::string>{"block.attn.out_lif", "head.lif"});
  CHECK(trace.is_partial());
  CHECK(!trace.has_all_populations());
  CHECK(trace.samples().size() == 4);
  for (size_t p = 0; p < 2; ++p) {
    const std::vector<TraceRow> rows = trace.rows(p);
    REQUIRE(rows.size() == 6);
    for (size_t r = 0; r < 6; ++r) {
      CHECK(rows[r].sample == (r < 3 ? 1 : 3));
      CHECK(rows[r].step == static_cast<int64_t>(r % 3) * 2);
      const auto sample = static_cast<size_t>(rows[r].sample),
                 step = static_cast<size_t>(rows[r].step);
      const auto in_graph = static_cast<size_t>(trace.populations()[p].index);
      const bool equal =
          trace.read(p, static_cast<int64_t>(r)) == run.spikes[sample][step][in_graph];
      CHECK(equal);
    }
  }
  CHECK(trace.populations()[1].events > 0);
  CHECK(verify(trace) == std::vector<std::string>{});
}

TEST_CASE("event lists: automatic below 2 percent, named always, sorted by time and node") {
  const Folder folder;
  const Graph graph = make_graph(64, 1);
  const Run run = make_run(graph, {50, 50, 50}, 0.05, 13);  // rates 0.8 % to 5 %
  RecorderOptions options = options_for(folder / "a.h5");
  options.events = {"head.lif"};
  Recorder recorder(graph, options);
  feed(run, 8, recorder);
  recorder.close();
  const TraceFile trace(options.path);
  const TraceSummary summary = summarise(trace);
  int lists = 0;
  for (size_t p = 0; p < trace.populations().size(); ++p) {
    const TracePopulation& entry = trace.populations()[p];
    const double rate = summary.populations[p].rate();
    CHECK((entry.events >= 0) == (rate < 0.02 || entry.name == "head.lif"));
    if (entry.events < 0) continue;
    ++lists;
    const TraceEvents events = trace.events(p, 0, entry.events);
    size_t e = 0;
    for (int64_t g = 0; g < 150; ++g) {
      const SpikeView view =
          run.spikes[static_cast<size_t>(g / 50)][static_cast<size_t>(g % 50)][p].view();
      for (int64_t r = 0; r < view.rows; ++r) {
        view.for_each(r, [&](int64_t c) {
          REQUIRE(e < events.nodes.size());
          const bool equal = events.nodes[e] == static_cast<uint64_t>(r * 64 + c) &&
                             events.times_ms[e] == static_cast<double>(g) * 0.1;
          CHECK(equal);
          ++e;
        });
      }
    }
    CHECK(e == events.nodes.size());
  }
  CHECK((lists > 1 && lists < 6));
  CHECK(verify(trace).empty());

  options.events_auto = false;
  options.events.clear();
  Recorder none(graph, options);
  feed(run, 8, none);
  none.close();
  const TraceFile without(options.path);
  REQUIRE(without.populations().size() == 6);
  for (const TracePopulation& entry : without.populations()) CHECK(entry.events == -1);
}

TEST_CASE("a long run crosses chunks and drops an unfinished sample") {
  const Folder folder;
  Graph graph;
  const NodeId image = graph.add("input", Input{{200, 200, 64}, true});
  graph.add("lif", Neuron{lif(2.0f)}, {image});  // 320000 bytes a row: one row per chunk
  Graph small;
  small.add("lif", Neuron{lif(2.0f)},
            {small.add("input", Input{{16384}, true})});  // 128 rows per chunk
  for (Graph* net : {&graph, &small}) {
    const bool big = net == &graph;
    const Run run = make_run(*net, {big ? 2 : 100, big ? 1 : 60, big ? 3 : 300}, 0.01, 17);
    Recorder recorder(*net, options_for(folder / "a.h5"));
    feed_sample(run, 0, 7, recorder);
    feed_sample(run, 1, 7, recorder);
    recorder.begin_sample({2, 0, run.first_steps[2]});
    feed_chunk(run, 2, 0, big ? 2 : 290, recorder);
    recorder.close();
    const TraceFile trace(folder / "a.h5");
    const std::vector<TraceRow> rows = trace.rows(0);
    REQUIRE(rows.size() == (big ? 3u : 160u));
    CHECK(trace.samples().size() == 2);
    for (size_t r = 0; r < rows.size(); ++r) {
      const bool equal =
          trace.read(0, static_cast<int64_t>(r)) ==
          run.spikes[static_cast<size_t>(rows[r].sample)][static_cast<size_t>(rows[r].step)][0];
      CHECK(equal);
    }
    CHECK(trace.populations()[0].events >= 0);
    CHECK(verify(trace) == std::vector<std::string>{});
  }
}

TEST_CASE("summary and CSV tell what was fed") {
  const Folder folder;
  const Graph graph = make_graph(13, 1);
  const Run run = make_run(graph, {4, 2}, 0.5, 21);
  Recorder recorder(graph, options_for(folder / "a.h5"));
  feed(run, 4, recorder);
  recorder.close();
  const TraceFile trace(folder / "a.h5");
  const TraceSummary summary = summarise(trace);
  CHECK(summary.steps == 6);
  for (size_t p = 0; p < run.populations.size(); ++p) {
    const PopulationSummary& entry = summary.populations[p];
    std::vector<int64_t> by_step(4), by_neuron(static_cast<size_t>(entry.neurons));
    std::ostringstream expected;
    const size_t rank = entry.shape.size();
    expected << "sample,step,node," << (rank == 3 ? "c,y,x" : rank == 2 ? "c,n" : "c") << "\n";
    for (size_t s = 0; s < 2; ++s) {
      for (size_t t = 0; t < run.spikes[s].size(); ++t) {
        for (int64_t i = 0; i < entry.neurons; ++i) {
          const int64_t c = i % 13, place = i / 13;
          if (!run.spikes[s][t][p].view().test(place, c)) continue;
          ++by_step[t];
          ++by_neuron[static_cast<size_t>(i)];
          expected << s << "," << t << "," << i << "," << c;
          if (rank == 3) expected << "," << place / 2 << "," << place % 2;
          if (rank == 2) expected << "," << place;
          expected << "\n";
        }
      }
    }
    CHECK(entry.spikes_per_step == by_step);
    REQUIRE(entry.most_active.size() == 5);
    CHECK(entry.most_active[0].spikes == *std::max_element(by_neuron.begin(), by_neuron.end()));
    CHECK(entry.least_active[0].spikes == *std::min_element(by_neuron.begin(), by_neuron.end()));
    for (const NeuronActivity& neuron : entry.most_active) {
      CHECK(by_neuron[static_cast<size_t>(neuron.neuron)] == neuron.spikes);
    }
    std::ostringstream csv;
    export_events(trace, entry.name, csv);
    CHECK(csv.str() == expected.str());
  }
}

TEST_CASE("the recorder says what is wrong with its options") {
  const Folder folder;
  const Graph graph = make_graph(8, 1);
  RecorderOptions options = options_for(folder / "a.h5");
  const auto make = [&] { Recorder recorder(graph, options); };
  options.layers = {"stem.lfi"};
  CHECK(code_of(make, "did you mean 'stem.lif'?") == ErrorCode::kUsage);
  options.layers = {"stem.lif"};
  options.events = {"head.lif"};  // not recorded
  CHECK(code_of(make, "head.lif") == ErrorCode::kUsage);
  options.events.clear();
  options.every = 0;
  CHECK(code_of(make, "every") == ErrorCode::kUsage);
  options = options_for(folder / "nowhere/a.h5");
  CHECK(code_of(make, "nowhere/a.h5: cannot be created: No such file") == ErrorCode::kRuntime);
  CHECK(temporary_of(folder / "a.h5").empty());
}

TEST_CASE("without close nothing carries the final name") {
  const Folder folder;
  const Graph graph = make_graph(8, 1);
  const Run run = make_run(graph, {4}, 0.2, 2);
  for (const bool keep : {false, true}) {
    RecorderOptions options = options_for(folder / "a.h5");
    options.keep_partial = keep;
    {
      Recorder recorder(graph, options);
      feed(run, 4, recorder);
    }
    CHECK(!std::filesystem::exists(folder / "a.h5"));
    CHECK(temporary_of(folder / "a.h5").empty() == !keep);
  }
  const TraceFile trace(temporary_of(folder / "a.h5"));
  CHECK(!trace.warning().empty());
  REQUIRE(verify(trace).size() == 1);  // the warning
}
