#include "sim/trace/sample_table.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr int64_t kChunkRows = 1024;
constexpr int64_t kMaxSamples = int64_t{1} << 22;  // 160 MiB as rows

int64_t& field(SampleRow& row, size_t column) noexcept {
  switch (column) {
    case 0: return row.index;
    case 1: return row.label;
    case 2: return row.prediction;
    case 3: return row.first_step;
    default: return row.steps;
  }
}

hid_t file_type(size_t column) {
  switch (column) {
    case 0: return H5T_STD_U64LE;
    case 1:
    case 2: return H5T_STD_I32LE;
    case 3: return H5T_STD_U64LE;
    default: return H5T_STD_U32LE;
  }
}

// `read(column, values)` fills one column of `count` rows.
template <typename Read>
std::vector<SampleRow> read_rows(int64_t count, Read&& read) {
  std::vector<SampleRow> rows(static_cast<size_t>(count));
  std::vector<int64_t> values(rows.size());
  for (size_t c = 0; c < kSampleColumns.size(); ++c) {
    read(c, values.data());
    for (size_t i = 0; i < rows.size(); ++i) field(rows[i], c) = values[i];
  }
  return rows;
}

}  // namespace

SampleWriter::SampleWriter(hid_t samples) {
  for (size_t c = 0; c < columns_.size(); ++c) {
    columns_[c] = RowDataset::create(samples, kSampleColumns[c], {file_type(c), 0, kChunkRows});
  }
}

void SampleWriter::add(const SampleRow& row) {
  const auto fits = [](int64_t value) { return value >= INT32_MIN && value <= INT32_MAX; };
  if (!fits(row.label) || !fits(row.prediction) || row.steps < 0 || row.steps > UINT32_MAX) {
    throw Error(ErrorCode::kInternal, "sample " + std::to_string(row.index) +
                                          ": label, prediction or steps do not fit 32 bits");
  }
  pending_.push_back(row);
  if (static_cast<int64_t>(pending_.size()) == kChunkRows) flush();
}

void SampleWriter::flush() {
  std::vector<int64_t> values(pending_.size());
  const int64_t first = columns_[0].rows();
  for (size_t c = 0; c < columns_.size(); ++c) {
    for (size_t i = 0; i < values.size(); ++i) values[i] = field(pending_[i], c);
    columns_[c].write(first, static_cast<int64_t>(values.size()), H5T_NATIVE_INT64, values.data());
  }
  pending_.clear();
}

std::vector<SampleRow> SampleWriter::read(int64_t first, int64_t count) const {
  return read_rows(count, [&](size_t c, int64_t* values) {
    columns_[c].read(first, count, H5T_NATIVE_INT64, values);
  });
}

std::vector<SampleRow> read_samples(const TraceSource& source, bool whole) {
  std::array<RowSource, kSampleColumns.size()> columns;
  int64_t count = INT64_MAX;
  for (size_t c = 0; c < columns.size(); ++c) {
    const std::string name = kSampleColumns[c];
    const bool needed =
        whole || c + 1 == columns.size();  // n_steps; the others follow, or are not known
    if (!needed && !source.has("/spikeloom/samples/" + name)) continue;
    columns[c] = source.rows("/spikeloom/samples/" + name, H5T_INTEGER, c == 0 || c == 3 ? 8 : 4);
    if (columns[c].width() != 0) throw Error(ErrorCode::kData, name + " is no list");
    count = std::min(count, columns[c].rows());
  }
  if (count > kMaxSamples) throw Error(ErrorCode::kData, "more than 2^22 samples");
  std::vector<SampleRow> rows = read_rows(count, [&](size_t c, int64_t* values) {
    if (columns[c]) {
      columns[c].read(0, count, values);
    } else {
      std::fill_n(values, count, -1);
    }
  });
  int64_t end = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!columns[0]) rows[i].index = static_cast<int64_t>(i);
    if (!columns[3]) rows[i].first_step = end;
    if (rows[i].steps < 0 || rows[i].steps > UINT32_MAX)
      throw Error(ErrorCode::kData, "samples: " + std::to_string(rows[i].steps) + " steps");
    end += rows[i].steps;
  }
  return rows;
}

}  // namespace spikeloom::hdf5
