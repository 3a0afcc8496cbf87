#pragma once
// The worked example of docs/energy.md as a graph with spikes, and helpers of the report tests.

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "hw_model/report/report.hpp"

namespace spikeloom {

// Relative agreement of sums that were added in another order.
inline bool near(double a, double b, double tolerance = 1e-12) {
  return std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

// The worked example of docs/energy.md.
struct Example {
  Graph graph;
  RunStatistics run;

  Example() {
    const NodeId image = graph.add("image", Input{{4, 4, 1}, true});
    const NodeId stem = graph.add("stem", Conv2d{1, 2, 3, 1, 1, 1, "stem.weight", ""}, {image});
    const NodeId lif = graph.add("lif", Neuron{}, {stem});
    const NodeId conv = graph.add("conv", Conv2d{2, 2, 3, 1, 1, 1, "conv.weight", ""}, {lif});
    graph.output("logits", conv);
    run.samples = 1;
    run.evaluations = 4;
    PopulationStatistics spikes{32, 4, 8, std::vector<int64_t>(16, 0), {2, 2, 2, 2}};
    spikes.events_per_row[0] = 2;  // two corners
    spikes.events_per_row[15] = 1;
    spikes.events_per_row[5] = 4;  // inner pixels
    spikes.events_per_row[10] = 1;
    run.populations["lif"] = spikes;
  }

  RunCounts counts(Precision precision = Precision::kF32) const {
    RunCounts all;
    all.precision = precision;
    all.as_written = count_run(graph, run, precision);
    all.fused = all.as_written;
    all.fused.ops.form = GraphForm::kFused;
    all.dense_same = count_dense_run(graph, 1);
    all.executed_form = GraphForm::kAsWritten;
    all.steps = 4;
    return all;
  }
};

inline ReportInput example_input() {
  ReportInput input;
  input.version = "1.2.3";
  input.generator = "spikeloom 1.2.3";
  input.config = {{"model", {{"family", "meta_spikeformer"}, {"time_steps", 4}}}};
  input.config_sha256 = "c0";
  input.weights_sha256 = "w0";
  input.weights_text = "random, for a test";
  input.backend = "reference";
  input.simd = "none";
  input.schedule = "layer-major";
  input.dataset = "one image";
  input.rate_source = "spikes of this run";
  input.warnings = {"only a test"};
  input.counts = Example().counts();
  input.accuracy = {1, 1, true};
  input.signature = "0123456789abcdef";
  return input;
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace spikeloom
