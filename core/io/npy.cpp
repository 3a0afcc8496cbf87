#include "core/io/npy.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"
#include "core/io/npy_text.hpp"

namespace spikeloom {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::kData, what + ": " + why);
}

// The dict literal of a header. Only what NumPy writes is accepted; nothing is evaluated.
class HeaderText : NpyText {
 public:
  HeaderText(std::string_view header, const std::string& name) : NpyText{header, name} {}

  void read(NpyHeader& header) {
    bool seen[3] = {};
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      const int field = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (field < 0 || seen[field]) refuse("key '" + printable(key, 80) + "' unknown or repeated");
      seen[field] = true;
      expect(':');
      if (field == 0) header.descr = descr();
      if (field == 1) header.fortran_order = boolean();
      if (field == 2) header.shape = tuple();
      if (!accept(',') && peek() != '}') refuse("expected ',' or '}'");
    }
    if (!seen[0] || !seen[1] || !seen[2]) refuse("descr, fortran_order and shape are all needed");
    skip();
    if (at != text.size()) refuse("text after the closing brace");
  }

 private:
  std::string descr() {
    if (peek() == '[' || peek() == '(') {
      fail(what, "structured element type; only plain numbers are read");
    }
    return std::string(string());
  }

  bool boolean() {
    skip();
    for (const std::string_view word : {std::string_view("True"), std::string_view("False")}) {
      if (text.substr(at, word.size()) == word) {
        at += word.size();
        return word == "True";
      }
    }
    refuse("expected True or False");
  }

  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      if (shape.size() == kMaxRank) refuse("too many dimensions");
      shape.push_back(integer());
      if (!accept(',') && peek() != ')') refuse("expected ',' or ')'");
    }
    return shape;
  }

  int64_t integer() {
    constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
    if (std::isdigit(static_cast<unsigned char>(peek())) == 0) refuse("expected an extent >= 0");
    int64_t value = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      const int64_t digit = text[at] - '0';
      if (value > (kMax - digit) / 10) refuse("extent overflows");
      value = value * 10 + digit;
    }
    if (at < text.size() && text[at] == 'L') ++at;  // written by Python 2
    return value;
  }
};

struct NumberType {
  std::string_view code;
  std::optional<DType> dtype;
  int64_t bytes;
};

constexpr NumberType kNumberTypes[] = {
    {"f4", DType::kF32, 4},  {"f8", DType::kF64, 8},    {"f2", DType::kF16, 2},
    {"i8", DType::kI64, 8},  {"i4", DType::kI32, 4},    {"i2", DType::kI16, 2},
    {"i1", DType::kI8, 1},   {"u1", DType::kU8, 1},     {"b1", DType::kBool, 1},
    {"u2", DType::kI32, 2},  {"u4", DType::kI64, 4},    {"u8", DType::kI64, 8},
    {"c8", std::nullopt, 8}, {"c16", std::nullopt, 16},
};

void read_descr(NpyHeader& header, const std::string& what) {
  const std::string_view descr = header.descr;
  if (descr.find('O') != std::string_view::npos) {
    fail(what, "object array; pickled Python objects are never read");
  }
  const std::string_view code = descr.empty() ? descr : descr.substr(1);
  for (const NumberType& type : kNumberTypes) {
    if (type.code != code) continue;
    const char order = descr[0];
    if (order != '<' && order != '>' && order != '=' && (order != '|' || type.bytes != 1)) break;
    header.dtype = type.dtype;
    header.element_bytes = type.bytes;
    header.swapped = order == '>' && type.bytes > 1;
    return;
  }
  fail(what, "element type '" + printable(descr, 80) + "' is not supported");
}

std::string_view descr_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kBF16: return "<f4";
    case DType::kF64: return "<f8";
    case DType::kF16: return "<f2";
    case DType::kI64: return "<i8";
    case DType::kI32: return "<i4";
    case DType::kI16: return "<i2";
    case DType::kI8: return "|i1";
    case DType::kU8: return "|u1";
    case DType::kBool: return "|b1";
  }
  return "";
}

