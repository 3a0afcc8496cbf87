// spikeloom generate: text from a token model, token by token.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "cli/token_input.hpp"
#include "core/error.hpp"
#include "core/io/json.hpp"
#include "core/parallel.hpp"
#include "datasets/utf8.hpp"
#include "hw_model/energy/energy.hpp"
#include "run/network.hpp"
#include "run/precision.hpp"
#include "run/token_stream.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Settings {
  Experiment network;
  fs::path state;           // "": forgotten at the end
  std::string prompt, ids;  // one of them, or none behind a state
  int64_t tokens = 0;
  Sampling sampling;
  double top_p_newline = 0.9;
  bool quiet = false, json = false;
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

struct TokenEnergy {
  std::string name, precision;
  Evidence evidence;
  double total_uJ = 0, without_head_uJ = 0;
};

TokenEnergy token_energy(const std::string& name, const SchemeReport& energy, double runs,
                         Evidence evidence = Evidence::kEstimated) {
  double head = 0;
  for (const EnergyLine& line : energy.lines) head += line.layer == "head" ? line.energy_pJ : 0;
  return {name, std::string(name_of(energy.pricing.precision)), evidence,
          energy.total_pJ / runs / 1e6, (energy.total_pJ - head) / runs / 1e6};
}

// Energy of one token, as built and of the dense twin, from the counts of this run.
std::vector<TokenEnergy> token_energies(const TokenStream& stream, const Settings& settings,
                                        const ModelSpec& spec) {
  const auto tokens = static_cast<double>(stream.statistics().evaluations);
  const Precision precision = settings.network.run.precision.precision;
  const Pricing pricing =
      precision == Precision::kF32 ? Arithmetic::kFp32 : Pricing(arithmetic_of(precision), true);
  const SchemeReport own =
      as_built_energy(count_run(stream.graph(), stream.statistics(), precision), pricing);
  const Family& family = *settings.network.model.family;
  const std::string title(family.title), twin_title(family.twin.title);
  if (family.twin.build == nullptr)
    return {token_energy(title + " as it ran", own, tokens, Evidence::kRan)};
  const Graph twin = family.twin.build(spec, {}).value();
  return {
      token_energy(title + " as built", own, tokens, Evidence::kRan),
      token_energy(twin_title + " of the same shape",
                   dense_energy("dense_twin", count_dense_run(twin, 1), Arithmetic::kFp32, 1), 1),
      token_energy(twin_title + " with as many zeros",
                   dense_energy("dense_twin_skipping", count_run(twin, stream.statistics()),
                                Arithmetic::kFp32, 1),
                   tokens)};
}

// What was asked for; a character model's prompt is cleaned first, unless it continues a text.
std::vector<int32_t> prompt_ids(const Settings& settings, const std::optional<Tokenizer>& tokenizer,
                                int64_t vocabulary, bool resumed) {
  if (!settings.ids.empty()) return read_token_ids(settings.ids, vocabulary);
  if (!tokenizer) return {};
  const bool clean = std::holds_alternative<CharTokenizer>(*tokenizer) && !resumed;
  const std::string text = clean ? refine_prompt(settings.prompt) : settings.prompt;
  return encode_exactly(*tokenizer, text, "--prompt").ids;
}

// Rows of the network without a token of a text: padding, the end of a text.
std::vector<bool> never_chosen(const std::optional<Tokenizer>& tokenizer, int64_t vocabulary) {
  std::vector<bool> never;
  for (int64_t id = 0; id < vocabulary; ++id)
    never.push_back(tokenizer && !is_text_token(*tokenizer, static_cast<int32_t>(id)));
  if (std::count(never.begin(), never.end(), false) == 0)
    throw Error(ErrorCode::kData, "the vocabulary has no token that a text may hold");
  return never;
}

// What came out, and how fast.
struct Generated {
  std::vector<int32_t> prompt, ids;
  std::string bytes;
  double prompt_seconds = 0, seconds = 0;  // up to the first token, behind it

  double tokens_per_second() const { return static_cast<double>(ids.size() - 1) / seconds; }
};

// Ids where there is no tokenizer.
std::string text_of(const std::optional<Tokenizer>& tokenizer, int32_t id) {
  return tokenizer ? decode(*tokenizer, {id}, false) : fmt::format("{} ", id);
}

