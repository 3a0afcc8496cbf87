// spikeloom run for token models: windows of text or token arrays, cross-entropy, energy per token.

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/interrupt.hpp"
#include "cli/network.hpp"
#include "cli/progress.hpp"
#include "cli/token_experiment.hpp"
#include "cli/version.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/json.hpp"
#include "core/io/npy.hpp"
#include "core/io/weights_file.hpp"
#include "datasets/binidx.hpp"
#include "datasets/token_rows.hpp"
#include "hw_model/report/report.hpp"
#include "models/ann/rwkv4.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/session.hpp"
#include "sim/trace/graph_json.hpp"
#include "sim/trace/op_counter.hpp"
#include "sim/trace/recorder.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int64_t kChunk = 32;  // tokens that share one pass over the weights

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

// Sums over all predictions.
struct Score {
  int64_t tokens = 0;
  double nats = 0;
};

// -log softmax(logits)[target], in double.
double surprise(const float* logits, int64_t vocabulary, int32_t target) {
  double largest = static_cast<double>(logits[0]), sum = 0;
  for (int64_t v = 1; v < vocabulary; ++v) {
    largest = std::max(largest, static_cast<double>(logits[v]));
  }
  for (int64_t v = 0; v < vocabulary; ++v) {
    sum += std::exp(static_cast<double>(logits[v]) - largest);
  }
  return std::log(sum) + largest - static_cast<double>(logits[target]);
}

