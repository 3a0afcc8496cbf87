#pragma once
// NumPy's .npy arrays: versions 1 to 3 in, version 1 out.
//
// Read: f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1 of either byte order; Fortran order becomes C order.
// Wider unsigned integers become the next signed type: u2 int32, u4 and u8 int64, where a number
// that does not fit is an error. Other element types throw Error(kData) by name: object arrays
// (pickled Python), structured types, strings, times, complex numbers. Sizes are checked against
// the bytes present before anything is allocated.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/io/file.hpp"
#include "core/tensor.hpp"

namespace spikeloom {

struct NpyHeader {
  std::string descr;           // as written, "<f4"
  std::optional<DType> dtype;  // of the tensor; empty for numbers it cannot hold (complex)
  int64_t element_bytes = 0;   // as stored, which unsigned integers are widened from
  bool swapped = false;        // big-endian
  bool fortran_order = false;
  Shape shape;
  size_t data_offset = 0;  // bytes from the start of the file
  int64_t data_bytes = 0;
};

// Most bytes a header can take, magic included.
constexpr size_t kMaxNpyHeaderBytes = (64 << 10) + 12;

// `what` (a path, an entry name) starts every error message.
NpyHeader parse_npy_header(std::span<const std::byte> bytes, const std::string& what);
Tensor parse_npy(std::span<const std::byte> bytes, const std::string& what);
Tensor load_npy(const std::filesystem::path& path);

// An array of the program that runs this one, laid out as a .npy file has it behind its header.
struct NpyMemory {
  std::string name;   // in errors
  std::string descr;  // as NumPy has it, "<f4"
  bool fortran_order = false;
  Shape shape;
  std::span<const std::byte> bytes;  // not copied: they outlive whoever reads them
};

// An array that stays where it is, in its file or in memory: parts of it are read as they are asked
// for. Throws Error(kData) like load_npy, and for a file that changes meanwhile. Thread-safe.
class NpyFile {
 public:
  explicit NpyFile(const std::filesystem::path& path);
  explicit NpyFile(const NpyMemory& memory);
  const NpyHeader& header() const noexcept { return header_; }
  const Shape& shape() const noexcept { return header_.shape; }
  // The entries [first, first + count) of the first axis, which must lie inside. In C order only
  // they are read; in Fortran order they are spread over the whole file.
  Tensor part(int64_t first, int64_t count) const;

 private:
  Tensor part_of_columns(int64_t first, int64_t count) const;

  void read_at(uint64_t offset, std::span<std::byte> to) const;
  void check_unchanged() const;

  std::string name_;
  std::optional<InputFile> file_;      // none: in memory
  std::span<const std::byte> memory_;  // behind the header
  NpyHeader header_;
};

// The array in memory where there is one, else that of the file.
inline NpyFile open_npy(const std::filesystem::path& path, const NpyMemory* memory) {
  return memory != nullptr ? NpyFile(*memory) : NpyFile(path);
}

// What stands in front of the elements of an array in C order, of an element type as NumPy spells it.
std::string npy_header(std::string_view descr, const Shape& shape);

// C order, little-endian. bfloat16, which NumPy lacks, is written as float32 (exact).
// Throws Error(kRuntime) when the file cannot be written.
void save_npy(const std::filesystem::path& path, const Tensor& tensor);

// Streams float32 rows of one shape to a file of shape [rows, row_shape...]; the row count is
// written last. Nothing appears under the final name before finish(). Throws Error(kRuntime) when
// writing fails.
class NpyWriter {
 public:
  // Throws Error(kInternal) when a row has no elements.
  NpyWriter(const std::filesystem::path& path, Shape row_shape);
  // One or more whole rows; Error(kInternal) otherwise.
  void append(std::span<const float> values);
  // Hands all rows so far to the system, under the temporary name, with a header that tells of
  // them.
  void flush();
  // From now on the temporary file stays behind when finish() is not reached.
  void keep_partial() noexcept { file_.keep_partial(); }
  // The first `rows` rows of another file that this class wrote, of the same row shape. Throws
  // Error(kData) when it is another kind of file or holds fewer.
  void copy_rows(const std::filesystem::path& from, int64_t rows);
  void finish() { finish({rows_}); }
  // The same with the rows arranged under more extents, at most two: their product is the number of
  // rows, else Error(kInternal).
  void finish(const Shape& leading);
  int64_t rows() const noexcept { return rows_; }
  const OutputFile& file() const noexcept { return file_; }

 private:
  std::string header(const Shape& leading) const;

  Shape row_shape_;
  int64_t row_size_ = 0;
  int64_t rows_ = 0;
  OutputFile file_;
};

}  // namespace spikeloom
