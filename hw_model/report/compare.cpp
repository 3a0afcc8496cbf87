#include "hw_model/report/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/io/text.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;
using enum Align;
using enum Show;

[[noreturn]] void fail(const NamedReport& report, const std::string& pointer, const char* what) {
  throw Error(ErrorCode::kData, printable(report.name) + ": report key " + pointer + " " + what);
}

// Null when absent.
const Json* find(const NamedReport& report, const std::string& pointer) {
  const Json* value = &report.json;
  for (size_t at = 1; at <= pointer.size();) {
    const size_t end = std::min(pointer.find('/', at), pointer.size());
    if (!value->is_object()) return nullptr;
    const auto member = value->find(pointer.substr(at, end - at));
    if (member == value->end()) return nullptr;
    value = &*member;
    at = end + 1;
  }
  return value;
}

const Json& need(const NamedReport& report, const std::string& pointer) {
  const Json* value = find(report, pointer);
  if (value == nullptr) fail(report, pointer, "is missing");
  return *value;
}

double number(const NamedReport& report, const std::string& pointer) {
  const Json& value = need(report, pointer);
  if (!value.is_number()) fail(report, pointer, "is not a number");
  const double result = value.get<double>();
  if (!std::isfinite(result) || result < 0)
    fail(report, pointer, "is not a finite, non-negative number");
  return result;
}

// What may be null (accuracy without labels, no twin): NaN stands for "not known".
double optional_number(const NamedReport& report, const std::string& pointer) {
  const Json* value = find(report, pointer);
  return value == nullptr || value->is_null() ? std::nan("") : number(report, pointer);
}

void check_schema(const NamedReport& report) {
  if (!report.json.is_object()) fail(report, "/", "is not an object");
  const Json& version = need(report, "/schema_version");
  if (!version.is_string()) fail(report, "/schema_version", "is not a string");
  if (!version.get_ref<const std::string&>().starts_with("1.")) {
    fail(report, "/schema_version", "is not of the 1.x line this program reads");
  }
}

// Form, precision, evidence and share of a scheme: "fused, int8, ran". A ratio stands only between
// figures of one precision and share of the work.
struct Basis {
  std::vector<std::string> lines;  // "fused, int8", "ran", "98.87 % priced"
  std::string work;
};

// One line of figures: how it is read, and how it is shown.
struct Row {
  std::string name;
  std::string unit;
  std::function<double(const NamedReport&)> read;
  Show show = Show::kCount;
  bool with_ratio = true;
  // What a figure stands for, below it. Empty: nothing to say.
  std::function<Basis(const NamedReport&)> basis = {};
};

Row counts_row(const std::string& name, GraphForm form, const std::string& total,
               bool required = true) {
  return {fmt::format("{}, {}", name, name_of(form)), "per sample",
          [=](const NamedReport& report) {
            const double samples = number(report, "/run/samples");
            if (samples < 1) fail(report, "/run/samples", "is not positive");
            const std::string key = std::string("/counts/") + name_of(form) + "/totals/" + total;
            return (required ? number(report, key) : optional_number(report, key)) / samples;
          },
          kCount};
}

Basis basis_of(const NamedReport& report, const std::string& scheme, const Json& json) {
  const SchemeEntry entry = scheme_entry(json, scheme, report.json);
  const bool forms = !is_dense_scheme(scheme) && !entry.form.empty();
  Basis basis{{forms ? entry.form + ", " + entry.precision : entry.precision, entry.evidence},
              entry.precision};
  if (entry.priced_share < 1) {
    basis.lines.push_back(share_text(entry.priced_share) + " priced");
    basis.work += fmt::format(" {}", entry.priced_share);
  }
  return basis;
}

Row energy_row(const std::string& name, const std::string& pointer, bool required) {
  Row row{name, "pJ per sample",
          [=](const NamedReport& report) {
            const std::string key = "/energy/" + pointer + "/per_sample_nJ";
            return 1e3 * (required ? number(report, key) : optional_number(report, key));
          },
          kJoule};
  row.basis = [=](const NamedReport& report) {
    const Json* json = find(report, "/energy/" + pointer);
    if (json == nullptr || !json->is_object()) return Basis{};
    return basis_of(report, pointer.substr(0, pointer.find('/')), *json);
  };
  return row;
}

