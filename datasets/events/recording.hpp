#pragma once
// A recording of an event camera, whatever its format, decoded block by block.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/events/events.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

struct RecordingFormat {
  std::string_view name;  // of dataset.format
  std::string_view summary;
};

// All, in the order of their names, without "auto".
std::span<const RecordingFormat> recording_formats() noexcept;

// Most events of one recording that is held in memory, 13 bytes each.
constexpr int64_t kMostEvents = int64_t{1} << 28;

// Errors: Error(kUsage) for options that contradict the file or are missing, Error(kData) for files
// that are damaged or of no known format: more than 1 % of the words of unknown type, of the events
// outside of the sensor, or of the times falling. Both name the file and the byte. One thread.
class Recording {
 public:
  // `index`: of files with several recordings (SHD), which one.
  Recording(const std::filesystem::path& file, const RecordingOptions& options, int64_t index = 0);
  // From standard input, of which `start` was read already.
  static Recording standard_input(std::string start, const RecordingOptions& options);
  Recording(Recording&&) noexcept;
  ~Recording();

  // What is known so far; complete when next() has returned false.
  const RecordingInfo& info() const noexcept;
  // Replaces `events` by the next block, of any number; false when there is no more.
  bool next(Events& events);

 private:
  struct State;
  explicit Recording(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Throws Error(kData) where more than 1 % of what was read should not be.
void check_counts(const RecordingInfo& info);

// All events with start <= t < end, sorted by time. Throws as Recording does, and Error(kCapacity)
// for more than kMostEvents.
struct LoadedRecording {
  Events events;
  RecordingInfo info;
};
struct TimeSpan {
  int64_t start = INT64_MIN, end = INT64_MAX;  // microseconds
};
LoadedRecording load_recording(const std::filesystem::path& file, const RecordingOptions& options,
                               int64_t index = 0, TimeSpan span = {});

}  // namespace spikeloom
