// core/io: configuration files, --set, hints, JSON.

#include "core/io/config.hpp"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "tests/catch.hpp"
#include "tests/temporary_folder.hpp"

using namespace spikeloom;
namespace fs = std::filesystem;

namespace {

constexpr auto kExperiment = R"([model]
name = "spikeformer"
dims = [64, 128, 256]
scale = 0.125

[run]
threads = 4
trace = true
backend = "cpu"
)";

// The message of the Error(kUsage) that `action` must throw.
template <typename Action>
std::string message_of(Action&& action, ErrorCode code = ErrorCode::kUsage) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.code() == code);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  return "nothing was thrown";
}

std::string parse_message(std::string_view text, const std::string& name = "a.toml") {
  return message_of([&] { Config::parse(text, name); });
}

std::string repeat(std::string_view text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST_CASE("errors carry file, line, column and key as fields") {
  Config config = Config::parse("[run]\nthreads = \"two\"\n", "a.toml");
  try {
    config.integer("run.threads", 1);
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.place().file == "a.toml");
    CHECK(error.place().line == 2);
    CHECK(error.place().column == 11);
    CHECK(error.place().key == "run.threads");
  }
  config.set("run.batch=x");
  try {
    config.integer("run.batch", 1);
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.place().file == "");
    CHECK(error.place().key == "run.batch");
  }
}

}  // namespace

TEST_CASE("values are read by type and the resolved config holds them and the defaults") {
  Config config = Config::parse(kExperiment, "exp.toml");
  CHECK(config.require_text("model.name") == "spikeformer");
  CHECK(config.require_integers("model.dims") == std::vector<int64_t>{64, 128, 256});
  CHECK(config.real("model.scale", 1) == 0.125);
  CHECK(config.integer("run.threads", 1, 1, 256) == 4);
  CHECK(config.flag("run.trace", false));
  CHECK(config.choice("run.backend", "reference", {"reference", "cpu"}) == "cpu");
  enum class Backend { kReference, kCpu };
  CHECK(config.choice("run.backend", Backend::kReference, {"reference", "cpu"}) == Backend::kCpu);
  CHECK(config.integer("run.seed", 7) == 7);
  CHECK(config.reals("data.mean", {0.5}) == std::vector<double>{0.5});
  CHECK_NOTHROW(config.reject_unknown());
  CHECK(config.resolved() == nlohmann::json::parse(R"({
    "model": {"name": "spikeformer", "dims": [64, 128, 256], "scale": 0.125},
    "run": {"threads": 4, "trace": true, "backend": "cpu", "seed": 7},
    "data": {"mean": [0.5]}})"));
}

TEST_CASE("JSON of the same structure gives the same values and places") {
  Config config = Config::parse(
      "{\n \"run\": {\"threads\": 2,\n  \"rate\": 1e-3, \"x\": [1, true]}}", "e.json");
  CHECK(config.integer("run.threads", 1) == 2);
  CHECK(config.real("run.rate", 0) == 1e-3);
  CHECK(message_of([&] { config.flag("run.threads", true); }) ==
        "e.json:2:21: key 'run.threads': expected true or false, found integer 2");
  CHECK(message_of([&] { config.flag("run.rate", true); }) ==
        "e.json:3:11: key 'run.rate': expected true or false, found number 0.001");
  CHECK(message_of([&] { config.integers("run.x", {}); }) ==
        "e.json:3:26: key 'run.x[1]': expected an integer, found true");
}

