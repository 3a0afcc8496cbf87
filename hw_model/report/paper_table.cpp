#include "hw_model/report/paper_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "hw_model/report/csv.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct Prefix {
  double size;
  const char *name, *latex;
};
constexpr Prefix kPrefixes[] = {{1e-12, "p", "p"}, {1e-9, "n", "n"}, {1e-6, "µ", "$\\mu$"},
                                {1e-3, "m", "m"},  {1, "", ""},      {1e3, "k", "k"},
                                {1e6, "M", "M"},   {1e9, "G", "G"},  {1e12, "T", "T"}};

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

std::string ran_as(const Json& report) {
  const std::string precision = text_in(report, {"provenance", "precision", "name"});
  return text_in(report, {"run", "form"}) + ", " + (precision.empty() ? "fp32" : precision);
}

template <typename F>
PaperColumn numbers(const std::vector<NamedReport>& reports, PaperColumn column, F&& read) {
  for (const NamedReport& report : reports) column.values.push_back(read(report.json));
  return column;
}

template <typename F>
PaperColumn texts(const std::vector<NamedReport>& reports, PaperColumn column, F&& read) {
  column.text = true;
  for (const NamedReport& report : reports) column.texts.push_back(read(report));
  return column;
}

bool has_value(const PaperColumn& column) {
  return column.text || std::any_of(column.values.begin(), column.values.end(),
                                    [](double value) { return std::isfinite(value); });
}

// The prefix of the largest value; 1 for percent and small counts.
const Prefix& prefix_of(const PaperColumn& column) {
  const Prefix* one = &kPrefixes[4];
  double high = 0;
  for (const double value : column.values)
    if (std::isfinite(value)) high = std::max(high, std::fabs(value));
  if (column.unit == "%" || (column.unit.empty() && high < 1e5)) return *one;
  const Prefix* best = column.unit.empty() ? one : &kPrefixes[0];
  for (const Prefix& prefix : kPrefixes) {
    if (prefix.size > best->size && high >= prefix.size * 0.99995) best = &prefix;
  }
  return *best;
}

std::string unit_of(const PaperColumn& column, bool latex) {
  if (column.unit == "%") return latex ? "\\%" : "%";
  const Prefix& prefix = prefix_of(column);
  return (latex ? prefix.latex : prefix.name) + column.unit;
}

bool is_partial(const PaperColumn& column, size_t row) {
  return row < column.priced.size() && column.priced[row] < 1 && std::isfinite(column.values[row]);
}

bool any_partial(const PaperColumn& column) {
  for (size_t row = 0; row < column.priced.size(); ++row) {
    if (is_partial(column, row)) return true;
  }
  return false;
}

constexpr const char* kPartial = "less than all of the synaptic work has a price";

std::string cell_of(const PaperColumn& column, size_t row) {
  if (column.text) return column.texts[row];
  const double value = column.values[row];
  if (!std::isfinite(value)) return "";
  if (column.unit == "%") return fmt::format("{:.2f}", 100 * value);
  const double scaled = value / prefix_of(column).size;
  if (scaled == std::floor(scaled) && std::fabs(scaled) < 1e6) return fmt::format("{:.0f}", scaled);
  // Four digits, never a power of ten.
  const double digits = std::floor(std::log10(std::max(std::fabs(scaled), 1e-9)));
  return fmt::format("{:.{}f}", scaled, static_cast<int>(std::clamp(3 - digits, 0.0, 9.0)));
}

std::string markdown_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("|\\`*_<>[]").find(c) != std::string_view::npos) out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  }
  return out;
}

// Characters that every LaTeX of the last twenty years sets without a package: ASCII and the
// accented letters of Latin-1; others are "?".
std::string latex_text(std::string_view text) {
  static const std::pair<char, const char*> kEscapes[] = {{'\\', "\\textbackslash{}"},
                                                          {'{', "\\{"},
                                                          {'}', "\\}"},
                                                          {'$', "\\$"},
                                                          {'&', "\\&"},
                                                          {'#', "\\#"},
                                                          {'%', "\\%"},
                                                          {'_', "\\_"},
                                                          {'~', "\\textasciitilde{}"},
                                                          {'^', "\\textasciicircum{}"},
                                                          {'<', "\\textless{}"},
                                                          {'>', "\\textgreater{}"},
                                                          {'|', "\\textbar{}"},
                                                          {'"', "''"}};
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) {
      const unsigned char next =
          at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) : 0;
      const unsigned code = c == 0xC3 && (next & 0xC0) == 0x80 ? 0xC0u + (next & 63u) : 0u;
      const bool letter = code != 0 && code != 0xD0 && code != 0xD7 && code != 0xDE &&
                          code != 0xF0 && code != 0xF7 && code != 0xFE;
      out += letter ? std::string(text.substr(at, 2)) : "?";
      while (at + 1 < text.size() && (static_cast<unsigned char>(text[at + 1]) & 0xC0) == 0x80)
        ++at;
      continue;
    }
    const auto* found = std::find_if(std::begin(kEscapes), std::end(kEscapes),
                                     [&](const auto& pair) { return pair.first == text[at]; });
    if (found != std::end(kEscapes)) {
      out += found->second;
    } else {
      out += c < 0x20 || c == 0x7F ? '?' : text[at];
    }
  }
  return out;
}

}  // namespace