int64_t characters_in(const std::string& utf8) {
  return std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

class TokenRun {
 public:
  TokenRun(const TokenExperiment& e, const TokenNetwork& net, const std::string& config_json)
      : e_(e),
        vocabulary_(net.config.vocabulary),
        session_(compile(net.graph, net.weights, make_backend(e.run.device),
                         {e.run.schedule, kChunk, {}})),
        head_(*session_.plan().graph.find_output("logits")),
        counter_(session_.plan().graph),
        signature_(session_.plan().graph) {
    if (e.data.kind == "tokens") logits_.emplace(e.output_dir / "logits.npy", Shape{vocabulary_});
    if (!e.trace.enabled) return;
    RecorderOptions options;
    options.path = e.output_dir / "trace.h5";
    options.layers = e.trace.layers;
    options.every = e.trace.every;
    options.samples = e.trace.samples;
    options.events_auto = e.trace.events_auto;
    options.events = e.trace.events;
    options.config_json = config_json;
    options.graph_json = graph_to_json(net.graph, &net.weights);
    options.config_sha256 = sha256_hex(config_json);
    options.run_id = sha256_hex(options.config_sha256 + net.hash).substr(0, 16);
    options.generator = fmt::format("spikeloom {}", kVersion);
    options.steps_per_sample = e.data.window;
    recorder_.emplace(net.graph, options);
  }

  // Inputs [first, end) of a row from the initial state; every input but the row's last predicts
  // the token behind it.
  void window(const std::vector<int32_t>& row, size_t first, size_t end) {
    std::vector<TraceSink*> sinks{&counter_, &signature_};
    if (recorder_) sinks.push_back(&*recorder_);
    session_.reset();
    for (TraceSink* sink : sinks) sink->begin_sample({windows_, -1, tokens_});
    for (size_t at = first; at < end;) {
      const auto steps = std::min<int64_t>(kChunk, static_cast<int64_t>(end - at));
      Tensor ids({steps, 1});
      for (int64_t t = 0; t < steps; ++t) {
        ids.f32()[static_cast<size_t>(t)] = static_cast<float>(row[at + static_cast<size_t>(t)]);
      }
      session_.run_chunk(ids, steps, e_.run.threads);
      for (TraceSink* sink : sinks) sink->chunk(session_.last_chunk());
      for (int64_t t = 0; t < steps; ++t, ++at)
        take(row, at, session_.view(head_, t).real_row(0, 0));
    }
    for (TraceSink* sink : sinks) sink->end_sample({static_cast<int64_t>(end - first), -1});
    ++windows_;
    tokens_ += static_cast<int64_t>(end - first);
  }

  // `leading`: extents in front of the vocabulary.
  void finish(const Shape& leading) {
    if (recorder_) {
      recorder_->set_signature(signature_.text());
      recorder_->close();
    }
    if (logits_) logits_->finish(leading);
  }

  int64_t windows() const { return windows_; }
  int64_t tokens() const { return tokens_; }
  const Score& score() const { return score_; }
  std::vector<int32_t>& predicted() { return predicted_; }
  std::string signature() const { return signature_.text(); }
  // Energy figures are per token: a token is the sample of a stream.
  RunStatistics statistics() const {
    RunStatistics result = counter_.statistics();
    result.samples = result.evaluations;
    return result;
  }

 private:
  void take(const std::vector<int32_t>& row, size_t at, const float* logits) {
    if (logits_) logits_->append({logits, static_cast<size_t>(vocabulary_)});
    if (at + 1 >= row.size()) return;
    score_.nats += surprise(logits, vocabulary_, row[at + 1]);
    ++score_.tokens;
    predicted_.push_back(row[at + 1]);
  }

  const TokenExperiment& e_;
  int64_t vocabulary_;
  Session session_;
  NodeId head_;
  OpCounter counter_;
  Signature signature_;
  std::optional<Recorder> recorder_;
  std::optional<NpyWriter> logits_;
  Score score_;
  std::vector<int32_t> predicted_;
  int64_t windows_ = 0, tokens_ = 0;
};

LanguageScore language_of(TokenRun& run, const std::optional<Tokenizer>& tokenizer,
                          int64_t unknown) {
  LanguageScore score;
  score.tokens = run.score().tokens;
  score.nats = run.score().nats;
  score.unknown = unknown;
  if (tokenizer) {
    const std::string text = decode(*tokenizer, run.predicted());
    score.bytes = static_cast<int64_t>(text.size());
    score.characters = characters_in(text);
    score.vocabulary = describe(*tokenizer);
  }
  return score;
}

ReportInput describe(const TokenExperiment& e, const TokenNetwork& net, TokenRun& run,
                     const TokenRows& data) {
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
  input.batch = 1;
  input.dataset = fmt::format("{}, {} windows", data.description, run.windows());
  input.rate_source = fmt::format("spikes of this run, {} tokens", run.tokens());
  const RunStatistics statistics = run.statistics();
  input.counts.as_written = count_run(net.graph, statistics);
  input.counts.fused = count_run(fuse(net.graph), statistics);
  input.counts.dense_same = count_dense_run(net.graph, statistics.samples);
  input.counts.dense_twin = count_dense_run(build_rwkv4(net.config), statistics.samples);
  input.counts.executed_form = "as_written";
  input.counts.steps = 1;
  input.twin = TwinInfo{"RWKV-4 of the same shape", {}, ""};
  input.signature = run.signature();
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

}  // namespace

int run_token_experiment(Config config, bool quiet) {
  const TokenExperiment e = read_token_experiment(config);
  const nlohmann::json resolved = config.resolved();
  const std::string config_json = dump_json(resolved);
  TokenNetwork net = make_token_network(e);
  std::optional<Tokenizer> tokenizer;  // token arrays need none
  if (e.data.kind == "text" || !e.data.vocab.empty()) {
    tokenizer = tokenizer_for(e.data.vocab, net.config.vocabulary, "dataset.vocab");
  }
  const TokenRows data = load_rows(e, tokenizer, net.config.vocabulary);
  std::error_code error;
  fs::create_directories(e.output_dir, error);
  if (error) {
    throw Error(ErrorCode::kRuntime, fmt::format("{}: cannot create the output folder: {}",
                                                 e.output_dir.string(), error.message()));
  }
  OutputFile json_file(e.output_dir / "report.json");
  OutputFile csv_file(e.output_dir / "report.csv");

  TokenRun run(e, net, config_json);
  net.weights = Weights();
  const auto length = static_cast<int64_t>(data.rows[0].size());
  const int64_t window = e.data.window == 0 ? length : e.data.window;
  int64_t planned = 0, tokens = 0;
  for (const auto& row : data.rows) {
    const auto size = static_cast<int64_t>(row.size());
    tokens += size;
    planned += e.data.window == 0 ? 1 : (size + window - 1) / window;
  }
  if (e.data.limit >= 0) planned = std::min(planned, e.data.limit);
  const auto start = Clock::now();
  Progress progress("windows", planned, quiet);
  const auto more = [&] {
    return run.windows() < planned && !(run.windows() > 0 && interrupted());
  };
  for (size_t r = 0; r < data.rows.size() && more(); ++r) {
    const auto& row = data.rows[r];
    const size_t step = e.data.window == 0 ? row.size() : static_cast<size_t>(window);
    for (size_t first = 0; first < row.size() && more(); first += step) {
      run.window(row, first, std::min(row.size(), first + step));
      progress.update(run.windows(), "");
    }
  }
  const bool whole = run.tokens() == tokens;
  run.finish(whole ? Shape{static_cast<int64_t>(data.rows.size()), length} : Shape{run.tokens()});

  ReportInput input = describe(e, net, run, data);
  input.config = resolved;
  input.config_sha256 = sha256_hex(config_json);
  input.wall_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  input.language = language_of(run, tokenizer, data.unknown);
  if (run.windows() < planned) {
    input.warnings.push_back(
        fmt::format("interrupted after {} of {} windows", run.windows(), planned));
  }
  const Report report = make_report(std::move(input));
  json_file.write(dump_json(to_json(report)));
  csv_file.write(to_csv(report));
  json_file.commit();
  csv_file.commit();
  if (!quiet) {
    fmt::print("{}\n", to_table(report));
    if (report.input.language->tokens > 0) print_score(*report.input.language);
    fmt::print("output folder {}\nsignature {} (as_written)\n", e.output_dir.string(),
               report.input.signature);
  }
  return interrupted() ? exit_code(ErrorCode::kInterrupted) : 0;
}

}  // namespace spikeloom
