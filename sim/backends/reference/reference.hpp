#pragma once
// The reference backend: the specification in code. Scalar, obvious, slow; node by node, one
// thread. Every other backend must give the same bits (softmax attention excepted: NMSE <= 1e-7).

#include <memory>

#include "sim/plan/backend.hpp"

namespace spikeloom {

std::shared_ptr<const Backend> make_reference_backend();

}  // namespace spikeloom
