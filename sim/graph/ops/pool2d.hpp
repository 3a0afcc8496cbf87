#pragma once
// Pooling over the pixels of maps.

#include "sim/graph/map_window.hpp"
#include "sim/graph/operator.hpp"

namespace spikeloom {

enum class PoolMode { kSum, kAverage, kMax };
constexpr const char* kPoolModeNames[] = {"sum", "average", "max"};

// out[y, x, c] over the window in[y*stride - padding + ky, x*stride - padding + kx, c], ky and then
// kx ascending; extents floor((n + 2p - k)/s) + 1; padding at most half of the kernel. As PyTorch:
//   sum      +0 + each value, padding adds nothing
//   average  that sum / float(ky * kx), one division: padding counts as zeros
//   max      the first value, then whatever is above it, padding left out; NaN stays
// The maximum of spikes is an or: spikes of its own; sums of spikes or levels are levels, and so is
// the maximum of levels. A trace records them as any population.
struct Pool2d {
  PoolMode mode = PoolMode::kSum;
  YX kernel = 1, stride = 1, padding = 0;

  static constexpr const char* kKind = "pool2d";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.choice("mode", o.mode, kPoolModeNames);
    v.pair("kernel", o.kernel, {1, 65535});
    v.pair("stride", o.stride, {1, 65535});
    v.pair("padding", o.padding, {0, 32767});
    v.label(o.label());
  }
  std::string label() const;  // "max pool k3 s2 p1"
  WindowAxis along_y() const { return {kernel.y, stride.y, padding.y, padding.y}; }
  WindowAxis along_x() const { return {kernel.x, stride.x, padding.x, padding.x}; }

  Inferred infer(Inputs in) const;
  static constexpr NoParameters parameters{};
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  // Values that windows read, padding left out; an average is also a multiplication by a constant.
  NodeWork work(const NodeRun& run) const;
  static constexpr NoArrays gain{};
  ValueBound bound(const BoundInput& in) const;
  std::optional<PopulationInfo> population() const;
};

}  // namespace spikeloom
