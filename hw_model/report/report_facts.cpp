// What a report says of its run in a line each.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/report_sections.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;

// "6.9387 bits per character", with the sentence that has every unit.
Fact score_fact(const char* name, const Json& score) {
  const double tokens = number_in(score, {"tokens"});
  if (!(tokens > 0)) return {name, "not known", "no token follows another"};
  const double bits = number_in(score, {"bits_per_token"});
  std::string note =
      fmt::format("cross-entropy {:.6f} nats = {:.6f} bits per token over {:.0f} predictions",
                  number_in(score, {"nats_per_token"}), bits, tokens);
  const double characters = number_in(score, {"bits_per_character"});
  if (std::isfinite(characters)) {
    note += fmt::format(
        "; {:.6f} bits per character ({:.0f}), {:.6f} bits per byte ({:.0f}), vocabulary: {}",
        characters, number_in(score, {"characters"}), number_in(score, {"bits_per_byte"}),
        number_in(score, {"bytes"}), text_in(score, {"vocabulary"}));
  }
  const bool spelt = std::isfinite(characters);
  return {
      name,
      fmt::format("{:.4f} bits per {}", spelt ? characters : bits, spelt ? "character" : "token"),
      note};
}

void add_quality(const Json& report, std::vector<Fact>& facts) {
  const Json *language = find_in(report, {"language"}), *twin = find_in(report, {"dense_twin"});
  const Json* counts = find_in(report, {"accuracy_counts"});
  const bool has_twin = twin != nullptr && twin->is_object();
  if (language != nullptr) {
    facts.push_back(score_fact("score", *language));
    const Json* score = has_twin ? find_in(*twin, {"language"}) : nullptr;
    if (score != nullptr) facts.push_back(score_fact("dense twin", *score));
    return;
  }
  const double accuracy = number_in(report, {"accuracy"});
  if (std::isfinite(accuracy)) {
    facts.push_back({"accuracy", percent_or_text(accuracy),
                     counts == nullptr ? "" : accuracy_note(*counts, "correct", "total")});
  } else {
    facts.push_back({"accuracy", "not known", "no labels"});
  }
  if (has_twin)
    facts.push_back({"dense twin", percent_or_text(number_in(*twin, {"accuracy"})),
                     accuracy_note(*twin, "correct", "total")});
}

Fact rates_fact(const Json& report) {
  std::string note =
      fmt::format("{:.0f} spikes in {:.0f} neuron updates", number_in(report, {"run", "spikes"}),
                  number_in(report, {"run", "neuron_updates"}));
  if (const std::string source = text_in(report, {"provenance", "rate_source"}); !source.empty())
    note += "; from " + source;
  const auto neurons = firing_layers(report);
  if (!neurons.empty()) {
    const auto rate = [](const Json* layer) { return number_in(*layer, {"rate"}); };
    const auto [low, high] =
        std::minmax_element(neurons.begin(), neurons.end(),
                            [&](const Json* a, const Json* b) { return rate(a) < rate(b); });
    note += fmt::format("; lowest {} {}, highest {} {}", percent_or_text(rate(*low)),
                        text_in(**low, {"name"}), percent_or_text(rate(*high)),
                        text_in(**high, {"name"}));
  }
  return {"mean firing rate", percent_or_text(number_in(report, {"run", "mean_rate"})), note};
}

Fact run_fact(const Json& report) {
  std::string note =
      fmt::format("form {}, {}", text_in(report, {"run", "form"}), run_precision(report));
  const Json* provenance = find_in(report, {"provenance"});
  if (provenance != nullptr && text_in(*provenance, {"backend"}) == "none")
    note += ", recorded: nothing was run here";
  else if (provenance != nullptr)
    note += fmt::format(", {} backend ({}), {:.0f} threads, {}", text_in(*provenance, {"backend"}),
                        text_in(*provenance, {"simd"}), number_in(*provenance, {"threads"}),
                        text_in(*provenance, {"schedule"}));
  return {"run",
          fmt::format("{:.0f} samples × {:.0f} steps", number_in(report, {"run", "samples"}),
                      number_in(report, {"run", "steps"})),
          note};
}

void add_precision(const Json& report, std::vector<Fact>& facts) {
  const auto& layers = list_in(report, {"provenance", "precision", "layers"});
  if (layers.empty()) return;
  double worst = 0;
  for (const Json& layer : layers) worst = std::max(worst, number_in(layer, {"relative_error"}));
  facts.push_back({"precision", run_precision(report),
                   fmt::format("{} layers with rounded weights, relative error at most {}; not "
                               "comparable with fp32 spike for spike",
                               layers.size(), percent_or_text(worst))});
}

}  // namespace

std::vector<Fact> report_facts(const Json& report) {
  std::vector<Fact> facts;
  add_quality(report, facts);
  facts.push_back(rates_fact(report));
  facts.push_back(run_fact(report));
  add_precision(report, facts);
  if (const size_t broken = list_in(report, {"broken_samples"}).size(); broken > 0) {
    facts.push_back(
        {"broken",
         fmt::format("{} of {:.0f} samples could not be read and count nowhere", broken,
                     static_cast<double>(broken) + number_in(report, {"run", "samples"})),
         ""});
  }
  if (const double bytes = number_in(report, {"provenance", "peak_memory_bytes"}); bytes > 0)
    facts.push_back({"memory", fmt::format("{:.1f} MB at most", bytes / 1e6), ""});
  facts.push_back(
      {"weights", weights_state(report), text_in(report, {"provenance", "weights_text"})});
  facts.push_back({"signature", text_in(report, {"signature"}), "hash of all spike counts", true});
  return facts;
}

}  // namespace spikeloom
