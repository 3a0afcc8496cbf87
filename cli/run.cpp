// spikeloom run: one experiment from its TOML file to its output folder.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/chip_live.hpp"
#include "cli/experiment.hpp"
#include "cli/inputs.hpp"
#include "cli/interrupt.hpp"
#include "cli/network.hpp"
#include "cli/notice.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "cli/run_network.hpp"
#include "cli/token_experiment.hpp"
#include "core/hash.hpp"
#include "core/io/file.hpp"
#include "core/io/json.hpp"
#include "core/io/weights_file.hpp"
#include "datasets/whole_sequence.hpp"
#include "hw_model/chip/chip_spec.hpp"
#include "hw_model/report/report.hpp"
#include "run/process.hpp"
#include "run/version.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/step_axis.hpp"
#include "sim/trace/replay.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

std::string text_of(const Graph& graph, const std::vector<uint64_t>& hashes) {
  Signature signature(graph);
  signature.restore(hashes);
  return signature.text();
}

ReportInput describe_run(const RunSetup& setup, const Network& network, const RunState& state) {
  const Experiment& experiment = setup.experiment;
  const DatasetInfo& data = setup.dataset.info();
  const auto backend = make_backend(experiment.run.device);
  ReportInput input;
  input.version = kVersion;
  input.generator = fmt::format("spikeloom {}", kVersion);
  input.config_sha256 = sha256_hex(setup.config_json);
  input.weights_sha256 = network.weights_hash;
  input.inputs = inputs_of(setup.identity, setup.dataset.digests(state.done));
  input.weights_trained = !network.random && experiment.weights.trained;
  input.weights_random = network.random;
  input.weights_text = network.weights_note;
  input.what_if = describe(experiment.what_if, network.dead);
  input.backend = backend->name();
  input.simd = backend->simd();
  input.schedule = experiment.run.schedule == Schedule::kLayerMajor ? "layer-major" : "step-major";
  input.threads = experiment.run.threads;
  const Precision precision = experiment.run.precision.precision;
  input.precision = {std::string(name_of(precision)), network.calibrated, network.quantized};
  input.counts.precision = precision;
  input.batch = experiment.run.batch;
  input.dataset = data.description;
  input.rate_source =
      fmt::format("spikes of this run, {} samples x {} steps", state.ended(), setup.steps);
  input.wall_seconds = state.seconds;
  input.warnings = network.notes;
  if (state.done < data.size) {
    input.warnings.push_back(
        fmt::format("interrupted after {} of {} samples", state.done, data.size));
  }
  for (const BrokenSample& broken : state.broken) {
    input.warnings.push_back(fmt::format("sample {} left out: {}", broken.index, broken.reason));
  }
  for (const std::string& warning : data.warnings) input.warnings.push_back(warning);
  for (const CountedNote& note : state.notes) {
    input.warnings.push_back(fmt::format("{} sample{}: {}; the first: {}", note.samples,
                                         note.samples == 1 ? "" : "s", note.text, note.first));
  }
  input.broken = state.broken;
  input.counts.as_written = count_run(network.as_written, state.statistics, precision);
  input.counts.fused = count_run(fuse(network.as_written), state.statistics, precision);
  input.counts.dense_same = count_dense_run(network.as_written, state.ended(), setup.dense_steps);
  input.counts.executed_form = network.model.graph.form;
  input.counts.steps = setup.steps;
  input.counts.is_sequence = steps_are_positions(network.as_written);
  input.lmu_forms = lmu_form_costs(network.as_written, state.statistics);
  input.counts.neurobench = state.neurobench;
  input.accuracy = state.accuracy;
  input.signature = text_of(network.model.graph, state.signature);
  return input;
}

// The first line of the table says who wins: red or green where colour is allowed.
std::string emphasise_verdict(const std::string& table) {
  if (!colour_allowed(STDOUT_FILENO)) return table;
  const size_t end = table.find('\n');
  const char* colour = table.starts_with("LOSES")  ? "\x1b[1;31m"
                       : table.starts_with("WINS") ? "\x1b[1;32m"
                                                   : "\x1b[1m";
  return colour + table.substr(0, end) + "\x1b[0m" + table.substr(end);
}

