// Networks given as a checkpoint and a list of layers against the programs that trained or ran the
// same networks (nir/README.md): every spike equal.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/io/hdf5/foreign_file.hpp"
#include "core/io/npz.hpp"
#include "core/io/weights_file.hpp"
#include "models/families.hpp"
#include "models/layers/layers.hpp"
#include "nir/file.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

namespace fs = std::filesystem;

const fs::path kFolder = SPIKELOOM_SOURCE_DIR "/tests/golden/nir";

// [steps, C, H, W] -> channels last; of vectors nothing changes.
Tensor channels_last(const Tensor& stored) {
  Tensor from = to_f32(stored);
  const Shape s = from.shape();
  if (s.size() != 4) return from;
  Tensor to({s[0], s[2], s[3], s[1]});
  const int64_t pixels = s[2] * s[3];
  for (int64_t t = 0; t < s[0]; ++t) {
    for (int64_t c = 0; c < s[1]; ++c) {
      for (int64_t i = 0; i < pixels; ++i)
        to.f32()[static_cast<size_t>((t * pixels + i) * s[1] + c)] =
            from.f32()[static_cast<size_t>((t * s[1] + c) * pixels + i)];
    }
  }
  return to;
}

// Spikes that differ from those of the program, of all populations and steps.
int64_t differences(const LayersConfig& config, StoredWeights stored, const std::string& recorded,
                    const std::string& program, const std::map<std::string, std::string>& nodes) {
  const Family& family = *find_family("layers");
  const ModelSpec spec = family.arrays.take(ModelSpec::of(config), stored.tensors);
  const Weights arrays = load_npz(kFolder / recorded);
  const Tensor frames = channels_last(arrays.at("input").data);
  const Shape& shape = frames.shape();
  DataShape data{.frames = shape[0], .channels = shape.back()};
  if (shape.size() == 4) data.height = shape[1], data.width = shape[2];
  const Graph graph = family.build(spec, data);
  const Weights weights = bind_weights(graph, std::move(stored), nullptr);
  int64_t wrong = 0, spikes = 0;
  std::vector<std::shared_ptr<const Backend>> backends{make_reference_backend()};
  for (const std::string& simd : cpu_simd_targets()) backends.push_back(make_cpu_backend(simd));
  for (const auto& backend : backends) {
    PlanOptions options{Schedule::kLayerMajor, 7, {}};
    for (const auto& [own, theirs] : nodes) options.keep.push_back(own);
    Session session(compile(graph, weights, backend, options));
    for (int64_t first = 0; first < shape[0]; first += 7) {
      const int64_t now = std::min<int64_t>(7, shape[0] - first);
      session.run_chunk(part_of(frames, first, now), now, 2);
      for (const auto& [own, theirs] : nodes) {
        const Tensor z = channels_last(arrays.at(program + "/" + theirs + "/z").data);
        for (int64_t t = 0; t < now; ++t) {
          const Tensor got = session.value(*graph.find(own), t);
          for (int64_t i = 0; i < got.size(); ++i) {
            const float wanted = z.f32()[static_cast<size_t>((first + t) * got.size() + i)];
            wrong += wanted != got.f32()[static_cast<size_t>(i)];
            spikes += wanted > 0;
          }
        }
      }
    }
  }
  CHECK(spikes > 0);
  return wrong;
}

using Text = std::string;

TableRow row(std::initializer_list<TableRow::value_type> values) {
  return values;
}

}  // namespace

TEST_CASE("a SpikingJelly checkpoint and its layers give SpikingJelly's spikes") {
  LayersConfig config;
  config.input = {1, 8, 8};
  config.rows = {
      row({{"type", Text("conv2d")}, {"weight", Text("0.weight")}, {"padding", int64_t{1}}}),
      row({{"type", Text("lif")}, {"tau", 2.0}, {"decay_input", true}}),
      row({{"type", Text("avgpool2d")}, {"kernel", int64_t{2}}}),
      row({{"type", Text("conv2d")},
           {"weight", Text("3.weight")},
           {"bias", Text("3.bias")},
           {"padding", Text("same")}}),
      row({{"type", Text("plif")}, {"w", Text("4.w")}, {"decay_input", false}}),
      row({{"type", Text("avgpool2d")}, {"kernel", std::vector<double>{2, 2}}}),
      row({{"type", Text("flatten")}}),
      row({{"type", Text("linear")}, {"weight", Text("7.weight")}, {"bias", Text("7.bias")}}),
      row({{"type", Text("if")}, {"v_threshold", 0.8}})};
  const NameSet names = find_family("layers")->arrays.names(ModelSpec::of(config));
  CHECK(names.size() == 6);
  StoredWeights stored = load_weights(kFolder / "sj_digits.pth", {"", {}, names});
  CHECK(differences(config, std::move(stored), "sj_digits.npz", "spikingjelly_original",
                    {{"1_lif", "_1"}, {"4_plif", "_4"}, {"8_if", "_8"}}) == 0);
}

