// spikeloom run for token models: windows of text or token arrays, cross-entropy, energy per token.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/interrupt.hpp"
#include "cli/network.hpp"
#include "cli/token_run.hpp"
#include "cli/version.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/json.hpp"
#include "core/io/weights_file.hpp"
#include "datasets/binidx.hpp"
#include "hw_model/report/report.hpp"
#include "models/ann/rwkv4.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/random_weights.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

struct TokenNetwork {
  SpikeGptConfig config;
  Graph graph;
  Weights weights;
  std::string note, hash;
};

SpikeGptConfig config_from(const TokenExperiment& e, const Weights* stored) {
  SpikeGptConfig net;
  if (stored != nullptr) {
    net = spikegpt_config_of(*stored);
    const auto check = [](const char* key, int64_t wanted, int64_t found) {
      if (wanted != 0 && wanted != found) {
        throw Error(ErrorCode::kUsage,
                    fmt::format("model.{} is {}, the checkpoint has {}", key, wanted, found));
      }
    };
    check("layers", e.layers, net.layers);
    check("width", e.width, net.width);
    check("vocabulary", e.vocabulary, net.vocabulary);
  } else {
    net.layers = e.layers;
    net.width = e.width;
    net.vocabulary = e.vocabulary;
    net.ffn_pre = e.ffn_pre;
  }
  net.binary_embedding = e.binary_embedding.value_or(net.binary_embedding);
  net.rescale_every = e.rescale_every;
  net.tau = e.tau;
  net.v_threshold = e.v_threshold;
  net.reset = e.reset;
  return net;
}

TokenNetwork make_token_network(const TokenExperiment& e) {
  TokenNetwork net;
  if (e.weights.path.empty()) {
    net.config = config_from(e, nullptr);
    net.graph = build_spikegpt(net.config);
    check_memory(net.graph, 1);
    const auto seed = static_cast<uint64_t>(e.weights.random_seed);
    net.weights = random_weights(net.graph, seed);
    net.note = fmt::format("random weights, seed {}", seed);
  } else {
    const Weights stored = load_weights(e.weights.path);
    try {
      net.config = config_from(e, &stored);
      net.graph = build_spikegpt(net.config);
      net.weights = bind_weights(net.graph, stored);
    } catch (const Error& error) {
      throw error.in(e.weights.path.string());
    }
    net.note = e.weights.note.empty() ? e.weights.path.filename().string() : e.weights.note;
  }
  net.hash = weights_hash(net.weights);
  return net;
}

