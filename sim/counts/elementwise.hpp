#pragma once
// Everything a report needs to know of one graph: what a run did, in each way of counting.
// Thread-safe: pure functions.

#include <cstdint>
#include <map>
#include <string>

#include "sim/counts/op_counts.hpp"
#include "sim/counts/residual_stream.hpp"
#include "sim/counts/syops.hpp"
#include "sim/graph/quantize.hpp"

namespace spikeloom {

// The elementwise work of all nodes; of `run` only the sums over steps are read.
ElementwiseCounts count_elementwise(const Graph& graph, const RunStatistics& run);

// Everything the report needs to know of one graph.
struct CountedGraph {
  OpCounts ops;
  ElementwiseCounts elementwise;
  std::vector<SyopsLine> syops = {};          // of spiking graphs
  std::optional<ResidualStream> stream = {};  // where a publication prices it
  std::map<std::string, DType> narrow = {};   // layers that ran with other weights than fp32
};

// A spiking graph after a run in `precision`; throws like count_operations().
CountedGraph count_run(const Graph& graph, const RunStatistics& statistics,
                       Precision precision = Precision::kF32);
// A dense baseline: one pass over `samples` samples of `steps` steps (1: images), or over the steps
// of a run.
CountedGraph count_dense_run(const Graph& graph, int64_t samples, int64_t steps = 1);
CountedGraph count_dense_run(const Graph& graph, const RunStatistics& run);

}  // namespace spikeloom
