#pragma once
// The neuron table: what the rest of the program knows of a neuron model it asks here. A model
// itself, with its equation, is neurons/<model>-inl.hpp; its row stands in neurons/models-inl.hpp.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/shape.hpp"
#include "core/weights.hpp"
#include "neurons/lanes.hpp"
#include "neurons/rules.hpp"

namespace spikeloom {

// One step of `count` neurons side by side. Coefficient i of neuron n stands at k[i * k_stride + n],
// at k[i] for all of them where k_stride is 0; slot i at states[i * slot + n].
struct NeuronStep {
  const float* k = nullptr;
  int64_t k_stride = 0;
  const float* inputs[3] = {};
  float* states = nullptr;
  int64_t slot = 0;
  int64_t count = 0;
  bool begins = false;  // the first step of a sample
};

struct NeuronRow {
  std::string_view name;  // "CubaLIF"
  std::span<const ParameterRule> parameters;
  std::span<const std::string_view> states;
  int inputs = 1, coefficients = 0;
  NeuronOutput output = NeuronOutput::kSpikes;
  std::span<const NeuronForm> forms;
  std::span<const Reset> resets;
  // One neuron: the specification of every backend. p: parameters, k: coefficients, x: inputs, s:
  // every slot of the row (not only those the rules need). step returns spikes or the membrane.
  void (*prepare)(const NeuronRules& rules, const double* p, float* k) = nullptr;
  void (*begin)(const NeuronRules& rules, const float* k, float* s) = nullptr;
  float (*step)(const NeuronRules& rules, const float* k, const float* x, float* s) = nullptr;
  NeuronWork (*work)(const NeuronRules& rules) = nullptr;
  // The same step of many; returns how many membranes it changed, all where it begins.
  int64_t (*advance)(const NeuronRules& rules, const NeuronStep& step) = nullptr;
};

// All models, by number.
std::span<const NeuronRow> neuron_table();

// A parameter of a layer: one value, or a named array of the network's weights with one value per
// channel (shape [C]) or per neuron (the layer's shape).
struct NeuronValue {
  double value = 0;
  std::string array;  // empty: the value
  Shape shape;        // of the array
  bool operator==(const NeuronValue&) const = default;
};

// The neurons of a layer: a model, its rules, its parameters in the order of the table.
struct NeuronSpec {
  size_t model = 0;
  NeuronRules rules;
  std::vector<NeuronValue> values;

  const NeuronRow& row() const { return neuron_table()[model]; }
  // Of a parameter the model has; throws Error(kInternal) for another.
  NeuronValue& operator[](std::string_view parameter);
  const NeuronValue& operator[](std::string_view parameter) const;
  bool has(std::string_view parameter) const;
  bool is_uniform() const;  // no arrays
  bool fires() const { return row().output == NeuronOutput::kSpikes; }
  bool operator==(const NeuronSpec&) const = default;
};

// A model by name with its usual rules and parameters. Throws Error(kUsage) for an unknown name.
NeuronSpec neuron(std::string_view model);

// LIF with time constant tau in steps. Throws Error(kUsage) unless tau >= 1.
NeuronSpec lif(float tau, float v_threshold = 1.0f);
// PLIF from its learned scalar w: 1/tau = sigmoid(w).
NeuronSpec plif(float w, float v_threshold = 1.0f);
NeuronSpec integrate_and_fire(float v_threshold = 1.0f);

// Throws Error(kUsage) with model and parameter when a rule is none of the model's or a value is
// outside its range. Arrays are checked by coefficients_of().
void check(const NeuronSpec& spec);

// Names of the state slots that the rules need.
std::span<const std::string_view> states_of(const NeuronSpec& spec);
// Arithmetic of one neuron at one step, counted by running the step itself.
NeuronWork work_of(const NeuronSpec& spec);
// What the slots hold before the first step; of parameters that are arrays their usual value is
// taken, and the step that begins a sample sets what really belongs there.
std::vector<float> initial_state(const NeuronSpec& spec);
// "CubaLIF(euler, value, >=, dt 1, tau_syn 2, ...)"; arrays by name.
std::string describe(const NeuronSpec& spec);

// What the steps of a layer read, in fp32: coefficient k of a neuron stands at values[(k * rows +
// row) * stride + channel]; rows is 1 where neurons of a channel are alike, and 0 where all are:
// coefficient k is values[k] then. Behind the last channel the first one's are repeated.
struct NeuronCoefficients {
  int count = 0;
  int64_t rows = 0, stride = 0;
  std::vector<float> values;

  float at(int k, int64_t row, int64_t channel) const noexcept {
    if (rows == 0) return values[static_cast<size_t>(k)];
    return values[static_cast<size_t>((k * rows + (rows == 1 ? 0 : row)) * stride + channel)];
  }
};

// Of a layer of `shape` (channels last), rows `stride` floats apart. Throws Error(kData) naming
// array and element when a value is outside its range, as check() where a uniform one is.
NeuronCoefficients coefficients_of(const NeuronSpec& spec, const Shape& shape, int64_t stride,
                                   const Weights& weights);
// Of uniform parameters.
NeuronCoefficients coefficients_of(const NeuronSpec& spec);

constexpr int kMostNeuronStates = 4, kMostNeuronInputs = 3, kMostNeuronCoefficients = 16;

// One neuron of uniform parameters with its state: for tests and measurements.
class OneNeuron {
 public:
  explicit OneNeuron(NeuronSpec spec);
  void begin();
  float step(float x) { return step(&x); }
  float step(const float* inputs);
  float& state(size_t slot) { return state_[slot]; }
  float v() const { return state_[0]; }

 private:
  NeuronSpec spec_;
  NeuronCoefficients coefficients_;
  float state_[kMostNeuronStates] = {};
};

}  // namespace spikeloom
