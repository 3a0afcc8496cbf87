#pragma once
// Chunks of a dataset of rows, unpacked without HDF5. Internal to sim/trace.
//
// HDF5 1.10.8 takes a chunk that inflates to fewer bytes than it should for a whole one and copies
// what lies behind it in memory (measured, tests/fuzz/corpus/trace/short-chunk). Here a chunk of
// another size is Error(kData).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/io/hdf5/hdf5.hpp"

namespace spikeloom::hdf5 {

class ChunkReader {
 public:
  // For a chunked dataset [rows] or [rows, width], whose chunks hold whole rows of `row_values`
  // values of `value_bytes` bytes. The dataset must outlive the reader.
  ChunkReader(hid_t dataset, std::string name, int64_t row_values, size_t value_bytes);

  // Rows [first, first + rows) as they are stored, `out` of their size. Rows never written are 0.
  // Keeps the last chunk, so that reading on in it does not unpack it again.
  void read(int64_t first, int64_t rows, std::span<std::byte> out);

 private:
  void load(int64_t chunk);

  hid_t dataset_;
  std::string name_;
  size_t value_bytes_, row_bytes_;
  int64_t chunk_rows_ = 0;
  std::vector<H5Z_filter_t> filters_;  // in the order of writing
  int64_t loaded_ = -1;                // number of the chunk in chunk_
  std::vector<std::byte> chunk_;
};

}  // namespace spikeloom::hdf5