TEST_CASE(
    "a value of the wrong type or out of range is named with line, column and what was expected") {
  Config config = Config::parse(kExperiment, "exp.toml");
  CHECK(message_of([&] { config.integer("run.threads", 1, 1, 2); }) ==
        "exp.toml:7:11: key 'run.threads': expected an integer from 1 to 2, found integer 4");
  CHECK(message_of([&] { config.integer("run.threads", 1, 5); }) ==
        "exp.toml:7:11: key 'run.threads': expected an integer of at least 5, found integer 4");
  CHECK(message_of([&] { config.integer("model.name", 1); }) ==
        "exp.toml:2:8: key 'model.name': expected an integer, found string \"spikeformer\"");
  CHECK(message_of([&] { config.integer("model.scale", 1); }) ==
        "exp.toml:4:9: key 'model.scale': expected an integer, found number 0.125");
  CHECK(message_of([&] { config.text("model.dims", ""); }) ==
        "exp.toml:3:8: key 'model.dims': expected a string, found an array of 3");
  CHECK(message_of([&] { config.texts("model.dims", {}); }) ==
        "exp.toml:3:9: key 'model.dims[0]': expected a string, found integer 64");
  CHECK(message_of([&] { config.integers("model.dims", {}, 0, 200); }) ==
        "exp.toml:3:18: key 'model.dims[2]': expected an integer from 0 to 200, found integer 256");
  CHECK(message_of([&] { config.text("run", ""); }) ==
        "exp.toml:6:1: key 'run': expected a string, found a table");
  CHECK(message_of([&] { config.text("run.threads.x", ""); }) ==
        "exp.toml:7:11: key 'run.threads': expected a table, found integer 4");
  CHECK(message_of([&] { config.real("model.scale", 1, 0.25, 2.5); }) ==
        "exp.toml:4:9: key 'model.scale': expected a finite number from 0.25 to 2.5, found number "
        "0.125");
}

TEST_CASE("a choice outside the list is answered with the list and the nearest") {
  Config config = Config::parse("backend = \"rfeerence\"\nform = \"zzz\"", "exp.toml");
  CHECK(message_of([&] {
          config.choice("backend", "cpu", {"reference", "cpu", "cuda"});
        }) ==
        "exp.toml:1:11: key 'backend': expected one of \"reference\", \"cpu\" or \"cuda\", found "
        "string "
        "\"rfeerence\" (did you mean \"reference\"?)");
  CHECK(message_of([&] { config.require_choice("form", {"fused"}); }) ==
        "exp.toml:2:8: key 'form': expected \"fused\", found string \"zzz\"");
}

TEST_CASE("NaN, infinity, dates and null are no numbers") {
  Config config = Config::parse("a = nan\nb = -inf\nc = [1, inf]\nd = 2024-01-02", "exp.toml");
  CHECK(message_of([&] { config.real("a", 0); }) ==
        "exp.toml:1:5: key 'a': expected a finite number, found number nan");
  CHECK(message_of([&] { config.real("b", 0); }) ==
        "exp.toml:2:5: key 'b': expected a finite number, found number -inf");
  CHECK(message_of([&] { config.reals("c", {}); }) ==
        "exp.toml:3:9: key 'c[1]': expected a finite number, found number inf");
  CHECK(message_of([&] { config.real("d", 0); }) ==
        "exp.toml:4:5: key 'd': expected a finite number, found date 2024-01-02");
  Config json = Config::parse("{\"a\": null, \"b\": 18446744073709551615}", "exp.json");
  CHECK(message_of([&] { json.real("a", 0); }) ==
        "exp.json:1:7: key 'a': expected a finite number, found null");
  CHECK(message_of([&] { json.integer("b", 0); }) ==
        "exp.json:1:18: key 'b': expected an integer, found number 1.8446744073709552e+19");
}

TEST_CASE("a text or an array of texts reads as a list") {
  Config config = Config::parse("a = \"x\"\nb = [\"x\", \"y\"]\nc = 3", "exp.toml");
  CHECK(config.text_or_texts("a", {}) == std::vector<std::string>{"x"});
  CHECK(config.require_text_or_texts("b") == std::vector<std::string>{"x", "y"});
  CHECK(config.text_or_texts("none", {"z"}) == std::vector<std::string>{"z"});
  CHECK(message_of([&] { config.text_or_texts("c", {}); }) ==
        "exp.toml:3:5: key 'c': expected a string or an array of strings, found integer 3");
}

TEST_CASE("a missing required key is named, with the misspelt one beside it") {
  Config config = Config::parse("[model]\nnmae = \"x\"", "exp.toml");
  CHECK(
      message_of([&] { config.require_text("model.name"); }) ==
      "exp.toml:1:2: key 'model.name': missing; expected a string (is it 'nmae' at exp.toml:2:1?)");
  CHECK(message_of([&] { config.require_integer("run.steps", 1); }) ==
        "exp.toml: key 'run.steps': missing; expected an integer of at least 1");
}

