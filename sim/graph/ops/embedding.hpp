#pragma once
// A table of vectors.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Row of a table [vocabulary, channels] chosen by a token id. Input: a token Input.
struct Embedding {
  int64_t vocabulary = 0, channels = 0;
  std::string weight;

  static constexpr const char* kKind = "embedding";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("vocabulary", o.vocabulary);
    v.integer("channels", o.channels);
    v.text("weight", o.weight);
  }
  Inferred infer(Inputs in) const;
  std::vector<Parameter> parameters() const;
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  NodeWork work(const NodeRun& run) const;
  ValueGain gain(const ArrayBounds& arrays) const;
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
