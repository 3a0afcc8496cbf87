#include "hw_model/report/report.hpp"

#include "core/error.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;

// JavaScript and many other readers keep integers in doubles: above 2^53 the digits stand as text
// too.
void put(Json& object, const char* key, int64_t value) {
  object[key] = value;
  constexpr int64_t kExact = int64_t{1} << 53;
  if (value > kExact || value < -kExact) object[std::string(key) + "_str"] = std::to_string(value);
}

Json layer_json(const LayerCount& layer) {
  Json json{{"name", layer.name},
            {"op", layer.op},
            {"operand", layer.spike_operand ? "spikes" : "real"},
            {"static", layer.is_static},
            {"rate_adds", layer.rate_adds()}};
  put(json, "weights", layer.weights);
  put(json, "dense_macs", layer.dense_macs);
  put(json, "dense_macs_once", layer.dense_macs_once);
  put(json, "input_elements", layer.input_elements);
  put(json, "input_events", layer.input_events);
  put(json, "event_adds", layer.event_adds);
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
  Json json{{"name", neurons.name}, {"rate", neurons.rate()}};
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
  put(json, "activations", e.activations);
  put(json, "softmax_exponentials", e.softmax_exponentials);
  put(json, "softmax_divisions", e.softmax_divisions);
  return json;
}

Json counts_json(const CountedGraph& counted) {
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

Json unpriced_json(const std::vector<UnpricedTerm>& terms) {
  Json json = Json::array();
  for (const UnpricedTerm& term : terms) {
    Json entry{{"text", term.text}};
    put(entry, "count", term.count);
    json.push_back(std::move(entry));
  }
  return json;
}

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
                     {"operand", line.operand},
                     {"count", line.count},
                     {"rule", line.rule},
                     {"price", line.price},
                     {"price_pJ", line.price_pJ},
                     {"price_source", line.price_source},
                     {"energy_pJ", line.energy_pJ}});
  }
  return {{"scheme", scheme.scheme},
          {"form", scheme.form},
          {"precision", name_of(scheme.precision)},
          {"formula", scheme.formula},
          {"prices", std::move(prices)},
          {"lines", std::move(lines)},
          {"total_pJ", scheme.total_pJ},
          {"total_nJ", scheme.total_pJ / 1e3},
          {"per_sample_nJ", scheme.per_sample_pJ() / 1e3},
          {"unpriced", unpriced_json(scheme.unpriced)}};
}

// A spiking scheme: its fp32 figures, those of every form, and the same counts at int8 prices; null
// when it was not counted.
Json spiking_json(const EnergyReport& energy, const std::string& name) {
  if (energy.find(name, Precision::kFp32) == nullptr) return nullptr;
  Json json = scheme_json(*energy.find(name, Precision::kFp32));
  for (const char* form : {"as_written", "fused"}) {
    const SchemeReport* scheme = energy.find(name, Precision::kFp32, form);
    if (scheme != nullptr) json["forms"][form] = scheme_json(*scheme);
  }
  json["int8_estimate"] = scheme_json(*energy.find(name, Precision::kInt8));
  return json;
}

Json dense_json(const EnergyReport& energy, const std::string& name) {
  if (energy.find(name, Precision::kFp32) == nullptr) return nullptr;
  Json json = scheme_json(*energy.find(name, Precision::kFp32));
  for (const Precision precision : {Precision::kFp32, Precision::kInt8, Precision::kQnnEquiv}) {
    const SchemeReport* scheme = energy.find(name, precision);
    if (scheme != nullptr) {
      json["precisions"][std::string(name_of(precision))] = scheme_json(*scheme);
    }
  }
  return json;
}

Json energy_json(const Report& report) {
  Json json;
  for (const char* scheme : kSpikingSchemes) json[scheme] = spiking_json(report.energy, scheme);
  for (const char* scheme : {"dense_same", "dense_twin"})
    json[scheme] = dense_json(report.energy, scheme);
  for (const DenseBaseline& other : report.input.counts.other_baselines) {
    json[other.scheme] = dense_json(report.energy, other.scheme);
    json[other.scheme]["description"] = other.description;
  }
  json["comparisons"] = Json::array();
  for (const Duel& duel : duels(report.energy)) {
    json["comparisons"].push_back({{"scheme", duel.spiking->scheme},
                                   {"form", duel.spiking->form},
                                   {"precision", name_of(duel.spiking->precision)},
                                   {"baseline", duel.dense->scheme},
                                   {"baseline_precision", name_of(duel.dense->precision)},
                                   {"ratio", duel.ratio()},
                                   {"wins", duel.wins()}});
  }
  return json;
}

