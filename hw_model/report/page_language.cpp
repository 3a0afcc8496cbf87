// The section of language models: how well they predict, energy with and without the output head,
// the published claim.
#include <fmt/format.h>

#include <cmath>

#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/page.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;

std::string number_or_dash(double value) {
  return std::isfinite(value) ? fmt::format("{:.4f}", value) : "-";
}

std::string scores(const Json& report) {
  HtmlTable table;
  table.header = {"network",        "vocabulary",         "predictions",
                  "bits per token", "bits per character", "bits per byte"};
  table.text_columns = 2;
  const auto row = [&](const char* name, const Json* score) {
    if (score == nullptr) return;
    table.rows.push_back({name, text_in(*score, {"vocabulary"}),
                          fmt::format("{:.0f}", number_in(*score, {"tokens"})),
                          number_or_dash(number_in(*score, {"bits_per_token"})),
                          number_or_dash(number_in(*score, {"bits_per_character"})),
                          number_or_dash(number_in(*score, {"bits_per_byte"}))});
  };
  row("this network", find_in(report, {"language"}));
  row("its dense twin", find_in(report, {"dense_twin", "language"}));
  return table.rows.empty() ? "" : render(table);
}

std::string times(double value) {
  return std::isfinite(value) ? fmt::format("1/{:.3g}", value) : "-";
}

std::string energies(const Json& report) {
  HtmlTable table;
  table.header = {"scheme", "precision",    "evidence", "with head",
                  "/ twin", "without head", "/ twin"};
  table.text_columns = 3;
  for (const Json& row : list_in(report, {"language_energy", "per_token"})) {
    const Json* throughout = find_in(row, {"throughout"});
    const std::string precision = text_in(row, {"precision"}),
                      evidence = text_in(row, {"evidence"});
    const bool all = throughout != nullptr && *throughout == true && precision != "fp32" &&
                     !text_in(row, {"scheme"}).starts_with("dense_");
    table.rows.push_back({text_in(row, {"scheme"}), all ? precision + " throughout" : precision,
                          evidence.empty() ? "unknown" : evidence,
                          si_text(number_in(row, {"with_head_nJ"}) * 1e-9, "J"),
                          times(number_in(row, {"times_less_with_head"})),
                          si_text(number_in(row, {"without_head_nJ"}) * 1e-9, "J"),
                          times(number_in(row, {"times_less_without_head"}))});
  }
  if (table.rows.empty()) return "";
  const Json* published = find_in(report, {"language_energy", "published"});
  std::string body = "<h3>Energy per token</h3>" + render(table);
  if (published == nullptr) return body;
  body += paragraph(
      fmt::format("The published factor {:.1f} is {} with R = {:.2f}, d = {:.0f}, {:.2g} and "
                  "{:.2g} pJ. What it "
                  "takes for granted:",
                  number_in(*published, {"ratio"}), text_in(*published, {"formula"}),
                  number_in(*published, {"R"}), number_in(*published, {"d"}),
                  number_in(*published, {"E_MAC_pJ"}), number_in(*published, {"E_AC_pJ"})));
  std::vector<std::string> assumptions;
  for (const Json& assumption : list_in(*published, {"assumptions"}))
    assumptions.push_back(scalar_text(assumption));
  return body + bullets(assumptions);
}

}  // namespace

std::string language_section(const Json& report) {
  const std::string body = scores(report) + energies(report);
  return body.empty() ? "" : section("language", "Language model", body);
}

}  // namespace spikeloom
