#include "sim/trace/population_writer.hpp"

#include <algorithm>

#include "core/bit_packing.hpp"
#include "core/error.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr int64_t kChunkBytes = 262144;  // docs/trace.md

}  // namespace

PopulationWriter::PopulationWriter(hid_t activity, const Shape& shape, LevelRange levels,
                                   bool with_steps)
    : activity_(activity),
      neurons_(element_count(shape)),
      levels_(levels),
      row_bytes_(packed_bytes(neurons_ * levels.planes())),
      buffer_rows_(std::max<int64_t>(1, kChunkBytes / row_bytes_)),
      with_steps_(with_steps) {}

void PopulationWriter::add(SpikeView spikes, int64_t global_step) {
  const size_t end = bits_.size();
  bits_.resize(end + static_cast<size_t>(row_bytes_));
  pack_bits(spikes, std::span(bits_).subspan(end));
  const int64_t count = levels_.planes() == 1
                            ? spikes.count()
                            : count_packed_levels(std::span(bits_).subspan(end), neurons_, levels_);
  if (count > UINT32_MAX)
    throw Error(ErrorCode::kCapacity, "the levels of a step add up to more than 2^32");
  popcounts_.push_back(static_cast<uint32_t>(count));
  if (with_steps_) steps_.push_back(static_cast<uint64_t>(global_step));
  uncommitted_spikes_ += count;
  if (static_cast<int64_t>(popcounts_.size()) < buffer_rows_) return;
  flush(false);
  base_ += buffer_rows_;
  clear();
}

void PopulationWriter::commit() noexcept {
  committed_rows_ = rows();
  spikes_ += uncommitted_spikes_;
  uncommitted_spikes_ = 0;
}

void PopulationWriter::drop_uncommitted() {
  uncommitted_spikes_ = 0;
  if (committed_rows_ >= base_) {
    const auto keep = static_cast<size_t>(committed_rows_ - base_);
    bits_.resize(keep * static_cast<size_t>(row_bytes_));
    popcounts_.resize(keep);
    if (with_steps_) steps_.resize(keep);
  } else {
    clear();
    base_ = committed_rows_;
  }
  for (RowDataset* dataset : {&bits_file_, &popcount_file_, &steps_file_}) {
    if (*dataset && dataset->rows() > committed_rows_) dataset->resize(committed_rows_);
  }
}

void PopulationWriter::flush(bool final) {
  const auto count = static_cast<int64_t>(popcounts_.size());
  if (!bits_file_)
    create_datasets(final ? std::clamp<int64_t>(count, 1, buffer_rows_) : buffer_rows_);
  bits_file_.write(base_, count, H5T_NATIVE_UINT8, bits_.data());
  popcount_file_.write(base_, count, H5T_NATIVE_UINT32, popcounts_.data());
  if (with_steps_) steps_file_.write(base_, count, H5T_NATIVE_UINT64, steps_.data());
}

void PopulationWriter::read(int64_t first, int64_t rows, uint8_t* bits) const {
  bits_file_.read(first, rows, H5T_NATIVE_UINT8, bits);
}

void PopulationWriter::read_steps(int64_t first, int64_t rows, uint64_t* steps) const {
  steps_file_.read(first, rows, H5T_NATIVE_UINT64, steps);
}

void PopulationWriter::create_datasets(int64_t chunk_rows) {
  bits_file_ = RowDataset::create(activity_, "bits", {H5T_STD_U8LE, row_bytes_, chunk_rows});
  write_text(bits_file_.get(), "encoding", "bitpack-lsb0");
  write_integers(bits_file_.get(), "n_neurons", H5T_STD_U64LE, {&neurons_, 1}, true);
  const int64_t pad = row_bytes_ * 8 - neurons_ * levels_.planes();
  write_integers(bits_file_.get(), "pad_bits", H5T_STD_U8LE, {&pad, 1}, true);
  popcount_file_ = RowDataset::create(activity_, "popcount", {H5T_STD_U32LE, 0, chunk_rows});
  if (with_steps_) {
    steps_file_ = RowDataset::create(activity_, "steps", {H5T_STD_U64LE, 0, chunk_rows});
  }
}

void PopulationWriter::clear() noexcept {
  bits_.clear();
  popcounts_.clear();
  steps_.clear();
}

}  // namespace spikeloom::hdf5
