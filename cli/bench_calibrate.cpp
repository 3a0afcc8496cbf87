#include "cli/bench_calibrate.hpp"

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
double rate_at(const NeuronParams& params, const std::vector<float>& currents, int64_t steps) {
  int64_t fired = 0;
  for (size_t at = 0; at < currents.size(); at += static_cast<size_t>(steps)) {
    float v = params.v_initial();
    for (int64_t t = 0; t < steps; ++t)
      fired += step(params, currents[at + static_cast<size_t>(t)], v);
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

float threshold_for(NeuronParams params, const std::vector<float>& currents, int64_t steps,
                    double rate) {
  float largest = 0;
  for (const float x : currents) largest = std::max(largest, std::fabs(x));
  float low = -2 * largest, high = 2 * largest;  // fires always, never
  for (int i = 0; i < 40; ++i) {
    params.v_threshold = low + (high - low) / 2;
    (rate_at(params, currents, steps) > rate ? low : high) = params.v_threshold;
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
  void run(const Graph& graph, const Unit& unit, const void* prepared,
           const UnitIo& io) const noexcept override {
    const Node& node = graph.node(unit.main);
    const auto* neuron = std::get_if<Neuron>(&node.op);
    if (neuron == nullptr || io.in[0].real == nullptr) {
      backend_->run(graph, unit, prepared, io);
      return;
    }
    NeuronParams params = neuron->params;
    params.v_threshold = threshold_for(params, sampled(io.in[0], io.steps), io.steps, rate_);
    thresholds_[node.name] = params.v_threshold;
    fire(params, io);
  }

  const Thresholds& thresholds() const noexcept { return thresholds_; }

 private:
  static void fire(const NeuronParams& params, const UnitIo& io) {
    for (int64_t row = 0; row < io.spikes.rows; ++row) {
      float* membranes = io.state + row * padded(io.spikes.channels);
      if (io.brief) std::fill_n(membranes, io.spikes.channels, params.v_initial());
      for (int64_t t = 0; t < io.steps; ++t) {
        uint64_t* bits = io.spikes.bits_at(t).row(row);
        std::fill_n(bits, words_for(io.spikes.channels), uint64_t{0});
        const float* currents = io.in[0].real_row(t, row);
        for (int64_t c = 0; c < io.spikes.channels; ++c)
          bits[c >> 6] |= uint64_t{step(params, currents[c], membranes[c])} << (c & 63);
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
    if (found != thresholds.end()) std::get<Neuron>(op).params.v_threshold = found->second;
    result.add(node.name, std::move(op), node.inputs);
  }
  for (const auto& [name, node] : graph.outputs()) result.output(name, node);
  result.form = graph.form;
  return result;
}

}  // namespace spikeloom
