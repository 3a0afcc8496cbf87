#pragma once
// The objects of a trace by their paths, whoever reads them. Internal to sim/trace.
//
// A file whose every structure the guard knows is read by HDF5 here. What other tools made of a
// trace (other versions of the format, notes of a user, other layouts) is read by a confined
// process (core/io/hdf5/foreign_file.hpp), where the program has one. What could hurt, links to
// other files above all, is refused by both.
//
// Errors as in hdf5.hpp, naming the object; the caller adds the file. One thread at a time.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/io/hdf5/foreign_file.hpp"
#include "core/io/hdf5/row_dataset.hpp"

namespace spikeloom::hdf5 {

// A dataset [rows] or [rows, width] of numbers. Must not outlive its TraceSource.
class RowSource {
 public:
  RowSource() = default;
  explicit operator bool() const noexcept { return own_ || object_ != nullptr; }
  int64_t rows() const noexcept { return rows_; }
  int64_t width() const noexcept { return width_; }  // 0: one value per row
  // T: uint8_t, uint32_t, uint64_t, int64_t, double.
  template <typename T>
  void read(int64_t first, int64_t rows, T* values) const;

 private:
  friend class TraceSource;
  RowDataset own_;
  const ForeignFile* file_ = nullptr;
  const Object* object_ = nullptr;
  int64_t rows_ = 0, width_ = 0;
};

class TraceSource {
 public:
  explicit TraceSource(const std::filesystem::path& path);

  bool has(const std::string& path) const;
  // Names in a group, in their order. Throws when there is no such group.
  std::vector<std::string> children(const std::string& group) const;

  // Attributes; nullopt when there is none of that name.
  std::optional<std::string> text(const std::string& path, const std::string& attribute) const;
  // A finite one, or NaN where that may be.
  std::optional<double> number(const std::string& path, const std::string& attribute,
                               bool may_be_nan = false) const;
  std::optional<std::vector<int64_t>> integers(const std::string& path,
                                               const std::string& attribute) const;

  std::string text_dataset(const std::string& path) const;
  // Numbers of `value_bytes` bytes, integers or reals.
  RowSource rows(const std::string& path, H5T_class_t kind, size_t value_bytes) const;

 private:
  std::optional<double> any_number(const std::string& path, const std::string& attribute) const;
  const ForeignFile& foreign() const;
  const Object& need(const std::string& path) const;
  RowSource foreign_rows(const std::string& path, H5T_class_t kind, size_t value_bytes) const;

  std::filesystem::path path_;
  Id file_;                                       // none: all is read by the other process
  mutable std::unique_ptr<ForeignFile> foreign_;  // also for single datasets of a known file
};

}  // namespace spikeloom::hdf5
