#pragma once
// Makes mappings: cuts populations into boxes that fit a core, and places the boxes.
//
// Cutting: per population the split into channel blocks and rectangles of pixels that needs the
// fewest cores under the chip's limits; among equals the one whose cores hear the fewest source
// neurons. Placing changes cores, never boxes. Spreading cuts finer than capacity asks for.

#include <cstdint>
#include <string_view>
#include <vector>

#include "hw_model/chip/mapping.hpp"
#include "hw_model/chip/replay.hpp"
#include "hw_model/chip/spikes.hpp"

namespace spikeloom {

// Where boxes go: in their order, or from there as traffic says; or what is to be the least.
enum class Mapper : uint8_t { kSequential, kGreedy, kAnneal, kTime, kEnergy, kEdp, kTraffic };
inline constexpr const char* kMapperNames[] = {"sequential", "greedy", "anneal", "time",
                                               "energy",     "edp",    "traffic"};
constexpr const char* name_of(Mapper mapper) noexcept {
  return kMapperNames[static_cast<size_t>(mapper)];
}
// Throws Error(kUsage), which begins with `what`, for a name that is none of these.
Mapper mapper_named(std::string_view name, std::string_view what);

// Boxes in the order of the layers on cores 0, 1, 2, ... One box per core; where a chip has fewer
// cores than boxes, neighbours share a core as long as they fit. Throws Error(kCapacity) naming
// layer, need and limit when a single neuron (with its channel's weights) does not fit a core, or
// when the chip has too few cores.
Mapping map_sequential(const ChipNetwork& network, const ChipSpec& chip);

// Packets between cores times the hops between their tiles, summed.
int64_t packet_hops(const ChipSpec& chip, const std::vector<Traffic>& traffic);

struct Placement {
  Mapping mapping;
  int64_t hops_before = 0, hops_after = 0;  // packet_hops() with the traffic given
};

// Both move what a core holds to another core of the same chip or, with several chips, of any.
// `traffic` is that of `mapping` (ReplayOptions::keep_core_traffic). Never worse than before.
//
// Greedy: cores in the order of their traffic with those already placed, each to the free core
// nearest to them.
Placement place_greedy(const ChipSpec& chip, const Mapping& mapping,
                       const std::vector<Traffic>& traffic);

// Simulated annealing: swaps of two cores, or moves to a free one, accepted by Metropolis' rule at
// a temperature that falls geometrically from the mean change of the first swaps to a thousandth of
// it; the best placement met is kept. A pure function of its arguments.
struct AnnealingOptions {
  uint64_t seed = 1;
  int64_t moves = 200000;
};
Placement place_annealed(const ChipSpec& chip, const Mapping& mapping,
                         const std::vector<Traffic>& traffic, const AnnealingOptions& options);

// As `mapper` does; in their order, and by those that minimise, nothing moves.
Placement place(Mapper mapper, const ChipSpec& chip, const Mapping& mapping,
                const std::vector<Traffic>& traffic);

struct MapperOptions {
  Mapper kind = Mapper::kSequential;
  // Work of a search, in what one thread replays in a second on an ordinary machine. It is counted
  // in packets, not by a clock: equal budgets give equal mappings.
  double budget_s = 3;
  int threads = 1;  // no result depends on them
};

// The mapping of a kind, checked against the chip's capacity. The kinds from kTime on take the
// cheapest by the replay itself, at level bottleneck: of the three older kinds', and of the network
// spread over more cores. Spreading starts from the fewest cores and cuts, again and again, the
// population of the most loaded core along the axis that lowers the steps' load the most for each
// core it takes; the load of a step is the 8-norm over the cores of the time each is busy, in samples
// spread over the trace. kTime: the time of all steps; kEnergy: joules, static power included; kEdp:
// their product; kTraffic: hops. Networks that share cores are not spread.
// Throws Error(kCapacity) as map_sequential() and check_capacity().
Placement map_network(const ChipNetwork& network, const ChipSpec& chip, const ChipSpikes& spikes,
                      const MapperOptions& options);

}  // namespace spikeloom
