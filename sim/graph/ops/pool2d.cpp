#include "sim/graph/ops/pool2d.hpp"

#include <fmt/format.h>

#include "sim/graph/infer.hpp"

namespace spikeloom {

std::string Pool2d::label() const {
  return fmt::format("{} pool k{} s{} p{}", kPoolModeNames[static_cast<size_t>(mode)],
                     to_string(kernel), to_string(stride), to_string(padding));
}

Inferred Pool2d::infer(Inputs in) const {
  require_inputs(in, 1);
  require_not_counts(in[0]);
  const Shape& from = in[0].shape;
  if (from.size() != 3) misfit("needs a map, got " + to_string(from));
  for (const WindowAxis& axis : {along_y(), along_x()}) {
    if (axis.kernel <= 0 || axis.stride <= 0 || axis.before < 0)
      misfit("has impossible kernel, stride or padding");
    if (2 * axis.before > axis.kernel) misfit("pads by more than half of the kernel");
  }
  const Shape shape = {along_y().outputs(from[0]), along_x().outputs(from[1]), from[2]};
  if (shape[0] == 0 || shape[1] == 0) {
    misfit(fmt::format("a {}x{} map is smaller than the {}x{} kernel", from[0], from[1], kernel.y,
                       kernel.x));
  }
  if (!is_events(in[0].kind) || mode == PoolMode::kAverage) return {EdgeKind::kReal, shape};
  if (mode == PoolMode::kMax) return {in[0].kind, shape, 0, true, in[0].levels};
  return {EdgeKind::kLevels, shape, 0, true, times(in[0].levels, kernel.area())};
}

NodeWork Pool2d::work(const NodeRun& run) const {
  const Shape& from = run.in();
  const int64_t read = along_y().reads(from[0]) * along_x().reads(from[1]) * from[2];
  return {.elementwise = {.scalings = mode == PoolMode::kAverage ? run.outputs() : 0,
                          .pooled = read * run.evaluations()}};
}

ValueBound Pool2d::bound(const BoundInput& in) const {
  if (mode == PoolMode::kMax) return {in.in[0], in.in[0]};
  const double sum = in.in[0] * static_cast<double>(kernel.area());
  return {sum, mode == PoolMode::kSum ? sum : in.in[0]};
}

std::optional<PopulationInfo> Pool2d::population() const {
  if (mode == PoolMode::kAverage) return std::nullopt;
  const char* model = mode == PoolMode::kMax ? "max_pool" : "sum_pool";
  return PopulationInfo{model, 1, false, false};  // one spike of the window is enough
}

}  // namespace spikeloom