// Version 1 header, a multiple of 64 bytes. Room is left for any first extent, so that a header
// with another row count has the same length.
std::string make_header(std::string_view descr, const Shape& shape, size_t least = 0,
                        bool fortran_order = false) {
  constexpr size_t kLongestExtent = 20;
  std::string text = "{'descr': '" + std::string(descr) +
                     "', 'fortran_order': " + (fortran_order ? "True" : "False") + ", 'shape': (";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += std::to_string(shape[i]) + (i + 1 < shape.size() ? ", " : shape.size() == 1 ? "," : "");
  }
  text += "), }";
  const size_t first = shape.empty() ? kLongestExtent : std::to_string(shape[0]).size();
  const size_t unpadded = kMagic.size() + 4 + text.size() + 1 + (kLongestExtent - first);
  const size_t total = std::max((unpadded + 63) / 64 * 64, least);
  const size_t length = total - kMagic.size() - 4;
  text.resize(length - 1, ' ');
  std::string header(kMagic);
  header += {'\1', '\0', static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  return header + text + '\n';
}

}  // namespace

std::string npy_header(std::string_view descr, const Shape& shape) {
  return make_header(descr, shape);
}

NpyHeader parse_npy_header(std::span<const std::byte> bytes, const std::string& what) {
  const std::string_view text = as_text(bytes);
  if (text.size() < 10 || !text.starts_with(kMagic)) fail(what, "not a NumPy array");
  const int major = static_cast<unsigned char>(text[6]);
  const int minor = static_cast<unsigned char>(text[7]);
  if (major < 1 || major > 3 || minor != 0) {
    fail(what,
         "npy version " + std::to_string(major) + "." + std::to_string(minor) + " is unknown");
  }
  const size_t start = major == 1 ? 10 : 12;
  if (text.size() < start) fail(what, "npy header ends early");
  const size_t length = major == 1 ? load_le<uint16_t>(bytes, 8) : load_le<uint32_t>(bytes, 8);
  if (length > (64 << 10)) fail(what, "npy header of " + std::to_string(length) + " bytes");
  if (length > text.size() - start) fail(what, "npy header ends early");
  const std::string_view literal = text.substr(start, length);
  if (!literal.ends_with('\n')) fail(what, "npy header does not end in a line end");
  NpyHeader header;
  HeaderText(literal, what).read(header);
  read_descr(header, what);
  header.data_offset = start + length;
  header.data_bytes = checked_bytes(header.shape, header.element_bytes, what);
  return header;
}

namespace {

void check_data_bytes(const NpyHeader& header, uint64_t found, const std::string& what) {
  if (static_cast<uint64_t>(header.data_bytes) != found) {
    fail(what, "shape " + to_string(header.shape) + " of '" + header.descr + "' needs " +
                   std::to_string(header.data_bytes) + " bytes of data, found " +
                   std::to_string(found));
  }
  if (!header.dtype) fail(what, "element type '" + header.descr + "' is not supported");
}

bool is_unsigned(const NpyHeader& header) {
  return header.descr.size() == 3 && header.descr[1] == 'u';
}

template <typename From, typename To>
void widen(std::span<const std::byte> stored, std::span<To> to, const std::string& what) {
  for (size_t i = 0; i < to.size(); ++i) {
    const From value = load_le<From>(stored, i * sizeof(From));
    if (!std::in_range<To>(value)) fail(what, std::to_string(value) + " does not fit int64");
    to[i] = static_cast<To>(value);
  }
}

// Elements in file order and of the file's type to those of the tensor, which has as many.
void convert(const NpyHeader& header, std::span<std::byte> stored, Tensor& to,
             const std::string& what) {
  if (stored.empty()) return;
  if (header.swapped) swap_elements(stored, header.element_bytes);
  if (is_unsigned(header) && header.element_bytes == 2) {
    widen<uint16_t>(stored, to.as<int32_t>(), what);
  } else if (is_unsigned(header) && header.element_bytes == 4) {
    widen<uint32_t>(stored, to.as<int64_t>(), what);
  } else if (is_unsigned(header) && header.element_bytes == 8) {
    widen<uint64_t>(stored, to.as<int64_t>(), what);
  } else {
    if (to.data() != stored.data()) std::memcpy(to.data(), stored.data(), stored.size());
  }
  if (to.dtype() == DType::kBool) {  // any byte but 0 is true, as for NumPy
    for (uint8_t& value : to.as<uint8_t>()) value = value != 0;
  }
}

// True when the bytes of the file and of the tensor have the same size, so that one can be read
// into the other.
bool same_size(const NpyHeader& header) {
  return header.element_bytes == size_of(*header.dtype);
}

}  // namespace