Generated generate_tokens(const Settings& settings, const std::optional<Tokenizer>& tokenizer,
                          TokenStream& stream) {
  const std::vector<bool> never = never_chosen(tokenizer, stream.vocabulary());
  const bool is_char = tokenizer && std::holds_alternative<CharTokenizer>(*tokenizer);
  Generated made{stream.pending(), {}, "", 0, 0};
  TextOutput output;
  Sampling sampling = settings.sampling;
  auto start = Clock::now();
  // A token of the prompt may be padding, which stands for nothing.
  std::string last = is_char && stream.pending().back() < vocabulary_of(*tokenizer)
                         ? decode(*tokenizer, {stream.pending().back()})
                         : "";
  const auto wanted = static_cast<size_t>(settings.tokens);
  while (made.ids.size() < wanted && !interrupted()) {
    sampling.top_p = is_char && last == "\n" ? settings.top_p_newline : settings.sampling.top_p;
    made.ids.push_back(stream.next(sampling, never));
    last = text_of(tokenizer, made.ids.back());
    if (settings.json) made.bytes += last;
    if (!settings.json) output.add(last);
    if (made.ids.size() > 1) continue;
    made.prompt_seconds = seconds_since(start);
    start = Clock::now();
  }
  made.seconds = seconds_since(start);
  output.finish();
  return made;
}

void print_figures(const Settings& settings, const Generated& made, const ModelSpec& spec,
                   const std::vector<TokenEnergy>& energies) {
  fmt::print("\n\n{} tokens", made.ids.size());
  if (made.ids.size() > 1) fmt::print(", {:.1f} tokens/s", made.tokens_per_second());
  fmt::print(" (first after {} tokens in {:.3f} s), seed {}", made.prompt.size(),
             made.prompt_seconds, settings.sampling.seed);
  const Family& family = *settings.network.model.family;
  if (family.settings != nullptr) fmt::print(", {}", family.settings(spec));
  fmt::print("\n");
  for (const TokenEnergy& energy : energies) {
    fmt::print("{:<28} {:>10.3f} uJ per token, {:.3f} without the output head ({}, {})\n",
               energy.name, energy.total_uJ, energy.without_head_uJ, energy.precision,
               name_of(energy.evidence));
  }
  fmt::print(
      "  fp32 MACs of 45 nm (Horowitz 2014), to which narrow weights are widened; exact zeros of\n "
      " "
      "relu^2 skipped; every product has a real operand. Not priced: neurons, WKV, "
      "normalisation,\n  "
      "memory, routing.\n");
}

void print_json(const Settings& settings, const Generated& made, const Network& net, bool has_text,
                const std::vector<TokenEnergy>& energies) {
  nlohmann::json json{{"prompt_ids", made.prompt},
                      {"ids", made.ids},
                      {"text", nullptr},
                      {"seed", settings.sampling.seed},
                      {"weights", lossy_utf8(net.weights_note)},
                      {"warnings", net.notes},
                      {"first_token_s", made.prompt_seconds},
                      {"tokens_per_second", nullptr},
                      {"interrupted", interrupted()}};
  if (has_text) json["text"] = lossy_utf8(made.bytes);
  if (made.ids.size() > 1) json["tokens_per_second"] = made.tokens_per_second();
  for (const TokenEnergy& energy : energies) {
    json["energy_per_token"].push_back({{"network", energy.name},
                                        {"precision", energy.precision},
                                        {"evidence", name_of(energy.evidence)},
                                        {"total_uJ", energy.total_uJ},
                                        {"without_head_uJ", energy.without_head_uJ}});
  }
  fmt::print("{}\n", json.dump());
}