TEST_CASE("recurrent CubaLIF layers give the spikes of Norse and SpikingJelly") {
  hdf5::use_foreign_reader(SPIKELOOM_PROGRAM);
  const nir::File file = nir::load(kFolder / "cuba_rec_flat.nir");
  const auto weights = [&] {
    StoredWeights stored;
    for (const nir::Node& node : file.network.nodes) {
      for (const char* field : {"weight", "bias"}) {
        if (node.has(field)) stored.tensors.add(node.name + "." + field, to_f32(node[field].data));
      }
    }
    return stored;
  };
  const auto cuba = [&](bool turns) {
    TableRow layer = row({{"type", Text("cuba")},
                          {"name", Text(turns ? "lif1" : "lif2")},
                          {"tau_syn", 0.0005},
                          {"tau_mem", 0.001},
                          {"r", 10.0},
                          {"w_in", 5.0}});
    if (turns) {
      layer["recurrent"] = Text("lif1.w_rec.weight");
      layer["recurrent_bias"] = Text("lif1.w_rec.bias");
    }
    return layer;
  };
  LayersConfig config;
  config.input = {6};
  config.fire = nir::Fire::kAbove;
  config.dt = 1e-4;
  config.recurrent_start = nir::RecurrentStart::kZero;
  config.rows = {
      row({{"type", Text("linear")}, {"weight", Text("fc1.weight")}, {"bias", Text("fc1.bias")}}),
      cuba(true),
      row({{"type", Text("linear")}, {"weight", Text("fc2.weight")}, {"bias", Text("fc2.bias")}}),
      cuba(false)};
  for (const char* program : {"norse", "spikingjelly"}) {
    INFO(program);
    CHECK(differences(config, weights(), "cuba_rec_flat.npz", program,
                      {{"lif1", "lif1_lif"}, {"lif2", "lif2"}}) == 0);
  }
  config.recurrent_start = nir::RecurrentStart::kBias;
  CHECK(differences(config, weights(), "cuba_rec_flat.npz", "norse",
                    {{"lif1", "lif1_lif"}, {"lif2", "lif2"}}) > 0);
}

TEST_CASE(
    "arrays of neurons: one value is a number, beta a time constant, maps come channels last") {
  LayersConfig config;
  config.input = {2, 1, 3};
  config.rows = {row({{"type", Text("lif")}, {"beta", Text("b")}, {"v_threshold", Text("t")}}),
                 row({{"type", Text("lif")}, {"tau", Text("one")}, {"add", Text("input")}})};
  StoredWeights stored;
  Tensor b({2}), t({2, 1, 3}), one(Shape{});
  b.f32()[0] = 0.5f, b.f32()[1] = 0.75f;
  for (size_t i = 0; i < 6; ++i) t.f32()[i] = static_cast<float>(i + 1);
  one.f32()[0] = 4;
  stored.tensors.add("b", std::move(b));
  stored.tensors.add("t", std::move(t));
  stored.tensors.add("one", std::move(one));
  const Family& family = *find_family("layers");
  const ModelSpec spec = family.arrays.take(ModelSpec::of(config), stored.tensors);
  CHECK(spec.as<LayersConfig>().arrays.numbers.at("one") == 4);
  CHECK(spec.as<LayersConfig>().arrays.classes == 6);
  const Graph graph = family.build(spec, {.frames = 1});
  const Weights weights = bind_weights(graph, std::move(stored), nullptr);
  const auto taus = weights.at("b.tau").data.f32(), thresholds = weights.at("t").data.f32();
  CHECK(std::vector<float>(taus.begin(), taus.end()) == std::vector<float>{2, 4});
  CHECK(std::vector<float>(thresholds.begin(), thresholds.end()) ==
        std::vector<float>{1, 4, 2, 5, 3, 6});
}
