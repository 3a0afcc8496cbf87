// What the report and the comparison look like: JSON, CSV, terminal table.

#include <map>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/text.hpp"
#include "hw_model/report/page.hpp"
#include "tests/catch.hpp"
#include "tests/unit/report_fixture.hpp"

using namespace spikeloom;
using nlohmann::json;

namespace {

std::string error_of(const std::vector<NamedReport>& reports) {
  try {
    compare(reports);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("report.json carries the agreed keys") {
  const json report = to_json(example_input());
  for (const char* form : {"as_written", "fused"}) {
    const json& counts = report.at("counts").at(form);
    for (const char* key : {"name", "op", "operand", "dense_macs", "input_elements", "input_events",
                            "event_adds", "real_macs"}) {
      CHECK(counts.at("layers").at(1).contains(key));
    }
    CHECK(counts.at("layers").at(1).at("operand") == "spikes");
    CHECK(counts.at("layers").at(0).at("operand") == "real");
    CHECK(counts.at("attention").is_array());
    CHECK(counts.at("neurons").at(0).at("spikes") == 8);
    CHECK(counts.at("totals").at("event_adds") == 114);
  }
  for (const char* scheme : {"paper", "as_built", "event", "dense_same"}) {
    const json& energy = report.at("energy").at(scheme);
    double sum = 0;
    for (const json& line : energy.at("lines")) sum += line.at("energy_pJ").get<double>();
    CHECK(near(sum, energy.at("total_pJ").get<double>()));
    CHECK(near(energy.at("total_nJ").get<double>() * 1e3, energy.at("total_pJ").get<double>()));
    CHECK_FALSE(energy.at("unpriced").empty());
    CHECK_FALSE(energy.at("formula").get<std::string>().empty());
    CHECK(energy.at("prices").at(0).contains("source"));
  }
  CHECK(report.at("energy").at("as_built").at("form") == "as_written");
  CHECK(report.at("energy").at("as_built").at("forms").contains("fused"));
  CHECK(report.at("energy").at("as_built").at("int8_estimate").at("precision") == "int8");
  CHECK(report.at("energy").at("dense_same").at("precisions").contains("qnn_equiv"));
  CHECK(report.at("energy").at("dense_twin").is_null());
  CHECK(report.at("accuracy") == 1.0);
  CHECK(report.at("signature") == "0123456789abcdef");
  for (const char* key :
       {"version", "config_sha256", "weights_sha256", "backend", "simd", "threads"}) {
    CHECK(report.at("provenance").contains(key));
  }
  CHECK(report.at("config").at("model").at("time_steps") == 4);
  CHECK(report.at("verdict").at(0).get<std::string>().starts_with("MIXED"));
  CHECK(report.at("schema_version") == "1.10");

  ReportInput input = example_input();
  input.accuracy.known = false;
  input.counts.fused.ops.totals.dense_macs = (int64_t{1} << 53) + 1;
  const json unknown = to_json(input);
  CHECK(unknown.at("accuracy").is_null());
  CHECK(unknown.at("counts").at("fused").at("totals").at("dense_macs_str") == "9007199254740993");
  CHECK_FALSE(report.at("counts").at("fused").at("totals").contains("dense_macs_str"));
}

TEST_CASE("report.csv has one column count and one row per layer, product and population") {
  ReportInput input = example_input();
  input.counts.as_written.ops.layers[1].name = "odd, \"name\"";
  input.counts.as_written.ops.attention.push_back(
      {"attn", true, 2, 1, 2, 8, 8, 2, 3, 3, 4, 6, 4, 4});
  const auto lines = lines_of(to_csv(make_report(input)));
  // Besides, what syops counted under the layer's name of before.
  REQUIRE(lines.size() == 1 + (2 + 2 + 1 + 1) + (2 + 1));
  CHECK(lines[6].starts_with("as_written,other,conv,"));
  CHECK(lines[0].starts_with("form,kind,name,op,operand,weights,dense_macs,"));
  for (const std::string& line : lines) {
    size_t commas = 0;
    bool in_quotes = false;
    for (const char c : line) {
      if (c == '"') in_quotes = !in_quotes;
      if (c == ',' && !in_quotes) ++commas;
    }
    CHECK(commas == 28);
  }
  CHECK(lines[2].find("\"odd, \"\"name\"\"\"") != std::string::npos);
  CHECK(lines[2].find(",,102.60000000000001,102.60000000000001,") != std::string::npos);
  CHECK(lines[7].starts_with("fused,layer,stem,"));
}

TEST_CASE("the terminal table fits 100 columns of ASCII") {
  ReportInput input = example_input();
  input.counts.dense_twin = input.counts.dense_same;
  input.twin = TwinInfo{"ReLU", {9, 10, true}, ""};
  input.dataset = std::string(30, 'd') +
                  " a long description of the data set that does not fit on one line of text";
  for (const std::string& line : lines_of(to_table(make_report(input)))) {
    CHECK(line.size() <= 100);
    for (const char c : line) CHECK((c >= ' ' && c <= '~'));
  }
}

TEST_CASE("numbers for people") {
  CHECK(energy_text(200950733) == "201.0 uJ");
  CHECK(energy_text(0) == "0.000 pJ");
  CHECK(energy_text(999949) == "999.9 nJ");
  CHECK(energy_text(999960) == "1.000 uJ");
  CHECK(energy_text(99996) == "100.0 nJ");
  CHECK(energy_text(16.7e9) == "16.70 mJ");
  CHECK(count_text(375918) == "375918");
  CHECK(count_text(0.5) == "0.5");
  CHECK(count_text(6472781760.0) == "6.473 G");
  CHECK(percent_text(0.1423) == "14.23 %");
  CHECK(ratio_text(1, 0) == "-");
  CHECK(ratio_text(99.94, 1) == "99.9x");
  CHECK(ratio_text(229.3, 2) == "115x");
  CHECK(wrap("  aa bb cc", 4, 7) == "  aa bb\n    cc\n");
}

TEST_CASE("reports side by side") {
  ReportInput other = example_input();
  other.config["model"]["time_steps"] = 8;
  other.counts.executed_form = GraphForm::kFused;
  other.accuracy = {1, 2, true};
  other.weights_sha256 = "w1";
  const NamedReport a{"a.json", to_json(example_input())}, b{"b.json", to_json(other)};
  const ComparisonResult result = compare({a, b});
  std::map<std::string, json> rows;
  for (const json& row : result.json.at("rows")) rows[row.at("name")] = row;
  CHECK(rows.at("accuracy").at("values") == json({1.0, 0.5}));
  CHECK(rows.at("energy as_built, as run").at("ratios").at(1) == 1.0);
  CHECK(near(rows.at("energy paper").at("values").at(0).get<double>(), 5428.8));
  CHECK(rows.at("energy dense_twin fp32").at("values").at(0).is_null());
  std::map<std::string, json> differing;
  for (const json& entry : result.json.at("differences"))
    differing[entry.at("key")] = entry.at("values");
  CHECK(differing.size() == 3);
  CHECK(differing.at("config.model.time_steps") == json({"4", "8"}));
  CHECK(differing.at("form") == json({"\"as_written\"", "\"fused\""}));
  CHECK(differing.count("weights_sha256") == 1);
  const std::string text = compare_text({a, b}, result, 100);
  CHECK(text.find("config.model.time_steps") != std::string::npos);
  for (const std::string& line : lines_of(text)) CHECK(line.size() <= 100);
  CHECK(compare_text({a, a}, compare({a, a}), 100).find("None: configuration") !=
        std::string::npos);
  CHECK_THROWS_AS(compare({a}), Error);
}

TEST_CASE("malformed reports are refused, naming file and key") {
  const NamedReport good{"good.json", to_json(example_input())};
  const auto broken = [&](auto change) {
    NamedReport bad = good;
    bad.name = "bad.json";
    change(bad.json);
    return error_of({good, bad});
  };
  CHECK(broken([](json& j) { j = 7; }) == "bad.json: report key / is not an object");
  CHECK(broken([](json& j) { j = json::object(); }) ==
        "bad.json: report key /schema_version is missing");
  CHECK(broken([](json& j) { j["schema_version"] = "2.0"; }).find("/schema_version") !=
        std::string::npos);
  CHECK(broken([](json& j) { j["schema_version"] = 1; }) ==
        "bad.json: report key /schema_version is not a string");
  CHECK(broken([](json& j) { j["energy"].erase("event"); }) ==
        "bad.json: report key /energy/event/per_sample_nJ is missing");
  CHECK(broken([](json& j) {
          j["energy"] = {1, 2};
        }) == "bad.json: report key /energy/paper/per_sample_nJ is missing");
  CHECK(broken([](json& j) { j["energy"]["paper"]["per_sample_nJ"] = "7"; }) ==
        "bad.json: report key /energy/paper/per_sample_nJ is not a number");
  CHECK(broken([](json& j) { j["run"]["samples"] = -1; }).find("/run/samples") !=
        std::string::npos);
  CHECK(broken([](json& j) { j["run"]["samples"] = 0; }).find("/run/samples") != std::string::npos);
  CHECK(broken([](json& j) { j["energy"]["paper"]["prices"] = 3; }) ==
        "bad.json: report key /energy/paper/prices is not an array");
  CHECK(broken([](json& j) {
          j["energy"]["paper"]["prices"] = {3};
        }).find("/energy/paper/prices") != std::string::npos);
  CHECK(broken([](json& j) { j.erase("config"); }) == "bad.json: report key /config is missing");
  CHECK(broken([](json& j) { j["accuracy"] = "high"; }) ==
        "bad.json: report key /accuracy is not a number");
  // every single top-level key may vanish or become nonsense: an Error or a result, nothing else
  for (const auto& [key, value] : good.json.items()) {
    for (const json& nonsense : {json(), json(-1), json("x\n"), json::array(), json::object()}) {
      NamedReport bad = good;
      bad.json[key] = nonsense;
      try {
        compare({bad, good});
      } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::kData);
      }
    }
  }
}
