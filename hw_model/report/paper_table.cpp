#include "hw_model/report/paper_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "hw_model/report/chip_compare.hpp"
#include "hw_model/report/chip_sections.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;
using enum Align;
using enum Show;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Of the form that ran, per sample.
double sum_of_counts(const Json& report, std::initializer_list<std::string_view> keys) {
  const std::string form = text_in(report, {"run", "form"});
  double sum = 0;
  for (const std::string_view key : keys) sum += number_in(report, {"counts", form, "totals", key});
  return sum / number_in(report, {"run", "samples"});
}

// Softmax attention multiplies real values.
double softmax_macs(const Json& report) {
  double sum = 0;
  for (const Json& entry :
       list_in(report, {"counts", text_in(report, {"run", "form"}), "attention"})) {
    if (text_in(entry, {"kind"}) == "softmax")
      sum += number_in(entry, {"dense_macs_kv"}) + number_in(entry, {"dense_macs_qkv"});
  }
  return sum / number_in(report, {"run", "samples"});
}

const Json* energy_row(const Json& report, std::string_view scheme, std::string_view precision) {
  return precision.empty() ? find_in(report, {"energy", scheme})
                           : find_in(report, {"energy", scheme, "precisions", precision});
}

struct NamedFormula {
  const char *scheme, *precision, *key, *heading, *meaning;
};
constexpr NamedFormula kFormulas[] = {
    {"paper", "", "paper_per_sample_J", "E paper",
     "the literature's formula: rate x dense operations of the fused form, at E_AC; real operands "
     "at E_MAC"},
    {"as_built", "", "as_built_per_sample_J", "E as_built",
     "exact additions of the form and precision that ran, at E_AC; real operands at E_MAC"},
    {"event", "", "event_per_sample_J", "E event",
     "as as_built, with coincidences of K and V and what is equal at every step once"},
    {"neurobench", "", "neurobench_per_sample_J", "E neurobench", "the counts of NeuroBench"},
    {"syops", "", "syops_per_sample_J", "E syops", "the counts of syops-counter"},
    {"hardware", "", "hardware_per_sample_J", "E chip", "the chip model, of what has a price"},
    {"dense_same", "fp32", "dense_same_fp32_per_sample_J", "E dense_same fp32",
     "the same network without spikes, one pass, E_MAC of fp32"},
    {"dense_same", "int8", "dense_same_int8_per_sample_J", "E dense_same int8",
     "the same at int8 prices"},
    {"dense_twin", "fp32", "dense_twin_fp32_per_sample_J", "E dense_twin fp32",
     "its dense twin, one pass, E_MAC of fp32"},
    {"dense_twin", "int8", "dense_twin_int8_per_sample_J", "E dense_twin int8",
     "the same at int8 prices"},
};

std::string short_name(std::string name) {
  for (const std::string_view end : {"/report.json", "/"}) {
    if (name.size() > end.size() && name.ends_with(end)) name.resize(name.size() - end.size());
  }
  return name;
}

// A column with a cell for each report; nothing where none has the figure.
class Columns {
 public:
  Columns(const std::vector<NamedReport>& reports, Table& table)
      : reports_(reports), table_(table) {
    table_.rows.resize(reports.size());
  }
  template <typename F>
  void add(Column column, F&& read) {
    std::vector<Cell> cells;
    for (const NamedReport& report : reports_) cells.push_back(read(report));
    const bool any = std::any_of(cells.begin(), cells.end(), [](const Cell& cell) {
      return cell.show == Show::kText || std::isfinite(cell.value);
    });
    if (!any) return;
    table_.columns.push_back(std::move(column));
    for (size_t i = 0; i < cells.size(); ++i) table_.rows[i].push_back(std::move(cells[i]));
  }

 private:
  const std::vector<NamedReport>& reports_;
  Table& table_;
};

constexpr const char* kPartial = "*: less than all of the synaptic work has a price.";

