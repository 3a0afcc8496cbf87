#pragma once
// What the Legendre memory of a network costs in each of its forms, from the spikes of one run: the
// recurrence multiplies order^2 real values a step, the event form adds a column per spike.
// Thread-safe.

#include <string>
#include <vector>

#include "sim/counts/op_counts.hpp"

namespace spikeloom {

struct LmuFormCost {
  LmuForm form = LmuForm::kEvent;
  bool executed = false;      // by the run; the spikes of the others may differ by rounding
  int64_t additions = 0;      // over the run
  int64_t macs = 0;           // real
  int64_t stored_values = 0;  // table of H, or A and B
  double fp32_pJ = 0, int8_pJ = 0;
};

// All three forms, summed over the memories of the graph; empty without one. Throws as
// count_operations().
std::vector<LmuFormCost> lmu_form_costs(const Graph& graph, const RunStatistics& statistics);

}  // namespace spikeloom
