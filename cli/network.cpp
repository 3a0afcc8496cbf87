#include "cli/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "cli/environment.hpp"
#include "cli/sample_loop.hpp"
#include "core/error.hpp"
#include "core/io/weights_file.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/counts/neurobench.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/graph/step_axis.hpp"
#include "sim/graph/step_window.hpp"
#include "sim/graph/value_bounds.hpp"

namespace spikeloom {
std::shared_ptr<const Backend> make_backend(const std::string& device, AccumulatorLimits limits) {
  if (device == "reference") return make_reference_backend(std::move(limits));
  return make_chosen_cpu_backend(cpu_options_of_environment());
}

Weights load_for(const Graph& graph, const std::filesystem::path& path,
                 const Experiment::WeightSource& source, std::vector<std::string>& notes,
                 const WeightHints& hints) {
  StoredWeights stored =
      load_weights(path, {source.select, source.ignore, array_names(graph), source.select_key});
  try {
    Weights bound = bind_weights(graph, std::move(stored), &notes, hints);
    value_gains(graph, bound);
    return bound;
  } catch (const Error& error) {
    throw error.in(path.string());
  }
}

PlanOptions plan_options(const Experiment& experiment, const Graph& graph) {
  const ModelShape shape = experiment.model.shape();
  const int64_t steps = shape.steps, ahead = look_ahead_of(graph);
  // Images: a chunk keeps the weights of every layer in cache. Sequences run whole where they are
  // short, which lets samples run side by side, or where their memory needs it.
  int64_t chunk = std::min(steps, kMaxChunkSteps);
  if (steps_are_positions(graph))
    chunk = (shape.whole ? steps : std::min(steps, kMaxSequenceChunk)) + ahead;
  PlanOptions options{experiment.run.schedule, chunk, {}};
  options.whole_samples = steps + ahead <= chunk;
  if (experiment.neurobench) options.keep = NeuroBenchCounter::watched(graph);
  return options;
}

MemoryPlan memory_plan(const Experiment& experiment, const DatasetInfo& data, const Graph& graph) {
  MemoryPlan plan;
  plan.options = plan_options(experiment, graph);
  plan.options.keep.clear();
  plan.neurobench = experiment.neurobench;
  plan.features = experiment.output.features;
  plan.membranes = experiment.output.membranes;
  plan.sample_steps = experiment.model.shape().steps;
  plan.device = experiment.run.device;
  plan.precision = experiment.run.precision.precision;
  const bool alone = !plan.options.whole_samples;
  plan.batch =
      alone ? 1 : std::clamp<int64_t>(experiment.run.batch, 1, std::max<int64_t>(data.size, 1));
  plan.sample_bytes = static_cast<int64_t>(sizeof(float)) * data.frames * data.channels *
                      std::max<int64_t>(data.height, 1) * std::max<int64_t>(data.width, 1);
  if (!experiment.weights.path.empty()) {
    std::error_code unknown;
    const auto size = std::filesystem::file_size(experiment.weights.path, unknown);
    if (!unknown) plan.file_bytes = static_cast<int64_t>(size);
  }
  plan.fuses = experiment.run.form == "fused";
  plan.calibrates = plan.precision == Precision::kInt8 && experiment.run.precision.samples > 0;
  plan.rounds_weights = experiment.what_if.weight_bits > 0;
  plan.records = experiment.trace.enabled;
  plan.recorded_rows = data.size * experiment.model.shape().steps;
  return plan;
}

Network make_network(const Experiment& experiment, const DatasetInfo& data) {
  Network network;
  network.as_written = experiment.model.build(shape_of(data));
  check_memory(network.as_written, memory_plan(experiment, data, network.as_written));
  network.random = experiment.weights.path.empty();
  const auto seed = static_cast<uint64_t>(experiment.weights.random_seed);
  Weights weights = network.random
                        ? random_weights(network.as_written, seed)
                        : load_for(network.as_written, experiment.weights.path, experiment.weights,
                                   network.notes, experiment.model.family->hints);
  network.weights_hash = weights_hash(weights);
  network.weights_note =
      network.random ? fmt::format("random weights, seed {}", seed) : experiment.weights.note;
  if (network.weights_note.empty())
    network.weights_note = experiment.weights.path.filename().string();
  if (experiment.run.form == "fused") {
    network.model = fuse(network.as_written, std::move(weights), experiment.run.threads);
  } else {
    network.model = {network.as_written, std::move(weights)};
  }
  network.limits = round_model(experiment.what_if, network.model);
  const Graph& graph = network.model.graph;
  network.safe_input = hides_values(graph)
                           ? safe_input(graph, value_gains(graph, network.model.weights),
                                        experiment.model.shape().steps)
                           : std::numeric_limits<double>::infinity();
  return network;
}

}  // namespace spikeloom