// Energies by one formula; where it prices a part of the work in any report, the shares too.
void add_energy(const NamedFormula& formula, Columns& columns, std::vector<std::string>& notes) {
  bool partial = false, any = false;
  const auto read = [&](const NamedReport& report, const char* key) {
    const Json* row = energy_row(report.json, formula.scheme, formula.precision);
    return row == nullptr ? kNone : number_in(*row, {key});
  };
  columns.add({formula.heading, kRight, "J", formula.key}, [&](const NamedReport& report) {
    const double joules = read(report, "per_sample_nJ") * 1e-9;
    const bool part = std::isfinite(joules) && read(report, "priced_share") < 1;
    partial = partial || part;
    any = any || std::isfinite(joules);
    return Cell(kJoule, joules, part ? "*" : "");
  });
  if (any) notes.push_back(fmt::format("{}: {}.", formula.heading, formula.meaning));
  if (!partial) return;
  const std::string key = formula.key;
  columns.add(
      {"of it priced", kRight, "%", key.substr(0, key.find("_per_sample")) + "_priced_fraction",
       true},
      [&](const NamedReport& report) { return Cell(kShare, read(report, "priced_share")); });
  if (std::find(notes.begin(), notes.end(), kPartial) == notes.end()) notes.emplace_back(kPartial);
}

}  // namespace

Section paper_table(const std::vector<NamedReport>& reports) {
  if (reports.empty()) throw Error(ErrorCode::kUsage, "a table needs at least one report");
  for (const NamedReport& report : reports) check_report(report);
  Section out{"paper", "Runs"};
  out.notes = {"Per sample."};
  Columns columns(reports, out.table);
  columns.add({"run", kLeft}, [](const NamedReport& r) { return Cell(short_name(r.name)); });
  columns.add({"ran as", kLeft}, [](const NamedReport& r) {
    return Cell(text_in(r.json, {"run", "form"}) + ", " + run_precision(r.json));
  });
  columns.add({"parameters"}, [](const NamedReport& r) {
    return Cell(kExact, number_in(r.json, {"network", "parameters"}));
  });
  columns.add({"T", kRight, "", "steps"}, [](const NamedReport& r) {
    return Cell(kExact, number_in(r.json, {"run", "steps"}));
  });
  columns.add({"SOPs", kRight, "", "sops_per_sample"}, [](const NamedReport& r) {
    return Cell(kCount,
                sum_of_counts(r.json, {"event_adds", "kv_k_gated_adds", "qkv_q_gated_adds"}));
  });
  columns.add({"MACs", kRight, "", "macs_per_sample"}, [](const NamedReport& r) {
    return Cell(kCount, sum_of_counts(r.json, {"stem_macs", "real_macs_without_stem"}) +
                            softmax_macs(r.json));
  });
  out.items = {"ran as: form and precision that ran.", "parameters: trainable values.",
               "T: steps of a sample.",
               "SOPs: additions that spikes caused, all steps of a sample.",
               "MACs: multiply-accumulates of real operands."};
  for (const NamedFormula& formula : kFormulas) add_energy(formula, columns, out.items);
  const auto share = [&](Column column, JsonPath path) {
    columns.add(std::move(column),
                [&](const NamedReport& r) { return Cell(kPercent, number_in(r.json, path)); });
  };
  share({"accuracy", kRight, "%"}, {"accuracy"});
  share({"accuracy of the twin", kRight, "%", "twin_accuracy_fraction"},
        {"dense_twin", "accuracy"});
  for (const NamedReport& report : reports) {
    const auto chip = chip_of(report.json);
    if (!chip) continue;
    out.parts.push_back(hardware_section(*chip));
    out.parts.back().heading = short_name(report.name) + " on a chip: " + chip->chip;
  }
  columns.add({"bits per token"}, [](const NamedReport& r) {
    return Cell(kNumber, number_in(r.json, {"language", "bits_per_token"}));
  });
  return out;
}

}  // namespace spikeloom
