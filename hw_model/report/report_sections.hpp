#pragma once
// The sections of a report of a run, made of report.json alone: what `run --full` prints is what the
// pages show. The file is untrusted and may be of an older version: a section has what is there.
// Thread-safe: pure functions.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "hw_model/report/draw/bar_chart.hpp"
#include "hw_model/report/section.hpp"

namespace spikeloom {

// At most so many rows are drawn; the page says so, tables are complete.
constexpr size_t kMostRows = 400;
// Rows beyond those drawn, as a note of the picture; nothing when all are.
void note_drawn(Section& section, size_t drawn, const char* what = "rows");

// Accuracy or score, the twin's, rates, the run, precision, memory, weights, signature.
std::vector<Fact> report_facts(const nlohmann::json& report);

// Energy first. `traced`: what a trace adds in place of the report's own rates. Sections without
// figures are empty.
std::vector<Section> report_sections(const nlohmann::json& report,
                                     std::vector<Section> traced = {});

Section energy_section(const nlohmann::json& report);
// Formulas and prices of all schemes.
Section prices_section(const nlohmann::json& report);
// Every line of the sum of every scheme.
Section methods_section(const nlohmann::json& report);
Section memory_section(const nlohmann::json& report);
Section unpriced_section(const nlohmann::json& report);
// Blocks, rates and ways; empty for a report before 1.7.
Section network_section(const nlohmann::json& report);
// Rates of layers as bars, with a heat map where `chart` names its cells; the table is the caller's.
struct LayerRate {
  std::string name;
  double rate = 0;  // NaN: no bar
  std::string text;
  std::vector<double> cells = {};
};
void set_rates(Section& section, const std::vector<LayerRate>& layers, BarChart chart);

}  // namespace spikeloom
