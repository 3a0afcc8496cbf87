#pragma once
// Rows of numbers of different types: NumPy's structured arrays.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/shape.hpp"

namespace spikeloom {

// One number of a row: kind 'i', 'u', 'f' or 'b' (bool), of `bytes` bytes.
struct NpyField {
  std::string name;
  char kind = 'i';
  size_t bytes = 0, offset = 0;
  bool swapped = false;  // big-endian
};

struct NpyRows {
  std::vector<NpyField> fields;
  size_t row_bytes = 0;
  Shape shape;  // of the rows
  bool fortran_order = false;
  size_t data_offset = 0;  // bytes from the start of the file
};

// "<i4" and the like. Throws Error(kData) for other element types, by name.
NpyField parse_npy_field(std::string name, const std::string& code);

// The header of an array of either kind: a plain one has one field, without a name. Throws
// Error(kData), messages start with `what`.
NpyRows parse_npy_rows(std::span<const std::byte> bytes, const std::string& what);

// The number of a field in a row. Of a real number the integer is what it rounds to.
struct NpyNumber {
  int64_t whole = 0;
  double real = 0;
  bool is_real = false;
};
NpyNumber load_field(std::span<const std::byte> row, const NpyField& field);

}  // namespace spikeloom