int generate(const Settings& settings) {
  const Experiment& e = settings.network;
  Network net = make_network(e, {});
  std::optional<Tokenizer> tokenizer;
  const int64_t vocabulary = net.classes;
  if (settings.ids.empty() || !e.tokens.vocab.empty() || vocabulary == 256)
    tokenizer = tokenizer_for(e.tokens.vocab, vocabulary, "--vocab");
  // A state belongs to the weights that made it.
  std::string hash = net.weights_hash;
  const Precision precision = e.run.precision.precision;
  if (precision != Precision::kF32) hash += " " + std::string(name_of(precision));
  Weights weights = in_precision(net.as_written, std::move(net.model.weights), precision).weights;
  TokenStream stream(compile(net.as_written, std::move(weights),
                             make_backend(e.run.device, cpu_options_of_environment()),
                             {e.run.schedule, TokenStream::kChunk, {}}),
                     e.run.threads, settings.state, std::move(hash));
  const bool resumed = stream.resume();
  stream.push(prompt_ids(settings, tokenizer, vocabulary, resumed));
  if (stream.pending().empty()) {
    throw Error(ErrorCode::kUsage, "--prompt is needed: there is no text to go on with");
  }
  const Generated made = generate_tokens(settings, tokenizer, stream);
  stream.save();
  if (settings.json) {
    print_json(settings, made, net, tokenizer.has_value(),
               token_energies(stream, settings, net.spec));
  } else if (!settings.quiet) {
    print_figures(settings, made, net.spec, token_energies(stream, settings, net.spec));
    for (const std::string& note : net.notes) fmt::print("{}\n", note);
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
  line.named.add_options()("weights", text(), "checkpoint of a SpikeGPT")(
      "select", text(), "dict or prefix of the checkpoint to take, as weights.select")(
      "experiment", text(),
      "an experiment of a token model: network, weights, vocabulary and precision are its own "
      "unless options here say otherwise")(
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
      "json", "print one JSON object at the end, nothing else")("quiet,q", "nothing but the text");
  add_set_option(line);
  line.hidden.add_options()("ids", text());
  line.words.add("ids", 1);
}

// What the command line says about the network; of an experiment, only what was said.
void override_network(const options::variables_map& values, bool all, Experiment& e) {
  const auto said = [&](const char* name) {
    return values.count(name) > 0 && (all || !values[name].defaulted());
  };
  if (said("weights")) e.weights.path = values["weights"].as<std::string>();
  if (said("select")) e.weights.select = values["select"].as<std::string>();
  if (said("vocab")) e.tokens.vocab = values["vocab"].as<std::string>();
  if (said("threads")) {
    e.run.threads = static_cast<int>(in_range<int64_t>(values, "threads", 0, 1024));
    if (e.run.threads == 0) e.run.threads = available_threads();
  }
  if (said("device")) e.run.device = values["device"].as<std::string>();
  if (e.run.device != "cpu" && e.run.device != "reference") {
    throw Error(ErrorCode::kUsage, "--device is cpu or reference, not '" + e.run.device + "'");
  }
  if (said("precision"))
    e.run.precision.precision = precision_named(values["precision"].as<std::string>());
  const auto given = [&](const char* name) {
    return values.count(name) > 0 && !values[name].defaulted();
  };
  if (given("binary-embedding"))
    set_key(e.model, "binary_embedding", "--binary-embedding",
            values["binary-embedding"].as<bool>());
  if (given("rescale-every"))
    set_key(e.model, "rescale_every", "--rescale-every", values["rescale-every"].as<int64_t>());
  if (given("tau")) set_key(e.model, "tau", "--tau", values["tau"].as<double>());
  if (given("v-threshold"))
    set_key(e.model, "v_threshold", "--v-threshold", values["v-threshold"].as<double>());
}

Experiment network_of(const options::variables_map& values) {
  const auto experiment = values["experiment"].as<std::string>();
  Experiment e;
  e.model.family = &usual_token_family();
  e.model.spec = e.model.family->start("");
  if (!experiment.empty()) {
    e = read_experiment(load_experiment(experiment, values));
    if (!e.reads_tokens()) {
      throw e.error_at("model.family",
                       fmt::format("{} reads no tokens; these do: {}", e.model.family->name,
                                   family_names(SampleKind::kTokens)));
    }
  } else if (values["weights"].as<std::string>().empty()) {
    throw Error(ErrorCode::kUsage, "--weights or --experiment is needed");
  } else if (values.count("set") > 0) {
    throw Error(ErrorCode::kUsage, "--set overrides a key of an --experiment");
  }
  override_network(values, experiment.empty(), e);
  return e;
}

}  // namespace

int command_generate(const Arguments& arguments) {
  CommandLine line;
  line.usage =
      "spikeloom generate [IDS.npy|-] --weights FILE|--experiment EXPERIMENT.toml [--prompt TEXT] "
      "[--tokens N] [--state FILE] [--json]";
  line.about =
      "Continues a text with a SpikeGPT checkpoint or the token model of an experiment and prints "
      "it as it is\nmade, then tokens per second and energy per token. Token ids may stand for the "
      "prompt: a .npy array [T],\nor ids as spikeloom tokenize prints them; - is standard input. "
      "The same seed gives the same text on every\nmachine.";
  add_options(line);
  const auto parsed = parse(line, arguments);
  if (!parsed) return 0;
  const options::variables_map& values = *parsed;
  Settings s;
  s.network = network_of(values);
  s.prompt = unescaped(values["prompt"].as<std::string>(), "--prompt");
  s.ids = values["ids"].as<std::string>();
  if (!s.ids.empty() && !s.prompt.empty())
    throw Error(ErrorCode::kUsage, "--prompt and token ids exclude each other");
  s.state = values["state"].as<std::string>();
  s.tokens = in_range<int64_t>(values, "tokens", 1, int64_t{1} << 40);
  s.sampling.temperature = in_range(values, "temperature", 1e-3, 1e3);
  s.sampling.top_p = in_range(values, "top-p", 0.0, 1.0);
  s.top_p_newline = in_range(values, "top-p-newline", 0.0, 1.0);
  s.sampling.seed = static_cast<uint64_t>(in_range<int64_t>(values, "seed", 0, INT64_MAX));
  s.quiet = values.count("quiet") > 0;
  s.json = values.count("json") > 0;
  return generate(s);
}

}  // namespace spikeloom
