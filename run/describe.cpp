#include "run/describe.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/hash.hpp"
#include "core/io/json.hpp"
#include "hw_model/energy/lmu_forms.hpp"
#include "run/version.hpp"
#include "sim/graph/step_axis.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {
namespace {

std::string signature_of(const Graph& graph, const std::vector<uint64_t>& hashes) {
  Signature signature(graph);
  signature.restore(hashes);
  return signature.text();
}

// What a report calls a sample: of tokens, one of them.
RunStatistics by_sample(const Source& source, RunStatistics statistics) {
  if (source.windows != nullptr) statistics.samples = statistics.evaluations;
  return statistics;
}

void add_provenance(const RunSetup& setup, const Network& network, const RunState& state,
                    ReportInput& input) {
  const Experiment& experiment = setup.experiment;
  input.version = kVersion;
  input.generator = fmt::format("spikeloom {}", kVersion);
  input.config = parse_json(setup.config_json, "config");
  input.config_sha256 = sha256_hex(setup.config_json);
  input.weights_sha256 = network.weights_hash;
  input.inputs = inputs_of(setup.identity, setup.source.samples->digests(state.done));
  input.weights_trained = !network.random && experiment.weights.trained;
  input.weights_random = network.random;
  input.weights_text = network.weights_note;
  input.what_if = describe(experiment.what_if, network.dead);
  input.backend = setup.backend->name();
  input.simd = setup.backend->simd();
  input.device = setup.backend->device();
  input.device_reason = experiment.run.device_reason;
  input.schedule = kScheduleNames[static_cast<size_t>(experiment.run.schedule)];
  input.threads = experiment.run.threads;
  const Precision precision = experiment.run.precision.precision;
  input.precision = {std::string(name_of(precision)), network.calibrated, network.quantized};
  input.batch = experiment.run.batch;
  input.wall_seconds = state.seconds;
}

std::string lines_of_notes(const CountedNote& note) {
  return fmt::format("{} sample{}: {}; the first: {}", note.samples, note.samples == 1 ? "" : "s",
                     note.text, note.first);
}

// What the tokens that were read leave open.
void add_token_warnings(const RunSetup& setup, const Network& network, ReportInput& input) {
  const Source& source = setup.source;
  if (const int64_t unknown = source.windows->rows().unknown; unknown > 0) {
    input.warnings.push_back(
        fmt::format("{} character{} of the text {} not in dataset.vocab and read as a space each",
                    unknown, unknown == 1 ? "" : "s", unknown == 1 ? "is" : "are"));
  }
  if (source.tokenizer && vocabulary_of(*source.tokenizer) != network.classes) {
    input.warnings.push_back(
        fmt::format("the network has {} rows for tokens, the vocabulary {} tokens", network.classes,
                    vocabulary_of(*source.tokenizer)));
  }
}

void add_warnings(const RunSetup& setup, const Network& network, const RunState& state,
                  ReportInput& input) {
  const DatasetInfo& data = setup.source.info();
  input.warnings.insert(input.warnings.end(), network.notes.begin(), network.notes.end());
  if (state.done < data.size) {
    input.warnings.push_back(
        fmt::format("interrupted after {} of {} {}", state.done, data.size, setup.source.units()));
  }
  for (const BrokenSample& broken : state.broken) {
    input.warnings.push_back(fmt::format("sample {} left out: {}", broken.index, broken.reason));
  }
  for (const std::string& warning : data.warnings) input.warnings.push_back(warning);
  for (const CountedNote& note : state.notes) input.warnings.push_back(lines_of_notes(note));
  const bool tokens = setup.source.windows != nullptr;
  if (tokens) input.warnings.push_back("samples are tokens, one step each: energies are per token");
  const Family& family = *setup.experiment.model.family;
  if (!family.remark.empty()) input.warnings.emplace_back(family.remark);
  if (family.settings != nullptr) input.warnings.push_back(family.settings(network.spec));
  if (tokens) add_token_warnings(setup, network, input);
}

// The spikes of a residual stream, where the network's publication prices them.
void count_stream(const RunSetup& setup, const Graph& graph, const RunStatistics& statistics,
                  ReportInput& input) {
  const auto& claim = setup.experiment.model.family->claim;
  if (!claim) return;
  std::string obstacle;
  input.counts.as_written.stream = count_residual_stream(
      graph, statistics, {claim->mac_pJ, claim->ac_pJ, claim->rate, claim->width}, &obstacle);
  if (input.counts.as_written.stream) return;
  input.warnings.push_back(
      fmt::format("{} is no part of a residual stream of spikes: it is priced layer by layer, not "
                  "as published",
                  obstacle));
}

// A dense network over the samples of the run.
CountedGraph count_dense(const RunSetup& setup, const Graph& graph, const RunState& state,
                         int64_t steps) {
  if (setup.source.windows != nullptr)
    return count_dense_run(graph, by_sample(setup.source, state.statistics));
  return count_dense_run(graph, state.ended(), steps);
}

// Dense networks of the same task, counted beside the one that ran.
void count_baselines(const RunSetup& setup, const Network& network, const RunState& state,
                     RunCounts& counts) {
  const Source& source = setup.source;
  if (setup.twin) counts.dense_twin = count_dense(setup, *setup.twin, state, setup.dense_steps);
  if (setup.twin && reads_tokens(network.as_written)) {
    const bool own = state.twin_done > 0 && state.twin_statistics;
    counts.other_baselines.push_back(
        {"dense_twin_skipping",
         own ? "the dense twin without the products with the exact zeros its relu^2 left"
             : "the dense twin without products with exact zeros behind relu^2, taken to be as "
               "many as in the network that ran",
         count_run(*setup.twin, by_sample(source, own ? *state.twin_statistics : state.statistics)),
         true});
  }
  const Family& family = *setup.experiment.model.family;
  if (family.baselines == nullptr) return;
  const DataShape shape =
      source.windows != nullptr ? DataShape{.frames = source.longest()} : shape_of(source.info());
  for (const Baseline& baseline : family.baselines(network.spec, shape)) {
    counts.other_baselines.push_back(
        {baseline.scheme, baseline.description, count_dense(setup, baseline.graph, state, 1)});
  }
}

void add_counts(const RunSetup& setup, const Network& network, const RunState& state,
                ReportInput& input) {
  const bool tokens = setup.source.windows != nullptr;
  const Precision precision = setup.experiment.run.precision.precision;
  const RunStatistics statistics = by_sample(setup.source, state.statistics);
  RunCounts& counts = input.counts;
  counts =
      count_forms(network.as_written, statistics, precision, !reads_tokens(network.as_written));
  count_stream(setup, network.as_written, statistics, input);
  counts.dense_same = count_dense(setup, network.as_written, state, setup.dense_steps);
  counts.executed_form = network.model.graph.form;
  counts.steps = tokens ? 1 : setup.source.steps;
  counts.is_sequence = !tokens && is_dense_at_every_step(network.as_written);
  counts.neurobench = state.neurobench;
  counts.twin_ran = state.twin_done > 0;
  count_baselines(setup, network, state, counts);
  if (!tokens) input.lmu_forms = lmu_form_costs(network.as_written, state.statistics);
}

}  // namespace

