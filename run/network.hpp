#pragma once
// From an experiment to a network that can run: graph, weights, form, backend.

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "datasets/dataset.hpp"
#include "run/cpu_choice.hpp"
#include "run/experiment.hpp"
#include "run/memory.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/quantize.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

// Magnitudes that data may well hold.
constexpr double kUsualInput = 1e6;

// The network in the form that runs, with where its weights come from; limits: of accumulators, of
// a what-if.
struct Network {
  ModelSpec spec;       // of the experiment and the checkpoint together
  int64_t classes = 0;  // logits: classes, or tokens of the vocabulary
  Graph as_written;
  Model model;
  AccumulatorLimits limits;
  int64_t calibrated = 0;                 // samples whose spikes chose the scales of int8 weights
  std::vector<QuantizedLayer> quantized;  // layers that run with other weights than model.weights
  DeadNeurons dead;                       // of a what-if with dead cores
  std::string weights_hash, weights_note;
  std::vector<std::string> notes;  // what was chosen and left out of the weights' file
  bool random = false;
  // No input up to this takes a value of the model out of fp32; infinity: its logits would show it.
  double safe_input = 0;

  // The weights rule nothing out: runs look at all values.
  bool watches_values() const noexcept { return safe_input < kUsualInput; }
};

// "cpu", whose kernels are chosen as cpu_choice.hpp says, "reference" or "cuda:0"; `limits`: of
// accumulators, which the cpu has not. Throws Error(kUsage), Error(kRuntime) when a device cannot be
// used.
std::shared_ptr<const Backend> make_backend(const Device& device, const CpuOptions& cpu,
                                            const AccumulatorLimits& limits = {});

// The arrays of a file that the graph needs (core/io/weights_file.hpp, bind_weights); `path` of
// `source` aside, which may be that of a twin. Throws Error(kData) naming the file and the faults,
// scales that leave fp32 among them.
Weights load_for(const Graph& graph, const std::filesystem::path& path,
                 const Experiment::WeightSource& source, std::vector<std::string>& notes,
                 int threads, const WeightHints& hints = {});

// Tokens that share one pass over the weights.
constexpr int64_t kTokenChunk = 32;

// How a run of the experiment's network is planned, and what that takes; of tokens nothing is known
// of the data yet: DatasetInfo{}.
PlanOptions plan_options(const Experiment& experiment, const Graph& graph);
MemoryPlan memory_plan(const Experiment& experiment, const DatasetInfo& data, const Graph& graph);

// What the network is built for: the samples of a data set; of tokens, the windows asked for.
DataShape data_shape(const Experiment& experiment, const DatasetInfo& data);

// `data` fits the model. Throws Error(kUsage) for a network that cannot be, Error(kCapacity) when
// the machine is too small, Error(kData) for weights that do not fit.
Network make_network(const Experiment& experiment, const DatasetInfo& data);

}  // namespace spikeloom
