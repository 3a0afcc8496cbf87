// Spikes of a trace, as a chip replays them.

#include "hw_model/chip/spikes.hpp"

#include "core/error.hpp"
#include "tests/catch.hpp"
#include "tests/unit/trace_fixture.hpp"

using namespace spikeloom;
using Catch::Matchers::Contains;
using trace_test::Folder;

namespace {

// Neurons that fire in a step of the run, counted over all samples.
std::vector<uint32_t> fired(const trace_test::Run& run, size_t population, int64_t step) {
  size_t sample = 0;
  while (step >= static_cast<int64_t>(run.spikes[sample].size())) {
    step -= static_cast<int64_t>(run.spikes[sample++].size());
  }
  const SpikeView bits = run.spikes[sample][static_cast<size_t>(step)][population].view();
  const int64_t channels = channels_of(run.populations[population].shape);
  std::vector<uint32_t> neurons;
  for (int64_t n = 0; n < bits.rows * channels; ++n) {
    if (bits.test(n / channels, n % channels)) neurons.push_back(static_cast<uint32_t>(n));
  }
  return neurons;
}

ChipNetwork network_of(const trace_test::Run& run) {
  ChipNetwork network;
  for (const Population& population : run.populations) {
    ChipPopulation& out = network.populations.emplace_back();
    out.name = population.name;
    out.width = rows_of(population.shape);
    out.channels = channels_of(population.shape);
  }
  return network;
}

}  // namespace

TEST_CASE("read_spikes: any range of steps, neurons ascending, starts of samples") {
  const Folder folder;
  const Graph graph = trace_test::make_graph(13, 1);
  const trace_test::Run run = trace_test::make_run(graph, {3, 4, 2}, 0.5, 1);
  {
    Recorder recorder(graph, trace_test::options_for(folder / "t.h5"));
    trace_test::feed(run, 2, recorder);
    recorder.close();
  }
  const TraceFile trace(folder / "t.h5");
  ChipNetwork network = network_of(run);
  // Not in the trace, and not looked up.
  network.populations.emplace_back().name = "values";
  network.populations.back().sends_always = true;
  const struct {
    int64_t first, steps;
    std::vector<int64_t> starts;
  } ranges[] = {{0, 9, {0, 3, 7}}, {2, 4, {0, 1}}, {3, 4, {0}}, {8, 1, {0}}};
  for (const auto& range : ranges) {
    INFO("steps " << range.first << " + " << range.steps);
    const ChipSpikes spikes = read_spikes(trace, network, range.first, range.steps);
    CHECK(spikes.steps == range.steps);
    CHECK(spikes.sample_starts == range.starts);
    CHECK_NOTHROW(check_spikes(network, spikes));
    for (size_t p = 0; p < run.populations.size(); ++p) {
      for (int64_t step = 0; step < range.steps; ++step) {
        const auto at = spikes.at(p, step);
        CHECK(std::vector<uint32_t>(at.begin(), at.end()) == fired(run, p, range.first + step));
      }
    }
    CHECK(spikes.at(run.populations.size(), 0).empty());
  }

  CHECK_THROWS_WITH(read_spikes(trace, network, 6, 4), Contains("9 steps"));
  CHECK_THROWS_WITH(read_spikes(trace, network, -1, 4), Contains("expected"));
  ++network.populations[0].channels;
  CHECK_THROWS_WITH(read_spikes(trace, network, 0, 4), Contains(network.populations[0].name));
  network.populations[0].name = "nobody";
  CHECK_THROWS_WITH(read_spikes(trace, network, 0, 4), Contains("nobody"));
}
