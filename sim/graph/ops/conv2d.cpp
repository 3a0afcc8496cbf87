#include "sim/graph/ops/conv2d.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/graph/infer.hpp"

namespace spikeloom {

namespace {

// Output positions along one axis that read input position i: #{o : 0 <= i - o*stride + padding <
// kernel}.
int64_t reach(int64_t i, int64_t extent_out, const Conv2d& conv) {
  const int64_t last = std::min((i + conv.padding) / conv.stride, extent_out - 1);
  const int64_t below = i + conv.padding - conv.kernel;  // o must exceed below / stride
  const int64_t first = below < 0 ? 0 : below / conv.stride + 1;
  return std::max<int64_t>(0, last - first + 1);
}

int64_t deliveries(const Conv2d& conv, const Shape& in, const Shape& out,
                   const std::vector<int64_t>& events_per_row) {
  int64_t sum = 0;
  for (int64_t y = 0; y < in[0]; ++y) {
    const int64_t reach_y = reach(y, out[0], conv);
    for (int64_t x = 0; x < in[1]; ++x) {
      sum += events_per_row[static_cast<size_t>(y * in[1] + x)] * reach_y * reach(x, out[1], conv);
    }
  }
  return sum * (conv.out_channels / conv.groups);
}

}  // namespace

std::string Conv2d::label() const {
  return fmt::format("conv2d k{} s{} p{} g{}", kernel, stride, padding, groups);
}

Inferred Conv2d::infer(Inputs in) const {
  require_inputs(in, 1);
  require_not_counts(in[0]);
  const Shape& from = in[0].shape;
  if (from.size() != 3 || from[2] != in_channels) {
    misfit(fmt::format("needs a map of {} channels, got {}", in_channels, to_string(from)));
  }
  if (groups <= 0 || in_channels % groups != 0 || out_channels % groups != 0 || out_channels <= 0 ||
      kernel <= 0 || stride <= 0 || padding < 0) {
    misfit("has impossible channels, groups, kernel, stride or padding");
  }
  const auto extent = [&](int64_t n) {
    return n + 2 * padding < kernel ? 0 : (n + 2 * padding - kernel) / stride + 1;
  };
  const Shape shape = {extent(from[0]), extent(from[1]), out_channels};
  if (shape[0] == 0 || shape[1] == 0) {
    misfit(fmt::format("a {}x{} map is smaller than the {}x{} kernel", from[0], from[1], kernel,
                       kernel));
  }
  return {EdgeKind::kReal, shape};
}

std::vector<Parameter> Conv2d::parameters() const {
  std::vector<Parameter> result{{weight, {out_channels, in_channels / groups, kernel, kernel}}};
  if (!bias.empty()) result.push_back({bias, {out_channels}});
  return result;
}

Layer Conv2d::layer() const {
  return {weight,
          bias,
          out_channels,
          in_channels / groups,
          kernel * kernel,
          groups,
          kernel == 1 && stride == 1 && padding == 0 && groups == 1};
}

NodeWork Conv2d::work(const NodeRun& run) const {
  const int64_t fan_in = in_channels / groups * kernel * kernel;
  LayerCount count = run.layer(out_channels * fan_in, element_count(run.shape()) * fan_in);
  if (count.spike_operand) {
    const SpikeOperand spikes = run.spikes();
    count.input_events = spikes.events;
    count.event_adds = deliveries(*this, run.in(), run.shape(), spikes.per_row);
  }
  return {.layer = count, .elementwise = {.bias_additions = bias.empty() ? 0 : run.outputs()}};
}

ValueGain Conv2d::gain(const ArrayBounds& arrays) const {
  return {arrays.largest_row_sum(weight), arrays.largest(bias)};
}

ValueBound Conv2d::bound(const BoundInput& in) const {
  return of_gain(in);
}

}  // namespace spikeloom
