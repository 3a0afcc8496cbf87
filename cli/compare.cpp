// spikeloom compare: energy reports side by side.

#include <fmt/format.h>

#include <filesystem>

#include "cli/options.hpp"
#include "core/error.hpp"
#include "core/io/json.hpp"
#include "hw_model/report/compare.hpp"

namespace spikeloom {

int command_compare(const Arguments& arguments) {
  CommandLine line;
  line.usage = "spikeloom compare REPORT.json REPORT.json... [--json]";
  line.about =
      "Puts reports side by side: accuracy, rates, operations and energies with ratios to the "
      "first, then every\n"
      "assumption that differs. A folder stands for the report.json in it.";
  line.named.add_options()("json", "print the comparison as JSON");
  line.hidden.add_options()("reports", options::value<std::vector<std::string>>());
  line.words.add("reports", -1);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  std::vector<NamedReport> reports;
  if (values->count("reports")) {
    for (const std::string& name : (*values)["reports"].as<std::vector<std::string>>()) {
      std::filesystem::path path = name;
      if (std::filesystem::is_directory(path)) path /= "report.json";
      reports.push_back({name, load_json(path)});
    }
  }
  const ComparisonResult result = compare(reports);
  fmt::print("{}", values->count("json") ? dump_json(result.json) : result.text);
  return 0;
}

}  // namespace spikeloom