Json memory_json(const std::vector<MemoryTraffic>& all) {
  Json json = Json::array();
  for (const MemoryTraffic& traffic : all) {
    Json lines = Json::array();
    for (const MemoryLine& line : traffic.lines) {
      Json entry{{"what", line.what},           {"bits", line.bits},
                 {"low_price", line.low_price}, {"high_price", line.high_price},
                 {"low_pJ", line.low_pJ},       {"high_pJ", line.high_pJ}};
      put(entry, "accesses", line.accesses);
      lines.push_back(std::move(entry));
    }
    json.push_back(
        {{"scheme", traffic.scheme}, {"form", traffic.form}, {"lines", std::move(lines)}});
  }
  return {{"note", "bounds for information; in no total"}, {"bounds", std::move(json)}};
}

Json break_even_row(const BreakEvenReport& report, const LayerBreakEven& row) {
  Json json{{"name", row.name},
            {"s", row.s},
            {"event_adds_per_weight", row.event_adds_per_weight},
            {"rate", row.rate},
            {"positions", Json::object()}};
  for (size_t i = 0; i < report.conditions.size(); ++i) {
    json["positions"][report.conditions[i].id] = row.positions[i];
  }
  return json;
}

Json break_even_json(const BreakEvenReport& report) {
  Json json{{"form", report.form}, {"conditions", Json::array()}, {"layers", Json::array()}};
  put(json, "bit_budget", report.bit_budget);
  for (const BreakEvenCondition& c : report.conditions) {
    json["conditions"].push_back({{"id", c.id},
                                  {"source", c.source},
                                  {"quantity", c.quantity},
                                  {"low", c.low},
                                  {"high", c.high},
                                  {"note", c.note},
                                  {"nearest", c.nearest}});
  }
  for (const LayerBreakEven& row : report.layers)
    json["layers"].push_back(break_even_row(report, row));
  json["network"] = break_even_row(report, report.network);
  return json;
}

Json fraction_or_null(const Accuracy& accuracy) {
  return accuracy.known ? Json(accuracy.fraction()) : Json(nullptr);
}

Json provenance_json(const ReportInput& in) {
  Json json{{"version", in.version},
            {"generator", in.generator},
            {"config_sha256", in.config_sha256},
            {"weights_sha256", in.weights_sha256},
            {"weights_trained", in.weights_trained},
            {"weights_random", in.weights_random},
            {"weights_text", in.weights_text},
            {"backend", in.backend},
            {"simd", in.simd},
            {"threads", in.threads},
            {"schedule", in.schedule},
            {"form", in.counts.executed_form},
            {"rate_source", in.rate_source},
            {"wall_seconds", in.wall_seconds}};
  put(json, "batch", in.batch);
  return json;
}

// Names, types and averaging of the NeuroBench harness: per sample, over all steps.
Json neurobench_json(const Report& report) {
  const auto& counted = report.input.counts.neurobench;
  if (!counted) return nullptr;
  const auto samples = static_cast<double>(counted->samples);
  int64_t macs = 0, acs = 0, dense = 0;
  for (const NeuroBenchLayer& layer : counted->layers) {
    macs += layer.effective_macs;
    acs += layer.effective_acs;
    dense += layer.dense;
  }
  Json by_layer = Json::object();
  for (const NeuronCount& n : report.executed().ops.neurons) by_layer[n.name] = 1 - n.rate();
  return {{"Footprint", counted->footprint_bytes},
          {"ParameterCount", counted->parameters},
          {"ConnectionSparsity", counted->connection_sparsity()},
          {"ClassificationAccuracy", fraction_or_null(report.input.accuracy)},
          {"ActivationSparsity", 1 - report.break_even.network.rate},
          {"ActivationSparsityByLayer", std::move(by_layer)},
          {"SynapticOperations",
           {{"Effective_MACs", static_cast<double>(macs) / samples},
            {"Effective_ACs", static_cast<double>(acs) / samples},
            {"Dense", static_cast<double>(dense) / samples}}},
          {"MembraneUpdates", static_cast<double>(counted->membrane_updates) / samples}};
}

Json lmu_json(const ReportInput& in) {
  Json json = Json::array();
  for (const LmuFormCost& cost : in.lmu_forms) {
    Json entry{{"form", cost.form},
               {"executed", cost.executed},
               {"fp32_pJ", cost.fp32_pJ},
               {"int8_pJ", cost.int8_pJ}};
    put(entry, "additions", cost.additions);
    put(entry, "macs", cost.macs);
    put(entry, "stored_values", cost.stored_values);
    json.push_back(std::move(entry));
  }
  return json;
}

// Bits per unit, null where there are none.
Json bits_per(const LanguageScore& score, int64_t units) {
  return units > 0 ? Json(score.bits() / static_cast<double>(units)) : Json(nullptr);
}

