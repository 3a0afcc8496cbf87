#pragma once
// The value of earlier steps, zeros before the first.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// out[t, i] = in[t - steps, i], of a real value, of spikes or levels; delayed ones are a population. With
// `by_element`, an array of the value's shape that holds whole numbers 0..steps, each element has
// its own: out[t, i] = in[t - by_element[i], i].
struct Delay {
  int64_t steps = 1;
  std::string by_element;  // empty: `steps` for all
  Shape shape;             // of that array

  static constexpr const char* kKind = "delay";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.optional_integer("steps", o.steps, {1, 65535}, 1);
    v.optional_text("by_element", o.by_element);
    v.optional_shape("shape", o.shape);
    v.label(o.steps == 1 ? "delay" : "delay " + std::to_string(o.steps));
  }
  Inferred infer(Inputs in) const;
  std::vector<Parameter> parameters() const;
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  StepWindow window() const { return {steps, 0}; }
  static constexpr NoWork work{};
  ValueGain gain(const ArrayBounds& arrays) const;
  ValueBound bound(const BoundInput& in) const;
  std::optional<PopulationInfo> population() const;
};

// The steps of every element; empty where all have the same. Throws Error(kData) naming the array
// when it holds anything but whole numbers from 0 to `steps`.
std::vector<int64_t> steps_by_element(const Delay& op, const Weights& weights);

}  // namespace spikeloom
