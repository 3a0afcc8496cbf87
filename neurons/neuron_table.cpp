#include "neurons/neuron_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace spikeloom {
namespace {

#include "neurons/models-inl.hpp"

template <class Model>
constexpr NeuronRow row_of() {
  using States = std::span<const std::string_view>;
  static_assert(std::size(Model::kStates) <= kMostNeuronStates);
  static_assert(Model::kInputs <= kMostNeuronInputs);
  static_assert(Model::kCoefficients <= kMostNeuronCoefficients);
  static_assert(Model::kStates[0] == "v");
  return {Model::kName,
          Model::kParameters,
          States(Model::kStates),
          Model::kInputs,
          Model::kCoefficients,
          Model::kOutput,
          std::span<const NeuronForm>(Model::kForms),
          std::span<const Reset>(Model::kResets)};
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

// Coefficients of one neuron from its parameters.
void prepare_one(const NeuronSpec& spec, const double* parameters, float* coefficients) {
  with_model(spec.model, [&]<class Model>() {
    double p[std::size(Model::kParameters)], k[Model::kCoefficients];
    std::copy_n(parameters, std::size(p), p);
    Model::prepare(spec.rules, p, k);
    std::transform(k, k + Model::kCoefficients, coefficients,
                   [](double value) { return static_cast<float>(value); });
  });
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

std::vector<std::string_view> states_of(const NeuronSpec& spec) {
  const auto all = spec.row().states;
  const bool drops = all.back() == "z" && !is_delayed(spec.rules.reset);
  return {all.begin(), all.end() - (drops ? 1 : 0)};
}

NeuronWork work_of(const NeuronSpec& spec) {
  NeuronWork work;
  with_model(spec.model, [&]<class Model>() {
    using L = CountingLane;
    L k[Model::kCoefficients], x[Model::kInputs], s[std::size(Model::kStates)];
    std::fill(std::begin(k), std::end(k), L(&work));
    std::fill(std::begin(x), std::end(x), L(&work));
    std::fill(std::begin(s), std::end(s), L(&work));
    Model::step(spec.rules, k, x, s);
  });
  return work;
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
  prepare_one(spec, parameters, result.values.data());
  return result;
}

NeuronCoefficients coefficients_of(const NeuronSpec& spec, const Shape& shape, int64_t stride,
                                   const Weights& weights) {
  if (spec.is_uniform()) return coefficients_of(spec);
  check(spec);
  const int64_t channels = shape.empty() ? 1 : shape.back();
  NeuronCoefficients result{spec.row().coefficients, 1, stride, {}};
  std::vector<std::span<const float>> arrays(spec.values.size());
  for (size_t i = 0; i < spec.values.size(); ++i) {
    const NeuronValue& value = spec.values[i];
    if (value.array.empty()) continue;
    arrays[i] = weights.at(value.array).data.f32();
    const auto size = static_cast<int64_t>(arrays[i].size());
    if (size != channels) result.rows = element_count(shape) / channels;
    if (size != channels && size != element_count(shape))
      throw Error(ErrorCode::kData, value.array + ": fits neither the channels nor the neurons");
    const ParameterRule& rule = spec.row().parameters[i];
    for (int64_t at = 0; at < size; ++at) {
      const float element = arrays[i][static_cast<size_t>(at)];
      if (!fits(rule, static_cast<double>(element)))
        throw Error(ErrorCode::kData, fmt::format("{}: element {} is {}, {} {}", value.array, at,
                                                  element, rule.name, range_of(rule)));
    }
  }
  const int64_t per_coefficient = result.rows * stride;
  result.values.resize(static_cast<size_t>(result.count * per_coefficient));
  for (int64_t row = 0; row < result.rows; ++row) {
    for (int64_t c = 0; c < stride; ++c) {
      const int64_t channel = c < channels ? c : 0;
      double parameters[kMostNeuronCoefficients] = {};
      float coefficients[kMostNeuronCoefficients] = {};
      for (size_t i = 0; i < spec.values.size(); ++i) {
        const bool per_neuron = static_cast<int64_t>(arrays[i].size()) != channels;
        const int64_t at = (per_neuron ? row * channels : 0) + channel;
        parameters[i] = arrays[i].empty() ? spec.values[i].value
                                          : static_cast<double>(arrays[i][static_cast<size_t>(at)]);
      }
      prepare_one(spec, parameters, coefficients);
      for (int k = 0; k < result.count; ++k)
        result.values[static_cast<size_t>(k * per_coefficient + row * stride + c)] =
            coefficients[k];
    }
  }
  return result;
}

void begin_neuron(const NeuronSpec& spec, const float* k, float* s) {
  with_model(spec.model, [&]<class Model>() {
    float coefficients[Model::kCoefficients], state[std::size(Model::kStates)];
    std::copy_n(k, Model::kCoefficients, coefficients);
    Model::begin(spec.rules, coefficients, state);
    std::copy_n(state, std::size(state), s);
  });
}

float step_neuron(const NeuronSpec& spec, const float* k, const float* x, float* s) {
  float out = 0;
  with_model(spec.model, [&]<class Model>() {
    float coefficients[Model::kCoefficients], inputs[Model::kInputs],
        state[std::size(Model::kStates)];
    std::copy_n(k, Model::kCoefficients, coefficients);
    std::copy_n(x, Model::kInputs, inputs);
    std::copy_n(s, std::size(state), state);
    out = Model::step(spec.rules, coefficients, inputs, state);
    std::copy_n(state, std::size(state), s);
  });
  return out;
}

OneNeuron::OneNeuron(NeuronSpec spec)
    : spec_(std::move(spec)), coefficients_(coefficients_of(spec_)) {
  begin();
}

void OneNeuron::begin() {
  begin_neuron(spec_, coefficients_.values.data(), state_);
}

float OneNeuron::step(const float* inputs) {
  return step_neuron(spec_, coefficients_.values.data(), inputs, state_);
}

}  // namespace spikeloom
