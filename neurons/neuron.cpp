#include "neurons/neuron.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.hpp"

namespace spikeloom {
namespace {

#include "neurons/models-inl.hpp"

// Four neurons side by side, by the vectors of GCC and Clang: on every processor this program is
// for, each lane what `float` gives.
struct Lanes {
  static constexpr int64_t kCount = 4;
  using Floats = float __attribute__((vector_size(4 * kCount)));
  using Mask = int32_t __attribute__((vector_size(4 * kCount)));
  Floats v;

  Lanes() = default;
  explicit Lanes(Floats values) : v(values) {}
  explicit Lanes(float value) : v(value - Floats{}) {}
  template <class F>
  Lanes each(F f) const {
    Lanes result;
    for (int64_t i = 0; i < kCount; ++i) result.v[i] = f(v[i]);
    return result;
  }

  friend Lanes operator+(Lanes a, Lanes b) { return Lanes(a.v + b.v); }
  friend Lanes operator-(Lanes a, Lanes b) { return Lanes(a.v - b.v); }
  friend Lanes operator*(Lanes a, Lanes b) { return Lanes(a.v * b.v); }
  friend Lanes operator/(Lanes a, Lanes b) { return Lanes(a.v / b.v); }
  friend Mask operator!=(Lanes a, Lanes b) { return a.v != b.v; }
  friend Mask operator<(Lanes a, Lanes b) { return a.v < b.v; }
  friend Mask operator>(Lanes a, Lanes b) { return a.v > b.v; }
  friend Mask operator>=(Lanes a, Lanes b) { return a.v >= b.v; }
  friend Lanes select(Mask mask, Lanes a, Lanes b) { return Lanes(mask ? a.v : b.v); }
  friend Lanes lane_exp(Lanes x) {
    return x.each([](float e) { return ordered_exp(e); });
  }
  friend Lanes lane_trunc(Lanes x) {
    return x.each([](float e) { return std::trunc(e); });
  }
};

template <class L>
L load(const float* from) {
  L lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

// The functions of a row: those of the model on arrays of their own size.
template <class Model>
struct Scalar {
  static constexpr size_t kParameters = std::size(Model::kParameters);
  static constexpr size_t kStates = std::size(Model::kStates);

  static void prepare(const NeuronRules& rules, const double* parameters, float* coefficients) {
    double p[kParameters], k[Model::kCoefficients];
    std::copy_n(parameters, kParameters, p);
    Model::prepare(rules, p, k);
    for (const double value : k) *coefficients++ = static_cast<float>(value);
  }
  static void begin(const NeuronRules& rules, const float* coefficients, float* state) {
    float k[Model::kCoefficients], s[kStates];
    std::copy_n(coefficients, Model::kCoefficients, k);
    Model::begin(rules, k, s);
    std::copy_n(s, kStates, state);
  }
  static float step(const NeuronRules& rules, const float* coefficients, const float* inputs,
                    float* state) {
    float k[Model::kCoefficients], x[Model::kInputs], s[kStates];
    std::copy_n(coefficients, Model::kCoefficients, k);
    std::copy_n(inputs, Model::kInputs, x);
    std::copy_n(state, kStates, s);
    const float out = Model::step(rules, k, x, s);
    std::copy_n(s, kStates, state);
    return out;
  }
  // Neurons [first, first + lanes of L) of a step: which membranes changed.
  template <class L>
  static auto advance_at(const NeuronRules& rules, const NeuronStep& step, int64_t first) {
    L k[Model::kCoefficients], x[Model::kInputs], s[kStates];
    for (int i = 0; i < Model::kCoefficients; ++i)
      k[i] = step.k_stride == 0 ? L(step.k[i]) : load<L>(step.k + i * step.k_stride + first);
    for (int i = 0; i < Model::kInputs; ++i) x[i] = load<L>(step.inputs[i] + first);
    float* states = step.states + first;
    for (size_t i = 0; i < kStates; ++i)
      s[i] = load<L>(states + static_cast<int64_t>(i) * step.slot);
    if (step.begins) Model::begin(rules, k, s);
    const L before = s[0];
    Model::step(rules, k, x, s);
    for (size_t i = 0; i < kStates; ++i)
      std::memcpy(states + static_cast<int64_t>(i) * step.slot, &s[i], sizeof(L));
    return s[0] != before;
  }
  static int64_t advance(const NeuronRules& rules, const NeuronStep& step) {
    int64_t n = 0, changed = 0;
    Lanes::Mask lanes = {};  // minus the changes of each lane
    for (; n + Lanes::kCount <= step.count; n += Lanes::kCount)
      lanes += advance_at<Lanes>(rules, step, n);
    for (; n < step.count; ++n) changed += advance_at<float>(rules, step, n);
    for (int i = 0; i < Lanes::kCount; ++i) changed -= lanes[i];
    return step.begins ? step.count : changed;
  }
  static NeuronWork work(const NeuronRules& rules) {
    using L = CountingLane;
    NeuronWork done;
    L k[Model::kCoefficients], x[Model::kInputs], s[kStates];
    for (L& lane : k) lane.work = &done;
    for (L& lane : x) lane.work = &done;
    for (L& lane : s) lane.work = &done;
    Model::step(rules, k, x, s);
    return done;
  }
};

template <class Model>
constexpr NeuronRow row_of() {
  static_assert(std::size(Model::kStates) <= kMostNeuronStates);
  static_assert(Model::kInputs <= kMostNeuronInputs);
  static_assert(Model::kCoefficients <= kMostNeuronCoefficients);
  static_assert(std::size(Model::kParameters) <= kMostNeuronCoefficients);
  static_assert(Model::kStates[0] == "v");
  using Functions = Scalar<Model>;
  return {Model::kName,
          Model::kParameters,
          Model::kStates,
          Model::kInputs,
          Model::kCoefficients,
          Model::kOutput,
          std::span<const NeuronForm>(Model::kForms),
          std::span<const Reset>(Model::kResets),
          Functions::prepare,
          Functions::begin,
          Functions::step,
          Functions::work,
          Functions::advance};
}

template <class... Model>
std::span<const NeuronRow> rows_of(ModelList<Model...>) {
  static constexpr NeuronRow kRows[] = {row_of<Model>()...};
  return kRows;
}

size_t index_of(const NeuronSpec& spec, std::string_view parameter) {
  const auto parameters = spec.row().parameters;
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const ParameterRule& p) { return p.name == parameter; });
  return static_cast<size_t>(found - parameters.begin());
}

std::string range_of(const ParameterRule& rule) {
  return rule.lowest > 0 ? "must be above 0" : "must be a finite number";
}

bool fits(const ParameterRule& rule, double value) {
  return value >= rule.lowest && value <= rule.highest;  // false for NaN
}

}  // namespace

