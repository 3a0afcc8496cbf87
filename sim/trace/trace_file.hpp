#pragma once
// Reads a trace file (docs/trace.md). The file is untrusted.
//
// Opening refuses with Error(kData) whatever is no trace file or could hurt: links out of the file,
// external or virtual storage, unknown filters, extents without storage. A population
// whose datasets are damaged or misshapen keeps its name and a `fault`; reading it throws
// Error(kData), the others can still be read. Memory: what is asked for plus at most one chunk per
// population.
//
// Reading seeks and decompresses; use one TraceFile per thread.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/levels.hpp"
#include "core/shape.hpp"
#include "core/spike_tensor.hpp"

namespace spikeloom {

struct TraceHeader {
  std::string version, generator, created, run_id, config_sha256;
  std::string signature;  // empty: none
  bool complete = false;  // the run was closed in order
};

struct TracePopulation {
  std::string name;   // in the file
  std::string layer;  // node of the graph
  Shape shape;        // channels last, in the order of `axes`
  std::string axes;   // "H,W,C" | "N,C" | "C"
  int64_t neurons = 0;
  LevelRange levels = {};  // {0, 1}: spikes
  int64_t rows = 0;        // recorded steps
  std::string neuron_model;
  double threshold = 0;  // NaN: its neurons differ
  double dt_ms = 1;
  int64_t steps_per_sample = 0;  // 0: lengths differ
  int64_t index = 0;             // position among the populations of the graph
  int64_t events = -1;           // length of the event list; -1: none
  std::string fault;             // why it cannot be read; empty: it can
  int64_t bits() const { return neurons * levels.planes(); }  // of a packed row
};

struct TraceSample {
  int64_t index = 0, label = -1, prediction = -1;
  int64_t first_step = 0;  // global step of its step 0
  int64_t steps = 0;
};

// Where a row of a population comes from.
struct TraceRow {
  int64_t sample = 0;  // row of samples()
  int64_t step = 0;    // within the sample
};

struct TraceEvents {
  std::vector<double> times_ms;
  std::vector<uint64_t> nodes;
};

// Brings the temporary file of a killed run to the state of its last flush for good; does nothing
// where there is nothing to do. Throws Error(kRuntime) when writing fails.
void settle_trace(const std::filesystem::path& temporary);

class TraceFile {
 public:
  explicit TraceFile(const std::filesystem::path& path);
  ~TraceFile();
  TraceFile(TraceFile&&) noexcept;

  const TraceHeader& header() const noexcept;
  // "" or one line that says that the run did not end in order and what can be trusted.
  std::string warning() const;
  // In graph order.
  const std::vector<TracePopulation>& populations() const noexcept;
  std::optional<size_t> find(std::string_view population) const;
  // Throws Error(kUsage) with the nearest name.
  size_t at(std::string_view population) const;
  // Every sample of the run, also those of which no rows were recorded.
  const std::vector<TraceSample>& samples() const noexcept;
  // Rows are a selection of the steps: such a file can be looked at, but not priced on a chip.
  bool is_partial() const noexcept;
  // All populations of the graph are in the file.
  bool has_all_populations() const noexcept;

  // One row as the engine had it, planes of levels below each other. Throws Error(kUsage) for a row that is not there, Error(kData)
  // for damage, also for pad bits that are set.
  SpikeTensor read(size_t population, int64_t row) const;
  // Packed rows as stored: packed_bytes(bits()) bytes each, LSB first; the planes of levels one
  // behind the other (core/levels.hpp).
  std::vector<uint8_t> bits(size_t population, int64_t row, int64_t rows = 1) const;
  // Rows that bits() should be asked for at a time to decompress each chunk once; at most 1 MiB, at
  // least one.
  int64_t block_rows(size_t population) const;
  std::vector<uint32_t> popcounts(size_t population) const;
  // Sample and step of every row. Throws Error(kData) when samples and rows do not fit each other.
  std::vector<TraceRow> rows(size_t population) const;
  // Part of the event list.
  TraceEvents events(size_t population, int64_t first, int64_t count) const;

  std::string config_json() const;
  std::string graph_json() const;
  const std::filesystem::path& path() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spikeloom
