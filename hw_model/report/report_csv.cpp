#include <cmath>
#include <map>

#include "hw_model/report/hardware.hpp"
#include "hw_model/report/report.hpp"
#include "hw_model/report/section.hpp"

namespace spikeloom {
namespace {

constexpr const char* kColumns =
    "form,kind,name,op,operand,weights,dense_macs,input_elements,input_events,rate,event_adds,"
    "rate_adds,real_macs,kv_coincidences,kv_k_gated_adds,qkv_q_gated_adds,qkv_nonzero_adds,neurons,"
    "updates,spikes,paper_pJ,as_built_pJ,event_pJ,event_decomposed_pJ,neurobench_pJ,syops_pJ,"
    "hardware_pJ,precision,evidence";

using Row = std::map<std::string, Cell>;

Cell number(double value) {
  return {Show::kNumber, value};
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
    for (const auto& [column, energy] : found->second) row.insert_or_assign(column, number(energy));
  }

  // Names that were asked for by no row, with their operands: the columns add up to the totals.
  std::map<std::string, std::string> rest() const { return operands_; }

 private:
  std::map<std::string, std::map<std::string, double>> by_name_;
  std::map<std::string, std::string> operands_;
};

Row layer_row(const LayerCount& layer) {
  const double rate = layer.input_elements > 0 ? static_cast<double>(layer.input_events) /
                                                     static_cast<double>(layer.input_elements)
                                               : 1.0;
  return {{"kind", "layer"},
          {"name", layer.name},
          {"op", layer.op},
          {"operand", operand_name(layer)},
          {"weights", layer.weights},
          {"dense_macs", layer.dense_macs},
          {"input_elements", layer.input_elements},
          {"input_events", layer.input_events},
          {"rate", number(layer.spike_operand ? rate : std::nan(""))},
          {"event_adds", layer.event_adds},
          {"rate_adds", number(layer.rate_adds())},
          {"real_macs", layer.real_macs}};
}

// Softmax attention multiplies real values.
Row softmax_row(const AttentionCount& a, bool first) {
  const int64_t macs = first ? a.dense_macs_kv : a.dense_macs_qkv;
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
          {"dense_macs", first ? a.dense_macs_kv : a.dense_macs_qkv},
          {"input_events", first ? a.spikes_k + a.spikes_v : a.spikes_q}};
  if (first) {
    row.insert({"kv_coincidences", a.kv_coincidences});
    row.insert({"kv_k_gated_adds", a.kv_k_gated_adds});
  } else {
    row.insert({"qkv_q_gated_adds", a.qkv_q_gated_adds});
    row.insert({"qkv_nonzero_adds", a.qkv_nonzero_adds});
  }
  return row;
}

void add_form(Table& table, const Report& report, const OpCounts& counts) {
  LineEnergies energies(report.energy, counts.form);
  const auto emit = [&](Row row) {
    row.insert({"form", name_of(counts.form)});
    row.insert({"precision", name_of(report.energy.executed_precision)});
    row.insert({"evidence",
                name_of(counts.form == report.energy.executed_form ? report.input.counts.evidence
                                                                   : Evidence::kEstimated)});
    energies.add(row, row.at("name").text);
    add_row(table, std::move(row));
  };
  for (const LayerCount& layer : counts.layers) emit(layer_row(layer));
  for (const AttentionCount& a : counts.attention) {
    emit(product_row(a, true));
    emit(product_row(a, false));
  }
  for (const NeuronCount& n : counts.neurons) {
    emit({{"kind", "neurons"},
          {"name", n.name},
          {"rate", number(n.fires ? n.rate() : std::nan(""))},
          {"neurons", n.neurons},
          {"updates", n.updates},
          {"spikes", n.spikes}});
  }
  for (const auto& [name, operand] : energies.rest())
    emit({{"kind", "other"}, {"name", name}, {"operand", operand}});
}

}  // namespace

std::string to_csv(const Report& report) {
  Table table = table_of(kColumns);
  for (const CountedGraph* counted : report.input.counts.forms())
    add_form(table, report, counted->ops);
  if (report.input.hardware) {
    for (const auto& [name, joules] : hardware_parts(*report.input.hardware)) {
      add_row(table, {{"form", name_of(GraphForm::kFused)},
                      {"kind", "hardware"},
                      {"name", name},
                      {"hardware_pJ", number(joules * 1e12)},
                      {"precision", weight_text(*report.input.hardware)},
                      {"evidence", name_of(Evidence::kEstimated)}});
    }
  }
  return to_csv(table);
}

}  // namespace spikeloom
