#pragma once
// Events in HDF5 files: SHD, SSC and DSEC. Read by a confined process, see
// core/io/hdf5/foreign_file.hpp.

#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "core/io/hdf5/foreign_file.hpp"
#include "datasets/events/decoders.hpp"

namespace spikeloom {

enum class Hdf5Events { kShd, kDsec };

// By the names of its datasets. Throws Error(kData) for others, by name where they are known.
Hdf5Events hdf5_events_in(const hdf5::ForeignFile& file);

// SHD, SSC: recordings of one dimension, times in seconds as float16 to float64. Thread-safe.
class ShdFile {
 public:
  // Throws Error(kData).
  explicit ShdFile(const std::filesystem::path& path);

  int64_t size() const noexcept { return static_cast<int64_t>(labels_.size()); }
  // -1: the file has none.
  int64_t label(int64_t index) const { return labels_.at(static_cast<size_t>(index)); }
  // Sorted by time; t = trunc(seconds * 1e6), x = unit, p = 1. `info` gets the counts.
  Events read(int64_t index, RecordingInfo& info) const;

  static constexpr int64_t kUnits = 700;

 private:
  std::unique_ptr<hdf5::ForeignFile> file_;
  const hdf5::Object *times_ = nullptr, *units_ = nullptr;
  std::vector<int64_t> labels_;
  mutable std::mutex mutex_;
};

// One recording of the file; fails where there is none.
EventDecoder decode_shd(const std::filesystem::path& path, int64_t index, RecordingInfo& info);
// In blocks.
EventDecoder decode_dsec(std::unique_ptr<hdf5::ForeignFile> file, RecordingInfo& info);

}  // namespace spikeloom
