#pragma once
// Samples for a network: one of the three virtual interfaces of the project.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/levels.hpp"
#include "core/shape.hpp"
#include "core/tensor.hpp"

namespace spikeloom {

// What a dataset says before anything runs.
struct DatasetInfo {
  std::string description;  // "MNIST-style IDX, 10000 images of 28x28"
  int64_t size = 0;         // samples
  int64_t classes = 0;      // 0: unknown (no labels)
  // Of one frame, after padding; height and width 0: a sequence of vectors.
  int64_t height = 0, width = 0, channels = 0;
  // Each sample is a file of its own: one that cannot be read is left out of a run, and named.
  bool separate_files = false;
  int64_t frames = 1;  // 1: a static image, shown at every time step; otherwise one frame a step
  bool any_frames = false;  // a sample has as many as are asked for, and nothing was
  // Values are whole numbers of events within this range, 0 and 1 spikes; a reader that says so
  // sees to it. None: real values.
  std::optional<LevelRange> events{};
  // What opening it left out or had to assume, a line each, for the report.
  std::vector<std::string> warnings{};
  const char* unit = "sample";  // what one is called
};

struct Sample {
  // fp32 [frames, height, width, channels], channels last, normalised; sequences: [frames,
  // channels]
  Tensor frames;
  int64_t label = -1;  // -1: none
  std::string name{};  // of separate files: the file, relative to the folder; empty: none
  // What its reader forgave, without numbers or names in it, so that equal ones can be counted.
  std::vector<std::string> notes{};
  // Of tokens: by step, the one that follows; -1: none does.
  std::vector<int32_t> targets{};
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual const DatasetInfo& info() const noexcept = 0;
  // Sample `index` in [0, info().size). Thread-safe. Throws Error(kData) when the file is damaged
  // there.
  virtual Sample load(int64_t index) const = 0;
};

}  // namespace spikeloom
