#pragma once
// The value that another node had one step before; zeros at the first step.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Stands for an edge against the order of the nodes: it reads nothing when it is added, and is
// closed over a later node (Graph::close) whose kind and shape are these. Nothing runs for it: it
// shows what is kept of that node. Spikes and levels it shows are a population.
struct Feedback {
  Shape shape;
  bool spikes = true;               // else levels, or real
  int64_t lowest = 0, highest = 0;  // either not 0: levels between them

  static constexpr const char* kKind = "feedback";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.shape("shape", o.shape);
    v.flag("spikes", o.spikes);
    v.optional_integer("lowest", o.lowest, {-kMostLevel, 0});
    v.optional_integer("highest", o.highest, {0, kMostLevel});
  }
  bool has_levels() const { return lowest < 0 || highest > 0; }
  Inferred infer(Inputs in) const;
  static constexpr NoParameters parameters{};
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  static constexpr NoWork work{};
  static constexpr NoArrays gain{};
  // A real value that goes round grows without a bound.
  ValueBound bound(const BoundInput& in) const;
  std::optional<PopulationInfo> population() const;
};

}  // namespace spikeloom
