#pragma once
// Writes the spikes of a run to an HDF5 trace file (docs/trace.md).
//
// Spikes stream to disk: memory is about one chunk (256 KiB) per population and 16 MiB that wait to
// be compressed, on a thread beside the caller's, whatever the length of the run. All of HDF5 is the
// caller's. The file grows as a TemporaryFile and gets its name in close(). After a sample, at most
// once a second, all that was recorded is flushed: a killed run leaves a temporary file that holds
// what the last flush held, whole, whenever the kill came (its attribute `complete` is 0).
//
// Errors: Error(kUsage) for unknown layers and impossible options; Error(kRuntime) naming the file
// when writing fails (no such folder, disk full), after which every call throws it again and only
// the destructor remains to be called. One thread at a time.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "sim/plan/trace_sink.hpp"

namespace spikeloom {

struct RecorderOptions {
  std::filesystem::path path;
  std::vector<std::string> layers;  // populations to record, by name; empty: all
  int64_t every = 1;                // record steps 0, every, 2*every, ... of each sample
  std::vector<int64_t> samples;     // dataset indices to record; empty: all
  // Event lists /spikes/<population>, derived from the bits at close: of populations whose mean
  // rate is below 2 % (events_auto), and always of those named in `events`; neither: none.
  bool events_auto = true;
  std::vector<std::string> events;
  // Lists are shuffled and gzipped (about a tenth of the size). libsonata as built for PyPI (0.2.2)
  // has no gzip: false leaves filters out for such readers.
  bool events_gzip = true;
  std::string config_json, graph_json, config_sha256, run_id, generator;
  double dt_ms = 1.0;            // duration of a step
  int64_t steps_per_sample = 0;  // 0: lengths differ
  bool keep_partial = false;     // leave the temporary file behind when close() was not reached
};

class Recorder final : public TraceSink {
 public:
  // Creates the temporary file.
  Recorder(const Graph& graph, RecorderOptions options);
  ~Recorder() override;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void begin_sample(const SampleStart& sample) override;
  void chunk(const SpikeChunk& chunk) override;
  void end_sample(const SampleEnd& end) override;

  // Flushes now; between samples only.
  void flush();
  // From now on the temporary file stays behind when close() is not reached.
  void keep_partial() noexcept;
  // Where it lies.
  std::filesystem::path temporary() const;
  // The root attribute `signature`; any time before close().
  void set_signature(std::string signature);
  // The root attribute `inputs_sha256`, what the samples were; likewise.
  void set_inputs(std::string sha256);
  // Drops a sample that has not ended, derives the event lists, sets `complete` and gives the file
  // its name.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spikeloom
