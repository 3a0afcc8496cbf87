#pragma once
// Streams what a network computes to .npy files (watched_arrays.hpp): float32, a row for every
// sample with all its steps, or a row for every step where samples differ in length.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/io/npy.hpp"
#include "run/checkpoint.hpp"
#include "run/watched_arrays.hpp"

namespace spikeloom {

// Where the logits of every step stand, [samples, steps, classes], until finish() writes them as
// logits_steps.npy, [steps, samples, classes].
std::filesystem::path step_logits_rows(const std::filesystem::path& dir);

class FeatureWriters {
 public:
  // `steps`: of a sample; 0: they differ. `earlier`: of a process that left files, which resume()
  // will read; null: none did.
  FeatureWriters(const std::vector<WatchedArray>& arrays, int64_t steps, const RunState* earlier);
  // What a chunk showed, by array, to be taken.
  void add(std::vector<std::vector<float>>& rows);
  void end_sample();
  // A sample without values: a row of NaN.
  void broken_sample();
  // See NpyWriter.
  void flush();
  void keep_partial();
  // Takes over the first rows of what an earlier process left: samples, or steps.
  void resume(int64_t rows);
  // Gives the files their names, rows of steps the extents `leading`. After an interruption,
  // `unfinished` rows stay for a run that continues.
  void finish(const Shape& leading, bool unfinished);
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

  bool by_step_;
  std::vector<Feature> features_;
};

}  // namespace spikeloom
