#pragma once
// How many of the values that the dense layers of a network read are exactly zero: what an
// accelerator with zero gating skips.

#include <cstdint>
#include <string>
#include <vector>

#include "sim/plan/session.hpp"

namespace spikeloom {

struct ZeroCount {
  std::string layer;
  int64_t zeros = 0, values = 0;
  double share() const {
    return values > 0 ? static_cast<double>(zeros) / static_cast<double>(values) : 0.0;
  }
};

class ZeroCounter {
 public:
  // Nodes that a plan must keep.
  static std::vector<std::string> watched(const Graph& graph);

  // Convolutions and linear layers of `graph`, in its order.
  explicit ZeroCounter(const Graph& graph);
  // Throws Error(kUsage) when the session's plan does not keep what is watched.
  void chunk(const Session& session, int threads);

  // The first layer that read a value of the last chunk that is no finite number; "": none.
  std::string not_finite() const;

  const std::vector<ZeroCount>& counts() const noexcept { return counts_; }
  // Throws Error(kData) for counts of another network.
  void restore(const std::vector<ZeroCount>& counts);

 private:
  std::vector<NodeId> inputs_;  // by layer
  std::vector<bool> is_static_;
  std::vector<char> finite_;  // by layer, of the last chunk
  std::vector<ZeroCount> counts_;
};

}  // namespace spikeloom
