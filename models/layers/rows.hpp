#pragma once
// The rows [[layer]] as layers: every key checked, none left over.

#include <map>
#include <string>
#include <vector>

#include "models/layers/layers.hpp"
#include "models/model_spec.hpp"
#include "neurons/neuron.hpp"
#include "sim/graph/map_window.hpp"

namespace spikeloom {

enum class LayerKind : uint8_t {
  kLinear,
  kConv1d,
  kConv2d,
  kBatchNorm,
  kAvgPool,
  kSumPool,
  kMaxPool,
  kMean,
  kFlatten,
  kAdd,
  kNeuron,
};

struct LayerRow {
  LayerKind kind = LayerKind::kNeuron;
  std::string name;  // of the node; "3_lif" where none was given
  std::string add;   // the layer whose value is added to what this one reads; "": none
  std::string weight, bias;
  std::string prefix;  // of the four arrays of a batch normalisation
  YX kernel = 1, stride = 1, padding = 0, dilation = 1;
  bool same = false;
  int64_t groups = 1;
  double eps = 1e-5;
  NeuronSpec neuron;
  std::map<std::string, std::string> arrays;  // parameter ("tau", "beta", ...): array that holds it
  std::string recurrent, recurrent_bias;      // of the spikes of the step before

  // Would a neuron whose threshold is at its reset fire for ever?
  bool resets_to_value() const;
  // Does a time constant below a step overshoot?
  bool needs_whole_steps() const;
};

// A row that cannot be; keys are "layer.<index>.<key>".
struct LayerFault {
  KeyFault fault;
};

// Throws LayerFault.
std::vector<LayerRow> layer_rows(const LayersConfig& config);

// The arrays a row names.
std::vector<std::string> arrays_of(const LayerRow& row);

}  // namespace spikeloom