RunCounts count_forms(const Graph& as_written, const RunStatistics& statistics, Precision precision,
                      bool has_fused) {
  RunCounts counts;
  counts.precision = precision;
  counts.as_written = count_run(as_written, statistics, precision);
  counts.has_fused = has_fused;
  if (has_fused) counts.fused = count_run(fuse(as_written), statistics, precision);
  return counts;
}

ReportInput describe_run(const RunSetup& setup, const Network& network, const RunState& state) {
  const Source& source = setup.source;
  ReportInput input;
  add_provenance(setup, network, state, input);
  add_warnings(setup, network, state, input);
  add_counts(setup, network, state, input);
  if (source.windows != nullptr) {
    input.dataset = fmt::format("{}, {} windows", source.info().description, state.done);
    input.rate_source = fmt::format("spikes of this run, {} tokens", state.statistics.evaluations);
    input.language = language_of(source, state, state.score);
  } else {
    input.dataset = source.info().description;
    input.rate_source =
        fmt::format("spikes of this run, {} samples x {} steps", state.ended(), source.steps);
  }
  input.broken = state.broken;
  input.accuracy = state.score.accuracy;
  input.network = view_of(network.model.graph, input.counts.executed().ops);
  input.network.parameters = parameter_count(network.as_written);
  input.signature = signature_of(network.model.graph, state.signature);
  return input;
}

LanguageScore language_of(const Source& source, const RunState& state, const Score& score) {
  LanguageScore language;
  language.tokens = score.predictions - score.not_finite.samples;
  language.nats = score.nats;
  language.unknown = source.windows->rows().unknown;
  // What the others spell is no part of the text of its own.
  if (!source.tokenizer || score.not_finite.samples > 0) return language;
  std::vector<int32_t> predicted = source.windows->predicted(state.done);
  const int64_t known = vocabulary_of(*source.tokenizer);
  std::erase_if(predicted, [&](int32_t id) { return id >= known; });  // padding stands for no bytes
  const std::string text = decode(*source.tokenizer, predicted, false);
  language.bytes = static_cast<int64_t>(text.size());
  language.characters =
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
  language.vocabulary = describe(*source.tokenizer);
  return language;
}

}  // namespace spikeloom
