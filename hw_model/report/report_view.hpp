#pragma once
// What the pages read from a report.json. The file is untrusted and may come from another version:
// whatever is absent, null or of another type is NaN or an empty text ("not measured" on a page);
// only a file that is no report of the 1.x line is an error. Schemes, forms and precisions are
// found in the file, none is known here.

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hw_model/energy/verdict.hpp"
#include "hw_model/report/compare.hpp"
#include "hw_model/report/draw/html.hpp"

namespace spikeloom {

using JsonPath = std::initializer_list<std::string_view>;

// Throws Error(kData) naming the file unless it is an object with schema_version "1.x".
void check_report(const NamedReport& report);

// Null when absent.
const nlohmann::json* find_in(const nlohmann::json& json, JsonPath path);
double number_in(const nlohmann::json& json, JsonPath path);     // NaN when not measured
std::string text_in(const nlohmann::json& json, JsonPath path);  // "" when there is none
// Elements of an array; none when it is something else.
const std::vector<nlohmann::json>& list_in(const nlohmann::json& json, JsonPath path);
// Layers of neurons with a firing rate, of the form that ran; those that never fire have none.
std::vector<const nlohmann::json*> firing_layers(const nlohmann::json& report);
// Any scalar as people read it; numbers as stored, null "not measured".
std::string scalar_text(const nlohmann::json& value);
// Scalars of a value by dotted path, in the order of the file.
std::vector<std::pair<std::string, std::string>> flatten_json(const nlohmann::json& value);

// One priced variant: a scheme in a form at a precision.
struct SchemeEntry {
  std::string scheme, form;
  std::string precision;    // "int8 throughout" where every operation is taken to be of it
  std::string arithmetic;   // without that word
  bool throughout = false;  // also of fp32 and of dense networks, which have nothing else
  std::string evidence;     // "ran", "recorded", "estimated"; "" where an older report is silent
  double priced_share = 0;  // of the synaptic work; NaN: an older report
  bool baseline = false;
  bool has_energy = false;  // the scheme knows energies; per_sample_J may still be NaN
  double per_sample_J = 0;
  std::vector<std::pair<std::string, double>> operands;  // J per sample by operand; may be empty
  const nlohmann::json* json = nullptr;

  // "as_built, fused, int8, ran" without what is empty.
  std::string label() const;
};

// Whether a scheme of a report is a dense network.
bool is_dense_scheme(std::string_view name);

// Of the run; "fp32" where a report does not say.
std::string run_precision(const nlohmann::json& report);

// Before 1.5 every spiking energy was that of fp32, whatever ran: what such a report lacks, as a
// sentence without its name; "" for newer ones.
std::string lacks_of(const nlohmann::json& report);

// One object under `energy`; `name`: the scheme it belongs to.
SchemeEntry scheme_entry(const nlohmann::json& value, const std::string& name,
                         const nlohmann::json& report);
// All variants: schemes in the order in which the report compares them, then the others by name;
// of each scheme first its own figures. Pointers live as long as the JSON.
std::vector<SchemeEntry> scheme_entries(const nlohmann::json& report);

// Operations of one layer or attention product per sample, form that ran. NaN: not of this kind.
struct LayerOperations {
  std::string name, op, operand;
  double additions = 0, macs = 0;  // AC, MAC
  double dense = 0;                // MACs of one dense pass
  double dense_all_steps = 0;
  double weights = 0;
};
std::vector<LayerOperations> layer_operations(const nlohmann::json& report);

// "253 of 256", "" when not known.
std::string accuracy_note(const nlohmann::json& object, const char* correct, const char* total);
std::string verdict_of(const nlohmann::json& report);
// "wins", "loses", "mixed" or "": the colour of a verdict_box().
std::string_view mark_of(Outcome outcome) noexcept;
// The verdict in a box, marked by its outcome.
std::string verdict_box(const nlohmann::json& report);
// "trained", "NOT TRAINED" or "not stated whether trained".
std::string weights_state(const nlohmann::json& report);
// Provenance, tool and identity as rows of name and value.
std::vector<std::pair<std::string, std::string>> provenance_rows(const nlohmann::json& report);

}  // namespace spikeloom