Tensor parse_npy(std::span<const std::byte> bytes, const std::string& what) {
  const NpyHeader header = parse_npy_header(bytes, what);
  const std::span<const std::byte> data = bytes.subspan(header.data_offset);
  check_data_bytes(header, data.size(), what);
  Tensor tensor(header.shape, *header.dtype);
  std::vector<std::byte> narrow(same_size(header) ? 0 : data.size());
  const std::span<std::byte> stored =
      same_size(header) ? std::span(tensor.data(), data.size()) : std::span(narrow);
  if (header.fortran_order && !data.empty()) {
    std::vector<int64_t> strides;
    int64_t stride = 1;
    for (const int64_t extent : header.shape) {
      strides.push_back(stride);
      stride *= extent;
    }
    gather_strided(data.data(), header.element_bytes, header.shape, strides, stored.data());
  } else {
    std::copy(data.begin(), data.end(), stored.begin());
  }
  convert(header, stored, tensor, what);
  return tensor;
}

Tensor load_npy(const std::filesystem::path& path) {
  const NpyFile file(path);
  if (file.shape().empty()) return parse_npy(read_file(path), path.string());
  return file.part(0, file.shape()[0]);
}

NpyFile::NpyFile(const std::filesystem::path& path) : name_(path.string()) {
  file_.emplace(path);
  std::vector<std::byte> start(std::min<uint64_t>(file_->size(), kMaxNpyHeaderBytes));
  file_->read_at(0, start);
  if (as_text(start).starts_with("PK\x3\x4"))
    fail(name_, "is a .npz archive; save its array as .npy");
  header_ = parse_npy_header(start, name_);
  check_data_bytes(header_, file_->size() - header_.data_offset, name_);
}

// The header of the file it would be: what that may say is checked in one place.
NpyFile::NpyFile(const NpyMemory& memory) : name_(memory.name), memory_(memory.bytes) {
  const std::string header = make_header(memory.descr, memory.shape, 0, memory.fortran_order);
  header_ = parse_npy_header(std::as_bytes(std::span(header)), name_);
  header_.data_offset = 0;
  check_data_bytes(header_, memory_.size(), name_);
}

void NpyFile::read_at(uint64_t offset, std::span<std::byte> to) const {
  if (file_) return file_->read_at(offset, to);
  if (!to.empty()) std::memcpy(to.data(), memory_.data() + offset, to.size());
}

void NpyFile::check_unchanged() const {
  if (file_) file_->check_unchanged();
}

Tensor NpyFile::part(int64_t first, int64_t count) const {
  const int64_t rows = header_.shape.empty() ? 0 : header_.shape[0];
  if (first < 0 || count < 0 || first > rows - count)
    throw Error(ErrorCode::kInternal, name_ + ": a part outside the array");
  if (header_.fortran_order && header_.shape.size() > 1) return part_of_columns(first, count);
  Shape shape = header_.shape;
  shape[0] = count;
  Tensor tensor(shape, *header_.dtype);
  const auto bytes = static_cast<size_t>(tensor.size() * header_.element_bytes);
  const int64_t row_bytes = rows == 0 ? 0 : header_.data_bytes / rows;
  const auto at = header_.data_offset + static_cast<size_t>(first * row_bytes);
  std::vector<std::byte> narrow(same_size(header_) ? 0 : bytes);
  const std::span<std::byte> stored =
      same_size(header_) ? std::span(tensor.data(), bytes) : std::span(narrow);
  read_at(at, stored);
  convert(header_, stored, tensor, name_);
  check_unchanged();
  return tensor;
}

