#include "hw_model/report/report.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "hw_model/report/report_json.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;

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
    json.push_back({{"scheme", SchemeName(traffic.scheme).text()},
                    {"form", name_of(traffic.form)},
                    {"precision", name_of(traffic.precision)},
                    {"lines", std::move(lines)}});
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
    json["positions"][report.conditions[i].id] = name_of(row.positions[i]);
  }
  return json;
}

Json break_even_json(const BreakEvenReport& report) {
  Json json{
      {"form", name_of(report.form)}, {"conditions", Json::array()}, {"layers", Json::array()}};
  put(json, "bit_budget", report.bit_budget);
  for (const BreakEvenCondition& c : report.conditions) {
    json["conditions"].push_back({{"id", c.id},
                                  {"source", c.source},
                                  {"quantity", name_of(c.quantity)},
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

// Of the widest weights that meet spikes.
int spike_weight_bits(const CountedGraph& counted) {
  int bits = 0;
  for (const LayerCount& layer : counted.ops.layers) {
    if (!layer.spike_operand) continue;
    const auto narrow = counted.narrow.find(layer.name);
    const DType type = narrow == counted.narrow.end() ? DType::kF32 : narrow->second;
    bits = std::max(bits, 8 * static_cast<int>(size_of(type)));
  }
  return bits > 0 ? bits : 32;
}

Json fraction_or_null(const Accuracy& accuracy) {
  return accuracy.known ? Json(accuracy.fraction()) : Json(nullptr);
}

Json precision_json(const RunPrecision& precision) {
  Json json{{"name", precision.name}, {"layers", Json::array()}};
  for (const QuantizedLayer& layer : precision.layers) {
    json["layers"].push_back({{"name", layer.node},
                              {"weights", name_of(layer.dtype)},
                              {"relative_error", layer.relative_error}});
    if (layer.bits > 0) json["layers"].back()["bits"] = layer.bits;
  }
  put(json, "calibration_samples", precision.calibration_samples);
  return json;
}

Json provenance_json(const ReportInput& in) {
  Json json{{"version", in.version},
            {"generator", in.generator},
            {"config_sha256", in.config_sha256},
            {"weights_sha256", in.weights_sha256},
            {"inputs", in.inputs},
            {"weights_trained", in.weights_trained},
            {"weights_random", in.weights_random},
            {"weights_text", in.weights_text},
            {"backend", in.backend},
            {"simd", in.simd},
            {"device", in.device},
            {"device_reason", in.device_reason},
            {"threads", in.threads},
            {"schedule", in.schedule},
            {"form", name_of(in.counts.executed_form)},
            {"precision", precision_json(in.precision)},
            {"rate_source", in.rate_source},
            {"wall_seconds", in.wall_seconds}};
  json["peak_memory_bytes"] = nullptr;
  if (in.peak_memory_bytes > 0) put(json, "peak_memory_bytes", in.peak_memory_bytes);
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
    Json entry{{"form", kLmuFormNames[static_cast<size_t>(cost.form)]},
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
  if (!twin->zeros.empty()) {
    json["zero_inputs"] = Json::object();
    for (const ZeroCount& layer : twin->zeros) json["zero_inputs"][layer.layer] = layer.share();
  }
  if (twin->language) json["language"] = language_json(*twin->language);
  return json;
}

}  // namespace

Report make_report(ReportInput input) {
  Report report;
  report.input = std::move(input);
  if (report.executed().ops.samples <= 0 || report.input.counts.steps <= 0) {
    throw Error(ErrorCode::kInternal, "report: no samples or no steps were run");
  }
  report.energy = price_run(report.input.counts);
  report.break_even = break_even(report.executed().ops, report.input.counts.value_steps(),
                                 spike_weight_bits(report.executed()));
  report.memory = memory_traffic(report.input.counts);
  report.language = language_energy(report.energy, report.input.counts);
  const Accuracy twin = report.input.twin ? report.input.twin->accuracy : Accuracy{};
  report.verdict = judge(report.energy, report.break_even,
                         {report.input.accuracy, twin, report.input.weights_random});
  if (!report.input.recorded.empty()) report.verdict.headline += "; " + report.input.recorded;
  if (report.executed().ops.neurons.empty()) {
    report.verdict.outcome = Outcome::kNotSpiking;
    report.verdict.headline = "NOT SPIKING: this network has no neurons; its energy stands below";
  }
  return report;
}

nlohmann::json to_json(const Report& report) {
  const ReportInput& in = report.input;
  const OpCounts& executed = report.executed().ops;
  const auto& totals = executed.totals;
  Json json;
  json["schema"] = "spikeloom-report";
  json["schema_version"] = "1.10";
  json["tool"] = {{"name", "spikeloom"}, {"version", in.version}, {"generator", in.generator}};
  json["outcome"] = name_of(report.verdict.outcome);
  json["verdict"] = report.verdict.lines();
  json["run"] = {{"samples", executed.samples},
                 {"steps", in.counts.steps},
                 {"evaluations", executed.evaluations},
                 {"form", name_of(in.counts.executed_form)},
                 {"precision", name_of(in.counts.precision)},
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
  json["what_if"] = in.what_if;
  json["warnings"] = in.warnings;
  json["counts"] = {{"as_written", counts_json(in.counts.as_written)},
                    {"fused", in.counts.has_fused ? counts_json(in.counts.fused) : Json()},
                    {"dense_same", counts_json(in.counts.dense_same)}};
  if (in.counts.dense_twin) json["counts"]["dense_twin"] = counts_json(*in.counts.dense_twin);
  for (const DenseBaseline& other : in.counts.other_baselines)
    json["counts"][other.scheme] = counts_json(other.counted);
  json["network"] = to_json(in.network);
  json["neurobench"] = neurobench_json(report);
  json["energy"] = energy_json(report);
  json["unpriced"] = unpriced_json(report.energy.of_run(Scheme::kAsBuilt)->unpriced);
  if (!in.lmu_forms.empty()) json["lmu_memory"] = lmu_json(in);
  json["memory_traffic"] = memory_json(report.memory);
  json["break_even"] = break_even_json(report.break_even);
  return json;
}

nlohmann::json to_json(const ReportInput& input) {
  return to_json(make_report(input));
}

}  // namespace spikeloom
