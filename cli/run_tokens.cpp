// spikeloom run for token models: windows of text or token arrays, cross-entropy, energy per token.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/interrupt.hpp"
#include "cli/network.hpp"
#include "cli/notice.hpp"
#include "cli/token_network.hpp"
#include "cli/token_run.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/json.hpp"
#include "core/io/weights_file.hpp"
#include "datasets/binidx.hpp"
#include "hw_model/report/report.hpp"
#include "run/process.hpp"
#include "run/version.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/random_weights.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

int64_t characters_in(const std::string& utf8) {
  return std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// Bytes and characters are those of the tokens that were predicted.
LanguageScore language_of(const RunState& state, const std::vector<TokenWindow>& windows,
                          const std::optional<Tokenizer>& tokenizer, int64_t unknown) {
  LanguageScore score;
  score.tokens = state.predictions - state.not_finite.samples;
  score.nats = state.nats;
  score.unknown = unknown;
  // What the others spell is no part of the text of its own.
  if (!tokenizer || state.not_finite.samples > 0) return score;
  std::vector<int32_t> predicted;  // padded ids stand for no bytes
  const int64_t known = vocabulary_of(*tokenizer);
  for (int64_t w = 0; w < state.done; ++w) {
    const TokenWindow& window = windows[static_cast<size_t>(w)];
    const auto first = window.row->begin() + static_cast<int64_t>(window.first) + 1;
    std::copy_if(first, first + static_cast<int64_t>(window.predictions()),
                 std::back_inserter(predicted), [&](int32_t id) { return id < known; });
  }
  const std::string text = decode(*tokenizer, predicted, false);
  score.bytes = static_cast<int64_t>(text.size());
  score.characters = characters_in(text);
  score.vocabulary = describe(*tokenizer);
  return score;
}

// The dense twin on the same windows.
struct TwinRun {
  std::optional<Graph> graph;  // nothing: the network has none
  RunState state;
  std::string hash;  // "": no weights, not executed
  std::vector<std::string> notes;
};

TwinRun run_twin(const TokenSetup& setup, const TokenNetwork& net, int64_t windows) {
  const TokenExperiment& e = setup.experiment;
  TwinRun twin;
  if (e.has_twin()) twin.graph = e.model.family->twin.build(net.spec, {});
  if (!twin.graph || e.twin_weights.empty() || interrupted()) return twin;
  Weights weights =
      load_for(*twin.graph, e.twin_weights, e.weights.for_twin(e.twin_select), twin.notes);
  twin.hash = weights_hash(weights);
  TokenSetup own{e, setup.windows, {}, twin.hash, {}, setup.quiet, false};
  own.windows.resize(static_cast<size_t>(windows));
  TokenRun(own, *twin.graph, std::move(weights), twin.state).run({});
  return twin;
}

// A token is the sample of a stream.
RunStatistics by_token(RunStatistics statistics) {
  statistics.samples = statistics.evaluations;
  return statistics;
}

const TokenWindow& longest_of(const std::vector<TokenWindow>& windows) {
  return *std::max_element(windows.begin(), windows.end(),
                           [](const auto& a, const auto& b) { return a.tokens() < b.tokens(); });
}

// What the dense networks beside the one that ran would do with the same tokens.
void count_baselines(const TokenSetup& setup, const TokenNetwork& net, const TwinRun& twin,
                     const RunStatistics& statistics, RunCounts& counts) {
  counts.dense_same = count_dense_run(net.graph, statistics);
  if (twin.graph) {
    counts.dense_twin = count_dense_run(*twin.graph, statistics);
    const bool own = twin.state.done > 0;
    counts.other_baselines.push_back(
        {"dense_twin_skipping",
         own ? "the dense twin without the products with the exact zeros its relu^2 left"
             : "the dense twin without products with exact zeros behind relu^2, taken to be as "
               "many "
               "as in the network that ran",
         count_run(*twin.graph, own ? by_token(twin.state.statistics) : statistics)});
  }
  const Family& family = *setup.experiment.model.family;
  if (family.baselines == nullptr) return;
  const DataShape longest{.frames = longest_of(setup.windows).tokens()};
  for (const Baseline& baseline : family.baselines(net.spec, longest)) {
    counts.other_baselines.push_back(
        {baseline.scheme, baseline.description, count_dense_run(baseline.graph, statistics)});
  }
}

// What a user must know about the logits of a run, one line each.
std::vector<std::string> prediction_notes(const RunState& state, const char* whose) {
  if (state.not_finite.samples == 0) return {};
  return {
      fmt::format("{}logits of {} of {} predictions are not finite (the first: prediction {}); "
                  "the cross-entropy is that of the others",
                  whose, state.not_finite.samples, state.predictions, state.not_finite.first)};
}

void add_warnings(const TokenSetup& setup, const TokenNetwork& net, const RunState& state,
                  const TwinRun& twin, ReportInput& input) {
  input.warnings.insert(input.warnings.end(), net.notes.begin(), net.notes.end());
  for (const std::string& note : twin.notes) input.warnings.push_back("twin " + note);
  const auto planned = static_cast<int64_t>(setup.windows.size());
  if (state.done < planned) {
    input.warnings.push_back(
        fmt::format("interrupted after {} of {} windows", state.done, planned));
  }
  input.warnings.push_back("samples are tokens, one step each: energies are per token");
  const Family& family = *setup.experiment.model.family;
  if (!family.remark.empty()) input.warnings.emplace_back(family.remark);
  if (family.settings != nullptr) input.warnings.push_back(family.settings(net.spec));
}

// The spikes of a residual stream, where the network's publication prices them.
void count_stream(const TokenSetup& setup, const TokenNetwork& net, const RunStatistics& statistics,
                  ReportInput& input) {
  const auto& claim = setup.experiment.model.family->claim;
  if (!claim) return;
  std::string obstacle;
  input.counts.as_written.stream = count_residual_stream(
      net.graph, statistics, {claim->mac_pJ, claim->ac_pJ, claim->rate, claim->width}, &obstacle);
  if (input.counts.as_written.stream) return;
  input.warnings.push_back(
      fmt::format("{} is no part of a residual stream of spikes: it is priced layer by layer, not "
                  "as published",
                  obstacle));
}

ReportInput describe(const TokenSetup& setup, const TokenNetwork& net, const RunState& state,
                     const TwinRun& twin, const TokenRows& data) {
  const TokenExperiment& e = setup.experiment;
  const auto backend = make_backend(e.run.device);
  ReportInput input;
  input.version = kVersion;
  input.generator = fmt::format("spikeloom {}", kVersion);
  input.weights_sha256 = net.hash;
  input.inputs = inputs_of(setup.identity, state.inputs);
  if (!twin.hash.empty()) input.inputs["twin.weights"] = twin.hash;
  input.weights_random = e.weights.path.empty();
  input.weights_trained = !input.weights_random && e.weights.trained;
  input.weights_text = net.note;
  input.backend = backend->name();
  input.simd = backend->simd();
  input.schedule = e.run.schedule == Schedule::kLayerMajor ? "layer-major" : "step-major";
  input.threads = e.run.threads;
  input.precision = {std::string(name_of(e.run.precision.precision)), 0, net.quantized};
  input.batch = e.run.batch;
  input.dataset = fmt::format("{}, {} windows", data.description, state.done);
  const RunStatistics statistics = by_token(state.statistics);
  input.rate_source = fmt::format("spikes of this run, {} tokens", statistics.samples);
  const Precision precision = e.run.precision.precision;
  input.counts.as_written = count_run(net.graph, statistics, precision);
  count_stream(setup, net, statistics, input);
  input.counts.has_fused = false;
  input.counts.executed_form = "as_written";
  input.counts.precision = precision;
  input.counts.twin_ran = twin.state.done > 0;
  input.counts.steps = 1;
  count_baselines(setup, net, twin, statistics, input.counts);
  if (twin.graph)
    input.twin = TwinInfo{std::string(e.model.family->twin.description), {}, twin.hash};
  Signature signature(net.graph);
  signature.restore(state.signature);
  input.signature = signature.text();
  input.wall_seconds = state.seconds;
  add_warnings(setup, net, state, twin, input);
  return input;
}

TokenRows load_rows(const TokenExperiment& e, const std::optional<Tokenizer>& tokenizer,
                    int64_t vocabulary) {
  if (e.data.kind == "text") return load_text_rows(e.data.path, *tokenizer, e.data.split);
  if (e.data.kind == "binidx") return load_binidx_rows(e.data.path, vocabulary, e.data.wanted());
  return load_npy_rows(e.data.path, vocabulary, e.data.wanted());
}

// A network of learned positions reads windows as long as its positions reach.
void check_positions(const Graph& graph, const std::vector<TokenWindow>& windows) {
  const int64_t longest = longest_of(windows).tokens();
  for (const Node& node : graph.nodes()) {
    const auto* positions = std::get_if<Positions>(&node.op);
    if (positions == nullptr || positions->count >= longest) continue;
    throw Error(ErrorCode::kUsage,
                fmt::format("the network has positions for {} tokens, the longest window has {}",
                            positions->count, longest));
  }
}

// What must be equal for a run to be continued.
RunIdentity identity_of(const TokenNetwork& net, const TokenRows& data, const std::string& config,
                        const std::vector<TokenWindow>& windows) {
  const auto count = static_cast<int64_t>(windows.size());
  return {{"config", config},
          {"weights.path", net.hash},
          {"dataset.path", fmt::format("{}, {} tokens in {} windows", data.description,
                                       tokens_in(windows, count), count)},
          {"version", kVersion}};
}

void write_report(const Report& report, const fs::path& dir, bool quiet, OutputFile& json_file,
                  OutputFile& csv_file) {
  json_file.write(dump_json(to_json(report)));
  csv_file.write(to_csv(report));
  json_file.commit();
  csv_file.commit();
  if (quiet) return;
  fmt::print("{}\n", to_table(report));
  fmt::print("output folder {}\nsignature {} (as_written)\n", dir.string(), report.input.signature);
}

}  // namespace

