#pragma once
// Events of an event camera, as plain arrays, and what reading them met.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace spikeloom {

// Event i: at microsecond t[i] pixel (x[i], y[i]), origin at the top left, became brighter (p[i] 1)
// or darker (0). As in the file: nothing is renumbered or moved. Recordings of one dimension (SHD)
// have y 0.
struct Events {
  std::vector<int64_t> t;
  std::vector<uint16_t> x, y;
  std::vector<uint8_t> p;
  // SHD and SSC only: the times as stored, in seconds, which SpikingJelly computes with; and whether
  // they are float16.
  std::vector<double> seconds{};
  bool half = false;

  size_t size() const noexcept { return t.size(); }
  void clear();
};

// Sorts by time; events of one time keep their order. Nothing happens to what is sorted.
void sort_by_time(Events& events);

// Occurrences of something that should not be, and where it was first: the byte of the file, or the
// number of the event.
struct Oddity {
  int64_t count = 0;
  uint64_t first = 0;
  void add(uint64_t at) noexcept {
    if (count++ == 0) first = at;
  }
};

struct RecordingInfo {
  std::string format;             // "evt3", one of recording_formats()
  int64_t width = 0, height = 0;  // 0: neither the file nor the user says
  int64_t words = 0;              // words or records that were read
  int64_t events = 0;
  Oddity unknown;                     // words of no known type, times that no clock shows
  Oddity invalid;                     // events that the camera marked as invalid
  Oddity outside;                     // events outside of the sensor, left out
  Oddity early;                       // events before the first word that tells the time, left out
  Oddity falls;                       // events that lie before the one in front of them
  int64_t wraps = 0;                  // of the clock
  std::optional<int64_t> t_offset{};  // DSEC: microseconds to be added for absolute times
  std::vector<std::string> notes{};   // what reading forgave, a line each

  // Arrays, whose events have a number and no byte.
  bool numbers_events() const;
  // Words of several types; of other formats what is unknown is a time.
  bool has_words() const;
};

}  // namespace spikeloom
