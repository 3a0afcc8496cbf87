#include "datasets/events/npy_fields.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"
#include "core/io/npy.hpp"
#include "core/io/npy_text.hpp"

namespace spikeloom {
namespace {

constexpr size_t kMostFields = 64, kWidestField = 4096;

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::kData, what + ": " + why);
}

// Walks over the list of fields, [('t', '<i8'), ('x', '<i2'), ...].
class FieldList : NpyText {
 public:
  FieldList(std::string_view header, size_t first, const std::string& name)
      : NpyText{header, name, first} {}

  // Where the list ends.
  size_t read(NpyRows& rows) {
    expect('[');
    while (!accept(']')) {
      if (rows.fields.size() == kMostFields) refuse("more than 64 fields");
      expect('(');
      std::string name(string());
      expect(',');
      add(rows, std::move(name), std::string(string()));
      if (!accept(')')) refuse("fields that are arrays are not read");
      if (!accept(',') && peek() != ']') refuse("expected ',' or ']'");
    }
    return at;
  }

 private:
  // Padding is a field without a name, of bytes of any meaning.
  void add(NpyRows& rows, std::string name, const std::string& code) {
    NpyField field;
    if (name.empty() && code.starts_with("|V")) {
      for (const char digit : code.substr(2)) {
        if (std::isdigit(static_cast<unsigned char>(digit)) == 0) refuse("padding of no size");
        field.bytes =
            std::min(kWidestField + 1, field.bytes * 10 + static_cast<size_t>(digit - '0'));
      }
      if (field.bytes > kWidestField) refuse("padding of more than 4096 bytes");
      rows.row_bytes += field.bytes;
      return;
    }
    try {
      field = parse_npy_field(std::move(name), code);
    } catch (const Error& error) {
      throw error.in(what);
    }
    field.offset = rows.row_bytes;
    rows.row_bytes += field.bytes;
    rows.fields.push_back(std::move(field));
  }
};

}  // namespace

NpyField parse_npy_field(std::string name, const std::string& code) {
  constexpr std::string_view kCodes[] = {"i1", "i2", "i4", "i8", "u1", "u2",
                                         "u4", "u8", "f2", "f4", "f8", "b1"};
  const std::string_view type = std::string_view(code).substr(std::min<size_t>(1, code.size()));
  const bool known = std::find(std::begin(kCodes), std::end(kCodes), type) != std::end(kCodes);
  // NumPy writes 'i1' where no order of bytes is to be said.
  const bool bare = std::find(std::begin(kCodes), std::end(kCodes), code) != std::end(kCodes);
  if (!known && !bare)
    throw Error(ErrorCode::kData, "field " + in_quotes(name) + " is of type " + in_quotes(code) +
                                      ", which is no number that is read");
  const std::string_view plain = bare ? std::string_view(code) : type;
  NpyField field{std::move(name), plain[0], static_cast<size_t>(plain[1] - '0')};
  field.swapped = !bare && code[0] == '>' && field.bytes > 1;
  return field;
}

NpyRows parse_npy_rows(std::span<const std::byte> bytes, const std::string& what) {
  const std::string_view text = as_text(bytes.first(std::min(bytes.size(), kMaxNpyHeaderBytes)));
  const size_t key = text.find("'descr':"), list = key == text.npos ? key : text.find('[', key);
  NpyRows rows;
  const bool structured =
      list != text.npos && text.substr(key + 8, list - key - 8).find_first_not_of(' ') == text.npos;
  if (!structured) {
    const NpyHeader header = parse_npy_header(bytes, what);
    rows = {{parse_npy_field("", header.descr)},
            0,
            header.shape,
            header.fortran_order,
            header.data_offset};
    rows.row_bytes = rows.fields[0].bytes;
    return rows;
  }
  const size_t end = FieldList(text, list, what).read(rows);
  if (rows.fields.empty()) fail(what, "a structure without fields");
  // The rest of the header is that of a plain array, of one byte an element.
  std::string plain(text);
  const std::string type = "'|u1'";
  plain.replace(list, end - list,
                type + std::string(end - list - std::min(end - list, type.size()), ' '));
  const NpyHeader header = parse_npy_header(as_bytes_of(plain), what);
  rows.shape = header.shape;
  rows.fortran_order = header.fortran_order;
  rows.data_offset = header.data_offset;
  return rows;
}

NpyNumber load_field(std::span<const std::byte> row, const NpyField& field) {
  std::array<std::byte, 8> bytes{};
  const auto from = row.subspan(field.offset, field.bytes);
  std::copy(from.begin(), from.end(), bytes.begin());
  if (field.swapped) std::reverse(bytes.begin(), bytes.begin() + field.bytes);
  NpyNumber number;
  const auto real = [&](double value) { number.real = value, number.is_real = true; };
  switch (field.kind) {
    case 'f':
      if (field.bytes == 2) real(static_cast<double>(half_to_float(load_le<uint16_t>(bytes, 0))));
      if (field.bytes == 4) real(static_cast<double>(load_le<float>(bytes, 0)));
      if (field.bytes == 8) real(load_le<double>(bytes, 0));
      return number;
    case 'b': number.whole = load_le<uint8_t>(bytes, 0) != 0; return number;
    case 'u':
      number.whole = static_cast<int64_t>(load_le<uint64_t>(bytes, 0));
      if (number.whole < 0) real(static_cast<double>(load_le<uint64_t>(bytes, 0)));
      return number;
    default: break;
  }
  if (field.bytes == 1) number.whole = load_le<int8_t>(bytes, 0);
  if (field.bytes == 2) number.whole = load_le<int16_t>(bytes, 0);
  if (field.bytes == 4) number.whole = load_le<int32_t>(bytes, 0);
  if (field.bytes == 8) number.whole = load_le<int64_t>(bytes, 0);
  return number;
}

}  // namespace spikeloom
