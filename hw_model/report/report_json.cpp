#include "hw_model/report/report_json.hpp"

#include "hw_model/report/hardware.hpp"

namespace spikeloom {

using Json = nlohmann::json;

void put(Json& object, const char* key, int64_t value) {
  object[key] = value;
  constexpr int64_t kExact = int64_t{1} << 53;
  if (value > kExact || value < -kExact) object[std::string(key) + "_str"] = std::to_string(value);
}

namespace {

Json layer_json(const LayerCount& layer) {
  Json json{{"name", layer.name},
            {"op", layer.op},
            {"operand", operand_name(layer)},
            {"static", layer.is_static},
            {"rate_adds", layer.rate_adds()}};
  put(json, "weights", layer.weights);
  put(json, "dense_macs", layer.dense_macs);
  put(json, "dense_macs_once", layer.dense_macs_once);
  put(json, "input_elements", layer.input_elements);
  put(json, "input_events", layer.input_events);
  put(json, "event_adds", layer.event_adds);
  if (layer.level_operand) put(json, "deliveries", layer.deliveries);
  put(json, "real_macs", layer.real_macs);
  return json;
}

Json attention_json(const AttentionCount& a) {
  Json json{{"name", a.name}, {"kind", a.spiking ? "spiking" : "softmax"}};
  put(json, "tokens", a.tokens);
  put(json, "heads", a.heads);
  put(json, "head_dim", a.head_dim);
  put(json, "dense_macs_kv", a.dense_macs_kv);
  put(json, "dense_macs_qkv", a.dense_macs_qkv);
  put(json, "spikes_q", a.spikes_q);
  put(json, "spikes_k", a.spikes_k);
  put(json, "spikes_v", a.spikes_v);
  put(json, "kv_coincidences", a.kv_coincidences);
  put(json, "kv_k_gated_adds", a.kv_k_gated_adds);
  put(json, "qkv_q_gated_adds", a.qkv_q_gated_adds);
  put(json, "qkv_nonzero_adds", a.qkv_nonzero_adds);
  return json;
}

Json neuron_json(const NeuronCount& neurons) {
  Json json{{"name", neurons.name}};
  if (neurons.fires) json["rate"] = neurons.rate();
  put(json, "neurons", neurons.neurons);
  put(json, "updates", neurons.updates);
  put(json, "spikes", neurons.spikes);
  return json;
}

Json totals_json(const CountTotals& t) {
  Json json{{"rate_adds", t.rate_adds}};
  put(json, "dense_macs", t.dense_macs);
  put(json, "dense_macs_attention", t.dense_macs_attention);
  put(json, "stem_macs", t.stem_macs);
  put(json, "stem_macs_once", t.stem_macs_once);
  put(json, "real_macs_without_stem", t.real_macs_without_stem);
  put(json, "event_adds", t.event_adds);
  put(json, "kv_coincidences", t.kv_coincidences);
  put(json, "kv_k_gated_adds", t.kv_k_gated_adds);
  put(json, "qkv_q_gated_adds", t.qkv_q_gated_adds);
  put(json, "qkv_nonzero_adds", t.qkv_nonzero_adds);
  put(json, "neuron_updates", t.neuron_updates);
  put(json, "spikes", t.spikes);
  put(json, "weights", t.weights);
  put(json, "weight_reads", t.weight_reads);
  put(json, "state_accesses", t.state_accesses);
  return json;
}

Json elementwise_json(const ElementwiseCounts& e) {
  Json json;
  put(json, "batch_norm", e.batch_norm);
  if (e.batch_norm_unfoldable > 0) put(json, "batch_norm_unfoldable", e.batch_norm_unfoldable);
  put(json, "residual_additions", e.residual_additions);
  put(json, "bias_additions", e.bias_additions);
  put(json, "scalings", e.scalings);
  put(json, "spatial_mean", e.spatial_mean);
  put(json, "step_mean", e.step_mean);
  if (e.pooled > 0) put(json, "pooled", e.pooled);
  put(json, "activations", e.activations);
  put(json, "softmax_exponentials", e.softmax_exponentials);
  put(json, "softmax_divisions", e.softmax_divisions);
  if (e.recorded > 0) put(json, "recorded", e.recorded);
  return json;
}

}  // namespace

nlohmann::json counts_json(const CountedGraph& counted) {
  Json json{{"layers", Json::array()}, {"attention", Json::array()}, {"neurons", Json::array()}};
  for (const LayerCount& layer : counted.ops.layers) json["layers"].push_back(layer_json(layer));
  for (const AttentionCount& a : counted.ops.attention)
    json["attention"].push_back(attention_json(a));
  for (const NeuronCount& n : counted.ops.neurons) json["neurons"].push_back(neuron_json(n));
  json["totals"] = totals_json(counted.ops.totals);
  json["elementwise"] = elementwise_json(counted.elementwise);
  put(json, "samples", counted.ops.samples);
  put(json, "evaluations", counted.ops.evaluations);
  return json;
}

nlohmann::json unpriced_json(const std::vector<UnpricedTerm>& terms) {
  Json json = Json::array();
  for (const UnpricedTerm& term : terms) {
    Json entry{{"text", term.text}};
    put(entry, "count", term.count);
    json.push_back(std::move(entry));
  }
  return json;
}

namespace {

Json scheme_json(const SchemeReport& scheme) {
  Json prices = Json::array(), lines = Json::array();
  for (const Price& price : scheme.prices) {
    prices.push_back({{"name", price.name},
                      {"value_pJ", price.value_pJ},
                      {"mark", std::string(1, price.mark)},
                      {"scope", price.scope},
                      {"node_nm", price.node_nm},
                      {"source", price.source}});
  }
  for (const EnergyLine& line : scheme.lines) {
    lines.push_back({{"layer", line.layer},
                     {"operand", name_of(line.operand)},
                     {"count", line.count},
                     {"rule", line.rule},
                     {"price", line.price},
                     {"price_pJ", line.price_pJ},
                     {"price_source", line.price_source},
                     {"energy_pJ", line.energy_pJ}});
  }
  return {{"scheme", scheme.scheme.text()},
          {"form", name_of(scheme.form)},
          {"precision", name_of(scheme.pricing.precision)},
          {"throughout", !scheme.pricing.as_run},
          {"evidence", name_of(scheme.evidence)},
          {"priced_share", scheme.priced_share},
          {"formula", scheme.formula},
          {"prices", std::move(prices)},
          {"lines", std::move(lines)},
          {"total_pJ", scheme.total_pJ},
          {"total_nJ", scheme.total_pJ / 1e3},
          {"per_sample_nJ", scheme.per_sample_pJ() / 1e3},
          {"unpriced", unpriced_json(scheme.unpriced)}};
}

// A spiking scheme: its figures at the precision of the run, those of every form, and in each form
// the same counts with everything at one precision; null when it was not counted.
Json spiking_json(const EnergyReport& energy, Scheme name) {
  const SchemeReport* ran = energy.of_run(name);
  if (ran == nullptr) return nullptr;
  Json json = scheme_json(*ran);
  const auto add_estimates = [&](Json& to, GraphForm form, const SchemeReport* besides) {
    for (const Arithmetic precision :
         {energy.executed_precision, Arithmetic::kFp32, Arithmetic::kInt8}) {
      const SchemeReport* scheme = energy.find(name, precision, form);
      if (scheme != nullptr && scheme != besides)
        to[std::string(name_of(precision)) + "_estimate"] = scheme_json(*scheme);
    }
  };
  add_estimates(json, ran->form, ran);
  for (const GraphForm form : {GraphForm::kAsWritten, GraphForm::kFused}) {
    const SchemeReport* scheme = energy.of_run(name, form);
    if (scheme == nullptr) continue;
    Json& here = json["forms"][name_of(form)] = scheme_json(*scheme);
    if (form != ran->form) add_estimates(here, form, scheme);
  }
  return json;
}

Json dense_json(const EnergyReport& energy, const SchemeName& name) {
  if (energy.find(name, Arithmetic::kFp32) == nullptr) return nullptr;
  Json json = scheme_json(*energy.find(name, Arithmetic::kFp32));
  for (const Arithmetic precision :
       {Arithmetic::kFp32, energy.executed_precision, Arithmetic::kInt8, Arithmetic::kQnnEquiv}) {
    const SchemeReport* scheme = energy.find(name, precision);
    if (scheme != nullptr) {
      json["precisions"][std::string(name_of(precision))] = scheme_json(*scheme);
    }
  }
  return json;
}

}  // namespace

nlohmann::json energy_json(const Report& report) {
  Json json;
  for (const Scheme scheme : kSpikingSchemes)
    json[SchemeName(scheme).text()] = spiking_json(report.energy, scheme);
  for (const Scheme scheme : {Scheme::kDenseSame, Scheme::kDenseTwin})
    json[SchemeName(scheme).text()] = dense_json(report.energy, scheme);
  json["hardware"] = hardware_json(report.input.hardware);
  for (const DenseBaseline& other : report.input.counts.other_baselines) {
    json[other.scheme] = dense_json(report.energy, SchemeName(other.scheme));
    json[other.scheme]["description"] = other.description;
  }
  json["comparisons"] = Json::array();
  for (const Duel& duel : duels(report.energy)) {
    json["comparisons"].push_back({{"scheme", duel.spiking->scheme.text()},
                                   {"form", name_of(duel.spiking->form)},
                                   {"precision", name_of(duel.spiking->pricing.precision)},
                                   {"throughout", !duel.spiking->pricing.as_run},
                                   {"evidence", name_of(duel.spiking->evidence)},
                                   {"baseline", duel.dense->scheme.text()},
                                   {"baseline_precision", name_of(duel.dense->pricing.precision)},
                                   {"baseline_evidence", name_of(duel.dense->evidence)},
                                   {"equal_precision", duel.equal_precision()},
                                   {"equal_evidence", duel.equal_evidence()},
                                   {"ratio", duel.same_work() ? Json(duel.ratio()) : Json()},
                                   {"wins", duel.same_work() ? Json(duel.wins()) : Json()}});
  }
  return json;
}

nlohmann::json language_energy_json(const LanguageEnergy& language) {
  Json rows = Json::array();
  for (const HeadSplit& row : language.rows) {
    rows.push_back({{"scheme", row.scheme.text()},
                    {"precision", name_of(row.pricing.precision)},
                    {"throughout", !row.pricing.as_run},
                    {"evidence", name_of(row.evidence)},
                    {"with_head_nJ", row.with_head_pJ / 1e3},
                    {"without_head_nJ", row.without_head_pJ / 1e3},
                    {"times_less_with_head", row.times_with_head},
                    {"times_less_without_head", row.times_without_head}});
  }
  const PublishedClaim& claim = language.claim;
  return {{"head", language.head},
          {"per_token", std::move(rows)},
          {"published",
           {{"ratio", claim.ratio()},
            {"formula", "13 E_MAC / (13 R E_AC + 7 E_MAC / d)"},
            {"E_MAC_pJ", claim.mac_pJ},
            {"E_AC_pJ", claim.ac_pJ},
            {"R", claim.rate},
            {"d", claim.width},
            {"assumptions", language.assumptions}}}};
}

}  // namespace spikeloom
