// spikeloom generate: text from a SpikeGPT, token by token.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "cli/interrupt.hpp"
#include "cli/network.hpp"
#include "cli/options.hpp"
#include "cli/precision.hpp"
#include "cli/token_experiment.hpp"
#include "cli/token_input.hpp"
#include "core/error.hpp"
#include "core/io/safetensors.hpp"
#include "core/io/weights_file.hpp"
#include "core/parallel.hpp"
#include "datasets/utf8.hpp"
#include "hw_model/report/energy.hpp"
#include "models/ann/rwkv4.hpp"
#include "models/spikegpt/sampling.hpp"
#include "sim/graph/value_bounds.hpp"
#include "sim/plan/session.hpp"
#include "sim/trace/finite_watch.hpp"
#include "sim/trace/op_counter.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int64_t kChunk = 16;  // tokens of a prompt that share one pass over the weights

struct Settings {
  fs::path weights, state;  // state "": forgotten at the end
  std::string prompt, vocab;
  int64_t tokens = 0;
  double temperature = 1, top_p = 0.7, top_p_newline = 0.9;
  uint64_t seed = 0;
  int threads = 1;
  std::optional<bool> binary_embedding;
  int64_t rescale_every = 0;
  float tau = 2, v_threshold = 1;
  std::string device;
  Precision precision = Precision::kF32;
  bool quiet = false;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Text on its way out: characters are printed when they are whole, and control characters never
// reach a terminal.
class TextOutput {
 public:
  void add(const std::string& bytes) {
    pending_ += bytes;
    const size_t whole = complete_prefix(pending_);
    print(pending_.substr(0, whole));
    pending_.erase(0, whole);
  }
  void finish() {
    print(pending_);
    pending_.clear();
  }

 private:
  void print(const std::string& bytes) {
    std::string text = lossy_utf8(bytes);
    for (char& c : text) {
      const bool control = (c >= 0 && c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
      if (control && terminal_) c = '?';
    }
    fmt::print("{}", text);
    std::fflush(stdout);
  }
  std::string pending_;
  bool terminal_ = ::isatty(STDOUT_FILENO) == 1;
};

// A session with what it takes to go on: the token that was chosen last and not yet run.
class Stream {
 public:
  Stream(const Settings& settings, std::shared_ptr<const Plan> plan, std::string weights_sha256)
      : settings_(settings),
        session_(std::move(plan)),
        counter_(session_.plan().graph),
        head_(*session_.plan().graph.find_output("logits")),
        weights_sha256_(std::move(weights_sha256)) {
    counter_.begin_sample({});
  }

  bool resume() {
    if (settings_.state.empty() || !fs::exists(settings_.state)) return false;
    const std::string what = settings_.state.string();
    const SafetensorsFile file = read_safetensors(settings_.state);
    const auto of = [&](const char* key) {
      const auto found = file.metadata.find(key);
      return found == file.metadata.end() ? std::string() : found->second;
    };
    if (of("weights_sha256") != weights_sha256_) {
      throw Error(ErrorCode::kData, what + ": is the state of another network");
    }
    try {
      session_.load(file.weights);
    } catch (const Error& error) {
      throw error.in(what);
    }
    const std::string token = of("pending_token");
    const int64_t vocabulary = channels_of(session_.plan().graph.node(head_).shape);
    if (token.empty() || token.size() > 8 ||
        token.find_first_not_of("0123456789") != std::string::npos ||
        std::stoll(token) >= vocabulary) {
      throw Error(ErrorCode::kData, what + ": has no token to go on with");
    }
    pending_ = {static_cast<int32_t>(std::stoll(token))};
    return true;
  }

  void push(const std::vector<int32_t>& ids) {
    pending_.insert(pending_.end(), ids.begin(), ids.end());
  }

