#include "sim/graph/map_window.hpp"

#include <algorithm>

namespace spikeloom {

std::string to_string(YX of) {
  const std::string y = std::to_string(of.y);
  return of.y == of.x ? y : y + "x" + std::to_string(of.x);
}

int64_t WindowAxis::outputs(int64_t inputs) const {
  const int64_t room = inputs + before + after - span();
  return room < 0 ? 0 : room / stride + 1;
}

bool WindowAxis::lands(int64_t i, int64_t tap, int64_t outputs) const {
  const int64_t start = i + before - tap * dilation;
  return start >= 0 && start % stride == 0 && start / stride < outputs;
}

int64_t WindowAxis::readers(int64_t i, int64_t outputs) const {
  if (dilation > 1) {
    int64_t sum = 0;
    for (int64_t tap = 0; tap < kernel; ++tap) sum += lands(i, tap, outputs);
    return sum;
  }
  // #{o : 0 <= i - o*stride + before < kernel}
  const int64_t last = std::min((i + before) / stride, outputs - 1);
  const int64_t below = i + before - kernel;  // o must exceed below / stride
  const int64_t first = below < 0 ? 0 : below / stride + 1;
  return std::max<int64_t>(0, last - first + 1);
}

int64_t WindowAxis::reads(int64_t inputs) const {
  const auto steps = [&](int64_t way) { return way <= 0 ? 0 : (way + dilation - 1) / dilation; };
  const int64_t count = outputs(inputs);
  int64_t sum = 0;
  for (int64_t o = 0; o < count; ++o) {
    const int64_t start = o * stride - before;
    sum += std::max<int64_t>(0, std::min(kernel, steps(inputs - start)) - steps(-start));
  }
  return sum;
}

}  // namespace spikeloom