std::vector<Row> all_rows() {
  const auto plain = [](const char* pointer) {
    return [=](const NamedReport& report) { return number(report, pointer); };
  };
  const auto maybe = [](const char* pointer) {
    return [=](const NamedReport& report) { return optional_number(report, pointer); };
  };
  std::vector<Row> rows{
      {"accuracy", "fraction", maybe("/accuracy"), kPercent, false},
      {"accuracy of the dense twin", "fraction", maybe("/dense_twin/accuracy"), kPercent, false},
      {"samples", "", plain("/run/samples"), kCount, false},
      {"steps", "", plain("/run/steps"), kCount, false},
      {"mean firing rate", "fraction", plain("/run/mean_rate"), kPercent},
      {"spikes per synapse", "per sample", plain("/break_even/network/s"), kNumber},
  };
  for (const GraphForm form : {GraphForm::kAsWritten, GraphForm::kFused}) {
    const bool required = form == GraphForm::kAsWritten;  // not all networks can be fused
    rows.push_back(counts_row("dense MACs", form, "dense_macs", required));
    rows.push_back(counts_row("exact additions", form, "event_adds", required));
    rows.push_back(counts_row("MACs besides the stem", form, "real_macs_without_stem", required));
  }
  rows.push_back(counts_row("neuron updates", GraphForm::kAsWritten, "neuron_updates"));
  rows.push_back(counts_row("spikes", GraphForm::kAsWritten, "spikes"));
  rows.push_back(energy_row("energy paper", "paper", true));
  rows.push_back(energy_row("energy as_built, as run", "as_built", true));
  rows.push_back(energy_row("energy as_built, as_written", "as_built/forms/as_written", true));
  rows.push_back(energy_row("energy as_built, fused", "as_built/forms/fused", false));
  rows.push_back(energy_row("energy event, as run", "event", true));
  rows.push_back(energy_row("energy event_decomposed, as run", "event_decomposed", false));
  rows.push_back(energy_row("energy neurobench, as run", "neurobench", false));
  rows.push_back(energy_row("energy syops, as run", "syops", false));
  rows.push_back(energy_row("energy hardware, on a chip", "hardware", false));
  for (const Scheme scheme : {Scheme::kDenseSame, Scheme::kDenseTwin}) {
    const std::string dense = SchemeName(scheme).text();
    for (const Arithmetic precision :
         {Arithmetic::kFp32, Arithmetic::kInt8, Arithmetic::kQnnEquiv}) {
      const bool required = scheme == Scheme::kDenseSame && precision != Arithmetic::kQnnEquiv;
      rows.push_back(energy_row(fmt::format("energy {} {}", dense, name_of(precision)),
                                fmt::format("{}/precisions/{}", dense, name_of(precision)),
                                required));
    }
  }
  return rows;
}

