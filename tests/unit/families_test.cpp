// The table of families: what its rows promise, and that docs/experiment.md says the same.

#include "models/families.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "core/error.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

// The cells of the rows `model.<key>` below the heading "### Family <name>", by key.
std::map<std::string, std::vector<std::string>> documented(std::string_view family) {
  std::ifstream file(SPIKELOOM_SOURCE_DIR "/docs/experiment.md");
  REQUIRE(file);
  std::map<std::string, std::vector<std::string>> rows;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) inside = line == "### Family " + std::string(family);
    if (!inside || !line.starts_with("| `model.")) continue;
    std::vector<std::string> cells;
    std::istringstream parts(line.substr(2));
    for (std::string cell; std::getline(parts, cell, '|');)
      cells.push_back(cell.substr(cell.find_first_not_of(' '),
                                  cell.find_last_not_of(' ') - cell.find_first_not_of(' ') + 1));
    rows[cells.at(0).substr(7, cells[0].size() - 8)] = cells;
  }
  return rows;
}

std::vector<std::string_view> presets_of(const Family& family) {
  std::vector<std::string_view> names;
  for (const FamilyPreset& preset : family.presets) names.push_back(preset.name);
  if (family.default_preset.empty()) names.emplace_back("");
  return names;
}

// Values that lie just outside of what a key allows, each set into its field.
std::vector<ModelSpec> outside(const Family& family, const ModelSpec& start, size_t key) {
  std::vector<ModelSpec> specs;
  const auto with = [&](auto&& change) {
    ModelSpec spec = start;
    change(family.keys(spec)[key].field);
    specs.push_back(spec);
  };
  ModelSpec copy = start;
  const auto field = family.keys(copy)[key].field;
  if (std::holds_alternative<IntegerField>(field)) {
    with([](auto& f) { *std::get<IntegerField>(f).value = std::get<IntegerField>(f).min - 1; });
    with([](auto& f) { *std::get<IntegerField>(f).value = std::get<IntegerField>(f).max + 1; });
  } else if (std::holds_alternative<IntegersField>(field)) {
    with([](auto& f) {
      auto& integers = std::get<IntegersField>(f);
      integers.value.back() = integers.max + 1;
    });
  } else if (std::holds_alternative<RealField>(field)) {
    for (const double value : {-1.0, 1e30, std::numeric_limits<double>::quiet_NaN()}) {
      with([&](auto& f) {
        std::visit([&](auto* at) { *at = static_cast<std::remove_pointer_t<decltype(at)>>(value); },
                   std::get<RealField>(f).value);
      });
    }
  }
  return specs;
}

}  // namespace

TEST_CASE("families are found by name, and every row has its rules") {
  std::string last;
  for (const Family& family : families()) {
    INFO(family.name);
    CHECK(find_family(family.name) == &family);
    CHECK_FALSE(family.title.empty());
    CHECK_FALSE(family.about.empty());
    CHECK((family.start && family.keys && family.check && family.shape && family.build));
    const bool tokens = family.sample == SampleKind::kTokens;
    CHECK(tokens == (family.checkpoint.landmarks != nullptr));
    CHECK(tokens == (family.checkpoint.complete != nullptr));
    if (tokens) CHECK(family.length_key.empty());
    if (family.spikes && !tokens) CHECK_FALSE(family.length_key.empty());
    CHECK((family.arrays.names == nullptr) == (family.arrays.take == nullptr));
    CHECK((family.given != nullptr) == (family.facts != nullptr && family.is_file != nullptr));
    CHECK((family.twin.build == nullptr) == family.twin.description.empty());
    const auto presets = presets_of(family);
    if (!family.default_preset.empty())
      CHECK(std::count(presets.begin(), presets.end(), family.default_preset) == 1);
    CHECK_THROWS_WITH(
        family.start("no such"),
        Catch::Contains(family.presets.empty() ? "no presets" : std::string(presets.back())));
  }
  CHECK(find_family("no such") == nullptr);
  CHECK(usual_token_family().spikes);
}

