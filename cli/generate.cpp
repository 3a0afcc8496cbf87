// spikeloom generate: text from a token model, token by token.

#include <fmt/format.h>
#include <unistd.h>

#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "core/error.hpp"
#include "core/io/utf8.hpp"
#include "core/parallel.hpp"
#include "run/device.hpp"
#include "run/generate.hpp"
#include "run/token_input.hpp"

namespace spikeloom {
namespace {

struct Settings {
  GenerateRequest request;
  bool quiet = false, json = false;
};

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

void print_figures(const Settings& settings, const GeneratedText& made) {
  fmt::print("\n\n{} tokens", made.ids.size());
  if (made.ids.size() > 1) fmt::print(", {:.1f} tokens/s", made.tokens_per_second());
  fmt::print(" (first after {} tokens in {:.3f} s), seed {}", made.prompt.size(),
             made.prompt_seconds, settings.request.sampling.seed);
  if (!made.settings.empty()) fmt::print(", {}", made.settings);
  fmt::print("\n");
  for (const TokenEnergy& energy : made.energies) {
    fmt::print("{:<28} {:>10.3f} uJ per token, {:.3f} without the output head ({}, {})\n",
               energy.name, energy.total_uJ, energy.without_head_uJ, energy.precision,
               name_of(energy.evidence));
  }
  fmt::print(
      "  fp32 MACs of 45 nm (Horowitz 2014), to which narrow weights are widened; exact zeros of\n "
      " relu^2 skipped; every product has a real operand. Not priced: neurons, WKV, "
      "normalisation,\n  memory, routing.\n");
}

int run(Settings& settings) {
  TextOutput output;
  if (!settings.json) settings.request.made = [&](const std::string& bytes) { output.add(bytes); };
  const GeneratedText made = generate(settings.request);
  output.finish();
  if (settings.json) {
    fmt::print("{}\n", to_json(made, settings.request.sampling.seed).dump());
  } else if (!settings.quiet) {
    print_figures(settings, made);
    for (const std::string& note : made.notes) fmt::print("{}\n", note);
  }
  return made.cancelled ? exit_code(ErrorCode::kInterrupted) : 0;
}

void add_all_options(CommandLine& line) {
  add_options(
      line,
      {{"weights", text(), "checkpoint of a SpikeGPT"},
       {"select", text(), "dict or prefix of the checkpoint to take, as weights.select"},
       {"experiment", text(),
        "an experiment of a token model: network, weights, vocabulary and precision are its own "
        "unless options here say otherwise"},
       {"prompt", text(),
        "text to go on with; \\n, \\t, \\r, \\\\, \\xHH (a byte) and \\uHHHH or \\u{H..} (a "
        "character) are escapes"},
       {"tokens", whole(100), "how many to make"},
       {"vocab", text(),
        "character vocabulary or tokenizer.json; bytes where there are 256 tokens"},
       {"state", text(), "safetensors file: continue from it, write it at the end"},
       {"temperature", real(1.0), "acts after the cut"},
       {"top-p", real(0.7), "probability kept; 1: the largest only"},
       {"top-p-newline", real(0.9), "the same behind a newline, characters only"},
       {"seed", whole(0), "of the draws"},
       {"threads", whole(0), "0: all cores"},
       {"device", text("auto"), "auto, cpu, reference or cuda:N"},
       {"precision", text("fp32"), "of the weights: fp32, bf16 or int8"},
       {"binary-embedding", options::value<bool>(), "default: off for 50277 tokens, else on"},
       {"rescale-every", whole(0), "6: as the authors' run-time"},
       {"tau", real(2.0), "of the neurons, steps"},
       {"v-threshold", real(1.0), "of the neurons"},
       {"json", nullptr, "print one JSON object at the end, nothing else"},
       {"quiet,q", nullptr, "nothing but the text"}});
  add_set_option(line);
  add_word(line, "ids", text());
}

// What the command line says about the network; of an experiment, only what was said.
void override_network(const options::variables_map& values, bool all, Experiment& e) {
  const auto said = [&](const char* name) {
    return values.count(name) > 0 && (all || !values[name].defaulted());
  };
  if (said("weights")) e.weights.path = text_of(values, "weights");
  if (said("select")) e.weights.select = text_of(values, "select");
  if (said("vocab")) e.tokens.vocab = text_of(values, "vocab");
  if (said("threads")) {
    e.run.threads = static_cast<int>(in_range<int64_t>(values, "threads", 0, 1024));
    if (e.run.threads == 0) e.run.threads = available_threads();
  }
  if (said("device")) {
    const std::string name = text_of(values, "device");
    const auto chosen = choose_device(name);
    if (!chosen) throw usage_error("--device: " + device_fault(name));
    e.run.device = chosen->device;
    e.run.device_reason = chosen->reason;
  }
  if (said("precision")) e.run.precision.precision = precision_named(text_of(values, "precision"));
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
  const auto experiment = text_of(values, "experiment");
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
  } else if (text_of(values, "weights").empty()) {
    throw usage_error("--weights or --experiment is needed");
  } else if (values.count("set") > 0) {
    throw usage_error("--set overrides a key of an --experiment");
  }
  override_network(values, experiment.empty(), e);
  return e;
}

}  // namespace

int command_generate(const Arguments& arguments) {
  CommandLine line{
      "spikeloom generate [IDS.npy|-] --weights FILE|--experiment EXPERIMENT.toml [--prompt TEXT] "
      "[--tokens N] [--state FILE] [--json]",
      "Continues a text with a SpikeGPT checkpoint or the token model of an experiment and prints "
      "it as it is\nmade, then tokens per second and energy per token. Token ids may stand for the "
      "prompt: a .npy array [T],\nor ids as spikeloom tokenize prints them; - is standard input. "
      "The same seed gives the same text on every\nmachine."};
  add_all_options(line);
  const auto parsed = parse(line, arguments);
  if (!parsed) return 0;
  const options::variables_map& values = *parsed;
  Settings settings;
  GenerateRequest& request = settings.request;
  request.network = network_of(values);
  request.prompt = unescaped(text_of(values, "prompt"), "--prompt");
  const std::string ids = text_of(values, "ids");
  if (!ids.empty() && !request.prompt.empty())
    throw usage_error("--prompt and token ids exclude each other");
  if (!ids.empty())
    request.ids = [&](int64_t vocabulary) { return read_token_ids(ids, vocabulary); };
  request.state = text_of(values, "state");
  request.tokens = in_range<int64_t>(values, "tokens", 1, int64_t{1} << 40);
  request.sampling.temperature = in_range(values, "temperature", 1e-3, 1e3);
  request.sampling.top_p = in_range(values, "top-p", 0.0, 1.0);
  request.top_p_newline = in_range(values, "top-p-newline", 0.0, 1.0);
  request.sampling.seed = static_cast<uint64_t>(in_range<int64_t>(values, "seed", 0, INT64_MAX));
  request.cpu = cpu_options_of_environment();
  request.cancel = interrupt_token();
  settings.quiet = values.count("quiet") > 0;
  settings.json = values.count("json") > 0;
  return run(settings);
}

}  // namespace spikeloom