TEST_CASE("every key and table nobody read is listed in one error with the nearest known key") {
  Config config = Config::parse(R"(thread = 1
[model]
nmae = "x"
threads = 3
qwertyuiop = 1
[rum]
steps = 4
[run]
steps = 4
"odd key" = 1
)",
                                "exp.toml");
  config.text("model.name", "");
  config.integer("run.threads", 1);
  config.integer("run.steps", 1);
  CHECK(message_of([&] { config.reject_unknown(); }) ==
        "exp.toml:1:1: unknown key 'thread' (did you mean run.threads?); "
        "exp.toml:3:1: unknown key 'model.nmae' (did you mean model.name?); "
        "exp.toml:4:1: unknown key 'model.threads' (did you mean run.threads?); "
        "exp.toml:5:1: unknown key 'model.qwertyuiop'; "
        "exp.toml:6:2: unknown table 'rum' (did you mean run?); "
        "exp.toml:10:1: unknown key 'run.\"odd key\"'");
}

TEST_CASE("a long list of unknown keys is cut") {
  std::string text;
  for (int i = 100; i < 125; ++i) text.append("k").append(std::to_string(i)).append(" = 1\n");
  CHECK_THAT(message_of([&] { Config::parse(text, "e.toml").reject_unknown(); }),
             Catch::EndsWith("e.toml:20:1: unknown key 'k119'; and 5 more"));
}

TEST_CASE("asking whether a table is there does not excuse its members") {
  Config config = Config::parse("[chip]\ncores = 3\n[empty]\n", "e.toml");
  CHECK(config.has("chip"));
  CHECK(config.has("empty"));
  CHECK_FALSE(config.has("chip.mesh"));
  CHECK(message_of([&] { config.reject_unknown(); }) == "e.toml:2:1: unknown key 'chip.cores'");
  CHECK(config.keys("chip") == std::vector<std::string>{"cores"});
  CHECK(config.keys("none").empty());
}

TEST_CASE("an assignment beats the file and the file beats the default") {
  Config config = Config::parse(kExperiment, "exp.toml");
  config.set("run.threads=2");
  config.set("run.threads=3");
  config.set("model.dims=[8, 16]");
  config.set("run.backend=reference");
  config.set("data.path=sets/a-1.npy");
  config.set("data.note=\"two words\"");
  config.set("data.name=8x8.toml");
  CHECK(config.integer("run.threads", 1) == 3);
  CHECK(config.integers("model.dims", {}) == std::vector<int64_t>{8, 16});
  CHECK(config.text("run.backend", "") == "reference");
  CHECK(config.text("data.path", "") == "sets/a-1.npy");
  CHECK(config.text("data.note", "") == "two words");
  CHECK(config.text("data.name", "") == "8x8.toml");
  config.set("data.name=");
  CHECK(config.has("data.name"));
  CHECK(config.text("data.name", "none").empty());
  config.set("data.note=a=b, \"c\" d");
  CHECK(config.text("data.note", "") == "a=b, \"c\" d");
}

TEST_CASE("faults of an assignment name the assignment") {
  Config config = Config::parse(kExperiment, "exp.toml");
  const auto set = [&](const std::string& text) { return message_of([&] { config.set(text); }); };
  CHECK(set("run.threads") == "--set run.threads: expected key=value");
  CHECK(set("run..x=1") ==
        "--set run..x=1: the key must be words of letters, digits, '_' or '-' joined by dots");
  CHECK_THAT(set("a=[1, 2"), Catch::StartsWith("--set a=[1, 2: the value is not TOML ("));
  CHECK_THAT(set("a=\"x"), Catch::StartsWith("--set a=\"x: the value is not TOML ("));
  CHECK(set("a=1\nb = 2") == "--set a=1?b = 2: control character in the value");
  CHECK(set("a=\xff") == "--set a=?: the value is not valid UTF-8");
  CHECK(set("run.threads.x=1") ==
        "--set run.threads.x=1: 'threads' is not a table but integer 4 (exp.toml:7:11)");
  config.set("run.threads=many");
  CHECK(message_of([&] { config.integer("run.threads", 1); }) ==
        "--set run.threads=many: key 'run.threads': expected an integer, found string \"many\"");
  config = Config::parse("", "exp.toml");
  config.set("run.treads=1");
  config.integer("run.threads", 1);
  CHECK(message_of([&] { config.reject_unknown(); }) ==
        "--set run.treads=1: unknown key 'run.treads' (did you mean run.threads?)");
}

