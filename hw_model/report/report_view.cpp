#include "hw_model/report/report_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "core/error.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Schemes as the report compares them: spiking ones, baselines, then whatever else is priced.
std::vector<std::string> scheme_names(const Json& report, std::set<std::string>& baselines) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(name);
  };
  for (const Json& duel : list_in(report, {"energy", "comparisons"}))
    add(text_in(duel, {"scheme"}));
  std::vector<std::string> dense;
  for (const Json& duel : list_in(report, {"energy", "comparisons"})) {
    const std::string name = text_in(duel, {"baseline"});
    if (baselines.insert(name).second) dense.push_back(name);
  }
  if (const Json* energy = find_in(report, {"energy"}); energy != nullptr && energy->is_object()) {
    for (const auto& [name, scheme] : energy->items()) {
      if (scheme.is_object() && is_dense_scheme(name) && baselines.insert(name).second)
        dense.push_back(name);
    }
    for (const auto& [name, scheme] : energy->items()) {
      if (scheme.is_object() && !baselines.contains(name)) add(name);
    }
  }
  for (const std::string& name : dense) add(name);
  return names;
}

std::vector<std::pair<std::string, double>> operand_shares(const Json& scheme, double samples) {
  std::vector<std::pair<std::string, double>> shares;
  double total = 0;
  for (const Json& line : list_in(scheme, {"lines"})) {
    const std::string operand = text_in(line, {"operand"});
    const double joule = number_in(line, {"energy_pJ"}) * 1e-12 / samples;
    if (!std::isfinite(joule) || joule < 0) return {};
    auto found = std::find_if(shares.begin(), shares.end(),
                              [&](const auto& share) { return share.first == operand; });
    if (found == shares.end()) found = shares.insert(shares.end(), {operand, 0.0});
    found->second += joule;
    total += joule;
  }
  const double stated = number_in(scheme, {"total_pJ"}) * 1e-12 / samples;
  // Parts that do not add up to the total are not shown as parts of it.
  return std::abs(total - stated) <= 1e-6 * std::abs(stated)
             ? shares
             : std::vector<std::pair<std::string, double>>{};
}

// Older reports: what of their fp32 figures ran.
std::string evidence_of(const Json& value, const std::string& scheme, const Json& report) {
  if (const std::string stated = text_in(value, {"evidence"}); !stated.empty()) return stated;
  if (lacks_of(report).empty()) return "";  // 1.5: the scheme has none
  const auto known = scheme_named(scheme);
  const bool counted = known && counts_events(known->scheme);
  const bool as_executed = text_in(value, {"form"}) == text_in(report, {"run", "form"}) &&
                           text_in(value, {"precision"}) == "fp32" &&
                           run_precision(report) == "fp32";
  return counted && as_executed ? "ran" : "estimated";
}

void add_entries(const Json& value, const std::string& name, const Json& report, int depth,
                 std::vector<SchemeEntry>& out) {
  if (!value.is_object() || depth > 3) return;
  if (value.contains("formula") || value.contains("per_sample_nJ") || depth == 0) {
    SchemeEntry entry = scheme_entry(value, name, report);
    const bool known = std::any_of(out.begin(), out.end(), [&](const SchemeEntry& other) {
      return other.scheme == name && other.form == entry.form &&
             other.precision == entry.precision && other.evidence == entry.evidence;
    });
    if (!known) out.push_back(std::move(entry));
  }
  for (const auto& [key, member] : value.items()) add_entries(member, name, report, depth + 1, out);
}

LayerOperations attention_product(const Json& entry, const char* product, const char* adds,
                                  const char* dense, double samples, double evaluations) {
  LayerOperations row;
  row.name = text_in(entry, {"name"}) + " " + product;
  row.op = "attention";
  const bool spikes = text_in(entry, {"kind"}) == "spiking";
  row.operand = name_of(spikes ? Operand::kSpikes : Operand::kReal);
  row.dense_all_steps = number_in(entry, {dense}) / samples;
  row.dense = row.dense_all_steps * samples / evaluations;
  row.additions = spikes ? number_in(entry, {adds}) / samples : kNone;
  row.macs = spikes ? kNone : row.dense_all_steps;
  row.weights = kNone;
  return row;
}

}  // namespace

