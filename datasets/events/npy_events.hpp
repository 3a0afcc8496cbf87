#pragma once
// Events as NumPy saves them.

#include <filesystem>

#include "datasets/events/decoders.hpp"
#include "datasets/events/npy_fields.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

// Turns the numbers of rows into events. Throws Error(kData) for numbers that no event can have.
class EventColumns {
 public:
  // Microseconds of a unit, "s", "ms", "us", "ns".
  explicit EventColumns(const std::string& time_unit);
  int64_t microseconds(const NpyNumber& t) const;  // real times are rounded
  static int64_t coordinate(const NpyNumber& value, const char* name);
  static bool polarity(const NpyNumber& p);  // 1 or true; 0, false or -1

 private:
  int64_t multiply_ = 1, divide_ = 1;
};

// A structure with fields t, x, y, p, or an array [N, 4] of which options.columns says what its
// columns are. Rows are read as they come.
EventDecoder decode_npy(std::shared_ptr<ByteReader> in, const RecordingOptions& options);

// Arrays t, x, y, p of equal length.
EventDecoder decode_npz(const std::filesystem::path& file, const RecordingOptions& options);
// Arrays pos and neg [N, 3] of row, column, time 1 to 8 (ES-ImageNet), as SpikingJelly reads them:
// pos is ON.
EventDecoder decode_es_imagenet(const std::filesystem::path& file, RecordingInfo& info);
// Whether an archive holds pos and neg.
bool is_es_imagenet(const std::filesystem::path& file);

}  // namespace spikeloom