TEST_CASE("paths in a file are relative to its folder, assigned ones to the current folder") {
  TemporaryFolder folder;
  fs::create_directories(folder.path / "exp");
  const fs::path file = folder.write(
      "exp/a.toml", "w = \"../net.pth\"\nabs = \"/net.pth\"\nnone = \"\"\nlist = [\"a\"]");
  Config config = Config::load(file);
  CHECK(config.require_path("w") == folder.path / "exp" / "../net.pth");
  CHECK(config.require_path("abs") == "/net.pth");
  CHECK(config.require_path("none").empty());
  CHECK(config.path_of("out", "out/x") == "out/x");
  CHECK(config.resolve_path("list", config.texts("list", {})[0]) == folder.path / "exp" / "a");
  CHECK(config.resolved()["w"] == "../net.pth");
  config.set("w=other.pth");
  CHECK(config.require_path("w") == "other.pth");
  Config here = Config::parse("w = \"a\"\nbad = \"a\\u0000b\"", "here.toml");
  CHECK(here.require_path("w") == "a");
  CHECK(message_of([&] { here.require_path("bad"); }) ==
        "here.toml:2:7: key 'bad': NUL character in a path");
}

TEST_CASE("a check of the caller's own gets the place of the key") {
  Config config = Config::parse(kExperiment, "exp.toml");
  CHECK(std::string(config.error_at("model.dims", "three stages at most").what()) ==
        "exp.toml:3:8: key 'model.dims': three stages at most");
  CHECK(std::string(config.error_at("run.seed", "too odd").what()) ==
        "exp.toml: key 'run.seed': too odd");
}

TEST_CASE("values of a program have keys and no places") {
  Config config = Config::of({{"run", {{"threads", "two"}}}, {"weights", {{"path", "a.npz"}}}});
  CHECK(config.path_of("weights.path", "") == "a.npz");
  try {
    config.integer("run.threads", 1);
    FAIL("a text is no number");
  } catch (const Error& error) {
    CHECK(error.what() ==
          std::string("key 'run.threads': expected an integer, found string \"two\""));
    CHECK(error.place().key == "run.threads");
    CHECK(error.place().file.empty());
    CHECK(error.place().line == 0);
  }
  Config other = Config::of({{"run", {{"thread", 2}}}});
  other.integer("run.threads", 1);
  CHECK_THROWS_WITH(other.reject_unknown(), "unknown key 'run.thread' (did you mean run.threads?)");
  CHECK_THROWS_WITH(
      other.require_text("run.tread"),
      Catch::Contains("key 'run.tread': missing; expected a string (is it 'thread'?)"));
}

TEST_CASE("syntax errors and duplicate keys carry file, line and column") {
  CHECK_THAT(parse_message("a = 1\nb = = 2"), Catch::StartsWith("a.toml:2:5: "));
  CHECK_THAT(parse_message("a = 1\n  a = 2"),
             Catch::StartsWith("a.toml:2:") && Catch::Contains("redefine"));
  CHECK_THAT(parse_message("[t]\nx = 1\n[t]\ny = 2"), Catch::StartsWith("a.toml:3:"));
  CHECK(parse_message("{\"a\": 1,\n  \"a\": 2}", "a.json") == "a.json:2:3: duplicate key \"a\"");
  CHECK_THAT(parse_message("{\"a\": 1,\n  b: 2}", "a.json"),
             Catch::StartsWith("a.json:2:3: syntax error"));
  CHECK(parse_message("[1]", "a.json") == "a.json:1:1: expected an object of keys and values");
  CHECK_THAT(message_of([] { Config::load("no/such/file.toml"); }),
             Catch::Contains("no/such/file.toml"));
}

