// NIR graphs against the programs that wrote or ran them (nir/README.md): every spike equal, on the
// reference, every SIMD target, whole, in chunks, layer by layer and step by step.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hdf5/foreign_file.hpp"
#include "core/io/npz.hpp"
#include "nir/file.hpp"
#include "nir/lift.hpp"
#include "nir/lower.hpp"
#include "nir/values.hpp"
#include "nir/write.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/plan/session.hpp"
#include "sim/trace/graph_json.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kFolder = SPIKELOOM_SOURCE_DIR "/tests/golden/nir";

nir::File read(const fs::path& path) {
  hdf5::use_foreign_reader(SPIKELOOM_PROGRAM);
  return nir::load(path);
}

Json runs_of_all() {
  std::ifstream file(kFolder / "runs.json");
  return Json::parse(file);
}

template <typename E, size_t N>
E word(const Json& run, const char* key, const char* const (&names)[N], E absent) {
  if (!run.contains(key)) return absent;
  const std::string value = run[key];
  const auto* found = std::find(std::begin(names), std::end(names), value);
  REQUIRE(found != std::end(names));
  return static_cast<E>(found - std::begin(names));
}

// The conventions of a run; those of Sinabs have none.
nir::Choices choices_of(const Json& run, const std::string& program) {
  nir::Choices c;
  if (program.starts_with("sinabs") && !run.contains("form"))
    c = nir::choices_of(nir::Origin::kSinabs);
  c.dt = run.value("dt", 1.0);
  c.form = word(run, "form", nir::kFormWords, c.form);
  c.fire = word(run, "fire", nir::kFireWords, c.fire);
  c.reset = word(run, "reset", kResetWords, c.reset);
  c.if_gain = word(run, "if_gain", nir::kIfGainWords, c.if_gain);
  if (!run.value("first_bias", true)) c.recurrent_start = nir::RecurrentStart::kZero;
  c.readout = nir::Readout::kLast;
  return c;
}

// [steps, C, H, W] as NIR has it -> channels last.
Tensor channels_last(const Tensor& stored) {
  const Tensor from = to_f32(stored);
  const Shape& shape = from.shape();
  Shape own(shape.begin() + 1, shape.end());
  Shape to = nir::channels_last(own);
  to.insert(to.begin(), shape[0]);
  Tensor result(to);
  const int64_t channels = own[0], pixels = element_count(own) / channels;
  for (int64_t i = 0; i < from.size(); ++i) {
    const int64_t pixel = i % pixels, c = i / pixels % channels, step = i / pixels / channels;
    result.f32()[static_cast<size_t>((step * pixels + pixel) * channels + c)] =
        from.f32()[static_cast<size_t>(i)];
  }
  return result;
}

// What a run gave: by node its spikes and membranes, [steps, ...] channels last.
struct Wanted {
  Tensor frames, output;
  std::map<std::string, Tensor> z, v;
};

std::string plain(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '/'; }, '_');
  return name;
}

Wanted wanted_of(const Weights& arrays, const std::string& program, const nir::Network& network) {
  Wanted wanted;
  wanted.frames = channels_last(arrays.at("input").data);
  for (const std::string& name : arrays.names()) {
    if (!name.starts_with(program + "/")) continue;
    if (name == program + "/output") {
      wanted.output = channels_last(arrays.at(name).data);
      continue;
    }
    const std::string node = name.substr(program.size() + 1, name.size() - program.size() - 3);
    for (const nir::Node& own : network.nodes) {
      if (plain(own.name) != plain(node)) continue;
      if (name.ends_with("/z")) wanted.z.emplace(own.name, channels_last(arrays.at(name).data));
      if (name.ends_with("/v")) wanted.v.emplace(own.name, channels_last(arrays.at(name).data));
    }
  }
  return wanted;
}

struct Difference {
  int64_t spikes = 0, compared = 0;
  double v = 0, output = 0;
};