Json language_json(const LanguageScore& score) {
  Json json{{"vocabulary", score.vocabulary},
            {"nats_per_token", score.nats_per_token()},
            {"bits_per_token", bits_per(score, score.tokens)},
            {"bits_per_character", bits_per(score, score.characters)},
            {"bits_per_byte", bits_per(score, score.bytes)}};
  put(json, "tokens", score.tokens);
  put(json, "characters", score.characters);
  put(json, "bytes", score.bytes);
  put(json, "unknown_characters", score.unknown);
  return json;
}

Json twin_json(const std::optional<TwinInfo>& twin) {
  if (!twin) return nullptr;
  Json json{{"description", twin->description},
            {"weights_sha256", twin->weights_sha256},
            {"accuracy", fraction_or_null(twin->accuracy)},
            {"correct", twin->accuracy.correct},
            {"total", twin->accuracy.total}};
  if (twin->language) json["language"] = language_json(*twin->language);
  return json;
}

Json language_energy_json(const LanguageEnergy& language) {
  Json rows = Json::array();
  for (const HeadSplit& row : language.rows) {
    rows.push_back({{"scheme", row.scheme},
                    {"precision", name_of(row.precision)},
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

}  // namespace

Report make_report(ReportInput input) {
  const std::string& form = input.counts.executed_form;
  if (form != "as_written" && form != "fused") {
    throw Error(ErrorCode::kInternal, "report: unknown form \"" + form + "\"");
  }
  Report report;
  report.input = std::move(input);
  if (report.executed().ops.samples <= 0 || report.input.counts.steps <= 0) {
    throw Error(ErrorCode::kInternal, "report: no samples or no steps were run");
  }
  report.energy = price_run(report.input.counts);
  report.break_even = break_even(report.executed().ops, report.input.counts.value_steps(), 32);
  report.memory = memory_traffic(report.input.counts);
  report.language = language_energy(report.energy, report.input.counts);
  const Accuracy twin = report.input.twin ? report.input.twin->accuracy : Accuracy{};
  report.verdict = judge(report.energy, report.break_even, report.input.accuracy, twin);
  if (report.executed().ops.neurons.empty())
    report.verdict.headline = "NOT SPIKING: this network has no neurons; its energy stands below";
  return report;
}

nlohmann::json to_json(const Report& report) {
  const ReportInput& in = report.input;
  const OpCounts& executed = report.executed().ops;
  const auto& totals = executed.totals;
  Json json;
  json["schema"] = "spikeloom-report";
  json["schema_version"] = "1.2";
  json["tool"] = {{"name", "spikeloom"}, {"version", in.version}, {"generator", in.generator}};
  json["verdict"] = report.verdict.lines();
  json["run"] = {{"samples", executed.samples},
                 {"steps", in.counts.steps},
                 {"evaluations", executed.evaluations},
                 {"form", in.counts.executed_form},
                 {"mean_rate", report.break_even.network.rate}};
  put(json["run"], "spikes", totals.spikes);
  put(json["run"], "neuron_updates", totals.neuron_updates);
  json["accuracy"] = fraction_or_null(in.accuracy);
  json["accuracy_counts"] = {
      {"correct", in.accuracy.correct}, {"total", in.accuracy.total}, {"known", in.accuracy.known}};
  json["dense_twin"] = twin_json(in.twin);
  if (in.language) json["language"] = language_json(*in.language);
  if (report.language) json["language_energy"] = language_energy_json(*report.language);
  json["signature"] = in.signature;
  json["provenance"] = provenance_json(in);
  json["broken_samples"] = Json::array();
  for (const BrokenSample& broken : in.broken) {
    json["broken_samples"].push_back({{"index", broken.index}, {"reason", broken.reason}});
  }
  json["config"] = in.config;
  json["config_sha256"] = in.config_sha256;
  json["dataset"] = in.dataset;
  json["warnings"] = in.warnings;
  json["counts"] = {{"as_written", counts_json(in.counts.as_written)},
                    {"fused", counts_json(in.counts.fused)},
                    {"dense_same", counts_json(in.counts.dense_same)}};
  if (in.counts.dense_twin) json["counts"]["dense_twin"] = counts_json(*in.counts.dense_twin);
  for (const DenseBaseline& other : in.counts.other_baselines)
    json["counts"][other.scheme] = counts_json(other.counted);
  json["neurobench"] = neurobench_json(report);
  json["energy"] = energy_json(report);
  json["unpriced"] = unpriced_json(report.energy.find("as_built", Precision::kFp32)->unpriced);
  if (!in.lmu_forms.empty()) json["lmu_memory"] = lmu_json(in);
  json["memory_traffic"] = memory_json(report.memory);
  json["break_even"] = break_even_json(report.break_even);
  return json;
}

nlohmann::json to_json(const ReportInput& input) {
  return to_json(make_report(input));
}

}  // namespace spikeloom
