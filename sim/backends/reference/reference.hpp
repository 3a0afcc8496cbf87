#pragma once
// The reference backend: the specification in code. Scalar, obvious, slow; node by node, one
// thread. Every other backend must give the same bits (softmax attention excepted: NMSE <= 1e-7).

#include <memory>

#include "sim/graph/round_weights.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

// `limits`: sums of these nodes stop at a largest magnitude, after every addition.
std::shared_ptr<const Backend> make_reference_backend(AccumulatorLimits limits = {});

}  // namespace spikeloom
