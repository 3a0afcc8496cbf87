#pragma once
// Streams the spikes or levels of one population to a trace file: bits, spike counts (of levels
// their magnitudes) and, where rows are chosen, global steps. Internal to sim/trace.
//
// Rows gather in a buffer that starts at a chunk boundary of the file, so that a full buffer is one
// whole chunk (about 256 KiB of bits) and memory does not grow with the run. Chunks are compressed
// in the background and written in order by the thread that calls the queue. Datasets are created
// at the first write: a run that fits the buffer then gets chunks of just its size.

#include <cstdint>
#include <vector>

#include "core/background.hpp"
#include "core/io/hdf5/row_dataset.hpp"
#include "core/levels.hpp"
#include "core/shape.hpp"
#include "core/spike_tensor.hpp"

namespace spikeloom::hdf5 {

class PopulationWriter {
 public:
  // `activity`: the group /spikeloom/activity/<name>, open as long as the writer. `with_steps`:
  // also write "steps".
  PopulationWriter(hid_t activity, const Shape& shape, LevelRange levels, bool with_steps);

  // The writer must stay where it is until the queue has finished.
  void add(SpikeView spikes, int64_t global_step, BackgroundQueue& queue);
  // The rows so far belong to finished samples and stay.
  void commit() noexcept;
  // Forgets the rows after the last commit; only flush() and reading may follow. The queue has
  // finished.
  void drop_uncommitted();
  // Hands what is buffered to the queue. `final`: no rows will follow.
  void flush(bool final, BackgroundQueue& queue);

  int64_t rows() const noexcept { return base_ + static_cast<int64_t>(popcounts_.size()); }
  int64_t spikes() const noexcept { return spikes_; }  // of committed rows
  int64_t neurons() const noexcept { return neurons_; }
  LevelRange levels() const noexcept { return levels_; }
  int64_t rows_per_buffer() const noexcept { return buffer_rows_; }
  // After the final flush, the queue finished: packed bits of `rows` rows.
  void read(int64_t first, int64_t rows, uint8_t* bits) const;
  // After the final flush; only with steps.
  void read_steps(int64_t first, int64_t rows, uint64_t* steps) const;

 private:
  struct Chunk;
  void create_datasets();
  void hand_over(bool full, BackgroundQueue& queue);
  void write(const Chunk& chunk);
  void choose_compression();
  void clear() noexcept;

  hid_t activity_;
  int64_t neurons_;
  LevelRange levels_;
  int64_t row_bytes_, buffer_rows_;
  bool with_steps_;
  std::vector<size_t> distances_;  // at which bytes of `bits` repeat
  bool repeats_ = true;            // compressed by those, or by zlib
  int64_t handed_over_ = 0;        // chunks
  int64_t chunk_rows_ = 0;         // of the file; 0: not known yet
  RowDataset bits_file_, popcount_file_, steps_file_;
  int64_t base_ = 0;  // row of the file where the buffer starts
  std::vector<uint8_t> bits_;
  std::vector<uint32_t> popcounts_;
  std::vector<uint64_t> steps_;
  int64_t committed_rows_ = 0;
  int64_t spikes_ = 0, uncommitted_spikes_ = 0;
};

}  // namespace spikeloom::hdf5
