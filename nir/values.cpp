#include "nir/values.hpp"

#include <algorithm>

namespace spikeloom::nir {

Shape channels_last(const Shape& shape) {
  if (shape.size() == 3) return {shape[1], shape[2], shape[0]};
  if (shape.size() == 2) return {1, shape[1], shape[0]};
  return shape;
}

Tensor weight_of(const Array& array, const Shape& shape) {
  Tensor weight(shape);
  const auto to = weight.f32();
  for (int64_t i = 0; i < array.size(); ++i)
    to[static_cast<size_t>(i)] = static_cast<float>(array.at(i));
  return weight;
}

Tensor PerValue::single() const {
  Tensor tensor(shape);
  std::transform(values.begin(), values.end(), tensor.f32().begin(),
                 [](double value) { return static_cast<float>(value); });
  return tensor;
}

PerValue per_value(const Array& array, const Shape& of_node, double factor) {
  if (array.is_uniform()) return {{}, {array.at(0) * factor}};
  const int64_t count = array.size();
  const int64_t channels = of_node[0], pixels = count / channels;
  const auto at = [&](int64_t channel, int64_t pixel) {
    return array.at(channel * pixels + pixel);
  };
  bool by_channel = true;
  for (int64_t i = 0; by_channel && i < count; ++i) by_channel = array.at(i) == at(i / pixels, 0);
  PerValue result{by_channel ? Shape{channels} : channels_last(of_node), {}};
  for (int64_t pixel = 0; pixel < (by_channel ? 1 : pixels); ++pixel) {
    for (int64_t c = 0; c < channels; ++c) result.values.push_back(at(c, pixel) * factor);
  }
  return result;
}

}  // namespace spikeloom::nir