void compare_spikes(const Tensor& wanted, const Tensor& got, int64_t step, Difference& sum) {
  const int64_t size = got.size();
  for (int64_t i = 0; i < size; ++i, ++sum.compared)
    sum.spikes +=
        wanted.f32()[static_cast<size_t>(step * size + i)] != got.f32()[static_cast<size_t>(i)];
}

double largest_difference(const Tensor& wanted, const Tensor& got, int64_t step, bool relative) {
  const int64_t size = got.size();
  double most = 0;
  for (int64_t i = 0; i < size; ++i) {
    const auto a = static_cast<double>(wanted.f32()[static_cast<size_t>(step * size + i)]),
               b = static_cast<double>(got.f32()[static_cast<size_t>(i)]);
    most = std::max(most, std::abs(a - b) / (relative ? std::max(1.0, std::abs(a)) : 1));
  }
  return most;
}

struct How {
  std::shared_ptr<const Backend> backend;
  Schedule schedule;
  int64_t chunk;
};

Difference run(const nir::Lowered& lowered, const Wanted& wanted, const How& how) {
  PlanOptions options{how.schedule, how.chunk, {}};
  for (const auto& [name, spikes] : wanted.z) options.keep.push_back(name);
  const auto is_spiking = [&](const std::string& name) { return wanted.z.count(name) > 0; };
  for (const auto& [name, v] : wanted.v) {
    if (is_spiking(name))
      options.membranes.push_back(name);
    else
      options.keep.push_back(name);
  }
  Session session(compile(lowered.graph, lowered.weights, how.backend, options));
  const NodeId output = *lowered.graph.find_output("logits");
  const int64_t steps = wanted.frames.shape()[0];
  Difference sum;
  for (int64_t first = 0; first < steps; first += how.chunk) {
    const int64_t now = std::min(how.chunk, steps - first);
    session.run_chunk(part_of(wanted.frames, first, now), now, 2);
    for (int64_t t = 0; t < now; ++t) {
      for (const auto& [name, z] : wanted.z)
        compare_spikes(z, session.value(*lowered.graph.find(name), t), first + t, sum);
      for (const auto& [name, v] : wanted.v) {
        const NodeId node = *lowered.graph.find(name);
        const Tensor own = is_spiking(name) ? session.membrane(node, t) : session.value(node, t);
        sum.v = std::max(sum.v, largest_difference(v, own, first + t, false));
      }
      if (wanted.output.size() > 0)
        sum.output =
            std::max(sum.output,
                     largest_difference(wanted.output, session.value(output, t), first + t, true));
    }
  }
  return sum;
}

std::vector<How> ways(int64_t steps) {
  std::vector<How> result{{make_reference_backend(), Schedule::kLayerMajor, steps},
                          {make_reference_backend(), Schedule::kStepMajor, 1}};
  for (const std::string& simd : cpu_simd_targets()) {
    result.push_back({make_cpu_backend(simd), Schedule::kLayerMajor, steps});
    result.push_back({make_cpu_backend(simd), Schedule::kLayerMajor, 7});
    result.push_back({make_cpu_backend(simd), Schedule::kStepMajor, 1});
  }
  return result;
}

// Largest differences that rounding explains: of sums in another order.
double most_of_v(const std::string& net, const std::string& program) {
  if (net == "lif_single" && program == "snntorch") return 1e30;  // scaled by tau/(r dt)
  return 5e-5;
}

double most_of_output(const std::string& net) {
  return net == "conv_shapes" || net == "pools" ? 1e-5 : 1e-6;
}

void check_run(const std::string& net, const std::string& program, const Json& run_of) {
  INFO(net << " of " << program);
  const nir::File file = read(kFolder / (net + ".nir"));
  const Weights arrays = load_npz(kFolder / (net + ".npz"));
  const Wanted wanted = wanted_of(arrays, program, file.network);
  const nir::Choices choices = choices_of(run_of, program);
  const nir::Lowered lowered = nir::lower(file.network, file.wiring, choices, {});
  const int64_t steps = wanted.frames.shape()[0];
  int64_t spikes = 0;
  for (const auto& [name, z] : wanted.z) {
    for (const float value : z.f32()) spikes += static_cast<int64_t>(value);
  }
  CHECK(spikes == run_of.at("spikes").get<int64_t>());
  for (const How& how : ways(steps)) {
    INFO(how.backend->name() << " " << how.backend->simd() << ", chunks of " << how.chunk);
    const Difference found = run(lowered, wanted, how);
    CHECK(found.compared + wanted.output.size() > 100);
    CHECK(found.spikes == 0);
    CHECK(found.v <= most_of_v(net, program));
    CHECK(found.output <= most_of_output(net));
  }
}

}  // namespace

