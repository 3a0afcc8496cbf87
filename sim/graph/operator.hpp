#pragma once
// What an operator must say of itself to be part of a graph. One that lacks a rule does not
// compile, and the error names the rule; sim/graph/rules.hpp and node_work.hpp hold what they speak of.
//
//   kKind        its name in files
//   fields       its parameters, for JSON both ways and for describe() (sim/graph/fields.hpp)
//   infer        kind and shape of its value; throws Error(kUsage) when inputs do not fit
//   parameters   the arrays it reads, with the shapes they must have
//   layer        the matrix its input is multiplied by
//   state        what it carries from step to step
//   window       which steps of its input it reads
//   work         what it did in a run: synaptic operations and elementwise work
//   gain, bound  how large its values can become
//   population   whether a trace records its values
//
// A rule with nothing to say is one of the No... constants of rules.hpp, written out.

#include <concepts>

#include "sim/graph/fields.hpp"
#include "sim/graph/node_work.hpp"
#include "sim/graph/rules.hpp"

namespace spikeloom {

template <typename O>
concept HasKind = requires {
  { O::kKind } -> std::convertible_to<std::string_view>;
};
template <typename O>
concept HasFields = requires(O& changed, const O& read, Labeller& visitor) {
  O::fields(changed, visitor);
  O::fields(read, visitor);
};
template <typename O>
concept HasInfer = requires(const O& op, Inputs in) {
  { op.infer(in) } -> std::same_as<Inferred>;
};
template <typename O>
concept HasParameters = requires(const O& op) {
  { op.parameters() } -> std::same_as<std::vector<Parameter>>;
};
template <typename O>
concept HasLayer = requires(const O& op) {
  { op.layer() } -> std::same_as<Layer>;
};
template <typename O>
concept HasState = requires(const O& op, const Shape& shape) {
  { op.state(shape) } -> std::same_as<std::vector<StateSlot>>;
};
template <typename O>
concept HasWindow = requires(const O& op) {
  { op.window() } -> std::same_as<StepWindow>;
};
template <typename O>
concept HasWork = requires(const O& op, const NodeRun& run) {
  { op.work(run) } -> std::same_as<NodeWork>;
};
template <typename O>
concept HasGain = requires(const O& op, const ArrayBounds& arrays) {
  { op.gain(arrays) } -> std::same_as<ValueGain>;
};
template <typename O>
concept HasBound = requires(const O& op, const BoundInput& in) {
  { op.bound(in) } -> std::same_as<ValueBound>;
};
template <typename O>
concept HasPopulation = requires(const O& op) {
  { op.population() } -> std::same_as<std::optional<PopulationInfo>>;
};

// Operators that say they have nothing of a kind: for consumers that must not pass over others.
template <typename O>
concept ReadsNoArrays = std::same_as<decltype(&O::parameters), const NoParameters*>;
template <typename O>
concept HasNoLayer = std::same_as<decltype(&O::layer), const NotALayer*>;

template <typename O>
concept Operator = HasKind<O> && HasFields<O> && HasInfer<O> && HasParameters<O> && HasLayer<O> &&
    HasState<O> && HasWindow<O> && HasWork<O> && HasGain<O> && HasBound<O> && HasPopulation<O>;

}  // namespace spikeloom
