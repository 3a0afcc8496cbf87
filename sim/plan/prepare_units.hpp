#pragma once
// Weights into what kernels read.

#include <memory>

#include "core/weights.hpp"
#include "sim/plan/plan.hpp"

namespace spikeloom {

// Fills `plan.prepared`, units side by side on so many threads; an array leaves memory when the
// last unit that reads it is ready, unless somebody else holds it. Throws what the backend throws.
void prepare_units(Plan& plan, Weights weights, int threads);

// compile() of plan.hpp, its weights packed on so many threads, which changes nothing else.
std::shared_ptr<const Plan> compile_on(int threads, Graph graph, Weights weights,
                                       std::shared_ptr<const Backend> backend, PlanOptions options);

}  // namespace spikeloom
