#include "run/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/hash.hpp"
#include "core/io/file.hpp"
#include "core/io/json.hpp"
#include "hw_model/chip/chip_spec.hpp"
#include "run/describe.hpp"
#include "run/feature_writers.hpp"
#include "run/inputs.hpp"
#include "run/process.hpp"
#include "run/report_files.hpp"
#include "run/run_network.hpp"
#include "run/twin_run.hpp"
#include "run/version.hpp"
#include "sim/counts/neurobench.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/graph/step_axis.hpp"
#include "sim/trace/graph_json.hpp"
#include "sim/trace/replay.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

// A network of learned positions reads windows as long as its positions reach.
void check_positions(const Graph& graph, int64_t longest) {
  for (const Node& node : graph.nodes()) {
    const auto* positions = std::get_if<Positions>(&node.op);
    if (positions == nullptr || positions->count >= longest) continue;
    throw Error(ErrorCode::kUsage,
                fmt::format("the network has positions for {} tokens, the longest window has {}",
                            positions->count, longest));
  }
}

// "MNIST-style IDX, 10000 images of 28x28, 16 samples"
std::string data_text(const Source& source) {
  const DatasetInfo& info = source.info();
  if (source.windows == nullptr) return fmt::format("{}, {} samples", info.description, info.size);
  return fmt::format("{}, {} tokens in {} windows", info.description,
                     source.windows->tokens_before(info.size), info.size);
}

// What must be equal for a run to be continued.
RunIdentity identity_of(const RunSetup& setup, const Network& network,
                        const std::string& twin_hash) {
  const Experiment& experiment = setup.experiment;
  RunIdentity identity{{"config", setup.config_json},
                       {"weights.path", network.weights_hash},
                       // Numbers that a checkpoint gave are in the graph and not among its arrays.
                       {"model", sha256_hex(graph_to_json(network.as_written, nullptr))},
                       {"dataset.path", data_text(setup.source)},
                       {"version", kVersion}};
  const auto add_file = [&](const char* key, const fs::path& path) {
    if (!path.empty()) identity[key] = sha256_hex(read_file(path));
  };
  if (experiment.tokens.vocab != "bytes") add_file("dataset.vocab", experiment.tokens.vocab);
  ModelSpec spec = experiment.model.spec;
  for (const ModelKey& key : experiment.model.family->keys(spec)) {
    const auto* file = std::get_if<PathField>(&key.field);
    if (file != nullptr) add_file(("model." + std::string(key.name)).c_str(), *file->value);
  }
  add_file("what_if.dead_neurons", experiment.what_if.dead_neurons);
  if (!experiment.what_if.dead_cores.empty()) {
    std::string mask;
    for (const auto& [name, bits] : network.dead.dead) {
      const SpikeView view = bits.view();
      mask += name;
      mask.append(reinterpret_cast<const char*>(view.words),
                  static_cast<size_t>(view.rows * view.row_words()) * sizeof(uint64_t));
    }
    identity["what_if.dead_cores"] = sha256_hex(mask);
  }
  if (experiment.chip) {
    identity["chip.name"] = sha256_hex(chip_text(experiment.chip->name));
    add_file("chip.mapping", experiment.chip->mapping);
  }
  if (!twin_hash.empty()) identity["twin.weights"] = twin_hash;
  return identity;
}

// The state to start from: nothing, or that of the unfinished run in the folder.
RunState first_state(const RunSetup& setup, const Network& network, bool resume) {
  const Experiment& experiment = setup.experiment;
  RunState state;
  state.statistics = OpCounter(network.model.graph).statistics();
  state.signature = Signature(network.model.graph).hashes();
  if (experiment.neurobench)
    state.neurobench = NeuroBenchCounter::none(network.model.graph, network.model.weights);
  start_twin(setup, state);
  if (resume && setup.chip != nullptr && !experiment.trace.is_whole() &&
      fs::exists(checkpoint_path(experiment.output.dir))) {
    throw Error(
        ErrorCode::kUsage,
        "a chip continues from the trace of the first samples, and [trace] leaves some out");
  }
  start_or_continue(experiment.output.dir, setup.identity, resume, setup.source.info().size,
                    setup.source.info().unit, state, setup.observer, [&](const RunState& earlier) {
                      check_inputs(*setup.source.samples, earlier, experiment.run.threads,
                                   setup.observer, setup.cancel);
                    });
  return state;
}

