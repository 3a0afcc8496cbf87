#include "hw_model/report/trace_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "core/bit_packing.hpp"
#include "core/error.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "sim/trace/inspect.hpp"

namespace spikeloom {
namespace {

LayerRates rates_of(const TraceFile& trace, size_t p) {
  const TracePopulation& population = trace.populations()[p];
  LayerRates layer;
  layer.name = population.name;
  layer.axes = population.axes;
  layer.shape = population.shape;
  layer.neurons = population.neurons;
  layer.rows = population.rows;
  try {
    StepSpikes steps = spikes_by_step(trace, p);
    layer.step_rows = std::move(steps.rows);
    layer.step_spikes = std::move(steps.spikes);
    layer.spikes = std::accumulate(layer.step_spikes.begin(), layer.step_spikes.end(), int64_t{0});
  } catch (const Error& error) {
    layer.fault = error.what();
  }
  return layer;
}

// How many rows the picture shows.
int64_t choose_columns(const std::vector<TraceRow>& rows, LayerRaster& raster) {
  const auto count = static_cast<int64_t>(rows.size());
  const auto end_of_sample = [&](int64_t row) {
    const int64_t sample = rows[static_cast<size_t>(row)].sample;
    while (row < count && rows[static_cast<size_t>(row)].sample == sample) ++row;
    return row;
  };
  if (count == 0) return 0;
  const int64_t first = end_of_sample(0);
  int64_t shown = std::min(first, kMostColumns);
  raster.first_sample_cut = first > shown;
  int64_t row = first;
  while (!raster.first_sample_cut && row < count) {
    const int64_t end = end_of_sample(row);
    if (end > kMostColumns) break;
    row = shown = end;
  }
  for (; row < count; row = end_of_sample(row)) ++raster.samples_left;
  return shown;
}

void fill_raster(const TraceFile& trace, size_t p, LayerRaster& raster) {
  const std::vector<TraceRow> rows = trace.rows(p);
  const std::vector<uint32_t> counts = trace.popcounts(p);
  const int64_t columns = choose_columns(rows, raster);
  raster.cells.assign(static_cast<size_t>(raster.shown * columns), 0);
  const auto row_bytes = static_cast<size_t>(packed_bytes(trace.populations()[p].bits()));
  const LevelRange levels = trace.populations()[p].levels;
  const int64_t block = trace.block_rows(p);
  for (int64_t first = 0; first < columns; first += block) {
    const int64_t here = std::min(block, columns - first);
    const std::vector<uint8_t> bits = trace.bits(p, first, here);
    for (int64_t r = 0; r < here; ++r) {
      const uint8_t* row = bits.data() + static_cast<size_t>(r) * row_bytes;
      for (int64_t i = 0; i < raster.shown; ++i) {
        const int64_t neuron = i * raster.stride;
        raster.cells[static_cast<size_t>(i * columns + first + r)] =
            packed_level({row, row_bytes}, raster.neurons, levels, neuron) != 0;
      }
    }
  }
  for (int64_t c = 0; c < columns; ++c) {
    const TraceRow& row = rows[static_cast<size_t>(c)];
    const TraceSample& sample = trace.samples()[static_cast<size_t>(row.sample)];
    raster.columns.push_back(
        {sample.index, row.step, sample.label, sample.prediction, counts[static_cast<size_t>(c)]});
  }
}

void fill_maps(const TraceFile& trace, size_t p, SpikeMaps& maps) {
  const TracePopulation& population = trace.populations()[p];
  const int64_t rows = population.shape[0], columns = population.shape[1],
                channels = population.shape[2];
  const std::vector<TraceRow> all = trace.rows(p);
  if (all.empty()) return;
  maps.bin = std::max<int64_t>(1, (std::max(rows, columns) + kMostPixels - 1) / kMostPixels);
  maps.height = (rows + maps.bin - 1) / maps.bin;
  maps.width = (columns + maps.bin - 1) / maps.bin;
  maps.sample = trace.samples()[static_cast<size_t>(all[0].sample)].index;
  for (size_t r = 0; r < all.size() && all[r].sample == all[0].sample; ++r) {
    if (static_cast<int64_t>(r) >= kMostMaps) {
      ++maps.steps_left;
      continue;
    }
    std::vector<double> map(static_cast<size_t>(maps.height * maps.width)), pixels(map.size());
    for (int64_t y = 0; y < rows; ++y) {
      for (int64_t x = 0; x < columns; ++x)
        pixels[static_cast<size_t>(y / maps.bin * maps.width + x / maps.bin)] += 1;
    }
    const auto packed = trace.bits(p, static_cast<int64_t>(r));
    for_each_level(
        packed, population.neurons, population.levels, [&](int64_t neuron, int64_t level) {
          if (neuron >= population.neurons) return;
          const int64_t pixel = neuron / channels, y = pixel / columns, x = pixel % columns;
          map[static_cast<size_t>(y / maps.bin * maps.width + x / maps.bin)] +=
              static_cast<double>(std::abs(level));
        });
    for (size_t i = 0; i < map.size(); ++i) {
      map[i] /= pixels[i];
      maps.high = std::max(maps.high, map[i]);
    }
    maps.steps.push_back(all[r].step);
    maps.values.push_back(std::move(map));
  }
}

}  // namespace

double LayerRates::rate() const {
  const double updates = static_cast<double>(neurons) * static_cast<double>(rows);
  return fault.empty() && updates > 0 ? static_cast<double>(spikes) / updates : std::nan("");
}

double LayerRates::rate_of_steps(size_t first, size_t count) const {
  int64_t fired = 0, recorded = 0;
  for (size_t s = first; s < std::min(first + count, step_rows.size()); ++s) {
    fired += step_spikes[s];
    recorded += step_rows[s];
  }
  const double updates = static_cast<double>(recorded) * static_cast<double>(neurons);
  return fault.empty() && updates > 0 ? static_cast<double>(fired) / updates : std::nan("");
}

Accuracy accuracy_of(const TraceFile& trace) {
  Accuracy accuracy;
  for (const TraceSample& sample : trace.samples()) {
    accuracy.total += sample.label >= 0;
    accuracy.correct += sample.label >= 0 && sample.label == sample.prediction;
  }
  accuracy.known = accuracy.total > 0;
  return accuracy;
}

std::vector<LayerRates> layer_rates(const TraceFile& trace) {
  std::vector<LayerRates> layers;
  for (size_t p = 0; p < trace.populations().size(); ++p) layers.push_back(rates_of(trace, p));
  return layers;
}

int64_t raster_stride(int64_t neurons, int64_t channels) {
  if (neurons <= kMostNeurons) return 1;
  int64_t stride = (neurons + kMostNeurons - 1) / kMostNeurons;
  while (std::gcd(stride, channels) != 1) ++stride;
  return stride;
}

LayerRaster layer_raster(const TraceFile& trace, size_t p) {
  const TracePopulation& population = trace.populations()[p];
  LayerRaster raster;
  raster.name = population.name;
  raster.axes = population.axes;
  raster.shape = population.shape;
  raster.neurons = population.neurons;
  try {
    if (!population.fault.empty()) throw Error(ErrorCode::kData, population.fault);
    raster.stride = raster_stride(raster.neurons, raster.shape.empty() ? 1 : raster.shape.back());
    raster.shown = (raster.neurons + raster.stride - 1) / raster.stride;
    fill_raster(trace, p, raster);
  } catch (const Error& error) {
    raster.fault = error.what();
  }
  return raster;
}

std::string raster_text(const LayerRaster& raster) {
  std::string text = raster.stride == 1
                         ? fmt::format("All {} neurons of the layer", grouped(raster.neurons))
                         : fmt::format(
                               "{0} of the {1} neurons of the layer: numbers 0, {2}, 2×{2} and so "
                               "on, a stride that runs through all channels",
                               raster.shown, grouped(raster.neurons), raster.stride);
  if (raster.columns.empty()) return text + "; no step was recorded.";
  const RasterColumn &first = raster.columns.front(), &last = raster.columns.back();
  text += raster.columns.size() == 1
              ? ", the one recorded step of "
              : fmt::format(", {} recorded steps of ", raster.columns.size());
  text += first.sample == last.sample
              ? fmt::format("sample {}", first.sample)
              : fmt::format("samples {} to {}, one behind the other", first.sample, last.sample);
  if (raster.first_sample_cut) text += " (its first; later steps are not shown)";
  if (raster.samples_left > 0)
    text += fmt::format("; {} further samples are not shown", grouped(raster.samples_left));
  return text + ". A mark is a spike.";
}

SpikeMaps spike_maps(const TraceFile& trace, size_t p) {
  const TracePopulation& population = trace.populations()[p];
  SpikeMaps maps;
  if (population.shape.size() != 3 || !population.fault.empty()) return maps;
  try {
    fill_maps(trace, p, maps);
  } catch (const Error&) {
    return {};  // the raster of the same layer says why
  }
  return maps;
}

}  // namespace spikeloom
