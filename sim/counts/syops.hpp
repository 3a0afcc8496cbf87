#pragma once
// Counts as the `syops` tool of the SNN literature makes them (iCGY96/syops-counter, 2023), for
// comparison with figures published through it.
//
//   convolution     dense MACs, padding included, plus one addition per output with a bias
//   linear          dense MACs, plus out_features per call with a bias
//   normalisation   2 per input element
//   neurons         1 AC per element
//   max and average pooling   1 per input element
//   attention products, sums over windows, means written as functions: not counted
//
// A layer of spikes counts rate x operations as AC, any other its operations as MAC. A call is one
// sample over all its steps, of networks with feedback one step. The tool finds out by looking whether a tensor is binary; here the
// kind of the edge says it. Thread-safe: pure functions.

#include <string>
#include <vector>

#include "sim/counts/op_counts.hpp"

namespace spikeloom {

struct SyopsLine {
  std::string layer;
  std::string rule;
  bool ac = false;  // else MAC
  double count = 0;
};

// Over all steps and samples of the run, in graph order.
std::vector<SyopsLine> count_syops(const Graph& graph, const RunStatistics& statistics);

}  // namespace spikeloom