int run_token_experiment(Config config, bool quiet, bool resume) {
  const TokenExperiment e = read_token_experiment(config);
  const nlohmann::json resolved = config.resolved();
  std::optional<FolderLock> folder = FolderLock::of_existing(e.output.dir);
  TokenNetwork net = make_token_network(e);
  std::optional<Tokenizer> tokenizer;  // token ids need none
  if (e.data.kind == "text" || !e.data.vocab.empty()) {
    tokenizer = tokenizer_for(e.data.vocab, net.vocabulary, "dataset.vocab");
  }
  const TokenRows data = load_rows(e, tokenizer, net.vocabulary);
  TokenSetup setup{e, windows_of(data, e.data.wanted()), dump_json(resolved), net.hash, {}, quiet};
  const auto count = static_cast<int64_t>(setup.windows.size());
  if (count == 0) {
    throw Error(ErrorCode::kData,
                fmt::format("{}: no windows of tokens (dataset.skip {}, dataset.limit {})",
                            e.data.path.string(), e.data.skip, e.data.limit));
  }
  check_trace_samples(config, e.trace, count);
  check_positions(net.graph, setup.windows);
  setup.identity = identity_of(net, data, setup.config_json, setup.windows);
  if (!e.data.vocab.empty() && e.data.vocab != "bytes")
    setup.identity["dataset.vocab"] = sha256_hex(read_file(e.data.vocab));
  if (!folder) folder.emplace(e.output.dir);
  setup.folder = &*folder;
  const auto planned = static_cast<int64_t>(setup.windows.size());
  RunState state;
  state.statistics = OpCounter(net.graph).statistics();
  state.signature = Signature(net.graph).hashes();
  const auto start = [&] {
    start_or_continue(
        e.output.dir, setup.identity, resume, planned, "window", state,
        [&](const RunState& earlier) { check_inputs(setup.windows, earlier.inputs); });
  };
  if (resume) start();
  OutputFile json_file(e.output.dir / "report.json");
  OutputFile csv_file(e.output.dir / "report.csv");
  if (!resume) start();
  {
    TokenRun run(setup, net.graph, std::exchange(net.weights, {}), state);
    const auto rows = static_cast<int64_t>(data.rows.size());
    const int64_t tokens = tokens_in(setup.windows, planned);
    const bool whole = e.data.kind == "tokens" && !data.cut &&
                       tokens == rows * static_cast<int64_t>(data.rows[0].size());
    run.run(whole ? Shape{rows, tokens / rows} : Shape{tokens});
    net.quantized = run.quantized();
  }
  const TwinRun twin = run_twin(setup, net, state.done);
  ReportInput input = describe(setup, net, state, twin, data);
  input.config = resolved;
  input.peak_memory_bytes = peak_bytes();
  input.config_sha256 = sha256_hex(setup.config_json);
  if (!folder->is_locked()) input.warnings.push_back(no_lock_warning(e.output.dir));
  input.language = language_of(state, setup.windows, tokenizer, data.unknown);
  if (data.unknown > 0) {
    input.warnings.push_back(
        fmt::format("{} character{} of the text {} not in dataset.vocab and read as a space each",
                    data.unknown, data.unknown == 1 ? "" : "s", data.unknown == 1 ? "is" : "are"));
  }
  if (tokenizer && vocabulary_of(*tokenizer) != net.vocabulary) {
    input.warnings.push_back(
        fmt::format("the network has {} rows for tokens, the vocabulary {} tokens", net.vocabulary,
                    vocabulary_of(*tokenizer)));
  }
  if (twin.state.done > 0)
    input.twin->language = language_of(twin.state, setup.windows, tokenizer, data.unknown);
  std::vector<std::string> notes = prediction_notes(state, "");
  for (const std::string& note : prediction_notes(twin.state, "dense twin: "))
    notes.push_back(note);
  input.warnings.insert(input.warnings.end(), notes.begin(), notes.end());
  for (const std::string& note : notes) notice("{}", note);
  write_report(make_report(std::move(input)), e.output.dir, quiet, json_file, csv_file);
  if (interrupted()) {
    notice(
        "interrupted after {} of {} windows; what ended is in the output folder, "
        "run --resume continues",
        state.done, planned);
    return exit_code(ErrorCode::kInterrupted);
  }
  forget_checkpoint(e.output.dir);
  return 0;
}

}  // namespace spikeloom
