#include <fmt/format.h>

#include <map>

#include "hw_model/report/csv.hpp"
#include "hw_model/report/hardware.hpp"
#include "hw_model/report/report.hpp"

namespace spikeloom {
namespace {

constexpr const char* kColumns[] = {"form",
                                    "kind",
                                    "name",
                                    "op",
                                    "operand",
                                    "weights",
                                    "dense_macs",
                                    "input_elements",
                                    "input_events",
                                    "rate",
                                    "event_adds",
                                    "rate_adds",
                                    "real_macs",
                                    "kv_coincidences",
                                    "kv_k_gated_adds",
                                    "qkv_q_gated_adds",
                                    "qkv_nonzero_adds",
                                    "neurons",
                                    "updates",
                                    "spikes",
                                    "paper_pJ",
                                    "as_built_pJ",
                                    "event_pJ",
                                    "event_decomposed_pJ",
                                    "neurobench_pJ",
                                    "syops_pJ",
                                    "hardware_pJ",
                                    "precision",
                                    "evidence"};

using Row = std::map<std::string, std::string>;  // by column; absent cells stay empty

void write(std::string& csv, const Row& row) {
  bool first = true;
  for (const char* column : kColumns) {
    const auto cell = row.find(column);
    if (!first) csv += ',';
    if (cell != row.end()) csv += csv_cell(cell->second);
    first = false;
  }
  csv += "\n";
}

// Energies of one form by line name.
class LineEnergies {
 public:
  LineEnergies(const EnergyReport& energy, GraphForm form) {
    for (const Scheme scheme : kSpikingSchemes) {
      const SchemeReport* report = energy.of_run(scheme, form);
      if (report == nullptr) continue;
      for (const EnergyLine& line : report->lines) {
        by_name_[line.layer][SchemeName(scheme).text() + "_pJ"] += line.energy_pJ;
        operands_.emplace(line.layer, name_of(line.operand));
      }
    }
  }
  void add(Row& row, const std::string& name) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return;
    operands_.erase(name);
    for (const auto& [column, energy] : found->second) row[column] = fmt::format("{}", energy);
  }

  // Names that were asked for by no row, with their operands: the columns add up to the totals.
  std::map<std::string, std::string> rest() const { return operands_; }

 private:
  std::map<std::string, std::map<std::string, double>> by_name_;
  std::map<std::string, std::string> operands_;
};

std::string text(int64_t value) {
  return fmt::format("{}", value);
}

Row layer_row(const LayerCount& layer) {
  const double rate =
      layer.spike_operand && layer.input_elements > 0
          ? static_cast<double>(layer.input_events) / static_cast<double>(layer.input_elements)
          : 1.0;
  return {{"kind", "layer"},
          {"name", layer.name},
          {"op", layer.op},
          {"operand", operand_name(layer)},
          {"weights", text(layer.weights)},
          {"dense_macs", text(layer.dense_macs)},
          {"input_elements", text(layer.input_elements)},
          {"input_events", text(layer.input_events)},
          {"rate", layer.spike_operand ? fmt::format("{}", rate) : ""},
          {"event_adds", text(layer.event_adds)},
          {"rate_adds", fmt::format("{}", layer.rate_adds())},
          {"real_macs", text(layer.real_macs)}};
}

// Softmax attention multiplies real values.
Row softmax_row(const AttentionCount& a, bool first) {
  const std::string macs = text(first ? a.dense_macs_kv : a.dense_macs_qkv);
  return {{"kind", "attention"}, {"name", a.name + (first ? ".qk" : ".av")},
          {"op", "softmax"},     {"operand", "real"},
          {"dense_macs", macs},  {"real_macs", macs}};
}

Row product_row(const AttentionCount& a, bool first) {
  if (!a.spiking) return softmax_row(a, first);
  Row row{{"kind", "attention"},
          {"name", a.name + (first ? ".kv" : ".qkv")},
          {"op", first ? "ktv" : "qapply"},
          {"operand", "spikes"},
          {"dense_macs", text(first ? a.dense_macs_kv : a.dense_macs_qkv)},
          {"input_events", text(first ? a.spikes_k + a.spikes_v : a.spikes_q)}};
  if (first) {
    row["kv_coincidences"] = text(a.kv_coincidences);
    row["kv_k_gated_adds"] = text(a.kv_k_gated_adds);
  } else {
    row["qkv_q_gated_adds"] = text(a.qkv_q_gated_adds);
    row["qkv_nonzero_adds"] = text(a.qkv_nonzero_adds);
  }
  return row;
}

void write_form(std::string& csv, const Report& report, const OpCounts& counts) {
  LineEnergies energies(report.energy, counts.form);
  const auto emit = [&](Row row) {
    row["form"] = name_of(counts.form);
    row["precision"] = name_of(report.energy.executed_precision);
    row["evidence"] =
        name_of(counts.form == report.energy.executed_form ? Evidence::kRan : Evidence::kEstimated);
    energies.add(row, row["name"]);
    write(csv, row);
  };
  for (const LayerCount& layer : counts.layers) emit(layer_row(layer));
  for (const AttentionCount& a : counts.attention) {
    emit(product_row(a, true));
    emit(product_row(a, false));
  }
  for (const NeuronCount& n : counts.neurons) {
    emit({{"kind", "neurons"},
          {"name", n.name},
          {"rate", n.fires ? fmt::format("{}", n.rate()) : std::string()},
          {"neurons", text(n.neurons)},
          {"updates", text(n.updates)},
          {"spikes", text(n.spikes)}});
  }
  for (const auto& [name, operand] : energies.rest())
    emit({{"kind", "other"}, {"name", name}, {"operand", operand}});
}

}  // namespace

std::string to_csv(const Report& report) {
  Row header;
  for (const char* column : kColumns) header[column] = column;
  std::string csv;
  write(csv, header);
  for (const CountedGraph* counted : report.input.counts.forms())
    write_form(csv, report, counted->ops);
  if (!report.input.hardware) return csv;
  for (const auto& [name, joules] : hardware_parts(*report.input.hardware)) {
    write(csv, {{"form", "fused"},
                {"kind", "hardware"},
                {"name", name},
                {"hardware_pJ", fmt::format("{}", joules * 1e12)},
                {"precision", weight_text(*report.input.hardware)},
                {"evidence", std::string(name_of(Evidence::kEstimated))}});
  }
  return csv;
}

}  // namespace spikeloom
