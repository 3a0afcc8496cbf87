#pragma once
// The table /spikeloom/samples: one row per sample of the run. Internal to sim/trace.

#include <array>
#include <vector>

#include "core/io/hdf5/row_dataset.hpp"
#include "sim/trace/trace_source.hpp"

namespace spikeloom::hdf5 {

struct SampleRow {
  int64_t index = 0, label = -1, prediction = -1, first_step = 0, steps = 0;
};

// Column order of the file and of the arrays below.
inline constexpr std::array<const char*, 5> kSampleColumns = {"index", "label", "prediction",
                                                              "first_step", "n_steps"};

class SampleWriter {
 public:
  explicit SampleWriter(hid_t samples);
  // Throws Error(kInternal) when a label or prediction does not fit 32 bits.
  void add(const SampleRow& row);
  void flush();
  int64_t rows() const noexcept {
    return columns_[0].rows() + static_cast<int64_t>(pending_.size());
  }
  // After flush().
  std::vector<SampleRow> read(int64_t first, int64_t count) const;

 private:
  std::array<RowDataset, 5> columns_;
  std::vector<SampleRow> pending_;
};

// All columns of /spikeloom/samples; the shortest decides how many rows there are. `whole`: none may
// be missing; else all but n_steps follow, or are not known (-1).
std::vector<SampleRow> read_samples(const TraceSource& source, bool whole);

}  // namespace spikeloom::hdf5