std::span<const NeuronRow> neuron_table() {
  return rows_of(NeuronModels{});
}

NeuronValue& NeuronSpec::operator[](std::string_view parameter) {
  const size_t index = index_of(*this, parameter);
  if (index < values.size()) return values[index];
  throw Error(ErrorCode::kInternal,
              std::string(row().name) + " has no parameter " + std::string(parameter));
}

const NeuronValue& NeuronSpec::operator[](std::string_view parameter) const {
  return const_cast<NeuronSpec&>(*this)[parameter];
}

bool NeuronSpec::has(std::string_view parameter) const {
  return index_of(*this, parameter) < values.size();
}

bool NeuronSpec::is_uniform() const {
  return std::all_of(values.begin(), values.end(),
                     [](const NeuronValue& value) { return value.array.empty(); });
}

NeuronSpec neuron(std::string_view model) {
  const auto table = neuron_table();
  NeuronSpec spec;
  std::string names;
  while (spec.model < table.size() && table[spec.model].name != model) {
    names += (names.empty() ? "" : ", ") + std::string(table[spec.model].name);
    ++spec.model;
  }
  if (spec.model == table.size()) {
    throw Error(ErrorCode::kUsage,
                "there is no neuron '" + std::string(model) + "'; choose one of " + names);
  }
  const NeuronRow& row = spec.row();
  spec.rules.form = row.forms[0];
  spec.rules.reset = row.resets[0];
  for (const ParameterRule& rule : row.parameters) spec.values.push_back({rule.fallback, {}, {}});
  return spec;
}

NeuronSpec lif(float tau, float v_threshold) {
  if (!(tau >= 1.0f))
    throw Error(ErrorCode::kUsage, fmt::format("tau must be at least 1, not {}", tau));
  NeuronSpec spec = neuron("LIF");
  spec["tau"].value = double{tau};
  spec["v_threshold"].value = double{v_threshold};
  return spec;
}

NeuronSpec plif(float w, float v_threshold) {
  NeuronSpec spec = neuron("PLIF");
  spec["w"].value = double{w};
  spec["v_threshold"].value = double{v_threshold};
  return spec;
}

NeuronSpec integrate_and_fire(float v_threshold) {
  NeuronSpec spec = neuron("IF");
  spec["v_threshold"].value = double{v_threshold};
  return spec;
}

