#pragma once
// A dataset that is written and read by rows: [rows] or [rows, width]. Internal to sim/trace.
//
// Errors as in hdf5.hpp. Without a chunk cache of its own the writer's memory is what it hands
// over; a reader holds one chunk.

#include <memory>
#include <string>

#include "core/io/hdf5/chunk_reader.hpp"
#include "core/io/hdf5/hdf5.hpp"

namespace spikeloom::hdf5 {

struct RowFormat {
  hid_t file_type = -1;
  int64_t width = 0;  // 0: one value per row
  int64_t chunk_rows = 1;
  unsigned gzip = 1;  // level; 0: none
  bool shuffle = false;
};

class RowDataset {
 public:
  RowDataset() = default;
  // Creates it, without rows.
  static RowDataset create(hid_t where, const std::string& name, const RowFormat& format);
  // Opens it for reading, which ChunkReader does. Throws when it is not in chunks of whole rows,
  // not [rows] or [rows, width] of integers or floats, the bytes of a value not `value_bytes`, the
  // class not `kind`.
  static RowDataset open(hid_t where, const std::string& name, H5T_class_t kind,
                         size_t value_bytes);

  explicit operator bool() const noexcept { return static_cast<bool>(dataset_); }
  int64_t rows() const noexcept { return rows_; }
  int64_t width() const noexcept { return width_; }  // 0: one value per row
  hid_t get() const noexcept { return dataset_.get(); }

  // Overwrites or appends rows [first, first + rows); grows as needed.
  void write(int64_t first, int64_t rows, hid_t memory_type, const void* values);
  // Appends or overwrites with a chunk that its filters were applied to already, all of its rows;
  // `first`: the row it starts with. The dataset then has at least `first + rows` rows.
  void write_chunk(int64_t first, int64_t rows, std::span<const uint8_t> filtered);
  void resize(int64_t rows);
  void read(int64_t first, int64_t rows, hid_t memory_type, void* values) const;

 private:
  // Selects rows in the file and describes the memory that holds them.
  Id select(int64_t first, int64_t rows, Id& memory) const;

  void read_chunks(int64_t first, int64_t rows, hid_t memory_type, std::byte* values) const;

  std::string name_;
  Id dataset_;
  std::unique_ptr<ChunkReader> chunks_;  // of datasets opened to be read
  int64_t rows_ = 0;
  int64_t width_ = 0;
};

}  // namespace spikeloom::hdf5
