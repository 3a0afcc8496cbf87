#pragma once
// Parts of report.json: counts and energies. Thread-safe: pure functions.

#include <nlohmann/json.hpp>

#include "hw_model/report/report.hpp"

namespace spikeloom {

// Integers above 2^53 stand a second time as text under `<key>_str`: JavaScript and many other
// readers keep integers in doubles.
void put(nlohmann::json& object, const char* key, int64_t value);

nlohmann::json counts_json(const CountedGraph& counted);
nlohmann::json unpriced_json(const std::vector<UnpricedTerm>& terms);
// Every scheme with its variants, and all comparisons.
nlohmann::json energy_json(const Report& report);
nlohmann::json language_energy_json(const LanguageEnergy& language);

}  // namespace spikeloom
