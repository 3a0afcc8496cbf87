#pragma once
// A value that another program computed, by means that have no operator here.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Its kind and shape are declared, for nothing is known of how it was made but what stands here. It
// is counted and listed, never run. With `spikes`, `lowest` or `highest` it is a population.
//   macs      products of one step, padding included, of its first input with `weights` numbers
//             or with its second input; 0: it is elementwise work of one operation an element
//   fan_out   how many of these products an element of the first input takes part in: what a spike
//             there is delivered to; 0: all alike, so macs / elements, as an average
//   neurons   it is the output of neurons, whose state was updated for each of them
//   moves     it is its inputs in another order, or a part of them: no work
struct RecordedOp {
  std::string what;  // the name it had there: "einsum", "models.Attention"
  Shape shape;
  bool spikes = false;
  int64_t lowest = 0, highest = 0;
  bool neurons = false, moves = false;
  int64_t macs = 0, fan_out = 0, weights = 0;
  std::string weight = {};  // name of the array of `weights` numbers

  static constexpr const char* kKind = "recorded";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    constexpr int64_t kMostMacs = int64_t{1} << 46;
    v.text("what", o.what);
    v.shape("shape", o.shape);
    v.optional_flag("spikes", o.spikes);
    v.optional_integer("lowest", o.lowest, {-kMostLevel, 0});
    v.optional_integer("highest", o.highest, {0, kMostLevel});
    v.optional_flag("neurons", o.neurons);
    v.optional_flag("moves", o.moves);
    v.optional_integer("macs", o.macs, {0, kMostMacs});
    v.optional_integer("fan_out", o.fan_out, {0, kMostMacs});
    v.optional_integer("weights", o.weights, {0, kMostMacs});
    v.optional_text("weight", o.weight);
    v.label("recorded: " + o.what);
  }
  bool has_levels() const { return lowest < 0 || highest > 0; }
  Inferred infer(Inputs in) const;
  std::vector<Parameter> parameters() const;
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  NodeWork work(const NodeRun& run) const;
  static constexpr NoArrays gain{};
  ValueBound bound(const BoundInput& in) const;
  std::optional<PopulationInfo> population() const;
};

}  // namespace spikeloom