// Scalars of a JSON value by dotted path; arrays stand as one text.
void flatten(const Json& value, const std::string& path, std::map<std::string, std::string>& out) {
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, member] : value.items()) flatten(member, path + "." + key, out);
  } else {
    // replace: text from an untrusted file need not be UTF-8
    out[path] = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

void flatten_prices(const NamedReport& report, const std::string& scheme,
                    std::map<std::string, std::string>& out) {
  const Json* prices = find(report, "/energy/" + scheme + "/prices");
  if (prices == nullptr) return;
  if (!prices->is_array()) fail(report, "/energy/" + scheme + "/prices", "is not an array");
  for (const Json& price : *prices) {
    const auto name = price.is_object() ? price.find("name") : price.end();
    if (!price.is_object() || name == price.end() || !name->is_string() ||
        !price.contains("value_pJ")) {
      fail(report, "/energy/" + scheme + "/prices", "holds an entry without name or value_pJ");
    }
    flatten(price.at("value_pJ"), "price." + scheme + "." + name->get<std::string>(), out);
  }
}

std::map<std::string, std::string> assumptions_of(const NamedReport& report) {
  std::map<std::string, std::string> out;
  flatten(need(report, "/config"), "config", out);
  for (const char* key : {"version", "backend", "simd", "schedule", "form", "weights_sha256",
                          "weights_trained", "weights_text", "rate_source"}) {
    if (const Json* value = find(report, std::string("/provenance/") + key))
      flatten(*value, key, out);
  }
  if (const Json* value = find(report, "/dataset")) flatten(*value, "dataset", out);
  if (const Json* value = find(report, "/dense_twin/description"))
    flatten(*value, "dense_twin", out);
  for (const char* scheme : {"paper", "as_built", "event", "event_decomposed", "neurobench",
                             "syops", "dense_same", "dense_twin"}) {
    flatten_prices(report, scheme, out);
  }
  for (const char* precision : {"int8", "qnn_equiv"}) {
    flatten_prices(report, std::string("dense_same/precisions/") + precision, out);
  }
  return out;
}

// [{key, values}] of the assumptions that are not equal everywhere.
Json differences(const std::vector<NamedReport>& reports) {
  std::vector<std::map<std::string, std::string>> all;
  std::set<std::string> keys;
  for (const NamedReport& report : reports) {
    all.push_back(assumptions_of(report));
    for (const auto& [key, value] : all.back()) keys.insert(key);
  }
  Json list = Json::array();
  for (const std::string& key : keys) {
    Json values = Json::array();
    bool equal = true;
    for (const auto& assumptions : all) {
      const auto found = assumptions.find(key);
      values.push_back(found == assumptions.end() ? Json(nullptr) : Json(found->second));
      equal = equal && values.back() == values.front();
    }
    if (!equal) list.push_back({{"key", key}, {"values", std::move(values)}});
  }
  return list;
}

// The figures of a row, its ratios to the first, and below them what they stand for.
Json compare_row(const Row& row, const std::vector<NamedReport>& reports, Table& table) {
  constexpr double kJoulePerPj = 1e-12;
  Json values = Json::array(), ratios = Json::array(), basis = Json::array();
  std::vector<Cell> cells{row.name};
  double first = std::nan("");
  std::string first_work;
  for (size_t i = 0; i < reports.size(); ++i) {
    const double value = row.read(reports[i]);
    const bool known = !std::isnan(value);
    const Basis stands_for = row.basis && known ? row.basis(reports[i]) : Basis{};
    if (i == 0) first = value;
    if (i == 0) first_work = stands_for.work;
    basis.push_back(stands_for.lines);
    const bool alike = first_work == stands_for.work;
    const bool comparable = row.with_ratio && known && first > 0 && alike;
    values.push_back(known ? Json(value) : Json(nullptr));
    ratios.push_back(comparable ? Json(value / first) : Json(nullptr));
    cells.emplace_back(row.show, row.show == kJoule ? value * kJoulePerPj : value,
                       known ? "" : "not known");
    if (i > 0 && comparable) cells.back().text = " (" + to_label(Cell(kTimes, value / first)) + ")";
  }
  table.rows.push_back(std::move(cells));
  Json json{{"name", row.name}, {"unit", row.unit}, {"values", values}, {"ratios", ratios}};
  if (!row.basis) return json;
  constexpr const char* kLines[] = {"- form, precision", "- evidence", "- work priced"};
  for (size_t line = 0; line < std::size(kLines); ++line) {
    std::vector<Cell> below{kLines[line]};
    bool any = false;
    for (const Json& lines : basis) {
      const bool has = line < lines.size() && lines[line] != "";
      any = any || has;
      below.emplace_back(has ? printable(lines[line].get<std::string>(), 24) : "");
    }
    if (any) table.rows.push_back(std::move(below));
  }
  json["basis"] = basis;
  return json;
}

Section differences_section(const Json& list, const Table& columns) {
  Section out{"differences", "Assumptions that differ"};
  if (list.empty()) out.notes = {"None: configuration, weights, data and prices agree."};
  out.table.columns = columns.columns;
  for (Column& column : out.table.columns) column.align = kLeft;
  out.table.columns[0].name = "assumption";
  for (const Json& entry : list) {
    out.table.rows.push_back({entry["key"].get<std::string>()});
    for (const Json& value : entry["values"])
      out.table.rows.back().emplace_back(value.is_null() ? "absent" : value.get<std::string>());
  }
  return out;
}

}  // namespace

ComparisonResult compare(const std::vector<NamedReport>& reports) {
  if (reports.size() < 2) throw Error(ErrorCode::kUsage, "compare needs at least two reports");
  Json json{{"reports", Json::array()}, {"rows", Json::array()}};
  Section figures{"figures", "All figures"};
  figures.table.caption = "The figures of spikeloom compare";
  figures.table.columns = {{"figure", kLeft}};
  for (size_t i = 0; i < reports.size(); ++i) {
    check_schema(reports[i]);
    json["reports"].push_back(reports[i].name);
    json["lacks"].push_back(lacks_of(reports[i].json));
    figures.table.columns.push_back({fmt::format("[{}]", i + 1)});
  }
  for (const Row& row : all_rows())
    json["rows"].push_back(compare_row(row, reports, figures.table));
  figures.notes = {
      "Ratios are to [1], between figures of one precision that price the same share of the work."};
  json["differences"] = differences(reports);
  Section differ = differences_section(json["differences"], figures.table);
  return {{std::move(figures), std::move(differ)}, std::move(json)};
}

}  // namespace spikeloom
