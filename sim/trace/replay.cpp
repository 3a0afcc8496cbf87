#include "sim/trace/replay.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom {
namespace {

// The rows of one recorded population, read in their order.
struct Track {
  size_t population = 0;  // of the graph
  size_t in_file = 0;
  std::vector<TraceRow> rows;
  size_t next = 0;
};

std::vector<Track> make_tracks(const TraceFile& trace, const std::vector<Population>& populations) {
  std::vector<Track> tracks;
  for (size_t f = 0; f < trace.populations().size(); ++f) {
    const TracePopulation& stored = trace.populations()[f];
    const auto found = std::find_if(populations.begin(), populations.end(),
                                    [&](const Population& p) { return p.name == stored.layer; });
    if (!stored.fault.empty()) throw Error(ErrorCode::kData, stored.name + ": " + stored.fault);
    if (found == populations.end() || found->shape != stored.shape ||
        found->levels != stored.levels) {
      throw Error(ErrorCode::kData, "population " + stored.name + " is of another network");
    }
    tracks.push_back({static_cast<size_t>(found - populations.begin()), f, trace.rows(f)});
  }
  return tracks;
}

}  // namespace

void replay(const TraceFile& trace, const Graph& graph, int64_t samples, TraceSink& sink) {
  const std::vector<Population> populations = populations_of(graph);
  if (samples > static_cast<int64_t>(trace.samples().size())) {
    throw Error(ErrorCode::kData, trace.path().string() + ": holds only " +
                                      std::to_string(trace.samples().size()) + " samples of " +
                                      std::to_string(samples));
  }
  std::vector<Track> tracks;
  try {
    tracks = make_tracks(trace, populations);
  } catch (const Error& error) {
    throw error.in_file(trace.path());
  }
  std::vector<SpikeTensor> values;
  values.reserve(populations.size());
  std::vector<const uint64_t*> bits;
  for (const Population& population : populations) {
    values.emplace_back(population.rows(), channels_of(population.shape));
  }
  const std::vector<int64_t> words(populations.size(), 0);  // one step at a time
  for (int64_t s = 0; s < samples; ++s) {
    const TraceSample& sample = trace.samples()[static_cast<size_t>(s)];
    sink.begin_sample({sample.index, sample.label, sample.first_step});
    for (int64_t step = 0; step < sample.steps; ++step) {
      for (Track& track : tracks) {
        SpikeTensor& value = values[track.population];
        const bool recorded = track.next < track.rows.size() &&
                              track.rows[track.next].sample == s &&
                              track.rows[track.next].step == step;
        if (recorded) {
          value = trace.read(track.in_file, static_cast<int64_t>(track.next++));
        } else {
          value.clear();
        }
      }
      bits.clear();
      for (const SpikeTensor& value : values) bits.push_back(value.view().words);
      sink.chunk({populations, step, 1, bits, words});
    }
    sink.end_sample({sample.steps, sample.prediction});
  }
}

}  // namespace spikeloom
