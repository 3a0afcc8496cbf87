#include <cmath>
#include <nlohmann/json.hpp>

#include "core/io/json.hpp"
#include "hw_model/report/chip_json.hpp"
#include "hw_model/report/section.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;

Json operations_json(const ChipRun& run) {
  Json rows = Json::array();
  for (const ChipRun::Operation& op : run.operations) {
    Json row = {{"name", op.name}, {"category", op.category}, {"count", op.count}};
    if (op.priced) {
      row["price_pj"] = op.price_pj;
      row["joules"] = op.joules;
      row["mark"] = std::string(1, op.mark);
      row["source"] = op.source;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Json layers_json(const ChipRun& run) {
  Json rows = Json::array();
  for (const ChipRun::Layer& layer : run.layers) {
    rows.push_back({{"name", layer.name},
                    {"neurons", layer.neurons},
                    {"updates", layer.updates},
                    {"fired", layer.fired},
                    {"packets", layer.packets},
                    {"events", layer.events},
                    {"joules", layer.joules}});
  }
  return rows;
}

Json cores_json(const ChipRun& run) {
  Json rows = Json::array();
  for (const ChipRun::Core& core : run.core_rows) {
    rows.push_back({{"core", core.core},
                    {"chip", core.chip},
                    {"tile", core.tile},
                    {"slot", core.slot},
                    {"packets_in", core.packets_in},
                    {"packets_out", core.packets_out},
                    {"events", core.events},
                    {"joules", core.joules},
                    {"busy_s", core.busy_s}});
  }
  return rows;
}

Json energy_json(const ChipRun& run) {
  Json categories = Json::object();
  const auto known = [](bool is, double joules) { return is ? Json(joules) : Json(); };
  for (const ChipEnergy::Term& term : run.dynamic)
    categories[term.name] = known(run.has_price(term.name), term.joules);
  return {{"dynamic_j", run.dynamic_j},
          {"by_category_j", categories},
          {"static_j", known(run.known.static_j, run.static_j)},
          {"idle_j", known(run.known.idle_j, run.idle_j)},
          {"sync_j", known(run.known.sync_j, run.sync_j)},
          {"host_j", known(run.known.host_j, run.host_j)},
          {"reload_j", known(run.known.reload_j, run.reload_j)},
          {"total_priced_j", run.total_j}};
}

Json totals_json(const ChipRun& run) {
  return {{"packets", run.totals.messages}, {"packets_received", run.totals.deliveries},
          {"hops", run.totals.hops},        {"synaptic_events", run.totals.events},
          {"updates", run.totals.updated},  {"fired", run.totals.fired},
          {"overruns", run.overruns}};
}

Json break_even_json(const ChipRun::BreakEven& break_even) {
  Json verdicts = Json::array();
  for (const ChipRun::Verdict& verdict : break_even.verdicts) {
    Json row = {{"id", verdict.id},
                {"source", verdict.source},
                {"quantity", text_of(verdict.quantity)},
                {"verdict", name_of(verdict.verdict)},
                {"why", verdict.why}};
    if (!verdict.against.empty()) row["against"] = verdict.against;
    if (verdict.verdict != Judgement::kNotApplicable) {
      row["value"] = verdict.value;
      row["low"] = verdict.low;
      row["high"] = verdict.high;
    }
    verdicts.push_back(std::move(row));
  }
  Json layers = Json::array();
  for (const ChipRun::BreakEven::Layer& layer : break_even.layers) {
    layers.push_back({{"name", layer.name},
                      {"spikes_per_synapse", layer.spikes_per_synapse},
                      {"firing_rate", layer.rate}});
  }
  return {{"value_steps", break_even.value_steps},
          {"spikes_per_synapse", break_even.spikes_per_synapse},
          {"firing_rate", break_even.rate},
          {"dense_macs", break_even.macs},
          {"verdicts", verdicts},
          {"layers", layers}};
}

Json run_json(const ChipRun& run) {
  Json settings = Json::object();
  for (const auto& [key, value] : run.settings) settings[key] = value;
  Json json = {{"label", run.label}, {"chip", run.chip}, {"settings", settings}};
  if (!run.refused.empty()) {
    json["refused"] = run.refused;
    return json;
  }
  Json host = Json::array();
  for (const ChipRun::HostWork& work : run.host)
    host.push_back(
        {{"name", work.name}, {"op", work.op}, {"reason", work.reason}, {"macs", work.macs}});
  json["chip_source"] = run.chip_source;
  json["level"] = std::string(name_of(run.level));
  json["mapping"] = {{"mapper", run.mapper}, {"sha256", run.mapping_sha256}};
  if (run.packet_hops_before >= 0) {
    json["mapping"]["packet_hops_before"] = run.packet_hops_before;
    json["mapping"]["packet_hops_after"] = run.packet_hops_after;
  }
  json["samples"] = run.samples;
  json["steps"] = run.steps;
  json["network"] = {{"populations", run.populations},
                     {"neurons", run.neurons},
                     {"projections", run.projections},
                     {"weight_bits", run.weight_bits}};
  json["used"] = {{"cores", run.cores_used},
                  {"cores_of_chip", run.cores},
                  {"tiles", run.tiles_used},
                  {"chips", run.chips_used},
                  {"chips_of_chip", run.chips},
                  {"utilisation", run.known.time ? Json(run.utilisation) : Json()}};
  json["energy_per_inference"] = energy_json(run);
  json["synaptic_work"] = {{"on_chip", run.coverage.on_chip}, {"priced", run.coverage.priced}};
  const auto timed = [&](double value) { return run.known.time ? Json(value) : Json(); };
  json["time_per_inference"] = {{"latency_s", timed(run.latency_s)},
                                {"bound_s", run.bound_s > 0 ? timed(run.bound_s) : Json()},
                                {"step_s", timed(run.step_s)},
                                {"inferences_per_s", timed(run.throughput)},
                                {"critical", run.critical},
                                {"busiest_link", run.busiest_link}};
  json["totals"] = totals_json(run);
  json["weakest_evidence"] = std::string(1, run.weakest);
  json["operations"] = operations_json(run);
  json["layers"] = layers_json(run);
  json["cores"] = cores_json(run);
  json["host"] = host;
  if (!run.turns.empty()) json["turns"] = turns_json(run);
  json["unpriced"] = run.unpriced;
  json["break_even"] = break_even_json(run.break_even);
  return json;
}

// Empty where it is not known.
Cell number(double value, bool known = true) {
  return {Show::kNumber, known ? value : std::nan("")};
}

Json recording_json(const std::optional<ChipReport::Recording>& recording) {
  if (!recording) return {};
  Json files = Json::array();
  for (const auto& file : recording->files)
    files.push_back({{"role", file.role}, {"path", file.path}, {"sha256", file.sha256}});
  return {{"files", files},
          {"dt_s", recording->dt ? Json(*recording->dt) : Json()},
          {"notes", recording->notes}};
}

}  // namespace

nlohmann::json chip_run_json(const ChipRun& run) {
  return run_json(run);
}

std::string chip_json(const ChipReport& report) {
  Json runs = Json::array(), dense = Json::array();
  for (const ChipRun& run : report.runs) {
    runs.push_back(run_json(run));
    if (!run.refused.empty()) continue;
    const double ratio = ratio_of(report, run);
    runs.back()["ratio_to_first"] = ratio > 0 ? Json(ratio) : Json();
  }
  for (const AcceleratorRow& row : report.dense) {
    dense.push_back(
        {{"name", row.name},
         {"network", row.network},
         {"joules", row.joules},
         {"seconds", row.seconds > 0 ? Json(row.seconds) : Json()},
         {"ratio_to_first", ratio_of(report, row) > 0 ? Json(ratio_of(report, row)) : Json()},
         {"weakest_evidence", std::string(1, row.weakest)},
         {"unpriced", row.unpriced}});
  }
  return dump_json({{"kind", "chip"},
                    {"schema_version", "1.4"},
                    {"trace", report.trace},
                    {"recording", recording_json(report.recording)},
                    {"signature", report.signature},
                    {"form", name_of(report.form)},
                    {"runs", runs},
                    {"dense", dense},
                    {"correct", report.correct},
                    {"labelled", report.labelled}});
}

std::string chip_csv(const ChipReport& report) {
  Table table =
      table_of("run,kind,name,count,neurons,updates,fired,packets_in,packets_out,events,joules");
  for (const ChipRun& run : report.runs) {
    for (const ChipRun::Operation& op : run.operations) {
      add_row(table, {{"run", run.label},
                      {"kind", "operation"},
                      {"name", op.name},
                      {"count", op.count},
                      {"joules", number(op.joules, op.priced)}});
    }
    for (const ChipRun::Layer& layer : run.layers) {
      add_row(table, {{"run", run.label},
                      {"kind", "layer"},
                      {"name", layer.name},
                      {"neurons", layer.neurons},
                      {"updates", layer.updates},
                      {"fired", layer.fired},
                      {"packets_out", layer.packets},
                      {"events", layer.events},
                      {"joules", number(layer.joules)}});
    }
    for (const ChipRun::Core& core : run.core_rows) {
      add_row(table, {{"run", run.label},
                      {"kind", "core"},
                      {"name", int64_t{core.core}},
                      {"packets_in", core.packets_in},
                      {"packets_out", core.packets_out},
                      {"events", core.events},
                      {"joules", number(core.joules)}});
    }
  }
  return to_csv(table);
}

std::string sweep_csv(const ChipReport& report) {
  std::string keys = "chip";
  if (!report.runs.empty()) {
    for (const auto& [key, value] : report.runs[0].settings) keys += "," + key;
  }
  Table table =
      table_of(keys +
               ",energy_j,dynamic_j,static_j,idle_j,sync_j,host_j,reload_j,latency_s,step_s,"
               "inferences_per_s,cores,tiles,chips,utilisation,packets,hops,synaptic_events,"
               "weakest_evidence,unpriced,refused,weight_bits,on_chip,priced,ratio");
  for (const ChipRun& run : report.runs) {
    std::map<std::string, Cell> cells{{"chip", run.chip}};
    for (const auto& [key, value] : run.settings) cells.insert_or_assign(key, value);
    const ChipRun::Known& known = run.known;
    if (!run.refused.empty()) {
      cells.insert({"refused", run.refused});
    } else {
      cells.insert({{"energy_j", number(run.total_j)},
                    {"dynamic_j", number(run.dynamic_j)},
                    {"static_j", number(run.static_j, known.static_j)},
                    {"idle_j", number(run.idle_j, known.idle_j)},
                    {"sync_j", number(run.sync_j, known.sync_j)},
                    {"host_j", number(run.host_j, known.host_j)},
                    {"reload_j", number(run.reload_j, known.reload_j)},
                    {"latency_s", number(run.latency_s, known.time)},
                    {"step_s", number(run.step_s, known.time)},
                    {"inferences_per_s", number(run.throughput, known.time)},
                    {"cores", run.cores_used},
                    {"tiles", run.tiles_used},
                    {"chips", run.chips_used},
                    {"utilisation", number(run.utilisation, known.time)},
                    {"packets", run.totals.messages},
                    {"hops", run.totals.hops},
                    {"synaptic_events", run.totals.events},
                    {"weakest_evidence", std::string(1, run.weakest)},
                    {"unpriced", static_cast<int64_t>(run.unpriced.size())},
                    {"weight_bits", run.weight_bits},
                    {"on_chip", number(run.coverage.on_chip)},
                    {"priced", number(run.coverage.priced)},
                    {"ratio", number(ratio_of(report, run), ratio_of(report, run) > 0)}});
    }
    add_row(table, std::move(cells));
  }
  return to_csv(table);
}

}  // namespace spikeloom