int64_t characters_in(const std::string& utf8) {
  return std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// Bytes and characters are those of the tokens that were predicted.
LanguageScore language_of(const RunState& state, const std::vector<TokenWindow>& windows,
                          const std::optional<Tokenizer>& tokenizer, int64_t unknown) {
  LanguageScore score;
  score.tokens = state.predictions;
  score.nats = state.nats;
  score.unknown = unknown;
  if (!tokenizer) return score;
  std::vector<int32_t> predicted;
  for (int64_t w = 0; w < state.done; ++w) {
    const TokenWindow& window = windows[static_cast<size_t>(w)];
    const auto first = window.row->begin() + static_cast<int64_t>(window.first) + 1;
    predicted.insert(predicted.end(), first, first + static_cast<int64_t>(window.predictions()));
  }
  const std::string text = decode(*tokenizer, predicted);
  score.bytes = static_cast<int64_t>(text.size());
  score.characters = characters_in(text);
  score.vocabulary = describe(*tokenizer);
  return score;
}

ReportInput describe(const TokenSetup& setup, const TokenNetwork& net, const RunState& state,
                     const TokenRows& data) {
  const TokenExperiment& e = setup.experiment;
  const auto backend = make_backend(e.run.device);
  ReportInput input;
  input.version = kVersion;
  input.generator = fmt::format("spikeloom {}", kVersion);
  input.weights_sha256 = net.hash;
  input.weights_random = e.weights.path.empty();
  input.weights_trained = !input.weights_random && e.weights.trained;
  input.weights_text = net.note;
  input.backend = backend->name();
  input.simd = backend->simd();
  input.schedule = e.run.schedule == Schedule::kLayerMajor ? "layer-major" : "step-major";
  input.threads = e.run.threads;
  input.batch = e.run.batch;
  input.dataset = fmt::format("{}, {} windows", data.description, state.done);
  RunStatistics statistics = state.statistics;
  statistics.samples = statistics.evaluations;  // a token is the sample of a stream
  input.rate_source = fmt::format("spikes of this run, {} tokens", statistics.samples);
  input.counts.as_written = count_run(net.graph, statistics);
  input.counts.fused = count_run(fuse(net.graph), statistics);
  input.counts.dense_same = count_dense_run(net.graph, statistics.samples);
  input.counts.dense_twin = count_dense_run(build_rwkv4(net.config), statistics.samples);
  input.counts.executed_form = "as_written";
  input.counts.steps = 1;
  input.twin = TwinInfo{"RWKV-4 of the same shape", {}, ""};
  Signature signature(net.graph);
  signature.restore(state.signature);
  input.signature = signature.text();
  input.wall_seconds = state.seconds;
  const auto planned = static_cast<int64_t>(setup.windows.size());
  if (state.done < planned) {
    input.warnings.push_back(
        fmt::format("interrupted after {} of {} windows", state.done, planned));
  }
  input.warnings.push_back(
      "no product of this network is driven by spikes: limits on spikes per synapse do not apply "
      "to "
      "it, and what it saves against RWKV-4 are exact zeros of relu^2, which RWKV-4 has too");
  input.warnings.push_back("samples are tokens, one step each: energies are per token");
  input.warnings.push_back(fmt::format(
      "embedding {}, rescaling {}", net.config.binary_embedding ? "binary" : "real",
      net.config.rescale_every == 0 ? "off"
                                    : fmt::format("every {} blocks", net.config.rescale_every)));
  return input;
}

void print_score(const LanguageScore& s) {
  fmt::print("cross-entropy {:.6f} nats = {:.6f} bits per token over {} predictions\n",
             s.nats_per_token(), s.bits() / static_cast<double>(s.tokens), s.tokens);
  if (s.vocabulary.empty() || s.bytes == 0) return;
  fmt::print("{:.6f} bits per character ({}), {:.6f} bits per byte ({}), vocabulary: {}\n",
             s.bits() / static_cast<double>(s.characters), s.characters,
             s.bits() / static_cast<double>(s.bytes), s.bytes, s.vocabulary);
}

TokenRows load_rows(const TokenExperiment& e, const std::optional<Tokenizer>& tokenizer,
                    int64_t vocabulary) {
  if (e.data.kind == "text") return load_text_rows(e.data.path, *tokenizer, e.data.split);
  if (e.data.kind == "binidx") return load_binidx_rows(e.data.path, vocabulary);
  return load_npy_rows(e.data.path, vocabulary);
}

// What must be equal for a run to be continued.
RunIdentity identity_of(const TokenNetwork& net, const TokenRows& data, const std::string& config,
                        const std::vector<TokenWindow>& windows) {
  const auto count = static_cast<int64_t>(windows.size());
  return {{"config", config},
          {"weights_sha256", net.hash},
          {"dataset", fmt::format("{}, {} tokens in {} windows", data.description,
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
  if (report.input.language->tokens > 0) print_score(*report.input.language);
  fmt::print("output folder {}\nsignature {} (as_written)\n", dir.string(), report.input.signature);
}

}  // namespace

int run_token_experiment(Config config, bool quiet, bool resume) {
  const TokenExperiment e = read_token_experiment(config);
  const nlohmann::json resolved = config.resolved();
  TokenNetwork net = make_token_network(e);
  std::optional<Tokenizer> tokenizer;  // token ids need none
  if (e.data.kind == "text" || !e.data.vocab.empty()) {
    tokenizer = tokenizer_for(e.data.vocab, net.config.vocabulary, "dataset.vocab");
  }
  const TokenRows data = load_rows(e, tokenizer, net.config.vocabulary);
  TokenSetup setup{
      e, windows_of(data, e.data.window, e.data.limit), dump_json(resolved), net.hash, {}, quiet};
  if (setup.windows.empty()) throw Error(ErrorCode::kData, e.data.path.string() + ": no windows");
  setup.identity = identity_of(net, data, setup.config_json, setup.windows);
  std::error_code error;
  fs::create_directories(e.output_dir, error);
  if (error) {
    throw Error(ErrorCode::kRuntime, fmt::format("{}: cannot create the output folder: {}",
                                                 e.output_dir.string(), error.message()));
  }
  OutputFile json_file(e.output_dir / "report.json");
  OutputFile csv_file(e.output_dir / "report.csv");

  const auto planned = static_cast<int64_t>(setup.windows.size());
  RunState state;
  state.statistics = OpCounter(net.graph).statistics();
  state.signature = Signature(net.graph).hashes();
  start_or_continue(e.output_dir, setup.identity, outputs_of(e), resume, planned, "window", state);
  {
    TokenRun run(setup, net.graph, net.weights, state);
    net.weights = Weights();
    const auto rows = static_cast<int64_t>(data.rows.size());
    const int64_t tokens = tokens_in(setup.windows, planned);
    const bool whole = tokens == rows * static_cast<int64_t>(data.rows[0].size());
    run.run(whole ? Shape{rows, tokens / rows} : Shape{tokens});
  }
  ReportInput input = describe(setup, net, state, data);
  input.config = resolved;
  input.config_sha256 = sha256_hex(setup.config_json);
  input.language = language_of(state, setup.windows, tokenizer, data.unknown);
  write_report(make_report(std::move(input)), e.output_dir, quiet, json_file, csv_file);
  if (interrupted()) {
    fmt::print(stderr,
               "spikeloom: interrupted after {} of {} windows; what ended is in the output folder, "
               "run --resume continues\n",
               state.done, planned);
    return exit_code(ErrorCode::kInterrupted);
  }
  forget_checkpoint(e.output_dir, outputs_of(e));
  return 0;
}

}  // namespace spikeloom
