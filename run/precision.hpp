#pragma once
// Which weights an experiment runs with: fp32, or 16 or 8 bits or bfloat16
// (sim/graph/quantize.hpp).

#include <memory>
#include <vector>

#include "core/io/config.hpp"
#include "datasets/dataset.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/quantize.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

struct PrecisionChoice {
  Precision precision = Precision::kF32;
  int64_t samples = 0;  // whose spikes choose the scales of int8 weights
};

// run.precision and run.calibration.
PrecisionChoice read_precision(Config& config);

// Firing rates of the inputs of every layer that reads spikes, over the first `samples` samples
// that can be read, in fp32; `measured`: how many there were.
struct RateRun {
  const Dataset& dataset;
  int64_t samples = 0, steps = 1, chunk_steps = 1;
  int threads = 1;
};
InputRates measure_input_rates(const Model& model, std::shared_ptr<const Backend> backend,
                               const RateRun& run, int64_t& measured);

// `weights` in the precision chosen. Throws Error(kUsage) where that changes no layer.
QuantizedWeights in_precision(const Graph& graph, Weights weights, Precision precision,
                              const InputRates& rates = {});

}  // namespace spikeloom