TEST_CASE("every recorded run of every NIR graph is reproduced", "[fast]") {
  const Json all = runs_of_all();
  for (const auto& [net, runs] : all.items()) {
    for (const auto& [program, run_of] : runs.items()) check_run(net, program, run_of);
  }
}

TEST_CASE("the same graph in other HDF5 gives the same spikes", "[fast]") {
  const Json run_of = runs_of_all().at("lif_beta").at("snntorch");
  const Weights arrays = load_npz(kFolder / "lif_beta.npz");
  int64_t files = 0;
  for (const auto& entry : fs::directory_iterator(kFolder / "variants")) {
    INFO(entry.path().filename());
    ++files;
    const nir::File file = read(entry.path());
    Wanted wanted = wanted_of(arrays, "snntorch", file.network);
    if (entry.path().filename() == "names_utf8.nir") {
      wanted.z.clear();
      wanted.v.clear();
    }
    const nir::Lowered lowered =
        nir::lower(file.network, file.wiring, choices_of(run_of, "snntorch"), {});
    const Difference found = run(lowered, wanted, {make_cpu_backend(), Schedule::kLayerMajor, 120});
    CHECK(found.spikes == 0);
    CHECK(found.output == 0);
  }
  CHECK(files == 11);
}

TEST_CASE("every broken file is refused within a second, with what is wrong", "[fast]") {
  std::ifstream stream(kFolder / "bad/expected.json");
  const Json expected = Json::parse(stream);
  for (const auto& [name, what] : expected.items()) {
    INFO(name);
    const auto start = std::chrono::steady_clock::now();
    std::string message = "nothing";
    try {
      const nir::File file = read(kFolder / "bad" / name);
      nir::Choices choices;
      choices.dt = 1e-4;
      nir::lower(file.network, file.wiring, choices, {});
    } catch (const Error& error) {
      message = error.what();
      CHECK(error.code() == ErrorCode::kData);
    }
    CHECK_THAT(message, Catch::Contains(what.get<std::string>()));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (std::getenv("SPIKELOOM_TEST_SANITIZED") == nullptr) CHECK(took.count() < 1);
  }
}

TEST_CASE("what was read is written, and read the same again", "[fast]") {
  const Json all = runs_of_all();
  const fs::path copy =
      fs::temp_directory_path() / ("spikeloom_nir_" + std::to_string(getpid()) + ".nir");
  for (const auto& [net, runs] : all.items()) {
    for (const auto& [program, run_of] : runs.items()) {
      INFO(net << " of " << program);
      const nir::File file = read(kFolder / (net + ".nir"));
      const nir::Choices choices = choices_of(run_of, program);
      const nir::Lowered lowered = nir::lower(file.network, file.wiring, choices, {});
      const nir::Lifted lifted = nir::lift(lowered.graph, lowered.weights, false);
      OutputFile written(copy);
      written.write(nir::write(lifted));
      written.commit();
      const nir::File again = read(copy);
      CHECK(again.network.warnings.empty());
      const nir::Lowered twice = nir::lower(again.network, again.wiring, choices, {});
      CHECK(graph_to_json(twice.graph, nullptr) == graph_to_json(lowered.graph, nullptr));
      CHECK(twice.weights.names() == lowered.weights.names());
      for (const std::string& name : lowered.weights.names()) {
        const auto a = lowered.weights.at(name).data.f32(), b = twice.weights.at(name).data.f32();
        CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
      }
    }
  }
  fs::remove(copy);
}
