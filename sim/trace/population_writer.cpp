#include "sim/trace/population_writer.hpp"

#include <algorithm>
#include <memory>
#include <span>

#include "core/bit_packing.hpp"
#include "core/error.hpp"
#include "core/io/deflate.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr int64_t kChunkBytes = 262144;  // docs/trace.md
constexpr size_t kFarthest = 32768;      // distance that deflate knows
constexpr size_t kProbeBytes = 8192;
constexpr int64_t kProbeEvery = 16;   // chunks
constexpr double kMostGrowth = 1.2;   // bytes for speed
constexpr size_t kSmallBytes = 4096;  // below, setting zlib up costs more than it saves

// Runs, and the same channels of the pixel before. Channels that are no whole bytes return to their
// bits after 8 pixels.
std::vector<size_t> distances_of(const Shape& shape) {
  const auto channels = static_cast<size_t>(shape.back());
  const size_t pixel = channels % 8 == 0 ? channels / 8 : channels;
  if (pixel <= 1 || pixel > kFarthest) return {1};
  return {1, pixel};
}

template <typename T>
std::span<const uint8_t> bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)};
}

template <typename T>
std::vector<uint8_t> packed_rows(const std::vector<T>& values) {
  const size_t distances[] = {1, sizeof(T)};
  const auto bytes = bytes_of(values);
  return bytes.size() <= kSmallBytes ? deflate_repeats(bytes, distances) : deflate_zlib(bytes, 1);
}

}  // namespace

PopulationWriter::PopulationWriter(hid_t activity, const Shape& shape, LevelRange levels,
                                   bool with_steps)
    : activity_(activity),
      neurons_(element_count(shape)),
      levels_(levels),
      row_bytes_(packed_bytes(neurons_ * levels.planes())),
      buffer_rows_(std::max<int64_t>(1, kChunkBytes / row_bytes_)),
      with_steps_(with_steps),
      distances_(distances_of(shape)) {}

// On its way to the file: what the job in the queue owns.
struct PopulationWriter::Chunk {
  int64_t first, rows;
  std::vector<uint8_t> bits;
  std::vector<uint32_t> popcounts;
  std::vector<uint64_t> steps;
  std::vector<uint8_t> packed_bits, packed_popcounts, packed_steps;

  // `distances` empty: by zlib.
  void pack(const std::vector<size_t>& distances) {
    packed_bits = distances.empty() ? deflate_zlib(bits, 1) : deflate_repeats(bits, distances);
    packed_popcounts = packed_rows(popcounts);
    packed_steps = packed_rows(steps);
    std::vector<uint8_t>().swap(bits);
  }
};

void PopulationWriter::add(SpikeView spikes, int64_t global_step, BackgroundQueue& queue) {
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
  if (static_cast<int64_t>(popcounts_.size()) == buffer_rows_) hand_over(true, queue);
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

void PopulationWriter::flush(bool final, BackgroundQueue& queue) {
  const auto count = static_cast<int64_t>(popcounts_.size());
  if (chunk_rows_ == 0)
    chunk_rows_ = final ? std::clamp<int64_t>(count, 1, buffer_rows_) : buffer_rows_;
  if (count > 0) return hand_over(false, queue);
  queue.add(
      0, [] {}, [this] { create_datasets(); });
}

// `full`: a whole buffer, which starts anew; otherwise its rows stay and come again.
void PopulationWriter::hand_over(bool full, BackgroundQueue& queue) {
  if (chunk_rows_ == 0) chunk_rows_ = buffer_rows_;
  if (handed_over_++ % kProbeEvery == 0) choose_compression();
  const auto chunk = std::make_shared<Chunk>();
  chunk->first = base_;
  chunk->rows = static_cast<int64_t>(popcounts_.size());
  if (full) {
    chunk->bits.swap(bits_);
    chunk->popcounts.swap(popcounts_);
    chunk->steps.swap(steps_);
    base_ += buffer_rows_;
    bits_.reserve(chunk->bits.size());
  } else {
    chunk->bits = bits_;
    chunk->popcounts = popcounts_;
    chunk->steps = steps_;
  }
  // Chunks are whole in the file.
  const auto rows = static_cast<size_t>(chunk_rows_);
  chunk->bits.resize(rows * static_cast<size_t>(row_bytes_));
  chunk->popcounts.resize(rows);
  if (with_steps_) chunk->steps.resize(rows);
  queue.add(
      chunk->bits.size(),
      [chunk, distances = repeats_ ? distances_ : std::vector<size_t>()] {
        chunk->pack(distances);
      },
      [this, chunk] { write(*chunk); });
}

// Where zlib finds much more than what repeats at the distances it takes over until the next look:
// what it shortens much it shortens fast.
void PopulationWriter::choose_compression() {
  const size_t size = std::min(bits_.size(), kProbeBytes);
  const auto probe = std::span<const uint8_t>(bits_).subspan((bits_.size() - size) / 2, size);
  repeats_ = static_cast<double>(deflate_repeats(probe, distances_).size()) <=
             kMostGrowth * static_cast<double>(deflate_zlib(probe, 1).size());
}

void PopulationWriter::write(const Chunk& chunk) {
  create_datasets();
  bits_file_.write_chunk(chunk.first, chunk.rows, chunk.packed_bits);
  popcount_file_.write_chunk(chunk.first, chunk.rows, chunk.packed_popcounts);
  if (with_steps_) steps_file_.write_chunk(chunk.first, chunk.rows, chunk.packed_steps);
}

void PopulationWriter::read(int64_t first, int64_t rows, uint8_t* bits) const {
  bits_file_.read(first, rows, H5T_NATIVE_UINT8, bits);
}

void PopulationWriter::read_steps(int64_t first, int64_t rows, uint64_t* steps) const {
  steps_file_.read(first, rows, H5T_NATIVE_UINT64, steps);
}

void PopulationWriter::create_datasets() {
  if (bits_file_) return;
  bits_file_ = RowDataset::create(activity_, "bits", {H5T_STD_U8LE, row_bytes_, chunk_rows_});
  write_text(bits_file_.get(), "encoding", "bitpack-lsb0");
  write_integers(bits_file_.get(), "n_neurons", H5T_STD_U64LE, {&neurons_, 1}, true);
  const int64_t pad = row_bytes_ * 8 - neurons_ * levels_.planes();
  write_integers(bits_file_.get(), "pad_bits", H5T_STD_U8LE, {&pad, 1}, true);
  popcount_file_ = RowDataset::create(activity_, "popcount", {H5T_STD_U32LE, 0, chunk_rows_});
  if (with_steps_) {
    steps_file_ = RowDataset::create(activity_, "steps", {H5T_STD_U64LE, 0, chunk_rows_});
  }
}

void PopulationWriter::clear() noexcept {
  bits_.clear();
  popcounts_.clear();
  steps_.clear();
}

}  // namespace spikeloom::hdf5