// Column j of a Fortran array holds, for all rows, the value whose place within a row is j read
// with the first axis running fastest.
Tensor NpyFile::part_of_columns(int64_t first, int64_t count) const {
  constexpr int64_t kBlockBytes = 1 << 20, kSeekBytes = 1 << 16;
  Shape shape = header_.shape, row(shape.begin() + 1, shape.end());
  const int64_t rows = shape[0], columns = element_count(row), width = header_.element_bytes;
  shape[0] = count;
  Tensor tensor(shape, *header_.dtype);
  const auto bytes = static_cast<size_t>(tensor.size() * width);
  if (bytes == 0) return tensor;
  std::vector<std::byte> narrow(same_size(header_) ? 0 : bytes);
  const std::span<std::byte> stored =
      same_size(header_) ? std::span(tensor.data(), bytes) : std::span(narrow);
  std::vector<int64_t> place(row.size(), 0);
  // Where a column is long, only its part is read.
  const bool seek = rows * width > kSeekBytes;
  const int64_t run = seek ? count : rows, skipped = seek ? first : 0;
  const int64_t at_once = seek ? 1 : std::max<int64_t>(1, kBlockBytes / (rows * width));
  std::vector<std::byte> block(static_cast<size_t>(at_once * run * width));
  for (int64_t begin = 0; begin < columns; begin += at_once) {
    const int64_t held = std::min(at_once, columns - begin);
    read_at(header_.data_offset + static_cast<uint64_t>((begin * rows + skipped) * width),
            std::span(block).first(static_cast<size_t>(held * run * width)));
    for (int64_t j = 0; j < held; ++j) {
      int64_t in_row = 0;
      for (size_t axis = 0; axis < row.size(); ++axis) in_row = in_row * row[axis] + place[axis];
      const std::byte* from = block.data() + (j * run + first - skipped) * width;
      std::byte* to = stored.data() + in_row * width;
      for (int64_t i = 0; i < count; ++i, from += width, to += columns * width)
        std::memcpy(to, from, static_cast<size_t>(width));
      for (size_t axis = 0; axis < row.size() && ++place[axis] == row[axis]; ++axis)
        place[axis] = 0;
    }
  }
  convert(header_, stored, tensor, name_);
  check_unchanged();
  return tensor;
}

void save_npy(const std::filesystem::path& path, const Tensor& tensor) {
  if (tensor.dtype() == DType::kBF16) return save_npy(path, to_f32(tensor));
  OutputFile file(path);
  file.write(make_header(descr_of(tensor.dtype()), tensor.shape()));
  file.write({tensor.data(), static_cast<size_t>(tensor.bytes())});
  file.commit();
}

NpyWriter::NpyWriter(const std::filesystem::path& path, Shape row_shape)
    : row_shape_(std::move(row_shape)), row_size_(element_count(row_shape_)), file_(path) {
  if (row_size_ == 0) throw Error(ErrorCode::kInternal, path.string() + ": rows without elements");
  file_.write(header({rows_}));
}

// Of one length whatever the extents.
std::string NpyWriter::header(const Shape& leading) const {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  Shape longest = {kMost, kMost}, shape = leading;
  longest.insert(longest.end(), row_shape_.begin(), row_shape_.end());
  shape.insert(shape.end(), row_shape_.begin(), row_shape_.end());
  return make_header("<f4", shape, make_header("<f4", longest).size());
}

void NpyWriter::append(std::span<const float> values) {
  if (static_cast<int64_t>(values.size()) % row_size_ != 0) {
    throw Error(ErrorCode::kInternal, file_.path().string() + ": " + std::to_string(values.size()) +
                                          " values are not whole rows of " +
                                          std::to_string(row_size_));
  }
  file_.write(std::as_bytes(values));
  rows_ += static_cast<int64_t>(values.size()) / row_size_;
}

void NpyWriter::flush() {
  file_.write_at(0, as_bytes_of(header({rows_})));  // after the rows it tells of
}

void NpyWriter::copy_rows(const std::filesystem::path& from, int64_t rows) {
  const std::string what = from.string();
  std::ifstream in(from, std::ios::binary);
  std::vector<char> bytes(kMaxNpyHeaderBytes);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(in.gcount()));
  const NpyHeader stored = parse_npy_header(std::as_bytes(std::span(bytes)), what);
  Shape shape = stored.shape;
  const int64_t held = shape.empty() ? 0 : shape[0];
  if (!shape.empty()) shape.erase(shape.begin());
  if (stored.descr != "<f4" || stored.fortran_order || shape != row_shape_) {
    fail(what, "is not what the unfinished run wrote");
  }
  if (held < rows) {
    fail(what, "holds " + std::to_string(held) + " rows of " + std::to_string(rows));
  }
  in.clear();
  in.seekg(static_cast<std::streamoff>(stored.data_offset));
  std::vector<float> row(static_cast<size_t>(row_size_));
  const auto row_bytes = static_cast<std::streamsize>(row.size() * sizeof(float));
  for (int64_t i = 0; i < rows; ++i) {
    in.read(reinterpret_cast<char*>(row.data()), row_bytes);
    if (in.gcount() != row_bytes) fail(what, "ends early");
    append(row);
  }
}

void NpyWriter::finish(const Shape& leading) {
  if (leading.empty() || leading.size() > 2 || element_count(leading) != rows_) {
    throw Error(ErrorCode::kInternal, file_.path().string() + ": rows do not fit their extents");
  }
  file_.write_at(0, as_bytes_of(header(leading)));
  file_.commit();
}

}  // namespace spikeloom