// What must be equal for a run to be continued.
RunIdentity identity_of(const Experiment& experiment, const Network& network,
                        const DatasetInfo& data, const std::string& config_json,
                        const std::string& twin_hash) {
  RunIdentity identity{{"config", config_json},
                       {"weights.path", network.weights_hash},
                       {"dataset.path", fmt::format("{}, {} samples", data.description, data.size)},
                       {"version", kVersion}};
  if (!experiment.what_if.dead_neurons.empty()) {
    identity["what_if.dead_neurons"] = sha256_hex(read_file(experiment.what_if.dead_neurons));
  }
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
  if (experiment.chip) identity["chip.name"] = sha256_hex(chip_text(experiment.chip->name));
  if (experiment.chip && !experiment.chip->mapping.empty())
    identity["chip.mapping"] = sha256_hex(read_file(experiment.chip->mapping));
  if (!twin_hash.empty()) identity["twin.weights"] = twin_hash;
  return identity;
}

// The network's dense twin, where it has one.
std::optional<Graph> twin_of(const RunSetup& setup) {
  return setup.experiment.model.twin(shape_of(setup.dataset.info()));
}

// Identity of the arrays the twin reads, whatever else its file holds; "": no weights.
std::string twin_hash_of(const RunSetup& setup) {
  const Experiment& experiment = setup.experiment;
  if (experiment.twin_weights.empty()) return "";
  const auto twin = twin_of(setup);
  if (!twin) return weights_hash(load_weights(experiment.twin_weights));
  std::vector<std::string> notes;
  return weights_hash(load_for(*twin, experiment.twin_weights,
                               experiment.weights.for_twin(experiment.twin_select), notes));
}

// The state to start from: nothing, or that of the unfinished run in the folder.
RunState first_state(const RunSetup& setup, const Network& network, bool resume) {
  RunState state;
  state.statistics = OpCounter(network.model.graph).statistics();
  state.signature = Signature(network.model.graph).hashes();
  if (setup.experiment.neurobench) {
    state.neurobench = NeuroBenchCounter(network.model.graph, network.model.weights).counts();
  }
  if (!setup.experiment.twin_weights.empty()) {
    if (const auto twin = twin_of(setup)) state.twin_zeros = ZeroCounter(*twin).counts();
  }
  if (resume && setup.chip != nullptr && !setup.experiment.trace.is_whole() &&
      fs::exists(checkpoint_path(setup.experiment.output.dir))) {
    throw Error(
        ErrorCode::kUsage,
        "a chip continues from the trace of the first samples, and [trace] leaves some out");
  }
  start_or_continue(setup.experiment.output.dir, setup.identity, resume, setup.dataset.info().size,
                    "sample", state, [&](const RunState& earlier) {
                      check_inputs(setup.dataset, earlier, setup.experiment.run.threads,
                                   setup.quiet);
                    });
  return state;
}

// Dense networks of the same task, counted beside the one that ran.
void count_baselines(const RunSetup& setup, int64_t samples, RunCounts& counts) {
  const Family& family = *setup.experiment.model.family;
  if (family.baselines == nullptr) return;
  for (const Baseline& baseline :
       family.baselines(setup.experiment.model.spec, shape_of(setup.dataset.info()))) {
    counts.other_baselines.push_back(
        {baseline.scheme, baseline.description, count_dense_run(baseline.graph, samples)});
  }
}

// The spiking network, then its twin; each may have been done by an earlier process.
ReportInput execute(const RunSetup& setup, Network& network, RunState& state) {
  const int64_t size = setup.dataset.info().size;
  if (!state.outputs_final) {
    run_network(setup, network, state);
    state.outputs_final = state.done == size;
    if (interrupted() || !setup.experiment.twin_weights.empty()) {
      save_checkpoint(*setup.folder, setup.identity, state);
    }
  } else if (setup.chip != nullptr) {
    replay(TraceFile(setup.experiment.output.dir / "trace.h5"), network.model.graph, state.ended(),
           *setup.chip);
  }
  if (network.quantized.empty()) note_precision(setup, network);  // of an earlier process
  ReportInput input = describe_run(setup, network, state);
  if (setup.chip != nullptr) input.hardware = setup.chip->price();
  count_baselines(setup, state.ended(), input.counts);
  const std::optional<Graph> twin = twin_of(setup);
  if (!twin) return input;
  input.counts.dense_twin = count_dense_run(*twin, state.ended(), setup.dense_steps);
  if (!interrupted()) input.twin = run_twin(setup, *twin, state);
  if (input.twin) {
    for (const std::string& note : input.twin->notes) input.warnings.push_back("twin " + note);
  }
  input.counts.twin_ran = state.twin_done > 0;
  if (interrupted() && !setup.experiment.twin_weights.empty()) {
    input.warnings.push_back("interrupted: the dense twin saw only a part of the samples");
    save_checkpoint(*setup.folder, setup.identity, state);
  }
  return input;
}

