#pragma once
// What `spikeloom inspect` shows of a trace: figures, checks, events as CSV. Nothing here prints.

#include <iosfwd>
#include <string>
#include <vector>

#include "sim/trace/trace_file.hpp"

namespace spikeloom {

struct NeuronActivity {
  int64_t neuron = 0;  // node id
  int64_t spikes = 0;
};

struct PopulationSummary {
  std::string name, axes;
  Shape shape;
  int64_t neurons = 0, rows = 0, spikes = 0;
  std::vector<int64_t> spikes_per_step;  // by step within the sample, over all samples
  std::vector<NeuronActivity> most_active, least_active;  // at most 5 each; equals by node id
  std::string fault;  // why the figures are missing; empty: they are there

  // Spikes per neuron and recorded step.
  double rate() const noexcept {
    const double neuron_steps = static_cast<double>(neurons) * static_cast<double>(rows);
    return neuron_steps > 0 ? static_cast<double>(spikes) / neuron_steps : 0.0;
  }
};

struct TraceSummary {
  TraceHeader header;
  std::string warning;
  bool partial = false;            // only some steps or samples were recorded
  int64_t samples = 0, steps = 0;  // of the run
  std::vector<PopulationSummary> populations;
};

// Recorded rows and their spikes by step within the sample, from the stored spike counts. Throws
// Error(kData) for a damaged population.
struct StepSpikes {
  std::vector<int64_t> rows, spikes;
};
StepSpikes spikes_by_step(const TraceFile& trace, size_t population);

// Rates come from the stored spike counts, the activity of neurons from the bits, in one pass over
// the file. Damaged populations carry a fault; never throws for them.
TraceSummary summarise(const TraceFile& trace);

// Recounts everything: bits against popcount, pad bits, rows against samples, event lists against
// bits, the signature against popcounts, the JSON texts. One line per fault, empty when the file is
// sound. Never throws for damage.
std::vector<std::string> verify(const TraceFile& trace);

// CSV with the header "sample,step,node,c,y,x" (maps), "...,c,n" (tokens) or "...,c" (vectors);
// sample = dataset index, step = within the sample; by time, then node. Throws Error(kUsage) for an
// unknown population, Error(kData) for damage, Error(kRuntime) when the stream fails.
void export_events(const TraceFile& trace, const std::string& population, std::ostream& out);

// "c,y,x" values of a neuron: "3,0,12"; "c,n" for tokens; "c" for vectors.
std::string coordinates(const TracePopulation& population, int64_t neuron);

}  // namespace spikeloom
