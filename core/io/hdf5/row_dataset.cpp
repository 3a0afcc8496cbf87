#include "core/io/hdf5/row_dataset.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/error.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr size_t kCacheSlots = 13;

Id dataset_access(size_t cache_bytes) {
  Id access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, "make dataset properties");
  check(H5Pset_chunk_cache(access.get(), kCacheSlots, cache_bytes, 1.0), "set the chunk cache");
  return access;
}

Id creation(const RowFormat& format, int rank) {
  Id properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "make dataset properties");
  const hsize_t chunk[2] = {static_cast<hsize_t>(format.chunk_rows),
                            static_cast<hsize_t>(format.width)};
  check(H5Pset_obj_track_times(properties.get(), false), "switch off time stamps");
  check(H5Pset_chunk(properties.get(), rank, chunk), "set the chunk size");
  if (format.shuffle) check(H5Pset_shuffle(properties.get()), "set a filter");
  if (format.gzip != 0) check(H5Pset_deflate(properties.get(), format.gzip), "set a filter");
  return properties;
}

}  // namespace

RowDataset RowDataset::create(hid_t where, const std::string& name, const RowFormat& format) {
  RowDataset result;
  result.name_ = name;
  result.width_ = format.width;
  const int rank = format.width == 0 ? 1 : 2;
  const hsize_t none[2] = {0, static_cast<hsize_t>(format.width)};
  const hsize_t unlimited[2] = {H5S_UNLIMITED, static_cast<hsize_t>(format.width)};
  const Id space(H5Screate_simple(rank, none, unlimited), H5Sclose, "make a space");
  const Id properties = creation(format, rank), access = dataset_access(0);
  result.dataset_ = Id(H5Dcreate2(where, name.c_str(), format.file_type, space.get(), H5P_DEFAULT,
                                  properties.get(), access.get()),
                       H5Dclose, "create " + name);
  return result;
}

RowDataset RowDataset::open(hid_t where, const std::string& name, H5T_class_t kind,
                            size_t value_bytes) {
  RowDataset result;
  result.name_ = name;
  Id probe(H5Dopen2(where, name.c_str(), H5P_DEFAULT), H5Dclose, "open " + name);
  const Id type(H5Dget_type(probe.get()), H5Tclose, "read the type of " + name);
  const Id space(H5Dget_space(probe.get()), H5Sclose, "read the extent of " + name);
  const Id properties(H5Dget_create_plist(probe.get()), H5Pclose, "read properties of " + name);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (H5Tget_class(type.get()) != kind || H5Tget_size(type.get()) != value_bytes || rank < 1 ||
      rank > 2) {
    throw Error(ErrorCode::kData, name + " has another type or rank than expected");
  }
  hsize_t extent[2] = {0, 0};
  check(H5Sget_simple_extent_dims(space.get(), extent, nullptr), "read the extent of " + name);
  if (extent[0] > INT64_MAX || extent[1] > INT64_MAX) {
    throw Error(ErrorCode::kData, name + " has an impossible extent");
  }
  result.dataset_ = std::move(probe);
  result.rows_ = static_cast<int64_t>(extent[0]);
  result.width_ = rank == 1 ? 0 : static_cast<int64_t>(extent[1]);
  if (H5Pget_layout(properties.get()) != H5D_CHUNKED) {
    throw UnknownStructure(name + " is not stored in chunks");
  }
  const int64_t row_values = rank == 1 ? 1 : result.width_;
  result.chunks_ =
      std::make_unique<ChunkReader>(result.dataset_.get(), name, row_values, value_bytes);
  return result;
}

Id RowDataset::select(int64_t first, int64_t rows, Id& memory) const {
  const int rank = width_ == 0 ? 1 : 2;
  const hsize_t start[2] = {static_cast<hsize_t>(first), 0};
  const hsize_t count[2] = {static_cast<hsize_t>(rows), static_cast<hsize_t>(width_)};
  Id space(H5Dget_space(dataset_.get()), H5Sclose, "read the extent of " + name_);
  check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start, nullptr, count, nullptr),
        "select rows of " + name_);
  memory = Id(H5Screate_simple(rank, count, nullptr), H5Sclose, "make a space");
  return space;
}

void RowDataset::write(int64_t first, int64_t rows, hid_t memory_type, const void* values) {
  if (rows == 0) return;
  if (first + rows > rows_) resize(first + rows);
  Id memory;
  const Id space = select(first, rows, memory);
  check(H5Dwrite(dataset_.get(), memory_type, memory.get(), space.get(), H5P_DEFAULT, values),
        "write " + name_);
}

void RowDataset::write_chunk(int64_t first, int64_t rows, std::span<const uint8_t> filtered) {
  if (first + rows > rows_) resize(first + rows);
  const hsize_t start[2] = {static_cast<hsize_t>(first), 0};
  check(H5Dwrite_chunk(dataset_.get(), H5P_DEFAULT, 0, start, filtered.size(), filtered.data()),
        "write " + name_);
}

void RowDataset::resize(int64_t rows) {
  const hsize_t extent[2] = {static_cast<hsize_t>(rows), static_cast<hsize_t>(width_)};
  check(H5Dset_extent(dataset_.get(), extent), "resize " + name_);
  rows_ = rows;
}

void RowDataset::read(int64_t first, int64_t rows, hid_t memory_type, void* values) const {
  if (first < 0 || rows < 0 || rows > rows_ || first > rows_ - rows) {
    throw Error(ErrorCode::kUsage, name_ + ": rows " + std::to_string(first) + " to " +
                                       std::to_string(first + rows - 1) + " of " +
                                       std::to_string(rows_));
  }
  if (rows == 0) return;
  if (chunks_) return read_chunks(first, rows, memory_type, static_cast<std::byte*>(values));
  Id memory;
  const Id space = select(first, rows, memory);
  check(H5Dread(dataset_.get(), memory_type, memory.get(), space.get(), H5P_DEFAULT, values),
        "read " + name_);
}

void RowDataset::read_chunks(int64_t first, int64_t rows, hid_t memory_type,
                             std::byte* values) const {
  const Id type(H5Dget_type(dataset_.get()), H5Tclose, "read the type of " + name_);
  const size_t count = static_cast<size_t>(rows * std::max<int64_t>(1, width_));
  const size_t stored = H5Tget_size(type.get()), wanted = H5Tget_size(memory_type);
  if (H5Tequal(type.get(), memory_type) > 0) {
    return chunks_->read(first, rows, std::span(values, count * wanted));
  }
  std::vector<std::byte> buffer(count * std::max(stored, wanted));  // converted in its place
  chunks_->read(first, rows, std::span(buffer).first(count * stored));
  check(H5Tconvert(type.get(), memory_type, count, buffer.data(), nullptr, H5P_DEFAULT),
        "convert " + name_);
  std::memcpy(values, buffer.data(), count * wanted);
}

}  // namespace spikeloom::hdf5