int run_experiment(Config config, bool quiet, bool resume) {
  const Experiment experiment = read_experiment(config);
  const nlohmann::json resolved = config.resolved();
  std::optional<FolderLock> folder = FolderLock::of_existing(experiment.output.dir);
  auto opened = open_dataset(experiment.dataset);
  if (experiment.model.family->sample == SampleKind::kWholeSequence)
    opened = whole_sequences(std::move(opened));
  WatchedDataset dataset(*opened);
  const int64_t size = dataset.info().size;
  check_fits(config, experiment.model, dataset.info());
  RunSetup setup{
      experiment, dataset, experiment.model.shape().steps, 1, dump_json(resolved), {}, quiet,
      nullptr,    nullptr};
  check_trace_samples(config, experiment.trace, size);
  // Before the network is there: two networks are never in memory together.
  const std::string twin_hash = twin_hash_of(setup);
  Network network = make_network(experiment, dataset.info());
  if (steps_are_positions(network.as_written)) setup.dense_steps = setup.steps;
  if (!experiment.twin_weights.empty()) {
    if (const auto twin = twin_of(setup)) check_memory(*twin, twin_memory(setup, *twin));
  }
  network.dead =
      find_dead_neurons(config, experiment.what_if, experiment.chip, network.model.graph);
  std::optional<LiveChip> chip;
  if (experiment.chip) {
    chip.emplace(*experiment.chip, network.model.graph, experiment.run.threads);
    setup.chip = &*chip;
  }
  setup.identity = identity_of(experiment, network, dataset.info(), setup.config_json, twin_hash);
  if (!folder) folder.emplace(experiment.output.dir);
  setup.folder = &*folder;
  // What an unfinished run read is checked before anything is touched; the reports are made before
  // the run, so that a folder which refuses them does so at once.
  std::optional<RunState> earlier;
  if (resume) earlier = first_state(setup, network, resume);
  OutputFile json_file(experiment.output.dir / "report.json");
  OutputFile csv_file(experiment.output.dir / "report.csv");

  RunState state = earlier ? std::move(*earlier) : first_state(setup, network, resume);
  ReportInput input = execute(setup, network, state);
  const std::vector<std::string> notes = value_notes(state, setup.dataset.info());
  input.warnings.insert(input.warnings.end(), notes.begin(), notes.end());
  input.config = resolved;
  if (!folder->is_locked()) input.warnings.push_back(no_lock_warning(experiment.output.dir));
  input.peak_memory_bytes = peak_bytes();
  const Report report = make_report(std::move(input));
  json_file.write(dump_json(to_json(report)));
  csv_file.write(to_csv(report));
  json_file.commit();
  csv_file.commit();
  for (const std::string& note : notes) notice("{}", note);
  for (const BrokenSample& broken : state.broken) {
    notice("sample {} left out: {}", broken.index, broken.reason);
  }
  if (!quiet) {
    fmt::print("{}\noutput folder {}\nsignature {} ({})\n", emphasise_verdict(to_table(report)),
               experiment.output.dir.string(), report.input.signature, network.model.graph.form);
  }
  if (interrupted()) {
    notice(
        "interrupted after {} of {} samples; what ended is in the output folder, "
        "run --resume continues",
        state.done, size);
    return exit_code(ErrorCode::kInterrupted);
  }
  forget_checkpoint(experiment.output.dir);
  return 0;
}

}  // namespace

int command_run(const Arguments& arguments) {
  CommandLine line;
  line.usage =
      "spikeloom run EXPERIMENT.toml [--chip NAME|FILE] [--set key=value]... [--resume] [--quiet]";
  line.about =
      "Runs the network of an experiment file over its dataset, event by event. The output folder "
      "receives\n"
      "report.json, report.csv, logits.npy, trace.h5 and the feature maps asked for. "
      "SPIKELOOM_SIMD forces a\n"
      "SIMD target. docs/experiment.md lists every key.";
  add_set_option(line);
  line.named.add_options()(
      "chip", options::value<std::string>(),
      "price the spikes on this chip, too: preset or TOML file; the same as --set chip.name=...")(
      "resume", "continue the unfinished run in the output folder after its last finished sample")(
      "quiet,q", "print nothing but errors");
  line.hidden.add_options()("experiment", options::value<std::string>()->required());
  line.words.add("experiment", 1);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  Config config = load_experiment((*values)["experiment"].as<std::string>(), *values);
  if (values->count("chip")) {
    const nlohmann::json name = (*values)["chip"].as<std::string>();
    config.set("chip.name=" + name.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  if (read_family(config).sample == SampleKind::kTokens) {
    return run_token_experiment(std::move(config), values->count("quiet") > 0,
                                values->count("resume") > 0);
  }
  return run_experiment(std::move(config), values->count("quiet") > 0, values->count("resume") > 0);
}

}  // namespace spikeloom