// The spiking network, then its twin; each may have been done by an earlier process.
ReportInput execute(const RunSetup& setup, Network& network, RunState& state) {
  const Experiment& experiment = setup.experiment;
  const bool twin_runs = !experiment.twin_weights.empty();
  if (!state.outputs_final) {
    run_network(setup, network, state);
    state.outputs_final = state.done == setup.source.info().size;
    if (setup.cancel.cancelled() || twin_runs)
      save_checkpoint(*setup.folder, setup.identity, state);
  } else if (setup.chip != nullptr) {
    replay(TraceFile(experiment.output.dir / "trace.h5"), network.model.graph, state.ended(),
           *setup.chip);
  }
  if (network.quantized.empty()) note_precision(setup, network);  // of an earlier process
  network.model.weights = {};
  std::optional<TwinInfo> twin;
  if (setup.twin) {
    const bool cancelled = setup.cancel.cancelled();
    twin = run_twin(setup, state);
    if (cancelled) twin.reset();
  }
  ReportInput input = describe_run(setup, network, state);
  if (setup.chip != nullptr) input.hardware = setup.chip->price();
  input.twin = std::move(twin);
  if (input.twin) {
    for (const std::string& note : input.twin->notes) input.warnings.push_back("twin " + note);
    if (setup.source.windows != nullptr && state.twin_done > 0)
      input.twin->language = language_of(setup.source, state, state.twin_score);
  }
  if (setup.cancel.cancelled() && twin_runs) {
    input.warnings.emplace_back("interrupted: the dense twin saw only a part of the samples");
    save_checkpoint(*setup.folder, setup.identity, state);
  }
  return input;
}

// The names of what a run wrote.
std::vector<std::string> files_of(const Experiment& experiment, const Graph& graph) {
  std::vector<std::string> files = ReportFiles::names(experiment.chip.has_value());
  const Experiment::Output& output = experiment.output;
  if (experiment.trace.enabled) files.emplace_back("trace.h5");
  if (output.logits) files.emplace_back("logits.npy");
  if (output.per_step) files.emplace_back("logits_steps.npy");
  for (const WatchedArray& array :
       watched_arrays(graph, output.features, output.membranes, output.dir))
    files.push_back(array.path.filename().string());
  return files;
}

// Sets what the samples decide of the network.
Source open_checked(Experiment& experiment, int64_t vocabulary) {
  Source source = open_source(experiment, vocabulary);
  if (source.windows == nullptr) {
    check_fits(experiment.model, source.info(), [&](const auto& key, const auto& message) {
      return experiment.error_at(key, message);
    });
    fit_to(experiment, source.info());
    source.steps = experiment.model.shape().steps;
  }
  check_trace_samples(experiment, source.info().size);
  return source;
}

// Samples and network. Of images the samples tell what the network is built for, of tokens the
// network how many there are.
struct Loaded {
  Source source;
  Network network;
  std::string twin_hash;
};

std::optional<Graph> twin_of(const Experiment& experiment, const ModelSpec& spec,
                             const DataShape& data) {
  const auto build = experiment.model.family->twin.build;
  return build == nullptr ? std::nullopt : build(spec, data);
}

Loaded load(Experiment& experiment) {
  Loaded loaded;
  if (experiment.reads_tokens()) {
    loaded.network = make_network(experiment, {});
    loaded.source = open_checked(experiment, loaded.network.classes);
    check_positions(loaded.network.as_written, loaded.source.longest());
    const auto twin =
        twin_of(experiment, loaded.network.spec, data_shape(experiment, loaded.source.info()));
    if (!experiment.twin_weights.empty() && twin) {
      // Beside the network, whose dimensions are its own.
      MemoryPlan plan = twin_memory(experiment, loaded.source, 1, *twin);
      plan.file_bytes = loaded.network.model.weights.bytes();
      check_memory(*twin, plan);
    }
    loaded.twin_hash = twin_hash_of(experiment, twin);
    return loaded;
  }
  loaded.source = open_checked(experiment, 0);
  // Before the network is there: two networks are never in memory together.
  loaded.twin_hash = twin_hash_of(
      experiment, twin_of(experiment, experiment.model.spec, shape_of(loaded.source.info())));
  loaded.network = make_network(experiment, loaded.source.info());
  return loaded;
}

