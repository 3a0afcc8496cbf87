#pragma once
// A plan without packed weights, for what it says about memory.

#include "sim/plan/plan.hpp"

namespace spikeloom {

// Units, values and states as compile() places them; neither backend nor prepared weights.
// `groups_units`: as the backend says. Throws Error as compile() does.
Plan layout_of(Graph graph, bool groups_units, PlanOptions options);

}  // namespace spikeloom
