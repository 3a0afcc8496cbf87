#pragma once
// Elementwise work of a graph that no energy scheme prices, so that a report can list it with
// counts.
//
// Counts are elements over all steps and samples of the run (nodes that are equal at every step are
// counted at every step, like the stem in `paper` and `as_built`). Thread-safe: pure functions.

#include <cstdint>
#include <map>
#include <string>

#include "hw_model/report/residual_stream.hpp"
#include "hw_model/report/syops.hpp"
#include "sim/graph/op_counts.hpp"
#include "sim/graph/quantize.hpp"

namespace spikeloom {

struct ElementwiseCounts {
  int64_t batch_norm = 0;  // one multiplication and one addition each
  // Of sequence networks: behind a residual stream, or a layer that something else reads as well.
  int64_t batch_norm_unfoldable = 0;
  int64_t residual_additions = 0;
  int64_t bias_additions = 0;
  int64_t scalings = 0;
  int64_t spatial_mean = 0;  // elements added up
  int64_t step_mean = 0;     // elements added up
  int64_t activations = 0;   // evaluations of ReLU and relu^2
  int64_t sigmoids = 0;
  int64_t layer_norm_rows = 0;      // normalisations of one row
  int64_t layer_norm_elements = 0;  // elements in them
  int64_t token_mix = 0;            // two multiplications and one addition each
  int64_t wkv = 0;                  // channel updates: 4 exponentials and one division each
  int64_t products = 0;
  int64_t embedding_values = 0;  // read from the table
  int64_t comparisons = 0;       // of binary embeddings; masks cost nothing
  int64_t softmax_exponentials = 0;
  int64_t softmax_divisions = 0;
};

// Of `run` only the sums over steps are read.
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