void check(const NeuronSpec& spec) {
  const NeuronRow& row = spec.row();
  const auto misfit = [&](const std::string& reason) {
    throw Error(ErrorCode::kUsage, std::string(row.name) + ": " + reason);
  };
  const auto has = [](const auto& list, auto value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  if (!has(row.forms, spec.rules.form))
    misfit(fmt::format("has no form {}", name_of(spec.rules.form)));
  if (!has(row.resets, spec.rules.reset))
    misfit(fmt::format("has no reset {}", name_of(spec.rules.reset)));
  if (spec.values.size() != row.parameters.size())
    misfit(fmt::format("has {} parameters, not {}", row.parameters.size(), spec.values.size()));
  for (size_t i = 0; i < spec.values.size(); ++i) {
    const ParameterRule& rule = row.parameters[i];
    if (spec.values[i].array.empty() && !fits(rule, spec.values[i].value))
      misfit(fmt::format("{} is {}, {}", rule.name, spec.values[i].value, range_of(rule)));
  }
}

std::span<const std::string_view> states_of(const NeuronSpec& spec) {
  const auto all = spec.row().states;
  const bool drops = all.back() == "z" && !is_delayed(spec.rules.reset);
  return all.first(all.size() - (drops ? 1 : 0));
}

NeuronWork work_of(const NeuronSpec& spec) {
  return spec.row().work(spec.rules);
}

std::vector<float> initial_state(const NeuronSpec& spec) {
  NeuronSpec usual = spec;
  for (size_t i = 0; i < usual.values.size(); ++i) {
    if (!usual.values[i].array.empty())
      usual.values[i] = {spec.row().parameters[i].fallback, {}, {}};
  }
  float state[kMostNeuronStates] = {};
  spec.row().begin(spec.rules, coefficients_of(usual).values.data(), state);
  return {state, state + states_of(spec).size()};
}

std::string describe(const NeuronSpec& spec) {
  const NeuronRow& row = spec.row();
  std::string text = fmt::format("{}({}", row.name, name_of(spec.rules.form));
  if (spec.fires())
    text +=
        fmt::format(", fires at {}, reset {}", name_of(spec.rules.fire), name_of(spec.rules.reset));
  for (size_t i = 0; i < spec.values.size(); ++i) {
    const NeuronValue& value = spec.values[i];
    text += fmt::format(", {} ", row.parameters[i].name);
    text += value.array.empty() ? fmt::format("{}", value.value) : value.array;
  }
  return text + ")";
}

NeuronCoefficients coefficients_of(const NeuronSpec& spec) {
  check(spec);
  NeuronCoefficients result{spec.row().coefficients, 0, 0, {}};
  result.values.resize(static_cast<size_t>(result.count));
  double parameters[kMostNeuronCoefficients] = {};
  std::transform(spec.values.begin(), spec.values.end(), parameters,
                 [](const NeuronValue& value) { return value.value; });
  spec.row().prepare(spec.rules, parameters, result.values.data());
  return result;
}

namespace {

using Arrays = std::vector<std::span<const float>>;

// The arrays of a spec, empty where a parameter is one value; sizes and elements checked.
Arrays arrays_of(const NeuronSpec& spec, const Shape& shape, const Weights& weights) {
  Arrays arrays(spec.values.size());
  for (size_t i = 0; i < arrays.size(); ++i) {
    const NeuronValue& value = spec.values[i];
    if (value.array.empty()) continue;
    arrays[i] = weights.at(value.array).data.f32();
    const auto size = static_cast<int64_t>(arrays[i].size());
    if (size != element_count(shape) && (shape.empty() || size != shape.back()))
      throw Error(ErrorCode::kData, value.array + ": fits neither the channels nor the neurons");
    const ParameterRule& rule = spec.row().parameters[i];
    for (size_t at = 0; at < arrays[i].size(); ++at) {
      if (!fits(rule, static_cast<double>(arrays[i][at])))
        throw Error(ErrorCode::kData, fmt::format("{}: element {} is {}, {} {}", value.array, at,
                                                  arrays[i][at], rule.name, range_of(rule)));
    }
  }
  return arrays;
}

}  // namespace

NeuronCoefficients coefficients_of(const NeuronSpec& spec, const Shape& shape, int64_t stride,
                                   const Weights& weights) {
  if (spec.is_uniform()) return coefficients_of(spec);
  check(spec);
  const auto channels = static_cast<size_t>(shape.empty() ? 1 : shape.back());
  const Arrays arrays = arrays_of(spec, shape, weights);
  NeuronCoefficients result{spec.row().coefficients, 1, stride, {}};
  for (const auto& array : arrays) {
    if (array.size() > channels) result.rows = static_cast<int64_t>(array.size() / channels);
  }
  const int64_t per_coefficient = result.rows * stride;
  result.values.resize(static_cast<size_t>(result.count * per_coefficient));
  for (int64_t at = 0; at < per_coefficient; ++at) {
    const auto c = static_cast<size_t>(at % stride), row = static_cast<size_t>(at / stride);
    const size_t channel = c < channels ? c : 0;
    double parameters[kMostNeuronCoefficients] = {};
    float coefficients[kMostNeuronCoefficients] = {};
    for (size_t i = 0; i < arrays.size(); ++i) {
      const size_t element = (arrays[i].size() > channels ? row * channels : 0) + channel;
      parameters[i] =
          arrays[i].empty() ? spec.values[i].value : static_cast<double>(arrays[i][element]);
    }
    spec.row().prepare(spec.rules, parameters, coefficients);
    for (int k = 0; k < result.count; ++k)
      result.values[static_cast<size_t>(k * per_coefficient + at)] = coefficients[k];
  }
  return result;
}

OneNeuron::OneNeuron(NeuronSpec spec)
    : spec_(std::move(spec)), coefficients_(coefficients_of(spec_)) {
  begin();
}

void OneNeuron::begin() {
  spec_.row().begin(spec_.rules, coefficients_.values.data(), state_);
}

float OneNeuron::step(const float* inputs) {
  return spec_.row().step(spec_.rules, coefficients_.values.data(), inputs, state_);
}

}  // namespace spikeloom
