#pragma once
// Numbers of a NIR file as operators have them: fp32, channels last.

#include "nir/nodes.hpp"

namespace spikeloom::nir {

// (N) -> [N], (C, H, W) -> [H, W, C], (C, L) -> [1, L, C].
Shape channels_last(const Shape& shape);

// A weight as fp32 under another shape of as many elements.
Tensor weight_of(const Array& array, const Shape& shape);

// One number for each value of a node of that shape (axes as NIR has them), times `factor`: of
// shape {} where all are alike, [C] where those of a channel are, else that of the node, channels
// last. An array of one element stands for all.
struct PerValue {
  Shape shape;
  std::vector<double> values;
  Tensor single() const;  // as fp32
};
PerValue per_value(const Array& array, const Shape& of_node, double factor = 1);

}  // namespace spikeloom::nir
