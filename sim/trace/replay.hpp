#pragma once
// Feeds a recorded trace to sinks as if the network ran again.

#include "sim/plan/trace_sink.hpp"
#include "sim/trace/trace_file.hpp"

namespace spikeloom {

// Calls begin, one chunk per step, end for the first `samples` samples of the trace, in their
// order. Populations are those of `graph`; the ones that were not recorded, and steps and samples
// that were left out, show no spikes. Throws Error(kData) when the trace is of another graph, holds
// fewer samples, or is damaged.
void replay(const TraceFile& trace, const Graph& graph, int64_t samples, TraceSink& sink);

}  // namespace spikeloom
