#pragma once
// How long a step takes: busiest core or link, then barrier, tick, or no waiting at all. Internal
// to hw_model/chip.

#include "hw_model/chip/placed.hpp"
#include "hw_model/chip/replay.hpp"
#include "hw_model/chip/step_counter.hpp"

namespace spikeloom {

// Sum of count x latency of one side, over one row of counts.
double side_ns(const std::vector<PricedOp>& ops, const int64_t* counts, Side side) noexcept;

// A synaptic event of some unit, not its time slots and not what follows from it.
bool is_synaptic(const PricedOp& op) noexcept;

// Fills busy_ns, generate_ns, receive_ns, link_ns and what is critical.
void bottleneck_time(const Placed& placed, const StepCounter& counter, StepResult& step);

// Fills time_ns of all steps from busy_ns by the chip's way of synchronising; free_run needs
// step_cores and sets busy_ns too.
void end_steps(const Placed& placed, ReplayResult& result);

}  // namespace spikeloom
