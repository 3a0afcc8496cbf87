#include "sim/graph/ops/conv2d.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/graph/infer.hpp"

namespace spikeloom {

namespace {

WindowAxis axis_of(const Conv2d& conv, int64_t YX::*of) {
  WindowAxis axis{conv.kernel.*of, conv.stride.*of, conv.padding.*of, conv.padding.*of,
                  conv.dilation.*of};
  if (axis.kernel == 1) axis.dilation = 1;  // means nothing
  if (conv.same) {
    axis.before = (axis.span() - 1) / 2;
    axis.after = axis.span() - 1 - axis.before;
  }
  return axis;
}

int64_t deliveries(const Conv2d& conv, const Shape& in, const Shape& out,
                   const std::vector<int64_t>& events_per_row) {
  std::vector<int64_t> along_x;
  for (int64_t x = 0; x < in[1]; ++x) along_x.push_back(conv.along_x().readers(x, out[1]));
  int64_t sum = 0;
  for (int64_t y = 0; y < in[0]; ++y) {
    const int64_t readers = conv.along_y().readers(y, out[0]);
    for (int64_t x = 0; x < in[1]; ++x) {
      sum += events_per_row[static_cast<size_t>(y * in[1] + x)] * readers *
             along_x[static_cast<size_t>(x)];
    }
  }
  return sum * (conv.out_channels / conv.groups);
}

}  // namespace

std::string Conv2d::label() const {
  const std::string pads = same ? "same" : to_string(padding);
  std::string text =
      fmt::format("conv2d k{} s{} p{} g{}", to_string(kernel), to_string(stride), pads, groups);
  if (dilation != YX(1)) text += " d" + to_string(dilation);
  return text;
}

WindowAxis Conv2d::along_y() const {
  return axis_of(*this, &YX::y);
}

WindowAxis Conv2d::along_x() const {
  return axis_of(*this, &YX::x);
}

bool Conv2d::is_square() const {
  const WindowAxis y = along_y(), x = along_x();
  return y == x && y.before == y.after && y.dilation == 1;
}

Inferred Conv2d::infer(Inputs in) const {
  require_inputs(in, 1);
  require_not_counts(in[0]);
  const Shape& from = in[0].shape;
  if (from.size() != 3 || from[2] != in_channels) {
    misfit(fmt::format("needs a map of {} channels, got {}", in_channels, to_string(from)));
  }
  if (groups <= 0 || in_channels % groups != 0 || out_channels % groups != 0 || out_channels <= 0 ||
      std::min({kernel.y, kernel.x, stride.y, stride.x, dilation.y, dilation.x}) <= 0 ||
      std::min(padding.y, padding.x) < 0) {
    misfit("has impossible channels, groups, kernel, stride, padding or dilation");
  }
  if (same && (stride != YX(1) || padding != YX(0)))
    misfit("pads to the same size, which goes with stride 1 and no other padding");
  const WindowAxis y = along_y(), x = along_x();
  const Shape shape = {y.outputs(from[0]), x.outputs(from[1]), out_channels};
  if (shape[0] == 0 || shape[1] == 0) {
    misfit(fmt::format("a {}x{} map is smaller than the {}x{} kernel", from[0], from[1], y.span(),
                       x.span()));
  }
  return {EdgeKind::kReal, shape};
}

std::vector<Parameter> Conv2d::parameters() const {
  std::vector<Parameter> result{{weight, {out_channels, in_channels / groups, kernel.y, kernel.x}}};
  if (!bias.empty()) result.push_back({bias, {out_channels}});
  return result;
}

Layer Conv2d::layer() const {
  return {weight,
          bias,
          out_channels,
          in_channels / groups,
          kernel.area(),
          groups,
          kernel == YX(1) && stride == YX(1) && padding == YX(0) && groups == 1};
}

NodeWork Conv2d::work(const NodeRun& run) const {
  const int64_t fan_in = in_channels / groups * kernel.area();
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