  // Runs what is pending and chooses the next token, which is then pending; `never` says by id
  // which are not chosen.
  int32_t next(const Sampling& sampling, const std::vector<bool>& never) {
    int64_t last = 0;
    for (size_t first = 0; first < pending_.size(); first += kChunk) {
      const auto count = std::min<int64_t>(kChunk, static_cast<int64_t>(pending_.size() - first));
      Tensor tokens({count, 1});
      for (int64_t t = 0; t < count; ++t) {
        tokens.f32()[static_cast<size_t>(t)] =
            static_cast<float>(pending_[first + static_cast<size_t>(t)]);
      }
      session_.run_chunk(tokens, count, settings_.threads);
      SpikeChunk chunk = session_.last_chunk();
      chunk.first_step = 0;  // counts by step would grow with the stream
      counter_.chunk(chunk);
      last = count - 1;
    }
    Tensor logits = session_.value(head_, last);
    const std::string node = all_finite(logits.f32()) ? session_.not_finite_state() : "logits";
    if (!node.empty()) {
      throw Error(ErrorCode::kRuntime,
                  fmt::format("{} after {} tokens are not finite: there is nothing to choose from",
                              node, session_.steps_done()));
    }
    for (size_t id = 0; id < never.size(); ++id) {
      if (never[id]) logits.f32()[id] = -999999999.0f;
    }
    pending_ = {sample_token(logits.f32(), sampling, session_.steps_done())};
    return pending_[0];
  }

  void save() const {
    if (settings_.state.empty() || pending_.size() != 1) return;
    save_safetensors(
        settings_.state, session_.save(),
        {{"weights_sha256", weights_sha256_}, {"pending_token", std::to_string(pending_[0])}});
  }

  const std::vector<int32_t>& pending() const { return pending_; }
  const RunStatistics& statistics() const { return counter_.statistics(); }
  const Graph& graph() const { return session_.plan().graph; }

