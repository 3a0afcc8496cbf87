#pragma once
// The parameters of an operator, once for all who read or write them: `fields(op, visitor)` calls
// one member of the visitor for each, in the order of the file.
//
// A visitor has these members; `V` is the field's type, const where it only reads:
//   integer(key, V&, range)           optional_integer: absent stands for `absent`
//   pair(key, V&, range)              one number, or [of height, of width]; optional_pair: absent
//                                     stands for 1
//   single(key, V&), real(key, V&)    float and double, finite
//   flag(key, V&)                     optional_flag: absent stands for false
//   text(key, V&), shape(key, V&)     optional_text, optional_shape: absent stands for empty
//   choice(key, V&, names)            an enum whose values are positions in `names`;
//                                     optional_choice: absent stands for the first
//   neuron(V&)                        a NeuronSpec (neurons/neuron.hpp): model, rules, parameters
//   label(text)                       how people call the operator, where its kind alone is not it
// Visitors: the writer and the reader of JSON (sim/trace/graph_json*.cpp) and Labeller.

#include <array>
#include <cstdint>
#include <string>

#include "core/shape.hpp"
#include "neurons/neuron.hpp"
#include "sim/graph/map_window.hpp"

namespace spikeloom {

struct FieldRange {
  int64_t min = 1, max = int64_t{1} << 31;
};

// Hears the label only.
struct Labeller {
  std::string result;

  void integer(const char*, int64_t, FieldRange = {}) {}
  void optional_integer(const char*, int64_t, FieldRange = {}, int64_t = 0) {}
  void pair(const char*, YX, FieldRange = {}) {}
  void optional_pair(const char*, YX, FieldRange = {}) {}
  void single(const char*, float) {}
  void real(const char*, double) {}
  void flag(const char*, bool) {}
  void optional_flag(const char*, bool) {}
  void text(const char*, const std::string&) {}
  void shape(const char*, const Shape&) {}
  void optional_text(const char*, const std::string&) {}
  void optional_shape(const char*, const Shape&) {}
  template <typename E, size_t N>
  void choice(const char*, E, const char* const (&)[N]) {}
  template <typename E, size_t N>
  void optional_choice(const char*, E, const char* const (&)[N]) {}
  void neuron(const NeuronSpec&) {}
  void label(std::string text) { result = std::move(text); }
};

}  // namespace spikeloom
