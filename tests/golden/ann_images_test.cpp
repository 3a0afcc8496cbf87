// Dense networks of images against timm's, which nobody needs to download: weights and image come from
// a formula, the first logits, their sum and the sum of their absolute values were computed in double
// by timm's networks (1.0.29.dev0 at aa4b585). Parameters and multiply-accumulates are those counted
// there below every operation of PyTorch.

#include <algorithm>
#include <cmath>

#include "models/ann/resnet.hpp"
#include "models/families.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/counts/op_counts.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

// u(n, k) of the golden data: evenly spread in [-0.5, 0.5).
std::vector<double> formula(int64_t count, uint64_t k) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    uint64_t z = static_cast<uint64_t>(i + 1) * 0x9E3779B97F4A7C15u + (k + 1) * 0xBF58476D1CE4E5B9u;
    z ^= z >> 31;
    z *= 0x94D049BB133111EBu;
    z ^= z >> 29;
    values.push_back(static_cast<double>(z >> 40) / 16777216.0 - 0.5);
  }
  return values;
}

// Value u of an array: scale * u + shift, by its name and shape.
std::pair<double, double> rule(const std::string& name, const Shape& shape) {
  const std::string last = name.substr(name.rfind('.') + 1);
  if (shape.size() >= 2) {
    const double inputs = static_cast<double>(element_count(shape)) / static_cast<double>(shape[0]);
    return {std::sqrt(12 / inputs), 0};
  }
  if (last == "running_var") return {0.4, 1};
  return {0.2, last == "weight" ? 1.0 : 0.0};
}

Weights formula_weights(const Graph& graph) {
  std::vector<std::pair<std::string, Shape>> arrays;
  for (const Node& node : graph.nodes()) {
    for (const Parameter& parameter : parameters_of(node.op))
      arrays.emplace_back(parameter.name, parameter.shape);
  }
  std::sort(arrays.begin(), arrays.end());
  Weights weights;
  for (size_t k = 0; k < arrays.size(); ++k) {
    const auto& [name, shape] = arrays[k];
    const auto [scale, shift] = rule(name, shape);
    const std::vector<double> u = formula(element_count(shape), k);
    Tensor array(shape);
    for (size_t i = 0; i < u.size(); ++i) array.f32()[i] = static_cast<float>(scale * u[i] + shift);
    weights.add(name, std::move(array));
  }
  return weights;
}

// The formula's image [3, 224, 224], channels last.
Tensor image() {
  constexpr int64_t kPixels = int64_t{224} * 224;
  const std::vector<double> u = formula(3 * kPixels, 100000);
  Tensor frame({1, 224, 224, 3});
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t p = 0; p < kPixels; ++p) {
      frame.f32()[static_cast<size_t>(p * 3 + c)] =
          static_cast<float>(2 * u[static_cast<size_t>(c * kPixels + p)]);
    }
  }
  return frame;
}

struct GoldenImage {
  const char* family;
  const char* preset;
  size_t arrays;
  std::vector<double> first;
  size_t argmax;
  double sum, sum_of_absolutes;
};

Graph graph_of(const char* family, const char* preset) {
  const Family& row = *find_family(family);
  return row.build(row.start(preset), {1, 224, 224, 3});
}

}  // namespace

TEST_CASE("dense networks of images give the logits of timm's", "[golden]") {
  const GoldenImage cases[] = {{"resnet",
                                "18",
                                102,
                                {1.03613094, 1.30810666, -0.0419969541, -0.181614396, 0.444780379,
                                 2.35738786, -0.945290453, 0.573851396},
                                514,
                                -70.01145536872482,
                                1106.7151746792351},
                               {"resnet",
                                "50",
                                267,
                                {0.440338242, -0.581129676, 0.281030426, 0.358583873, -0.707129952,
                                 0.657210966, 0.246994303, 0.999795151},
                                989,
                                6.0953961909260705,
                                627.8961068843207}};
  for (const GoldenImage& c : cases) {
    INFO(c.family << " " << c.preset);
    const Graph graph = graph_of(c.family, c.preset);
    const Weights weights = formula_weights(graph);
    CHECK(weights.size() == c.arrays);
    Session session(compile(graph, bind_weights(graph, weights), make_cpu_backend(),
                            {Schedule::kLayerMajor, 1, {}}));
    session.run_chunk(image(), 1, 2);
    const Tensor logits = session.value(*graph.find_output("logits"), 0);
    const auto values = logits.f32();
    REQUIRE(values.size() == 1000);
    double error = 0, power = 0, sum = 0, absolutes = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const auto value = static_cast<double>(values[i]);
      sum += value;
      absolutes += std::abs(value);
      if (i >= c.first.size()) continue;
      error += std::pow(value - c.first[i], 2);
      power += c.first[i] * c.first[i];
    }
    CHECK(error / power < 1e-9);
    CHECK(sum == Approx(c.sum).margin(1e-6 * c.sum_of_absolutes));
    CHECK(absolutes == Approx(c.sum_of_absolutes).epsilon(1e-6));
    CHECK(static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin()) ==
          c.argmax);
  }
}

TEST_CASE("dense networks of images have the parameters and products of timm's", "[golden]") {
  struct Published {
    const char* preset;
    int64_t parameters, macs;
  };
  for (const Published& p :
       {Published{"18", 11689512, 1814073344}, Published{"34", 21797672, 3663761408},
        Published{"50", 25557032, 4089184256}, Published{"101", 44549160, 7801405440},
        Published{"152", 60192808, 11513626624}}) {
    INFO("resnet " << p.preset);
    const Graph graph = graph_of("resnet", p.preset);
    CHECK(parameter_count(graph) == p.parameters);
    CHECK(count_dense(graph, 1).totals.dense_macs == p.macs);
  }
}
