#pragma once
// Streams the spikes or levels of one population to a trace file: bits, spike counts (of levels
// their magnitudes) and, where rows are chosen, global steps. Internal to sim/trace.
//
// Rows gather in a buffer that starts at a chunk boundary of the file, so that a full buffer is one
// whole chunk (about 256 KiB of bits) and memory does not grow with the run. Datasets are created
// at the first write: a run that fits the buffer then gets chunks of just its size.

#include <vector>

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

  void add(SpikeView spikes, int64_t global_step);
  // The rows so far belong to finished samples and stay.
  void commit() noexcept;
  // Forgets the rows after the last commit; only flush() and reading may follow.
  void drop_uncommitted();
  // Writes what is buffered. `final`: no rows will follow.
  void flush(bool final);

  int64_t rows() const noexcept { return base_ + static_cast<int64_t>(popcounts_.size()); }
  int64_t spikes() const noexcept { return spikes_; }  // of committed rows
  int64_t neurons() const noexcept { return neurons_; }
  LevelRange levels() const noexcept { return levels_; }
  int64_t rows_per_buffer() const noexcept { return buffer_rows_; }
  // After the final flush: packed bits of `rows` rows.
  void read(int64_t first, int64_t rows, uint8_t* bits) const;
  // After the final flush; only with steps.
  void read_steps(int64_t first, int64_t rows, uint64_t* steps) const;

 private:
  void create_datasets(int64_t chunk_rows);
  void clear() noexcept;

  hid_t activity_;
  int64_t neurons_;
  LevelRange levels_;
  int64_t row_bytes_, buffer_rows_;
  bool with_steps_;
  RowDataset bits_file_, popcount_file_, steps_file_;
  int64_t base_ = 0;  // row of the file where the buffer starts
  std::vector<uint8_t> bits_;
  std::vector<uint32_t> popcounts_;
  std::vector<uint64_t> steps_;
  int64_t committed_rows_ = 0;
  int64_t spikes_ = 0, uncommitted_spikes_ = 0;
};

}  // namespace spikeloom::hdf5