// The folder of the run may be another one than reports state.
std::string stated_text(Experiment experiment, const fs::path& dir) {
  experiment.output.dir = dir;
  return dump_json(stated(experiment));
}

// `given`: the experiment as it was before anything was found out.
RunSetup prepare(const Experiment& experiment, const Experiment& given, const RunOptions& options,
                 Loaded& loaded) {
  RunSetup setup{experiment,
                 loaded.source,
                 make_backend(experiment.run.device, options.cpu),
                 options.observer,
                 options.cancel,
                 1,
                 std::nullopt,
                 stated_text(experiment, given.output.dir),
                 {},
                 nullptr,
                 nullptr};
  Network& network = loaded.network;
  if (is_dense_at_every_step(network.as_written) && loaded.source.windows == nullptr)
    setup.dense_steps = loaded.source.steps;
  setup.twin = twin_of(experiment, network.spec, data_shape(experiment, loaded.source.info()));
  if (!experiment.twin_weights.empty() && setup.twin) {
    check_memory(*setup.twin,
                 twin_memory(experiment, loaded.source, setup.dense_steps, *setup.twin));
  }
  network.dead = find_dead_neurons(
      experiment.what_if, experiment.chip, network.model.graph,
      [&](const auto& key, const auto& message) { return experiment.error_at(key, message); });
  return setup;
}

}  // namespace

RunResult run_experiment(const Experiment& given, const RunOptions& options) {
  check_experiment(given);
  Experiment experiment = given;
  if (!options.folder.empty()) experiment.output.dir = options.folder;
  const fs::path& dir = experiment.output.dir;
  std::optional<FolderLock> folder = FolderLock::of_existing(dir);
  options.observer.report({"loading", 0, 0, ""});
  Loaded loaded = load(experiment);
  Network& network = loaded.network;
  RunSetup setup = prepare(experiment, given, options, loaded);
  std::optional<LiveChip> chip;
  if (experiment.chip) {
    chip.emplace(*experiment.chip, network.model.graph, experiment.run.threads,
                 loaded.source.windows != nullptr);
    setup.chip = &*chip;
  }
  setup.identity = identity_of(setup, network, loaded.twin_hash);
  if (!folder) folder.emplace(dir);
  setup.folder = &*folder;
  // What an unfinished run read is checked before anything is touched; the reports are made before
  // the run, so that a folder which refuses them does so at once.
  std::optional<RunState> earlier;
  if (options.resume) earlier = first_state(setup, network, true);
  ReportFiles reports(dir);
  RunState state = earlier ? std::move(*earlier) : first_state(setup, network, false);

  options.observer.report({"run", state.done, loaded.source.info().size, ""});
  ReportInput input = execute(setup, network, state);
  RunResult result;
  result.notes = value_notes(state, loaded.source);
  input.warnings.insert(input.warnings.end(), result.notes.begin(), result.notes.end());
  if (!folder->is_locked()) input.warnings.push_back(no_lock_warning(dir));
  input.peak_memory_bytes = peak_bytes();
  result.report = make_report(std::move(input));
  reports.write(result.report, experiment.trace.enabled ? dir / "trace.h5" : fs::path(),
                given.output.dir);
  result.folder = dir;
  result.files = files_of(experiment, network.model.graph);
  result.unit = loaded.source.info().unit;
  result.done = state.done;
  result.size = loaded.source.info().size;
  result.cancelled = options.cancel.cancelled();
  if (!result.cancelled) forget_checkpoint(dir);
  return result;
}

}  // namespace spikeloom
