#pragma once
// Streams what a network computes to .npy files: named outputs and nodes to <name>.npy, membrane
// potentials of neurons to <name>.v.npy. A step's values are channels first: [C, H, W] of maps, [C]
// of vectors.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/checkpoint.hpp"
#include "core/io/npy.hpp"
#include "run/watched_arrays.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {

// Where the logits of every step stand, [samples, steps, classes], until finish() writes them as
// logits_steps.npy, [steps, samples, classes].
std::filesystem::path step_logits_rows(const std::filesystem::path& dir);

struct FeatureOptions {
  int64_t steps = 1;
  const RunState* earlier = nullptr;  // of a process that left files, which resume() will read
  bool per_step = false;              // also logits_steps.npy
};

// Float32 [samples, steps, ...] of every array.
class FeatureWriters {
 public:
  FeatureWriters(const Graph& graph, const std::vector<WatchedArray>& arrays,
                 const std::filesystem::path& dir, FeatureOptions options);
  void chunk(const Session& session);
  void end_sample();
  // A sample without values: a row of NaN.
  void broken_sample();
  // See NpyWriter.
  void flush();
  void keep_partial();
  // Takes over the rows of the first `rows` samples from what an earlier process left.
  void resume(int64_t rows);
  // After an interruption, `unfinished` rows stay for a run that continues.
  void finish(bool unfinished);
  // Gives up the files that were taken over.
  void release();
  // See RunState.
  std::map<std::string, std::string> unnamed() const;

 private:
  struct Feature {
    WatchedArray array;
    ClaimedFile earlier;
    int64_t row_size = 0;
    std::unique_ptr<NpyWriter> file;
    std::vector<float> row;  // of the current sample
  };
  void add(const WatchedArray& array, const FeatureOptions& options);

  std::vector<Feature> features_;
  std::filesystem::path step_logits_;  // "": not wanted
};

}  // namespace spikeloom
