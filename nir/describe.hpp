#pragma once
// What a NIR file holds and what becomes of it, for people who wonder which of its nodes means what.

#include <string>
#include <vector>

#include "nir/choices.hpp"
#include "nir/file.hpp"

namespace spikeloom::nir {

struct NodeFacts {
  std::string name, type;
  Shape shape;                          // of its value, axes as NIR has them
  std::vector<std::string> reads;       // names; "lif (step before)"
  std::vector<std::string> parameters;  // "tau 0.002 to 0.004", "weight (40, 64) -0.3 to 0.2"
  // Of neurons, "" where there is none, or no dt was chosen: dt/tau, what a step adds of an input of
  // 1, and the equation that is computed.
  std::string leak, gain, form;
};

struct Facts {
  std::vector<NodeFacts> nodes;  // in the order of running
  std::vector<std::string> warnings;
};

// `choices.dt` may be 0.
Facts describe(const File& file, const Choices& choices);

}  // namespace spikeloom::nir
