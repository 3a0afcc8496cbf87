#pragma once
// What the pictures of a spike trace show, gathered from the file.
//
// Choices are fixed, so that equal traces give equal pictures, and are stated by *_text() in words.
// Damaged populations carry a fault; nothing here throws for them. Memory: one block of rows.

#include <cstdint>
#include <string>
#include <vector>

#include "hw_model/energy/verdict.hpp"
#include "sim/trace/trace_file.hpp"

namespace spikeloom {

struct LayerRates {
  std::string name, axes;
  Shape shape;
  int64_t neurons = 0, rows = 0, spikes = 0;
  std::vector<int64_t> step_spikes, step_rows;  // by step within the sample, over all samples
  std::string fault;                            // why there are no figures

  double rate() const;  // spikes per neuron and recorded step; NaN when nothing was recorded
  // Mean rate of the steps first .. first + count - 1; NaN when none of them was recorded.
  double rate_of_steps(size_t first, size_t count) const;
};

// All populations in graph order, from the stored spike counts: no spikes are decompressed.
std::vector<LayerRates> layer_rates(const TraceFile& trace);

// Predictions of the recorded samples that have labels.
Accuracy accuracy_of(const TraceFile& trace);

struct RasterColumn {
  int64_t sample = 0;  // index in the dataset
  int64_t step = 0;
  int64_t label = -1, prediction = -1;
  int64_t spikes = 0;  // of all neurons of the layer
};

// Columns: the recorded steps of the first recorded sample (at most kMostColumns), then those of
// the samples behind it while they fit whole. Rows: every neuron while there are at most
// kMostNeurons, else every stride-th from neuron 0, the stride prime to the number of channels so
// that the choice runs through all of them.
constexpr int64_t kMostColumns = 64, kMostNeurons = 256;
int64_t raster_stride(int64_t neurons, int64_t channels);

struct LayerRaster {
  std::string name, axes;
  Shape shape;
  int64_t neurons = 0, stride = 1, shown = 0;  // shown neurons: 0, stride, 2 stride, ...
  std::vector<RasterColumn> columns;
  std::vector<uint8_t> cells;  // [shown][columns]
  bool first_sample_cut = false;
  int64_t samples_left = 0;  // recorded samples that are not shown
  std::string fault;
};
LayerRaster layer_raster(const TraceFile& trace, size_t population);
std::string raster_text(const LayerRaster& raster);

// Spikes of a map (H,W,C) added over channels, one picture for each of the first steps of the first
// recorded sample; square groups of `bin` pixels are averaged where the map exceeds kMostPixels.
constexpr int64_t kMostPixels = 56, kMostMaps = 8;
struct SpikeMaps {
  int64_t sample = 0, height = 0, width = 0, bin = 1;
  int64_t steps_left = 0;
  std::vector<int64_t> steps;
  std::vector<std::vector<double>> values;  // per step [height][width], spikes per pixel
  double high = 0;                          // largest of all
};
// Empty for populations that are no maps, and for damaged ones.
SpikeMaps spike_maps(const TraceFile& trace, size_t population);

}  // namespace spikeloom
