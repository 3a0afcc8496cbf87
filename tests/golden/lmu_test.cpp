// The Legendre memory and the LIF neuron against arrays of the authors' program.

#include <algorithm>
#include <cmath>

#include "core/io/npz.hpp"
#include "core/ordered_erf.hpp"
#include "core/rng.hpp"
#include "neurons/neuron.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/graph/lmu.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"
#include "tests/golden/lmuformer_run.hpp"

using namespace spikeloom;

namespace {

const Weights& golden() {
  static const Weights arrays = load_npz(lmuformer_file("lmu/lmu.npz"));
  return arrays;
}

// m [steps][order] of the cpu backend for a binary u.
std::vector<std::vector<float>> run_memory(const LmuSystem& system, LmuForm form,
                                           std::span<const float> u) {
  const auto steps = static_cast<int64_t>(u.size());
  Graph graph;
  const NodeId x = graph.add("u_in", Input{{1}, false});
  const NodeId s = graph.add("u", Neuron{integrate_and_fire(0.5f)}, {x});  // passes 0 and 1 on
  graph.output(
      "logits",
      graph.add("m", LmuMemory{system.order, system.theta, form, system.taps, steps, "lmu"}, {s}));
  Session session(
      compile(graph, Weights{}, make_cpu_backend(), {Schedule::kLayerMajor, steps, {}}));
  Tensor frames({steps, 1});
  std::copy(u.begin(), u.end(), frames.f32().begin());
  return run_sequence(session, frames, {steps}, 1).logits;
}

// Largest difference from golden [order, steps].
template <typename T>
double worst(const std::vector<std::vector<float>>& m, std::span<const T> wanted) {
  double result = 0;
  for (size_t t = 0; t < m.size(); ++t) {
    for (size_t i = 0; i < m[t].size(); ++i) {
      result = std::max(result, std::abs(static_cast<double>(m[t][i]) -
                                         static_cast<double>(wanted[i * m.size() + t])));
    }
  }
  return result;
}

}  // namespace

TEST_CASE("A, B, H and m of small memories equal the golden ones") {
  struct Size {
    int64_t order;
    double theta;
    int64_t steps;
    std::string name;
  };
  for (const Size& size : {Size{4, 4, 16, "d4_theta4_N16"}, Size{8, 32, 64, "d8_theta32_N64"},
                           Size{48, 128, 128, "d48_theta128_N128"}}) {
    INFO(size.name);
    const auto at = [&](const std::string& array) {
      return golden().at(size.name + array).data.f32();
    };
    const auto system = lmu_system(size.order, size.theta);
    const auto a = at("_A"), b = at("_B"), h = at("_H");
    double off = 0;
    for (size_t i = 0; i < a.size(); ++i)
      off = std::max(off, std::abs(system->a[i] - static_cast<double>(a[i])));
    for (size_t i = 0; i < b.size(); ++i)
      off = std::max(off, std::abs(system->b[i] - static_cast<double>(b[i])));
    for (int64_t i = 0; i < size.order; ++i) {
      for (int64_t k = 0; k < std::min(size.steps, system->taps); ++k) {
        off = std::max(off,
                       std::abs(system->h[static_cast<size_t>(k * size.order + i)] -
                                static_cast<double>(h[static_cast<size_t>(i * size.steps + k)])));
      }
    }
    CHECK(off <= 1e-6);
    for (const LmuForm form : {LmuForm::kEvent, LmuForm::kRecurrent, LmuForm::kFft}) {
      const auto m = run_memory(*system, form, at("_u"));
      CHECK(worst(m, golden().at(size.name + "_m_recurrent_f64").data.as<double>()) <= 5e-6);
      CHECK(worst(m, at("_m_fft")) <= 5e-6);
    }
  }
}

