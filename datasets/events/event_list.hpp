#pragma once
// Which recordings, or which parts of them, are the samples of a data set.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "datasets/events/recording.hpp"

namespace spikeloom {

class ShdFile;

struct ListedRecording {
  std::string name{};                                   // relative to the folder
  int64_t label = -1;                                   // -1: none
  int64_t index = 0;                                    // in a file of several recordings
  TimeSpan span{};                                      // start <= t < end
  std::optional<std::pair<int64_t, int64_t>> centre{};  // es_imagenet: the two last numbers
};

struct RecordingList {
  std::filesystem::path folder;
  std::vector<ListedRecording> samples;
  int64_t classes = 0;    // class folders, or the greatest label + 1; 0: no labels
  bool separate = false;  // each sample is a file of its own
  std::vector<std::string> warnings{};
  std::shared_ptr<const ShdFile> shd{};  // the one file of all, which stays open
};

// spec.path: a folder of class folders, or without them, in byte-wise order; a list of lines `name
// label`, `name label start end` (microseconds, end excluded) or `name`, relative to its folder; or
// one recording, or a file of many (SHD, SSC). spec.labels: such a list of a folder, or the `class,startTime_usec,endTime_usec` of
// DVS128 Gesture of one recording, which a recording also finds beside it as <name>_labels.csv.
// Error(kData) names file and line.
RecordingList list_recordings(const DatasetSpec& spec);

}  // namespace spikeloom
