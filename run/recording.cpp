#include "run/recording.hpp"

#include <fmt/format.h>

#include "core/hash.hpp"
#include "run/version.hpp"
#include "sim/trace/graph_json.hpp"

namespace spikeloom {
namespace {

// Of neurons whose step is a time, s; the usual ones count steps of a millisecond.
double step_ms(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    const auto* neuron = std::get_if<Neuron>(&node.op);
    if (neuron == nullptr || !neuron->spec.has("dt")) continue;
    const double dt = neuron->spec["dt"].value;
    return dt == 1 ? 1 : 1000 * dt;
  }
  return 1;
}

}  // namespace

RecorderOptions recorder_options(const Experiment& experiment, const Graph& graph,
                                 const Weights& weights, const std::string& config_json,
                                 const std::string& weights_sha256, int64_t steps) {
  const Experiment::Trace& trace = experiment.trace;
  RecorderOptions options;
  options.path = experiment.output.dir / "trace.h5";
  options.layers = trace.layers;
  options.every = trace.every;
  options.samples = trace.samples;
  options.events_auto = trace.events_auto;
  options.events = trace.events;
  options.events_gzip = trace.events_gzip;
  options.config_json = config_json;
  options.graph_json = graph_to_json(graph, &weights);
  options.config_sha256 = sha256_hex(config_json);
  options.dt_ms = step_ms(graph);
  options.run_id = sha256_hex(options.config_sha256 + weights_sha256).substr(0, 16);
  options.generator = fmt::format("spikeloom {}", kVersion);
  options.steps_per_sample = steps;
  return options;
}

}  // namespace spikeloom