TEST_CASE("deep nesting is refused in every notation before it can hurt") {
  const std::string message = "nested deeper than 64 levels";
  CHECK(parse_message(std::string("\na = ") + repeat("[", 65)) == "a.toml:2:69: " + message);
  CHECK_THAT(parse_message(std::string("a = ") + repeat("{a = ", 100)), Catch::EndsWith(message));
  CHECK_THAT(parse_message(repeat("a.", 1000000) + "a = 1"), Catch::EndsWith(message));
  CHECK_THAT(parse_message(std::string("[") + repeat("'a'.", 1000000) + "a]"),
             Catch::EndsWith(message));
  CHECK_THAT(parse_message(repeat("a.", 40) + "a = {" + repeat("a.", 40) + "a = 1}"),
             Catch::EndsWith(message));
  CHECK_THAT(parse_message(repeat("{\"a\":", 1000000), "a.json"), Catch::EndsWith(message));
  CHECK_NOTHROW(Config::parse(
      std::string("a = \"") + repeat("[.", 1000) + "\" # " + repeat("[.", 1000), "a.toml"));
  CHECK_NOTHROW(Config::parse(std::string("a = '''") + repeat("[\n.", 100) +
                                  "'''''\nb = \"\"\"\\\"" + repeat("{.", 100) + "\"\"\"\nc = 1.5",
                              "a.toml"));
  CHECK_NOTHROW(Config::parse(std::string("a = ") + repeat("[", 60) + repeat("]", 60), "a.toml"));
}

TEST_CASE("a config cut at any byte or with any byte changed is read or refused, never worse") {
  const std::string text = kExperiment;
  const std::string json = R"({"a": [1, -2.5e3, "x\"\\", null], "b": {"c": true, "c2": {}}})";
  for (const auto& [whole, name] : {std::pair(text, "a.toml"), std::pair(json, "a.json")}) {
    std::mt19937 random(1);
    for (size_t i = 0; i < 4 * whole.size(); ++i) {
      std::string damaged = whole.substr(0, std::min(i, whole.size()));
      if (i >= whole.size()) damaged[i % whole.size()] = static_cast<char>(random() & 255);
      try {
        Config config = Config::parse(damaged, name);
        config.reject_unknown();
      } catch (const Error& error) {
        REQUIRE(error.code() == ErrorCode::kUsage);
      }
    }
  }
}

TEST_CASE("JSON is written in one form and never holds a number that is none") {
  CHECK(dump_json({{"b", 1}, {"a", {1.5, "x"}}}) ==
        "{\n  \"a\": [\n    1.5,\n    \"x\"\n  ],\n  \"b\": 1\n}\n");
  CHECK(message_of(
            [] {
              dump_json({{"a", {1.0, std::nan("")}}});
            },
            ErrorCode::kInternal) == "JSON value /a/1 is not a finite number");
  CHECK_THROWS_AS(dump_json({{"a", HUGE_VAL}}), Error);
  CHECK_THROWS_AS(dump_json("\xff"), Error);
}

TEST_CASE("untrusted JSON is refused for duplicate keys, nesting, overflow, rests and bad text") {
  TemporaryFolder folder;
  const auto load = [&](const std::string& text) {
    const fs::path file = folder.write("a.json", text);
    std::string message = message_of([&] { load_json(file); }, ErrorCode::kData);
    const std::string prefix = file.string() + ":";
    return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
  };
  CHECK(load("{\"k\": {\"é\": 1, \"é\": 2}}") == "1:16: duplicate key \"é\"");
  CHECK(load(repeat("[", 65) + repeat("]", 65)) == "1:65: nested deeper than 64 levels");
  CHECK_THAT(load("[1e999]"), Catch::Contains("overflow"));
  CHECK_THAT(load("{} x"), Catch::StartsWith("1:4: syntax error"));
  CHECK_THAT(load("{\"a\":\n[1,"), Catch::StartsWith("2:4: syntax error"));
  CHECK_THAT(load("[\"\xff\"]"), Catch::StartsWith("1:3: syntax error"));
  CHECK_THAT(load(""), Catch::StartsWith("1:1: syntax error"));
  CHECK(load_json(folder.write("b.json", "[1, {\"a\": []}]")) ==
        nlohmann::json::parse("[1, {\"a\": []}]"));
  CHECK_THROWS_AS(load_json(folder.path / "none.json"), Error);
}

TEST_CASE("a hint is offered for a slip and not for another word") {
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("nmae", "name") == 1);
  CHECK(edit_distance("", "abc") == 3);
  const std::vector<std::string> names{"idx", "cifar10", "npy"};
  CHECK(nearest("cifar", names) == "cifar10");
  CHECK(nearest("ipx", names) == "idx");
  CHECK(nearest("jpeg", names).empty());
  CHECK(nearest("a", std::vector<std::string>{"b"}).empty());
  CHECK(printable("a\nb\x01é", 4) == "a?b?...");
}