std::vector<PaperColumn> paper_table(const std::vector<NamedReport>& reports) {
  if (reports.empty()) throw Error(ErrorCode::kUsage, "a table needs at least one report");
  for (const NamedReport& report : reports) check_report(report);
  std::vector<PaperColumn> table;
  table.push_back(texts(reports, {"run", "run", "", ""},
                        [](const NamedReport& report) { return short_name(report.name); }));
  table.push_back(texts(reports, {"ran_as", "ran as", "", "form and precision that ran"},
                        [](const NamedReport& report) { return ran_as(report.json); }));
  table.push_back(
      numbers(reports, {"parameters", "parameters", "", "trainable values"}, [](const Json& json) {
        return number_in(json, {"network", "parameters"});
      }));
  table.push_back(numbers(reports, {"steps", "T", "", "steps of a sample"}, [](const Json& json) {
    return number_in(json, {"run", "steps"});
  }));
  table.push_back(numbers(
      reports,
      {"sops_per_sample", "SOPs", "", "additions that spikes caused, all steps of a sample"},
      [](const Json& json) {
        return sum_of_counts(json, {"event_adds", "kv_k_gated_adds", "qkv_q_gated_adds"});
      }));
  table.push_back(numbers(
      reports, {"macs_per_sample", "MACs", "", "multiply-accumulates of real operands"},
      [](const Json& json) {
        return sum_of_counts(json, {"stem_macs", "real_macs_without_stem"}) + softmax_macs(json);
      }));
  for (const NamedFormula& formula : kFormulas) {
    PaperColumn column{formula.key, formula.heading, "J", formula.meaning};
    for (const NamedReport& report : reports) {
      const Json* row = energy_row(report.json, formula.scheme, formula.precision);
      column.values.push_back(row == nullptr ? kNone : number_in(*row, {"per_sample_nJ"}) * 1e-9);
      column.priced.push_back(row == nullptr ? kNone : number_in(*row, {"priced_share"}));
    }
    table.push_back(std::move(column));
  }
  table.push_back(numbers(reports, {"accuracy_fraction", "accuracy", "%", ""},
                          [](const Json& json) { return number_in(json, {"accuracy"}); }));
  table.push_back(numbers(reports, {"twin_accuracy_fraction", "accuracy of the twin", "%", ""},
                          [](const Json& json) {
                            return number_in(json, {"dense_twin", "accuracy"});
                          }));
  table.push_back(
      numbers(reports, {"bits_per_token", "bits per token", "", ""}, [](const Json& json) {
        return number_in(json, {"language", "bits_per_token"});
      }));
  std::erase_if(table, [](const PaperColumn& column) { return !has_value(column); });
  return table;
}

std::string to_markdown(const std::vector<PaperColumn>& table) {
  std::string head = "|", rule = "|", notes;
  for (const PaperColumn& column : table) {
    const std::string unit = unit_of(column, false);
    head += fmt::format(" {}{} |", markdown_text(column.heading),
                        column.text || unit.empty() ? "" : " (" + unit + ")");
    rule += column.text ? "---|" : "---:|";
    if (!column.meaning.empty())
      notes +=
          fmt::format("* {}: {}.\n", markdown_text(column.heading), markdown_text(column.meaning));
  }
  std::string out = head + "\n" + rule + "\n";
  for (size_t row = 0; row < table[0].texts.size(); ++row) {
    out += "|";
    for (const PaperColumn& column : table)
      out +=
          " " + markdown_text(cell_of(column, row) + (is_partial(column, row) ? "*" : "")) + " |";
    out += "\n";
  }
  if (std::any_of(table.begin(), table.end(), any_partial))
    notes += fmt::format("* \\*: {}.\n", kPartial);
  return out + "\nPer sample.\n\n" + notes;
}

std::string to_latex(const std::vector<PaperColumn>& table) {
  std::string shape, head, notes;
  for (const PaperColumn& column : table) {
    const std::string unit = unit_of(column, true);
    shape += column.text ? 'l' : 'r';
    head += (head.empty() ? "" : " & ") + latex_text(column.heading) +
            (column.text || unit.empty() ? "" : " (" + unit + ")");
    if (!column.meaning.empty()) notes += fmt::format("% {}: {}\n", column.heading, column.meaning);
  }
  if (std::any_of(table.begin(), table.end(), any_partial))
    notes += fmt::format("% *: {}\n", kPartial);
  std::string out = "% \\usepackage{booktabs}; per sample\n" + notes + "\\begin{tabular}{" + shape +
                    "}\n\\toprule\n" + head + " \\\\\n\\midrule\n";
  for (size_t row = 0; row < table[0].texts.size(); ++row) {
    std::string line;
    for (size_t c = 0; c < table.size(); ++c) {
      const std::string cell =
          latex_text(cell_of(table[c], row) + (is_partial(table[c], row) ? "*" : ""));
      // A row that begins with a bracket would be an option of the \\ before it.
      line += (c == 0 ? (cell.starts_with('[') ? "{}" : "") : " & ") + cell;
    }
    out += line + " \\\\\n";
  }
  return out + "\\bottomrule\n\\end{tabular}\n";
}

std::string to_csv(const std::vector<PaperColumn>& table) {
  std::vector<std::string> head;
  for (const PaperColumn& column : table) {
    head.push_back(column.key);
    if (any_partial(column))
      head.push_back(column.key.substr(0, column.key.find("_per_sample")) + "_priced_fraction");
  }
  std::string out = csv_line(head);
  for (size_t row = 0; row < table[0].texts.size(); ++row) {
    std::vector<std::string> cells;
    for (const PaperColumn& column : table) {
      cells.push_back(column.text ? column.texts[row] : csv_number(column.values[row]));
      if (any_partial(column)) cells.push_back(csv_number(column.priced[row]));
    }
    out += csv_line(cells);
  }
  return out;
}

}  // namespace spikeloom