 private:
  const Settings& settings_;
  Session session_;
  OpCounter counter_;
  NodeId head_;
  std::string weights_sha256_;
  std::vector<int32_t> pending_;
};

double line_energy(const SchemeReport& report, const std::string& layer) {
  double sum = 0;
  for (const EnergyLine& line : report.lines) sum += line.layer == layer ? line.energy_pJ : 0;
  return sum;
}

// Energy of one token, as built and of RWKV-4 of the same shape, from the counts of this run.
void print_energy(const Stream& stream, const SpikeGptConfig& config) {
  const auto tokens = static_cast<double>(stream.statistics().evaluations);
  const auto report = [&](const char* name, const SchemeReport& energy, double runs) {
    const double total = energy.total_pJ / runs / 1e6,
                 head = line_energy(energy, "head") / runs / 1e6;
    fmt::print("{:<28} {:>10.3f} uJ per token, {:.3f} without the output head\n", name, total,
               total - head);
  };
  report("SpikeGPT as built",
         as_built_energy(count_run(stream.graph(), stream.statistics()), Arithmetic::kFp32),
         tokens);
  report("RWKV-4 of the same shape",
         dense_energy("dense_twin", count_dense_run(build_rwkv4(config), 1), Arithmetic::kFp32, 1),
         1);
  report("RWKV-4 with as many zeros",
         dense_energy("dense_twin_skipping", count_run(build_rwkv4(config), stream.statistics()),
                      Arithmetic::kFp32, 1),
         tokens);
  fmt::print(
      "  fp32 MACs of 45 nm (Horowitz 2014), exact zeros of relu^2 skipped; every product has a "
      "real "
      "operand.\n  Not priced: neurons, WKV, normalisation, memory, routing.\n");
}

// The ids of the prompt; a character model's is cleaned first, unless it continues a text.
std::vector<int32_t> prompt_ids(const Settings& settings, const Tokenizer& tokenizer,
                                bool resumed) {
  const bool clean = std::holds_alternative<CharTokenizer>(tokenizer) && !resumed;
  const std::string text = clean ? refine_prompt(settings.prompt) : settings.prompt;
  return encode_exactly(tokenizer, text, "--prompt").ids;
}

// Rows of the network without a token of a text: padding, the end of a text.
std::vector<bool> never_chosen(const Tokenizer& tokenizer, int64_t vocabulary) {
  std::vector<bool> never;
  for (int64_t id = 0; id < vocabulary; ++id)
    never.push_back(!is_text_token(tokenizer, static_cast<int32_t>(id)));
  if (std::count(never.begin(), never.end(), false) == 0)
    throw Error(ErrorCode::kData, "the vocabulary has no token that a text may hold");
  return never;
}

int generate(const Settings& settings) {
  Weights stored = load_weights(settings.weights);
  SpikeGptConfig config;
  Weights weights;
  Graph graph;
  try {
    config = spikegpt_config_of(stored);
    config.binary_embedding = settings.binary_embedding.value_or(config.binary_embedding);
    config.rescale_every = settings.rescale_every;
    config.tau = settings.tau;
    config.v_threshold = settings.v_threshold;
    graph = build_spikegpt(config);
    check_memory(graph, 1);
    weights = bind_weights(graph, std::move(stored));
    value_gains(graph, weights);
  } catch (const Error& error) {
    throw error.in(settings.weights.string());
  }
  const Tokenizer tokenizer = tokenizer_for(settings.vocab, config.vocabulary, "--vocab");
  // A state belongs to the weights that made it.
  std::string hash = weights_hash(weights);
  if (settings.precision != Precision::kF32) hash += " " + std::string(name_of(settings.precision));
  weights = in_precision(graph, std::move(weights), settings.precision).weights;
  Stream stream(settings,
                compile(graph, std::move(weights), make_backend(settings.device),
                        {Schedule::kLayerMajor, kChunk, {}}),
                std::move(hash));
  stream.push(prompt_ids(settings, tokenizer, stream.resume()));
  if (stream.pending().empty()) {
    throw Error(ErrorCode::kUsage, "--prompt is needed: there is no text to go on with");
  }

  const std::vector<bool> never = never_chosen(tokenizer, config.vocabulary);
  const bool is_char = std::holds_alternative<CharTokenizer>(tokenizer);
  const auto fed = static_cast<double>(stream.pending().size());
  TextOutput output;
  Sampling sampling{settings.temperature, settings.top_p, settings.seed};
  auto start = Clock::now();
  double prompt_seconds = 0;
  int64_t made = 0;
  std::string last = decode(tokenizer, {stream.pending().back()});
  for (; made < settings.tokens && !interrupted(); ++made) {
    sampling.top_p = is_char && last == "\n" ? settings.top_p_newline : settings.top_p;
    last = decode(tokenizer, {stream.next(sampling, never)}, false);
    output.add(last);
    if (made == 0) {
      prompt_seconds = seconds_since(start);
      start = Clock::now();
    }
  }
  output.finish();
  stream.save();
  if (!settings.quiet) {
    const double rate = static_cast<double>(made - 1) / seconds_since(start);
    fmt::print("\n\n{} tokens", made);
    if (made > 1) fmt::print(", {:.1f} tokens/s", rate);
    fmt::print(" (first after {:.0f} tokens in {:.3f} s), seed {}, embedding {}, rescaling {}\n",
               fed, prompt_seconds, settings.seed, config.binary_embedding ? "binary" : "real",
               config.rescale_every == 0 ? "off" : fmt::format("every {}", config.rescale_every));
    print_energy(stream, config);
  }
  return interrupted() ? exit_code(ErrorCode::kInterrupted) : 0;
}

template <typename T>
T in_range(const options::variables_map& values, const char* name, T low, T high) {
  const T value = values[name].as<T>();
  if (!(value >= low && value <= high)) {
    throw Error(ErrorCode::kUsage,
                fmt::format("--{} is {}, not in {} to {}", name, value, low, high));
  }
  return value;
}

void add_options(CommandLine& line) {
  const auto text = [] { return options::value<std::string>()->default_value(""); };
  line.named.add_options()("weights", options::value<std::string>()->required(), "checkpoint")(
      "prompt", text(),
      "text to go on with; \\n, \\t, \\r, \\\\, \\xHH (a byte) and \\uHHHH or \\u{H..} (a "
      "character) are escapes")("tokens", options::value<int64_t>()->default_value(100),
                                "how many to make")(
      "vocab", text(), "character vocabulary or tokenizer.json; bytes where there are 256 tokens")(
      "state", text(), "safetensors file: continue from it, write it at the end")(
      "temperature", options::value<double>()->default_value(1.0), "acts after the cut")(
      "top-p", options::value<double>()->default_value(0.7),
      "probability kept; 1: the largest only")("top-p-newline",
                                               options::value<double>()->default_value(0.9),
                                               "the same behind a newline, characters only")(
      "seed", options::value<int64_t>()->default_value(0), "of the draws")(
      "threads", options::value<int64_t>()->default_value(0), "0: all cores")(
      "device", options::value<std::string>()->default_value("cpu"), "cpu or reference")(
      "precision", options::value<std::string>()->default_value("fp32"),
      "of the weights: fp32, bf16 or int8")("binary-embedding", options::value<bool>(),
                                            "default: off for 50277 tokens, else on")(
      "rescale-every", options::value<int64_t>()->default_value(0), "6: as the authors' run-time")(
      "tau", options::value<double>()->default_value(2.0), "of the neurons, steps")(
      "v-threshold", options::value<double>()->default_value(1.0), "of the neurons")(
      "quiet,q", "nothing but the text");
}

}  // namespace

int command_generate(const Arguments& arguments) {
  CommandLine line;
  line.usage = "spikeloom generate --weights FILE --prompt TEXT [--tokens N] [--state FILE]";
  line.about =
      "Continues a text with a SpikeGPT checkpoint and prints it as it is made, then tokens per "
      "second and\nenergy per token. The same seed gives the same text on every machine.";
  add_options(line);
  const auto parsed = parse(line, arguments);
  if (!parsed) return 0;
  const options::variables_map& values = *parsed;
  Settings s;
  s.weights = values["weights"].as<std::string>();
  s.prompt = unescaped(values["prompt"].as<std::string>(), "--prompt");
  s.vocab = values["vocab"].as<std::string>();
  s.state = values["state"].as<std::string>();
  s.tokens = in_range<int64_t>(values, "tokens", 1, int64_t{1} << 40);
  s.temperature = in_range(values, "temperature", 1e-3, 1e3);
  s.top_p = in_range(values, "top-p", 0.0, 1.0);
  s.top_p_newline = in_range(values, "top-p-newline", 0.0, 1.0);
  s.seed = static_cast<uint64_t>(in_range<int64_t>(values, "seed", 0, INT64_MAX));
  s.threads = static_cast<int>(in_range<int64_t>(values, "threads", 0, 1024));
  if (s.threads == 0) s.threads = available_threads();
  s.device = values["device"].as<std::string>();
  if (s.device != "cpu" && s.device != "reference") {
    throw Error(ErrorCode::kUsage, "--device is cpu or reference, not '" + s.device + "'");
  }
  s.precision = precision_named(values["precision"].as<std::string>());
  if (values.count("binary-embedding")) s.binary_embedding = values["binary-embedding"].as<bool>();
  s.rescale_every = in_range<int64_t>(values, "rescale-every", 0, 1000);
  s.tau = static_cast<float>(in_range(values, "tau", 1.0, 1e6));
  s.v_threshold = static_cast<float>(in_range(values, "v-threshold", 1e-6, 1e6));
  s.quiet = values.count("quiet") > 0;
  return generate(s);
}

}  // namespace spikeloom
