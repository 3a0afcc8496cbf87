#include "sim/graph/map_window.hpp"

#include <algorithm>

namespace spikeloom {

std::string to_string(YX of) {
  const std::string y = std::to_string(of.y);
  return of.y == of.x ? y : y + "x" + std::to_string(of.x);
}

int64_t WindowAxis::outputs(int64_t inputs) const {
  const int64_t room = inputs + 2 * padding - kernel;
  return room < 0 ? 0 : room / stride + 1;
}

// #{o : 0 <= i - o*stride + padding < kernel}
int64_t WindowAxis::readers(int64_t i, int64_t outputs) const {
  const int64_t last = std::min((i + padding) / stride, outputs - 1);
  const int64_t below = i + padding - kernel;  // o must exceed below / stride
  const int64_t first = below < 0 ? 0 : below / stride + 1;
  return std::max<int64_t>(0, last - first + 1);
}

int64_t WindowAxis::reads(int64_t inputs) const {
  const int64_t count = outputs(inputs);
  int64_t sum = 0;
  for (int64_t o = 0; o < count; ++o) {
    const int64_t first = o * stride - padding;
    sum += std::max<int64_t>(0, std::min(first + kernel, inputs) - std::max<int64_t>(first, 0));
  }
  return sum;
}

}  // namespace spikeloom
