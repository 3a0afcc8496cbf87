#pragma once
// Recordings of event cameras alone, without a network: what is in one, and its events as arrays.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "datasets/events/recording.hpp"

namespace spikeloom {

// The file is one, told by its content; also standard input, "-", and one of which keys have to say
// more.
bool is_recording(const std::string& path);

// Of a file that begins as recordings do and is none that can be read: why.
std::optional<Error> why_no_recording(const std::string& path);

// `sets`: keys of [dataset] that say how it is to be read, and which of several. "-": standard input.
// Throws Error(kUsage, kData).
Recording open_recording(const std::string& path, const std::vector<std::string>& sets);

struct RecordingFacts {
  struct Count {
    const char *name, *text;  // key of the JSON, words
    int64_t count;
  };
  RecordingInfo info;
  int64_t on = 0, first_us = 0, last_us = 0;
  int64_t bin_us = 0;  // events over time, in at most 32 equal parts
  std::vector<int64_t> events_per_bin;

  double seconds() const { return static_cast<double>(last_us - first_us) * 1e-6; }
  std::vector<Count> counts() const;  // what reading forgave
};
// One pass, one block of events at a time.
RecordingFacts facts_of(Recording& recording);
nlohmann::json to_json(const RecordingFacts& facts);

// Arrays t (int64, microseconds), x, y (uint16), p (uint8), in the order of the file; how many.
// Throws Error(kCapacity) for more than fit.
int64_t export_recording(Recording& recording, const std::string& path, const std::string& output);

}  // namespace spikeloom