void check_report(const NamedReport& report) {
  const std::string version = text_in(report.json, {"schema_version"});
  if (!report.json.is_object() || !version.starts_with("1.")) {
    throw Error(ErrorCode::kData, printable(report.name) +
                                      ": no report of schema version 1.x (report key "
                                      "/schema_version)");
  }
}

const Json* find_in(const Json& json, JsonPath path) {
  const Json* value = &json;
  for (const std::string_view key : path) {
    if (!value->is_object()) return nullptr;
    const auto member = value->find(std::string(key));
    if (member == value->end()) return nullptr;
    value = &*member;
  }
  return value;
}

double number_in(const Json& json, JsonPath path) {
  const Json* value = find_in(json, path);
  return value != nullptr && value->is_number() ? value->get<double>() : kNone;
}

std::string text_in(const Json& json, JsonPath path) {
  const Json* value = find_in(json, path);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

const std::vector<Json>& list_in(const Json& json, JsonPath path) {
  static const std::vector<Json> none;
  const Json* value = find_in(json, path);
  return value != nullptr && value->is_array() ? value->get_ref<const std::vector<Json>&>() : none;
}

std::vector<const Json*> firing_layers(const Json& report) {
  std::vector<const Json*> layers;
  for (const Json& layer :
       list_in(report, {"counts", text_in(report, {"run", "form"}), "neurons"})) {
    if (std::isfinite(number_in(layer, {"rate"}))) layers.push_back(&layer);
  }
  return layers;
}

std::string scalar_text(const Json& value) {
  if (value.is_null()) return "not measured";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<std::pair<std::string, std::string>> flatten_json(const Json& value) {
  std::vector<std::pair<std::string, std::string>> out;
  if (!value.is_object()) return out;
  for (const auto& [key, member] : value.items()) {
    if (!member.is_object() || member.empty()) {
      out.emplace_back(key, scalar_text(member));
      continue;
    }
    for (auto& [path, text] : flatten_json(member))
      out.emplace_back(key + "." + path, std::move(text));
  }
  return out;
}

std::string run_precision(const Json& report) {
  const std::string name = text_in(report, {"provenance", "precision", "name"});
  return name.empty() ? "fp32" : name;
}

bool is_dense_scheme(std::string_view name) {
  const auto scheme = scheme_named(name);
  return scheme && scheme->is_dense();
}

std::string SchemeEntry::label() const {
  std::string text = scheme;
  for (const std::string& part : {form, precision, evidence}) {
    if (!part.empty()) text += ", " + part;
  }
  return text;
}

std::string lacks_of(const Json& report) {
  const std::string version = text_in(report, {"schema_version"});
  const size_t dot = version.find('.');
  const bool old =
      dot != version.npos && version.substr(dot + 1).size() == 1 && version[dot + 1] < '5';
  if (!old) return "";
  const std::string ran = run_precision(report);
  return "schema " + version + ": no row says whether it ran or which share of the work it prices" +
         (ran == "fp32" ? ""
                        : ", and the energies of this " + ran + " run are those of fp32 or of " +
                              "int8 throughout, not of what ran");
}

SchemeEntry scheme_entry(const Json& value, const std::string& name, const Json& report) {
  SchemeEntry entry;
  entry.scheme = name;
  entry.form = text_in(value, {"form"});
  entry.arithmetic = entry.precision = text_in(value, {"precision"});
  entry.evidence = evidence_of(value, name, report);
  const Json* throughout = find_in(value, {"throughout"});
  entry.throughout = throughout != nullptr && throughout->is_boolean() && throughout->get<bool>();
  if (entry.throughout && !is_dense_scheme(name) && entry.precision != "fp32")
    entry.precision += " throughout";
  entry.priced_share = number_in(value, {"priced_share"});
  entry.has_energy = value.contains("per_sample_nJ");
  entry.per_sample_J = number_in(value, {"per_sample_nJ"}) * 1e-9;
  entry.operands = operand_shares(value, number_in(report, {"run", "samples"}));
  entry.json = &value;
  return entry;
}

std::vector<SchemeEntry> scheme_entries(const Json& report) {
  std::set<std::string> baselines;
  std::vector<SchemeEntry> out;
  for (const std::string& name : scheme_names(report, baselines)) {
    const Json* scheme = find_in(report, {"energy", name});
    if (scheme == nullptr || !scheme->is_object()) continue;
    const size_t first = out.size();
    add_entries(*scheme, name, report, 0, out);
    for (size_t i = first; i < out.size(); ++i) out[i].baseline = baselines.contains(name);
  }
  return out;
}

std::vector<LayerOperations> layer_operations(const Json& report) {
  const double samples = number_in(report, {"run", "samples"});
  // A dense pass over an image is one evaluation, over a sequence one for each step.
  const double passes = number_in(report, {"counts", "dense_same", "evaluations"}) /
                        number_in(report, {"counts", "dense_same", "samples"});
  const double evaluations = number_in(report, {"run", "evaluations"}) / passes;
  const std::string form = text_in(report, {"run", "form"});
  std::vector<LayerOperations> rows;
  for (const Json& layer : list_in(report, {"counts", form, "layers"})) {
    LayerOperations row;
    row.name = text_in(layer, {"name"});
    row.op = text_in(layer, {"op"});
    row.operand = text_in(layer, {"operand"});
    const bool spikes = row.operand == name_of(Operand::kSpikes);
    row.additions = spikes ? number_in(layer, {"event_adds"}) / samples : kNone;
    row.macs = spikes ? kNone : number_in(layer, {"real_macs"}) / samples;
    row.dense_all_steps = number_in(layer, {"dense_macs"}) / samples;
    row.dense = row.dense_all_steps * samples / evaluations;
    row.weights = number_in(layer, {"weights"});
    rows.push_back(std::move(row));
  }
  for (const Json& entry : list_in(report, {"counts", form, "attention"})) {
    rows.push_back(attention_product(entry, "K^T V", "kv_k_gated_adds", "dense_macs_kv", samples,
                                     evaluations));
    rows.push_back(attention_product(entry, "Q(K^T V)", "qkv_q_gated_adds", "dense_macs_qkv",
                                     samples, evaluations));
  }
  return rows;
}

std::string accuracy_note(const Json& object, const char* correct, const char* total) {
  const double right = number_in(object, {correct}), all = number_in(object, {total});
  return all > 0 && right >= 0 ? fmt::format("{:.0f} of {:.0f}", right, all) : "";
}

std::string verdict_of(const Json& report) {
  const auto& lines = list_in(report, {"verdict"});
  return !lines.empty() && lines[0].is_string() ? lines[0].get<std::string>() : "";
}

std::string verdict_box(const Json& report) {
  const std::string line = verdict_of(report);
  if (line.empty()) return verdict_box("", "The report has no verdict.", "");
  // Reports before 1.7 tell the outcome by the first words of the verdict alone.
  const std::string word = text_in(report, {"outcome"});
  for (const Outcome outcome : kOutcomes) {
    const bool is_it = word.empty() ? line.starts_with(name_of(outcome)) : word == name_of(outcome);
    if (!is_it) continue;
    const std::string_view mark = mark_of(outcome);
    const size_t end = mark.empty() ? 0 : std::min(line.find(':'), line.size());
    return verdict_box(line.substr(0, end), line.substr(end), mark);
  }
  return verdict_box("", line, "");
}

std::string_view mark_of(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::kWins: return "wins";
    case Outcome::kLoses: return "loses";
    case Outcome::kTies:
    case Outcome::kMixed: return "mixed";
    case Outcome::kUndecided:
    case Outcome::kNotSpiking: break;
  }
  return "";
}

std::string weights_state(const Json& report) {
  const auto flag = [&](const char* key) {
    const Json* value = find_in(report, {"provenance", key});
    return value != nullptr && value->is_boolean() && value->get<bool>();
  };
  return flag("weights_random")    ? "NOT TRAINED"
         : flag("weights_trained") ? "trained"
                                   : "not stated whether trained";
}

std::vector<std::pair<std::string, std::string>> provenance_rows(const Json& report) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const char* key : {"signature", "dataset", "config_sha256"}) {
    if (const Json* value = find_in(report, {key})) rows.emplace_back(key, scalar_text(*value));
  }
  for (const char* key : {"provenance", "tool", "dense_twin"}) {
    const Json* value = find_in(report, {key});
    if (value == nullptr) continue;
    for (auto& [name, text] : flatten_json(*value)) {
      if (name != "config_sha256")
        rows.emplace_back(std::string(key) + "." + name, std::move(text));
    }
  }
  return rows;
}

}  // namespace spikeloom
