#include "run/generate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "core/error.hpp"
#include "core/io/utf8.hpp"
#include "run/network.hpp"
#include "run/precision.hpp"
#include "run/token_stream.hpp"
#include "sim/counts/elementwise.hpp"
#include "sim/plan/prepare_units.hpp"

namespace spikeloom {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

TokenEnergy token_energy(const std::string& name, const SchemeReport& energy, double runs,
                         Evidence evidence = Evidence::kEstimated) {
  double head = 0;
  for (const EnergyLine& line : energy.lines) head += line.layer == "head" ? line.energy_pJ : 0;
  return {name, std::string(name_of(energy.pricing.precision)), evidence,
          energy.total_pJ / runs / 1e6, (energy.total_pJ - head) / runs / 1e6};
}

// Energy of one token, as built and of the dense twin, from the counts of this run.
std::vector<TokenEnergy> token_energies(const TokenStream& stream, const Experiment& network,
                                        const ModelSpec& spec) {
  const auto tokens = static_cast<double>(stream.statistics().evaluations);
  const Precision precision = network.run.precision.precision;
  const Pricing pricing =
      precision == Precision::kF32 ? Arithmetic::kFp32 : Pricing(arithmetic_of(precision), true);
  const SchemeReport own =
      as_built_energy(count_run(stream.graph(), stream.statistics(), precision), pricing);
  const Family& family = *network.model.family;
  const std::string title(family.title), twin_title(family.twin.title);
  if (family.twin.build == nullptr)
    return {token_energy(title + " as it ran", own, tokens, Evidence::kRan)};
  const Graph twin = family.twin.build(spec, {}).value();
  return {token_energy(title + " as built", own, tokens, Evidence::kRan),
          token_energy(
              twin_title + " of the same shape",
              dense_energy(Scheme::kDenseTwin, count_dense_run(twin, 1), Arithmetic::kFp32, 1), 1),
          token_energy(twin_title + " with as many zeros",
                       dense_energy(Scheme::kDenseTwin, count_run(twin, stream.statistics()),
                                    Arithmetic::kFp32, 1),
                       tokens)};
}

// What was asked for; a character model's prompt is cleaned first, unless it continues a text.
std::vector<int32_t> prompt_ids(const GenerateRequest& request,
                                const std::optional<Tokenizer>& tokenizer, int64_t vocabulary,
                                bool resumed) {
  if (request.ids) return request.ids(vocabulary);
  if (!tokenizer) return {};
  const bool clean = std::holds_alternative<CharTokenizer>(*tokenizer) && !resumed;
  const std::string text = clean ? refine_prompt(request.prompt) : request.prompt;
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

// Ids where there is no tokenizer.
std::string text_of(const std::optional<Tokenizer>& tokenizer, int32_t id) {
  return tokenizer ? decode(*tokenizer, {id}, false) : fmt::format("{} ", id);
}

void generate_tokens(const GenerateRequest& request, const std::optional<Tokenizer>& tokenizer,
                     TokenStream& stream, GeneratedText& text) {
  const std::vector<bool> never = never_chosen(tokenizer, stream.vocabulary());
  const bool is_char = tokenizer && std::holds_alternative<CharTokenizer>(*tokenizer);
  text.prompt = stream.pending();
  Sampling sampling = request.sampling;
  auto start = Clock::now();
  // A token of the prompt may be padding, which stands for nothing.
  std::string last = is_char && stream.pending().back() < vocabulary_of(*tokenizer)
                         ? decode(*tokenizer, {stream.pending().back()})
                         : "";
  const auto wanted = static_cast<size_t>(request.tokens);
  while (text.ids.size() < wanted && !request.cancel.cancelled()) {
    sampling.top_p = is_char && last == "\n" ? request.top_p_newline : request.sampling.top_p;
    text.ids.push_back(stream.next(sampling, never));
    last = text_of(tokenizer, text.ids.back());
    text.bytes += last;
    if (request.made) request.made(last);
    if (text.ids.size() > 1) continue;
    text.prompt_seconds = seconds_since(start);
    start = Clock::now();
  }
  text.seconds = seconds_since(start);
}

}  // namespace

GeneratedText generate(const GenerateRequest& request) {
  const Experiment& e = request.network;
  Network net = make_network(e, {});
  std::optional<Tokenizer> tokenizer;
  const int64_t vocabulary = net.classes;
  if (!request.ids || !e.tokens.vocab.empty() || vocabulary == 256)
    tokenizer = tokenizer_for(e.tokens.vocab, vocabulary, "--vocab");
  // A state belongs to the weights that made it.
  std::string hash = net.weights_hash;
  const Precision precision = e.run.precision.precision;
  if (precision != Precision::kF32) hash += " " + std::string(name_of(precision));
  Weights weights = in_precision(net.as_written, std::move(net.model.weights), precision).weights;
  TokenStream stream(compile_on(e.run.threads, net.as_written, std::move(weights),
                                make_backend(e.run.device, request.cpu),
                                {e.run.schedule, TokenStream::kChunk, {}}),
                     e.run.threads, request.state, std::move(hash));
  const bool resumed = stream.resume();
  stream.push(prompt_ids(request, tokenizer, vocabulary, resumed));
  if (stream.pending().empty()) {
    throw Error(ErrorCode::kUsage, "--prompt is needed: there is no text to go on with");
  }
  GeneratedText text;
  generate_tokens(request, tokenizer, stream, text);
  stream.save();
  text.has_text = tokenizer.has_value();
  text.energies = token_energies(stream, e, net.spec);
  const Family& family = *e.model.family;
  if (family.settings != nullptr) text.settings = family.settings(net.spec);
  text.weights = std::move(net.weights_note);
  text.notes = std::move(net.notes);
  text.cancelled = request.cancel.cancelled();
  return text;
}

nlohmann::json to_json(const GeneratedText& made, uint64_t seed) {
  nlohmann::json json{{"prompt_ids", made.prompt},
                      {"ids", made.ids},
                      {"text", nullptr},
                      {"seed", seed},
                      {"weights", lossy_utf8(made.weights)},
                      {"warnings", made.notes},
                      {"first_token_s", made.prompt_seconds},
                      {"tokens_per_second", nullptr},
                      {"interrupted", made.cancelled}};
  if (made.has_text) json["text"] = lossy_utf8(made.bytes);
  if (made.ids.size() > 1) json["tokens_per_second"] = made.tokens_per_second();
  for (const TokenEnergy& energy : made.energies) {
    json["energy_per_token"].push_back({{"network", energy.name},
                                        {"precision", energy.precision},
                                        {"evidence", name_of(energy.evidence)},
                                        {"total_uJ", energy.total_uJ},
                                        {"without_head_uJ", energy.without_head_uJ}});
  }
  return json;
}

}  // namespace spikeloom
