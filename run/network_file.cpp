#include "run/network_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "hw_model/report/draw/html.hpp"
#include "hw_model/report/network_view.hpp"
#include "hw_model/report/report_sections.hpp"
#include "run/version.hpp"

namespace spikeloom {

const Family* family_of_file(const std::filesystem::path& path) {
  for (const Family& family : families()) {
    if (family.is_file != nullptr && family.is_file(path)) return &family;
  }
  return nullptr;
}

ModelChoice choose_file(const Family& family, const std::filesystem::path& path,
                        const std::vector<std::string>& sets) {
  Config config =
      Config::parse(fmt::format("[model]\nfamily = \"{}\"\n", family.name), path.string());
  for (const std::string& set : sets) {
    if (!set.starts_with("model."))
      throw Error(ErrorCode::kUsage, "--set " + printable(set) + ": only keys of [model] are read");
    config.set(set);
  }
  ModelChoice model = read_model(config, false);
  config.reject_unknown();
  for (const ModelKey& key : family.keys(model.spec)) {
    if (const auto* file = std::get_if<PathField>(&key.field)) *file->value = path;
  }
  return model;
}

nlohmann::json to_json(const NetworkFacts& facts) {
  nlohmann::json json{{"title", facts.title},
                      {"settings", facts.settings},
                      {"nodes", nlohmann::json::array()},
                      {"warnings", facts.warnings}};
  for (const auto& row : facts.rows) {
    nlohmann::json node = nlohmann::json::object();
    for (size_t i = 0; i < row.size(); ++i) node[facts.header[i]] = row[i];
    json["nodes"].push_back(std::move(node));
  }
  return json;
}

std::string network_page(const std::string& name, const NetworkFacts& facts) {
  std::string body;
  for (const std::string& warning : facts.warnings) body += warning_box(warning);
  if (facts.graph) {
    NetworkView view = view_of(*facts.graph, {});
    body += to_html(network_section({{"network", to_json(view)}}));
  }
  Section nodes{"nodes", "Every node, in the order of running"};
  if (!facts.settings.empty()) nodes.notes = {facts.settings};
  for (const std::string& title : facts.header)
    nodes.table.columns.push_back({title, Align::kLeft});
  for (const auto& row : facts.rows) nodes.table.rows.emplace_back(row.begin(), row.end());
  body += to_html(nodes);
  return page(name, facts.title, body, fmt::format("spikeloom {}", kVersion));
}

}  // namespace spikeloom
