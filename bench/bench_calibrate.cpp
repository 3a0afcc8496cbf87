#include "bench/bench_calibrate.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/graph/step_window.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {
namespace {

// Share of neuron steps that fire; `currents` holds the steps of one neuron after the other.
double rate_at(const NeuronSpec& spec, const std::vector<float>& currents, int64_t steps) {
  int64_t fired = 0;
  OneNeuron one(spec);
  for (size_t at = 0; at < currents.size(); at += static_cast<size_t>(steps)) {
    one.begin();
    for (int64_t t = 0; t < steps; ++t)
      fired += one.step(currents[at + static_cast<size_t>(t)]) != 0.0f;
  }
  return static_cast<double>(fired) / static_cast<double>(currents.size());
}

// Currents of evenly spread neurons.
std::vector<float> sampled(const ValueRef& in, int64_t steps) {
  const int64_t neurons = in.rows * in.channels;
  const int64_t stride = (neurons + kCalibrated - 1) / kCalibrated | 1;  // odd: all channels
  std::vector<float> currents;
  for (int64_t n = 0; n < neurons; n += stride) {
    for (int64_t t = 0; t < steps; ++t)
      currents.push_back(in.real_row(t, n / in.channels)[n % in.channels]);
  }
  return currents;
}

float threshold_for(NeuronSpec spec, const std::vector<float>& currents, int64_t steps,
                    double rate) {
  float largest = 0;
  for (const float x : currents) largest = std::max(largest, std::fabs(x));
  float low = -2 * largest, high = 2 * largest;  // fires always, never
  for (int i = 0; i < 40; ++i) {
    const float middle = low + (high - low) / 2;
    spec["v_threshold"].value = double{middle};
    (rate_at(spec, currents, steps) > rate ? low : high) = middle;
  }
  return high;
}

// Does what the backend behind it does, but for neurons, whose thresholds it chooses.
class Calibrator final : public Backend {
 public:
  Calibrator(std::shared_ptr<const Backend> backend, double rate)
      : backend_(std::move(backend)), rate_(rate) {}

  std::string name() const override { return backend_->name(); }
  std::string simd() const override { return backend_->simd(); }
  bool groups_units() const noexcept override { return false; }
  std::shared_ptr<const void> prepare(const Graph& graph, const Unit& unit,
                                      const Weights& weights) const override {
    return backend_->prepare(graph, unit, weights);
  }
  std::shared_ptr<void> workspace(const void* prepared) const override {
    return backend_->workspace(prepared);
  }
  void run(const Graph& graph, const Unit& unit, const void* prepared,
           const UnitIo& io) const noexcept override {
    const Node& node = graph.node(unit.main);
    const auto* neuron = std::get_if<Neuron>(&node.op);
    if (neuron == nullptr || io.in[0].real == nullptr) {
      backend_->run(graph, unit, prepared, io);
      return;
    }
    NeuronSpec spec = neuron->spec;
    const float threshold = threshold_for(spec, sampled(io.in[0], io.steps), io.steps, rate_);
    spec["v_threshold"].value = double{threshold};
    thresholds_[node.name] = threshold;
    fire(spec, io);
  }

  const Thresholds& thresholds() const noexcept { return thresholds_; }

 private:
  // All steps of one neuron after another, from its beginning.
  static void fire(const NeuronSpec& spec, const UnitIo& io) {
    OneNeuron one(spec);
    for (int64_t t = 0; t < io.steps; ++t) {
      const MutableSpikeView spikes = io.spikes.bits_at(t);
      std::fill_n(spikes.words, spikes.rows * spikes.row_words(), uint64_t{0});
    }
    for (int64_t row = 0; row < io.spikes.rows; ++row) {
      for (int64_t c = 0; c < io.spikes.channels; ++c) {
        one.begin();
        for (int64_t t = 0; t < io.steps; ++t) {
          const uint64_t fired = one.step(io.in[0].real_row(t, row)[c]) != 0.0f;
          io.spikes.bits_at(t).row(row)[c >> 6] |= fired << (c & 63);
        }
      }
    }
  }

  std::shared_ptr<const Backend> backend_;
  double rate_;
  mutable Thresholds thresholds_;  // one session on one thread
};

}  // namespace

Thresholds calibrate(const Graph& graph, const Weights& weights, const Tensor& frames,
                     int64_t steps, double rate) {
  const auto backend = std::make_shared<const Calibrator>(make_cpu_backend(), rate);
  const int64_t look_ahead = look_ahead_of(graph);
  Session session(
      compile(graph, weights, backend, {Schedule::kLayerMajor, steps + look_ahead, {}}));
  session.run_chunk(frames, steps, available_threads(), look_ahead);
  return backend->thresholds();
}

Graph with_thresholds(const Graph& graph, const Thresholds& thresholds) {
  Graph result;
  for (const Node& node : graph.nodes()) {
    Op op = node.op;
    const auto found = thresholds.find(node.name);
    if (found != thresholds.end())
      std::get<Neuron>(op).spec["v_threshold"].value = double{found->second};
    result.add(node.name, std::move(op), node.inputs);
  }
  for (const auto& [name, node] : graph.outputs()) result.output(name, node);
  result.form = graph.form;
  return result;
}

}  // namespace spikeloom
