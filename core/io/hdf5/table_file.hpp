#pragma once
// Tables of numbers in one HDF5 file, written row by row: what is too long for JSON.
//
// A table is a dataset [rows] or [rows, width] of i64 or f64, compressed, with the attributes
// `unit` and `axes`. The file grows as a TemporaryFile and gets its name in close(); an object
// destroyed before that leaves nothing behind. Memory: what one append() hands over. Every failure
// (no such folder, disk full, ...) throws Error(kRuntime) with the path and the reason. Not
// thread-safe.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace spikeloom {

struct TableFormat {
  std::string name;        // "core/events"; its group is made when it is new
  std::string unit, axes;  // "events"; "step, core"
  int64_t width = 0;       // values of a row; 0: one, without an axis of its own
};

class TableFile {
 public:
  explicit TableFile(std::filesystem::path path);
  ~TableFile();
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;

  // Attributes of the file.
  void attribute(const std::string& name, const std::string& text);
  void attribute(const std::string& name, int64_t value);

  // New tables, without rows; the number to append to.
  size_t add_integers(const TableFormat& format);
  size_t add_reals(const TableFormat& format);
  // Whole rows of a table of that kind.
  void append(size_t table, std::span<const int64_t> values);
  void append(size_t table, std::span<const double> values);
  // A list of names as a dataset of texts of fixed length, UTF-8.
  void texts(const TableFormat& format, const std::vector<std::string>& values);

  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spikeloom
