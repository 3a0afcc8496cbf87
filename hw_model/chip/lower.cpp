#include "hw_model/chip/lower.hpp"

#include "core/error.hpp"
#include "hw_model/chip/lowering.hpp"

namespace spikeloom {

LoweredNetwork lower(const Graph& graph, const ChipSpec& chip, const LowerOptions& options) {
  LoweredNetwork lowered = Lowering(graph, chip, options).run();
  if (lowered.network.populations.empty())
    throw Error(ErrorCode::kUsage, "the network has no neurons to put on chip " + chip.name);
  check_network(lowered.network);
  return lowered;
}

}  // namespace spikeloom
