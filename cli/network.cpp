#include "cli/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "cli/cpu_choice.hpp"
#include "cli/sample_loop.hpp"
#include "core/error.hpp"
#include "core/io/weights_file.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/graph/step_window.hpp"
#include "sim/graph/value_bounds.hpp"
#include "sim/trace/neurobench.hpp"

namespace spikeloom {
std::shared_ptr<const Backend> make_backend(const std::string& device, AccumulatorLimits limits) {
  if (device == "reference") return make_reference_backend(std::move(limits));
  const char* simd = std::getenv("SPIKELOOM_SIMD");
  return make_chosen_cpu_backend(simd == nullptr ? "" : simd);
}

Weights load_for(const Graph& graph, const std::filesystem::path& path,
                 const Experiment::WeightSource& source, std::vector<std::string>& notes,
                 std::span<const ExtentHint> hints) {
  StoredWeights stored = load_weights(
      path, {source.select, source.ignore, array_names(graph), source.select_key});
  try {
    Weights bound = bind_weights(graph, std::move(stored), &notes, hints);
    value_gains(graph, bound);
    return bound;
  } catch (const Error& error) {
    throw error.in(path.string());
  }
}

namespace {

Graph spikeformer_for(const Experiment& experiment, const DatasetInfo& data) {
  SpikeformerConfig config = experiment.model.spikeformer;
  config.height = data.height;
  config.width = data.width;
  config.static_input = data.frames == 1;
  config.events = data.events;
  if (config.in_channels != data.channels) {
    throw Error(ErrorCode::kUsage,
                fmt::format("model.in_channels is {}, but the dataset has {} channels",
                            config.in_channels, data.channels));
  }
  return build_spikeformer(config);
}

Graph lmuformer_for(const Experiment& experiment, const DatasetInfo& data) {
  LmuformerConfig config = experiment.model.lmuformer;
  config.events = data.events;
  if (data.height != 0) {
    throw Error(ErrorCode::kUsage, "lmuformer reads sequences, but the dataset holds images");
  }
  if (config.in_channels != data.channels || config.seq_len != data.frames) {
    throw Error(ErrorCode::kUsage,
                fmt::format("model.seq_len x model.in_channels is {} x {}, but the dataset's "
                            "sequences are {} x {}",
                            config.seq_len, config.in_channels, data.frames, data.channels));
  }
  return build_lmuformer(config);
}

Graph kwt_for(const Experiment& experiment, const DatasetInfo& data) {
  KwtConfig config = experiment.model.kwt;
  config.events = data.events;
  if (config.in_channels != data.channels || config.frames != data.height || data.width != 1) {
    throw Error(ErrorCode::kUsage,
                fmt::format("model.seq_len x model.in_channels is {} x {}, but the dataset's "
                            "sequences are {} x {}",
                            config.frames, config.in_channels, data.height, data.channels));
  }
  return build_kwt(config);
}

}  // namespace

Graph graph_for(const Experiment& experiment, const DatasetInfo& data) {
  if (experiment.model.is_lmuformer()) return lmuformer_for(experiment, data);
  if (experiment.model.is_kwt()) return kwt_for(experiment, data);
  return spikeformer_for(experiment, data);
}

namespace {

// Extents that tell which key of the model differs from the file.
std::vector<ExtentHint> hints_of(const Experiment::Model& model) {
  if (model.is_kwt() || model.is_lmuformer()) {
    return {{"head.weight", 0, 1, "model.num_classes"},
            {"classifier.weight", 0, 1, "model.num_classes"}};
  }
  return {{"downsample1_2.encode_conv.weight", 0, 1, "model.embed_dim[0]"},
          {"downsample2.encode_conv.weight", 0, 1, "model.embed_dim[1]"},
          {"downsample3.encode_conv.weight", 0, 1, "model.embed_dim[2]"},
          {"downsample4.encode_conv.weight", 0, 1, "model.embed_dim[3]"},
          {"downsample1_1.encode_conv.weight", 1, 1, "model.in_channels"},
          {"head.weight", 0, 1, "model.num_classes"}};
}

}  // namespace

PlanOptions plan_options(const Experiment& experiment, const Graph& graph) {
  const int64_t steps = experiment.model.time_steps, ahead = look_ahead_of(graph);
  // Images: a chunk keeps the weights of every layer in cache. Sequences run whole where they are
  // short, which lets samples run side by side, or where their memory needs it.
  int64_t chunk = std::min(steps, kMaxChunkSteps);
  if (experiment.model.is_lmuformer()) {
    const bool whole = experiment.model.lmuformer.memory == LmuForm::kFft;
    chunk = (whole ? steps : std::min(steps, kMaxSequenceChunk)) + ahead;
  }
  PlanOptions options{experiment.run.schedule, chunk, {}};
  options.whole_samples = steps + ahead <= chunk;
  if (experiment.neurobench) options.keep = NeuroBenchCounter::watched(graph);
  return options;
}

MemoryPlan memory_plan(const Experiment& experiment, const DatasetInfo& data, const Graph& graph) {
  MemoryPlan plan;
  plan.options = plan_options(experiment, graph);
  plan.options.keep.clear();
  if (experiment.neurobench) plan.keeps = NeuroBenchCounter::watched;
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
  plan.recorded_rows = data.size * experiment.model.time_steps;
  return plan;
}

Network make_network(const Experiment& experiment, const DatasetInfo& data) {
  Network network;
  network.as_written = graph_for(experiment, data);
  check_memory(network.as_written, memory_plan(experiment, data, network.as_written));
  network.random = experiment.weights.path.empty();
  const auto seed = static_cast<uint64_t>(experiment.weights.random_seed);
  Weights weights = network.random
                        ? random_weights(network.as_written, seed)
                        : load_for(network.as_written, experiment.weights.path, experiment.weights,
                                   network.notes, hints_of(experiment.model));
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
                                        experiment.model.time_steps)
                           : std::numeric_limits<double>::infinity();
  return network;
}

}  // namespace spikeloom