TEST_CASE("docs/experiment.md has a row for every key of every family, with its range") {
  for (const Family& family : families()) {
    INFO(family.name);
    auto rows = documented(family.name);
    if (family.preset_key != "preset") {  // one of its own, not that of all families
      const auto row = rows.extract(std::string(family.preset_key));
      REQUIRE(!row.empty());
      for (const FamilyPreset& preset : family.presets)
        CHECK_THAT(row.mapped().at(3), Catch::Contains("`\"" + std::string(preset.name) + "\"`"));
    }
    ModelSpec spec = family.start(family.default_preset);
    for (const ModelKey& key : family.keys(spec)) {
      INFO(key.name);
      if (std::holds_alternative<TablesField>(key.field)) continue;  // a page of its own
      const auto found = rows.find(std::string(key.name));
      REQUIRE(found != rows.end());
      REQUIRE(found->second.size() == 4);
      CHECK(found->second[1] == type_of(key));
      if (const auto* choice = std::get_if<ChoiceField>(&key.field)) {
        for (const std::string& word : choice->words)
          CHECK_THAT(found->second[3], Catch::Contains("`\"" + word + "\"`"));
      }
      rows.erase(found);
    }
    CHECK(rows.empty());  // of keys that it does not have
  }
}

TEST_CASE("every preset of every family lies in the ranges of its keys and builds") {
  for (const Family& family : families()) {
    for (const std::string_view preset : presets_of(family)) {
      INFO(family.name << " " << preset);
      ModelSpec spec = family.start(preset);
      CHECK_FALSE(range_fault(family.keys(spec)));
      if (family.given != nullptr) {  // the network is a file, of which a preset knows nothing
        CHECK(family.check(spec)->keys == std::vector<std::string>{"path"});
        continue;
      }
      if (family.arrays.take != nullptr) {  // the network is in the experiment
        CHECK(family.check(spec)->keys == std::vector<std::string>{"input"});
        continue;
      }
      CHECK_FALSE(family.check(spec));
      const ModelShape shape = family.shape(spec);
      if (shape.classes == 0) continue;  // a checkpoint would tell
      const int64_t extent = family.sample == SampleKind::kImage ? 224 : 0;
      DataShape data{1, extent, extent, shape.channels};
      const Graph graph = family.build(spec, data);
      CHECK(channels_of(graph.node(*graph.find_output("logits")).shape) == shape.classes);
      data.tables = false;  // as `spikeloom list` counts them
      CHECK(parameter_count(family.build(spec, data)) == parameter_count(graph));
      data.tables = true;
      if (family.twin.build == nullptr) continue;
      const auto twin = family.twin.build(spec, data);
      REQUIRE(twin);
      CHECK(twin->find_output("logits"));
      for (const Population& population : populations_of(*twin)) CHECK_FALSE(population.is_neuron);
    }
  }
}

TEST_CASE("builders refuse what lies outside the range of a key, and name it") {
  for (const Family& family : families()) {
    const std::string_view preset = family.default_preset.empty() && !family.presets.empty()
                                        ? family.presets[0].name
                                        : family.default_preset;
    ModelSpec start = family.start(preset);
    const size_t keys = family.keys(start).size();
    for (size_t key = 0; key < keys; ++key) {
      const std::string name(family.keys(start)[key].name);
      for (ModelSpec& spec : outside(family, start, key)) {
        INFO(family.name << " " << name);
        const auto fault = range_fault(family.keys(spec));
        REQUIRE(fault);
        CHECK(fault->keys == std::vector<std::string>{name});
        CHECK_THROWS_WITH(family.build(spec, {1, 224, 224, 3}), Catch::Contains(name));
      }
    }
  }
}

TEST_CASE("token families take from a checkpoint what no key says") {
  for (const Family& family : families()) {
    if (family.checkpoint.complete == nullptr) continue;
    INFO(family.name);
    CHECK_THROWS_WITH(family.checkpoint.complete(family.start(""), nullptr, {}),
                      Catch::Contains("without weights, give "));
    CHECK_THROWS_AS(
        family.checkpoint.complete(family.start(""), std::make_unique<Weights>().get(), {}), Error);
  }
}