TEST_CASE("A, B and H of the published sizes equal the golden samples; taps are the agreed ones") {
  struct Size {
    int64_t order;
    double theta;
    int64_t taps;
    std::string name;
  };
  for (const Size& size :
       {Size{256, 128, 0, "d256_theta128_N128"}, Size{512, 128, 204, "d512_theta128_N128"},
        Size{468, 784, 1260, "d468_theta784_N784"}}) {
    INFO(size.name);
    const auto system = lmu_system(size.order, size.theta);
    if (size.taps > 0) CHECK(system->taps == size.taps);
    const auto index = golden().at(size.name + "_A_idx").data.as<int32_t>();
    const auto value = golden().at(size.name + "_A_val").data.f32();
    const auto b = golden().at(size.name + "_B").data.f32();
    double off = 0;
    for (size_t i = 0; i < value.size(); ++i) {
      const auto at = static_cast<size_t>(index[2 * i] * size.order + index[2 * i + 1]);
      off = std::max(off, std::abs(system->a[at] - static_cast<double>(value[i])));
    }
    for (size_t i = 0; i < b.size(); ++i)
      off = std::max(off, std::abs(system->b[i] - static_cast<double>(b[i])));
    CHECK(off <= 1e-6);
    const auto norms = golden().at(size.name + "_A_fro_sum_maxabs").data.as<double>();
    double squares = 0, sum = 0;
    for (const double x : system->a) {
      squares += x * x;
      sum += x;
    }
    CHECK(std::sqrt(squares) == Approx(norms[0]).epsilon(1e-6));
    CHECK(sum == Approx(norms[1]).epsilon(1e-4));
  }
}

TEST_CASE("the three forms of the memory agree at the published sizes") {
  struct Size {
    int64_t order;
    double theta;
    int64_t steps;
    double tolerance;
  };
  // Single precision of the authors' own forms: 3.1e-6 and 1.7e-5.
  for (const Size& size : {Size{512, 128, 128, 5e-6}, Size{468, 784, 784, 5e-6}}) {
    std::vector<float> u;
    for (int64_t t = 0; t < size.steps; ++t)
      u.push_back(random_uniform(3, 0, static_cast<uint64_t>(t)) < 0.3f ? 1.0f : 0.0f);
    const auto system = lmu_system(size.order, size.theta);
    const auto event = run_memory(*system, LmuForm::kEvent, u);
    for (const LmuForm form : {LmuForm::kRecurrent, LmuForm::kFft}) {
      double off = 0;
      const auto other = run_memory(*system, form, u);
      for (size_t t = 0; t < event.size(); ++t) {
        for (size_t i = 0; i < event[t].size(); ++i)
          off = std::max(off, static_cast<double>(std::abs(event[t][i] - other[t][i])));
      }
      INFO("order " << size.order << " form " << static_cast<int>(form) << " differs by " << off);
      CHECK(off <= size.tolerance);
    }
  }
}

TEST_CASE("LIF neurons equal the golden ones bit by bit") {
  const Weights arrays = load_npz(lmuformer_file("lif/lif.npz"));
  const auto x = arrays.at("x").data.f32();
  for (const std::string threshold : {"1.0", "0.5"}) {
    std::vector<OneNeuron> neurons(32, OneNeuron(lif(2.0f, std::stof(threshold))));
    const auto spike = arrays.at("spike_vth" + threshold).data.as<uint8_t>();
    const auto after = arrays.at("v_after_vth" + threshold).data.f32();
    int64_t differing = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      differing += neurons[i % 32].step(x[i]) != static_cast<float>(spike[i] != 0);
      differing += neurons[i % 32].v() != after[i];
    }
    CHECK(differing == 0);
  }
}

TEST_CASE("the ordered erf is within 2e-9 of the library's, and GELU within rounding") {
  for (int i = -6000; i <= 6000; ++i) {
    const double x = i / 1000.0 + 1e-5;
    CHECK(std::abs(ordered_erf(x) - std::erf(x)) < 2e-8);
    if (std::abs(x) < 4) CHECK(std::abs(ordered_erf(x) - std::erf(x)) < 2e-9);
    const auto single = static_cast<float>(x);
    const double wide = single;
    CHECK(std::abs(static_cast<double>(ordered_gelu(single)) -
                   wide / 2 * (1 + std::erf(wide / std::sqrt(2.0)))) < 3e-7 * (1 + std::abs(wide)));
  }
  CHECK(std::abs(ordered_erf(0.0)) < 2e-9);
  CHECK(std::isnan(ordered_erf(std::nan(""))));
}
