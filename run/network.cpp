#include "run/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/io/weights_file.hpp"
#include "run/device.hpp"
#include "run/sample_loop.hpp"
#include "sim/backends/cuda/cuda.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/counts/neurobench.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/graph/step_axis.hpp"
#include "sim/graph/step_window.hpp"
#include "sim/graph/value_bounds.hpp"

namespace spikeloom {
std::shared_ptr<const Backend> make_backend(const Device& device, const CpuOptions& cpu,
                                            const AccumulatorLimits& limits) {
  if (device == kReferenceDevice) return make_reference_backend(limits);
  if (device.kind == Device::Kind::kCuda) {
    CudaOptions options;
    options.limits = limits;
    if (!cpu.cuda.empty() && cpu.cuda != "plain" && cpu.cuda != "synchronous")
      throw Error(ErrorCode::kUsage,
                  "SPIKELOOM_CUDA: expected plain or synchronous, found " + in_quotes(cpu.cuda));
    options.graphs = cpu.cuda.empty();
    options.synchronous = cpu.cuda == "synchronous";
    return make_cuda_backend(device.number, options);
  }
  return limits.empty() ? make_chosen_cpu_backend(cpu) : make_reference_backend(limits);
}

Weights load_for(const Graph& graph, const std::filesystem::path& path,
                 const Experiment::WeightSource& source, std::vector<std::string>& notes,
                 int threads, const WeightHints& hints) {
  StoredWeights stored = load_weights(
      path, {source.select, source.ignore, array_names(graph), source.select_key, threads});
  try {
    Weights bound = bind_weights(graph, std::move(stored), &notes, hints);
    value_gains(graph, bound, threads);
    return bound;
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

PlanOptions plan_options(const Experiment& experiment, const Graph& graph) {
  if (experiment.reads_tokens()) return {experiment.run.schedule, kTokenChunk, {}};
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
  const bool tokens = experiment.reads_tokens();
  MemoryPlan plan;
  plan.options = plan_options(experiment, graph);
  plan.options.keep.clear();
  plan.neurobench = experiment.neurobench;
  plan.features = experiment.output.features;
  plan.membranes = experiment.output.membranes;
  plan.sample_steps = experiment.model.shape().steps;
  plan.device = experiment.run.device;
  plan.precision = experiment.run.precision.precision;
  plan.batch = std::max<int64_t>(experiment.run.batch, 1);
  plan.rounds_weights = experiment.what_if.weight_bits > 0;
  // Windows side by side are as many as have room, and what was read to tell the dimensions is in
  // memory already.
  if (tokens) return plan;
  plan.batch = std::min(plan.batch, std::max<int64_t>(data.size, 1));
  if (!plan.options.whole_samples) {
    plan.aside = !plan.neurobench;
    if (!plan.aside) plan.batch = 1;
  }
  plan.sample_bytes = static_cast<int64_t>(sizeof(float)) * data.frames * data.channels *
                      std::max<int64_t>(data.height, 1) * std::max<int64_t>(data.width, 1);
  if (!experiment.weights.path.empty()) {
    std::error_code unknown;
    const auto size = std::filesystem::file_size(experiment.weights.path, unknown);
    if (!unknown) plan.file_bytes = static_cast<int64_t>(size);
  }
  plan.fuses = experiment.run.form == GraphForm::kFused;
  plan.calibrates = plan.precision == Precision::kInt8 && experiment.calibration_samples() > 0;
  plan.records = experiment.trace.enabled;
  plan.recorded_rows = data.size * experiment.model.shape().steps;
  return plan;
}

DataShape data_shape(const Experiment& experiment, const DatasetInfo& data) {
  if (experiment.reads_tokens()) return {.frames = experiment.tokens.window};
  return shape_of(data);
}

namespace {

// The graph, of dimensions that the tensors of a checkpoint may tell (null: random weights).
void build(const Experiment& experiment, const DataShape& data, Weights* stored, Network& network) {
  const Family& family = *experiment.model.family;
  network.spec = experiment.model.spec;
  if (family.arrays.take != nullptr && stored != nullptr)
    network.spec = family.arrays.take(network.spec, *stored);
  if (family.checkpoint.complete != nullptr)
    network.spec = family.checkpoint.complete(network.spec, stored, data);
  network.as_written = family.build(network.spec, data);
  network.classes = family.shape(network.spec).classes;
}

// Arrays that an experiment names and the checkpoint has not, or not so that they can be read.
void check_named(const NameSet& names, const StoredWeights& stored) {
  for (const auto& [name, type] : stored.unsupported) {
    if (names.count(name) == 0) continue;
    throw Error(ErrorCode::kData,
                fmt::format("the elements of {} are of type {}, which is not read", printable(name),
                            printable(type)));
  }
  const std::vector<std::string> there = stored.tensors.names();
  for (const std::string& name : names) {
    if (stored.tensors.contains(name)) continue;
    const std::string near = nearest(name, there);
    if (near.empty()) continue;  // building lists what there is
    throw Error(ErrorCode::kData,
                fmt::format("has no array {}; did you mean {}?", in_quotes(name), in_quotes(near)));
  }
}

// A checkpoint that tells the dimensions: it is read before there is a graph.
Weights load_and_build(const Experiment& experiment, const DatasetInfo& data, Network& network) {
  const Experiment::WeightSource& source = experiment.weights;
  const Family& family = *experiment.model.family;
  const int threads = experiment.run.threads;
  WeightsRequest request{source.select, source.ignore,
                         family.arrays.names != nullptr ? family.arrays.names(experiment.model.spec)
                                                        : family.checkpoint.landmarks()};
  request.threads = threads;
  StoredWeights stored = load_weights(source.path, request);
  const auto of_the_file = [&](auto&& step) {
    try {
      return step();
    } catch (const Error& error) {
      throw error.in_file(source.path);
    }
  };
  of_the_file([&] {
    if (family.arrays.names != nullptr) check_named(request.expected, stored);
    build(experiment, data_shape(experiment, data), &stored.tensors, network);
    return 0;
  });
  check_memory(network.as_written, memory_plan(experiment, data, network.as_written));
  return of_the_file([&] {
    Weights weights = bind_weights(network.as_written, std::move(stored), &network.notes);
    value_gains(network.as_written, weights, threads);
    return weights;
  });
}

// A network that comes with its weights.
Weights take_given(const Experiment& experiment, const DatasetInfo& data, Network& network) {
  const Family& family = *experiment.model.family;
  network.spec = experiment.model.spec;
  GivenNetwork given = family.given(network.spec, data_shape(experiment, data));
  network.as_written = std::move(given.graph);
  network.classes = family.shape(network.spec).classes;
  network.notes = std::move(given.notes);
  network.weights_note = given.source;
  check_memory(network.as_written, memory_plan(experiment, data, network.as_written));
  try {
    Weights weights = bind_weights(network.as_written, std::move(given.weights));
    value_gains(network.as_written, weights);
    return weights;
  } catch (const Error& error) {
    throw error.in(given.source);
  }
}

Weights make_weights(const Experiment& experiment, const DatasetInfo& data, Network& network) {
  const Family& family = *experiment.model.family;
  if (family.given != nullptr) return take_given(experiment, data, network);
  if (!network.random && (family.checkpoint.complete != nullptr || family.arrays.take != nullptr))
    return load_and_build(experiment, data, network);
  build(experiment, data_shape(experiment, data), nullptr, network);
  check_memory(network.as_written, memory_plan(experiment, data, network.as_written));
  if (network.random) {
    return random_weights(network.as_written,
                          static_cast<uint64_t>(experiment.weights.random_seed));
  }
  return load_for(network.as_written, experiment.weights.path, experiment.weights, network.notes,
                  experiment.run.threads, family.hints);
}

}  // namespace

Network make_network(const Experiment& experiment, const DatasetInfo& data) {
  Network network;
  const bool given = experiment.model.family->given != nullptr;
  network.random = !given && experiment.weights.path.empty();
  Weights weights = make_weights(experiment, data, network);
  if (experiment.run.form == GraphForm::kFused && reads_tokens(network.as_written))
    throw experiment.error_at("run.form", "token models have nothing to fuse: as_written");
  network.weights_hash = weights_hash(weights, experiment.run.threads);
  const std::string source = network.weights_note;
  network.weights_note =
      network.random ? fmt::format("random weights, seed {}", experiment.weights.random_seed)
                     : experiment.weights.note;
  if (network.weights_note.empty()) network.weights_note = source;
  if (network.weights_note.empty())
    network.weights_note = experiment.weights.path.filename().string();
  if (experiment.run.form == GraphForm::kFused) {
    network.model = fuse(network.as_written, std::move(weights), experiment.run.threads);
  } else {
    network.model = {network.as_written, std::move(weights)};
  }
  network.limits = round_model(experiment.what_if, network.model);
  const Graph& graph = network.model.graph;
  // Of ids every state is looked at: how large they are says nothing.
  const bool bounded = hides_values(graph) && !reads_tokens(graph);
  network.safe_input =
      bounded ? safe_input(graph, value_gains(graph, network.model.weights, experiment.run.threads),
                           experiment.model.shape().steps)
              : std::numeric_limits<double>::infinity();
  return network;
}

}  // namespace spikeloom
