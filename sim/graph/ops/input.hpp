#pragma once
// Network input: real, or with `events` spikes: 0 and 1; or levels.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// `repeated`: one frame stands for every step (direct coding); a frame of events arrives anew at
// each. `vocabulary` > 0: a token per step, shape [1], its id in [0, vocabulary) held as a real
// number (exact: vocabularies end at 2^24). `lowest` or `highest` not 0: levels, whole numbers
// between them (events of a pixel in a frame). Session refuses any other value.
struct Input {
  Shape shape;
  bool repeated = true;
  int64_t vocabulary = 0;
  bool events = false;
  int64_t lowest = 0, highest = 0;

  static constexpr const char* kKind = "input";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.shape("shape", o.shape);
    v.flag("repeated", o.repeated);
    v.optional_integer("vocabulary", o.vocabulary, {1, int64_t{1} << 24});
    v.optional_flag("events", o.events);
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
  ValueBound bound(const BoundInput& in) const;
  std::optional<PopulationInfo> population() const;
};

// Of values that are events, a frame or vector a step: 0 and 1 spikes, further ones levels; none:
// real.
Input input_of(Shape shape, bool repeated, const std::optional<LevelRange>& events);

}  // namespace spikeloom
