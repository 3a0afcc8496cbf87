#include "core/io/hdf5/chunk_reader.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "core/error.hpp"

namespace spikeloom::hdf5 {
namespace {

std::vector<H5Z_filter_t> filters_of(hid_t properties, const std::string& name) {
  std::vector<H5Z_filter_t> filters;
  const int count = H5Pget_nfilters(properties);
  check(count, "read the filters of " + name);
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    size_t values = 0;
    filters.push_back(H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values, nullptr,
                                     0, nullptr, nullptr));
    if (filters.back() != H5Z_FILTER_DEFLATE && filters.back() != H5Z_FILTER_SHUFFLE) {
      throw Error(ErrorCode::kData,
                  name + ": filter " + std::to_string(filters.back()) + " is not available");
    }
  }
  return filters;
}

// False unless the stream is whole and gives exactly the size of `out`.
bool inflate_exactly(std::span<const std::byte> stored, std::span<std::byte> out) {
  uLongf size = out.size();
  const int result = uncompress(reinterpret_cast<Bytef*>(out.data()), &size,
                                reinterpret_cast<const Bytef*>(stored.data()), stored.size());
  return result == Z_OK && size == out.size();
}

// First bytes of all values, then second bytes, ...: back to whole values.
std::vector<std::byte> unshuffle(std::span<const std::byte> bytes, size_t width) {
  std::vector<std::byte> values(bytes.size());
  const size_t count = bytes.size() / width;
  for (size_t b = 0; b < width; ++b) {
    for (size_t i = 0; i < count; ++i) values[i * width + b] = bytes[b * count + i];
  }
  return values;
}

}  // namespace

ChunkReader::ChunkReader(hid_t dataset, std::string name, int64_t row_values, size_t value_bytes)
    : dataset_(dataset),
      name_(std::move(name)),
      value_bytes_(value_bytes),
      row_bytes_(static_cast<size_t>(row_values) * value_bytes) {
  const Id properties(H5Dget_create_plist(dataset), H5Pclose, "read properties of " + name_);
  hsize_t chunk[2] = {0, static_cast<hsize_t>(row_values)};
  if (H5Pget_chunk(properties.get(), 2, chunk) < 1) {
    throw Error(ErrorCode::kData, "cannot read the chunk size of " + name_);
  }
  if (chunk[0] == 0 || chunk[1] != static_cast<hsize_t>(row_values)) {
    throw UnknownStructure(name_ + ": chunks do not hold whole rows");
  }
  chunk_rows_ = static_cast<int64_t>(chunk[0]);
  filters_ = filters_of(properties.get(), name_);
}

void ChunkReader::load(int64_t chunk) {
  if (loaded_ == chunk) return;
  loaded_ = -1;
  const size_t size = static_cast<size_t>(chunk_rows_) * row_bytes_;
  const hsize_t start[2] = {static_cast<hsize_t>(chunk * chunk_rows_), 0};
  hsize_t stored = 0;
  check(H5Dget_chunk_storage_size(dataset_, start, &stored), "find a chunk of " + name_);
  std::vector<std::byte> bytes(stored);
  uint32_t left_out = 0;  // bit i: filter i was not applied to this chunk
  if (stored == 0) {
    bytes.resize(size);
    left_out = ~uint32_t{0};
  } else {
    check(H5Dread_chunk(dataset_, H5P_DEFAULT, start, &left_out, bytes.data()), "read " + name_);
  }
  for (size_t i = filters_.size(); i-- > 0;) {
    if ((left_out >> i & 1) != 0) continue;
    if (filters_[i] == H5Z_FILTER_DEFLATE) {
      std::vector<std::byte> whole(size);
      if (!inflate_exactly(bytes, whole)) {
        throw Error(ErrorCode::kData,
                    name_ + ": the chunk of row " + std::to_string(start[0]) + " is damaged");
      }
      bytes = std::move(whole);
    } else if (bytes.size() == size) {
      bytes = unshuffle(bytes, value_bytes_);
    }
  }
  if (bytes.size() != size) {
    throw Error(ErrorCode::kData,
                name_ + ": the chunk of row " + std::to_string(start[0]) + " is damaged");
  }
  chunk_ = std::move(bytes);
  loaded_ = chunk;
}

void ChunkReader::read(int64_t first, int64_t rows, std::span<std::byte> out) {
  while (rows > 0) {
    load(first / chunk_rows_);
    const int64_t skip = first % chunk_rows_, part = std::min(rows, chunk_rows_ - skip);
    const size_t bytes = static_cast<size_t>(part) * row_bytes_;
    std::memcpy(out.data(), chunk_.data() + static_cast<size_t>(skip) * row_bytes_, bytes);
    out = out.subspan(bytes);
    first += part;
    rows -= part;
  }
}

}  // namespace spikeloom::hdf5
