#pragma once
// Network input: real, or with `events` spikes: 0 and 1.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// `repeated`: one frame stands for every step (direct coding); a frame of events arrives anew at
// each. `vocabulary` > 0: a token per step, shape [1], its id in [0, vocabulary) held as a real
// number (exact: vocabularies end at 2^24). Session refuses any other value.
struct Input {
  Shape shape;
  bool repeated = true;
  int64_t vocabulary = 0;
  bool events = false;

  static constexpr const char* kKind = "input";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.shape("shape", o.shape);
    v.flag("repeated", o.repeated);
    v.optional_integer("vocabulary", o.vocabulary, {1, int64_t{1} << 24});
    v.optional_flag("events", o.events);
  }
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

}  // namespace spikeloom
