// The messages of an object header (specification IV.A.2): only forms that traces have are taken,
// each with exactly the bytes it needs.

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hdf5/hdf5.hpp"
#include "core/io/hdf5/hdf5_raw.hpp"
#include "core/io/hint.hpp"

namespace spikeloom::hdf5 {
namespace {

using Bytes = std::span<const std::byte>;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

[[noreturn]] void unknown(const std::string& what) {
  throw UnknownStructure(what);
}

// Takes values from the front; Error(kData) where they end.
class Reader {
 public:
  explicit Reader(Bytes bytes) : left_(bytes) {}
  template <typename T>
  T take() {
    const T value = load_le<T>(left_, 0);
    left_ = left_.subspan(sizeof(T));
    return value;
  }
  uint64_t take_unsigned(size_t width) {
    uint64_t value = 0;
    std::memcpy(&value, take_bytes(width).data(), width);
    return value;
  }
  Bytes take_bytes(uint64_t count) {
    if (count > left_.size()) refuse("a header message ends early");
    const Bytes taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }
  Bytes left() const noexcept { return left_; }

 private:
  Bytes left_;
};

void once(bool seen, const char* what) {
  if (seen) refuse(std::string("more than one ") + what);
}

std::vector<uint64_t> read_dataspace(Reader& reader) {
  constexpr uint8_t kMaxExtents = 32;
  const auto version = reader.take<uint8_t>(), rank = reader.take<uint8_t>(),
             flags = reader.take<uint8_t>(), kind = reader.take<uint8_t>();
  if (version != 2 || flags > 1 || kind > 1 || rank > kMaxExtents || (kind == 0) != (rank == 0)) {
    unknown("a dataspace that traces do not have");
  }
  std::vector<uint64_t> extents(rank);
  for (uint64_t& extent : extents) extent = reader.take<uint64_t>();
  for (uint8_t i = 0; flags == 1 && i < rank; ++i) {
    if (reader.take<uint64_t>() < extents[i]) refuse("an extent above its maximum");
  }
  return extents;
}

constexpr uint8_t kInteger = 0, kReal = 1, kText = 3, kEnumeration = 8, kVariable = 9;

struct TypeHead {
  uint8_t kind, version;
  uint32_t bits, size;
};

TypeHead read_type_head(Reader& reader) {
  const auto first = reader.take<uint8_t>();
  const auto bits = static_cast<uint32_t>(reader.take_unsigned(3));
  return {static_cast<uint8_t>(first & 15), static_cast<uint8_t>(first >> 4), bits,
          reader.take<uint32_t>()};
}

void read_integer(const TypeHead& head, Reader& reader) {
  const auto offset = reader.take<uint16_t>(), precision = reader.take<uint16_t>();
  const bool whole = head.size == 1 || head.size == 2 || head.size == 4 || head.size == 8;
  if (!whole || offset != 0 || precision != 8 * head.size) unknown("an integer of odd width");
}

// float or double as IEEE 754 has them: bit offset, precision, then place and size of exponent and
// mantissa, bias.
void read_real(const TypeHead& head, Reader& reader) {
  static constexpr unsigned char kFloat[] = {0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0};
  static constexpr unsigned char kDouble[] = {0, 0, 64, 0, 52, 11, 0, 52, 255, 3, 0, 0};
  const Bytes form = reader.take_bytes(sizeof(kFloat));
  const bool single = head.size == 4 && std::memcmp(form.data(), kFloat, sizeof(kFloat)) == 0;
  const bool twofold = head.size == 8 && std::memcmp(form.data(), kDouble, sizeof(kDouble)) == 0;
  const uint32_t sign = head.size == 4 ? 31 : 63;
  // Byte order, padding and normalisation as HDF5 writes them; implied leading one.
  if ((!single && !twofold) || (head.bits & ~uint32_t{1}) != (sign << 8 | 0x20)) {
    unknown("a floating-point type other than float and double");
  }
}

void read_enumeration(const TypeHead& head, Reader& reader) {
  const TypeHead base = read_type_head(reader);
  if (base.kind != kInteger || base.size != head.size || head.version != 3 || base.version > 3) {
    unknown("an enumeration that traces do not have");
  }
  read_integer(base, reader);
  const uint32_t members = head.bits & 0xffff;
  for (uint32_t i = 0; i < members; ++i) {
    const std::string_view rest = as_text(reader.left());
    const size_t end = rest.find('\0');
    if (end == 0 || end == std::string_view::npos) refuse("an enumeration without names");
    reader.take_bytes(end + 1);
  }
  reader.take_bytes(uint64_t{members} * head.size);
}

// Bytes of one element.
uint64_t read_datatype(Reader& reader) {
  const TypeHead head = read_type_head(reader);
  if (head.version < 1 || head.version > 3 || head.size == 0) refuse("a damaged type");
  switch (head.kind) {
    case kInteger: read_integer(head, reader); break;
    case kReal: read_real(head, reader); break;
    case kText: break;
    case kEnumeration: read_enumeration(head, reader); break;
    case kVariable: unknown("a text or list of variable length; only fixed ones are read");
    default: unknown("type class " + std::to_string(head.kind) + " is not allowed");
  }
  return head.size;
}

void read_link(Reader reader, RawObject& object) {
  const auto version = reader.take<uint8_t>(), flags = reader.take<uint8_t>();
  const auto kind = (flags & 0x08) != 0 ? reader.take<uint8_t>() : uint8_t{0};
  if ((flags & 0x04) != 0) reader.take<uint64_t>();  // order of creation
  const auto charset = (flags & 0x10) != 0 ? reader.take<uint8_t>() : uint8_t{0};
  if (version != 1 || flags > 0x1f || charset > 1) refuse("a damaged link");
  const uint64_t length = reader.take_unsigned(size_t{1} << (flags & 3));
  const std::string name(as_text(reader.take_bytes(length)));
  check_name(name, "link");
  constexpr uint8_t kHard = 0, kSoft = 1, kExternal = 64;
  if (kind == kSoft) refuse(printable(name) + ": soft links are not allowed");
  if (kind == kExternal) refuse(printable(name) + ": external links are not allowed");
  if (kind != kHard) refuse(printable(name) + ": user-defined links are not allowed");
  object.links.push_back({name, reader.take<uint64_t>()});
}

void read_attribute(Reader reader) {
  const auto version = reader.take<uint8_t>(), flags = reader.take<uint8_t>();
  const auto name_bytes = reader.take<uint16_t>(), type_bytes = reader.take<uint16_t>(),
             space_bytes = reader.take<uint16_t>();
  if (version == 1 || version == 2) {  // the name comes at once
    const std::string_view name = as_text(reader.take_bytes(name_bytes));
    unknown("attribute " + printable(name.substr(0, name.find('\0'))) +
            ": a form that traces do not have");
  }
  const auto charset = reader.take<uint8_t>();
  if (version != 3 || flags != 0 || charset > 1) unknown("an attribute that traces do not have");
  std::string_view name = as_text(reader.take_bytes(name_bytes));
  if (!name.ends_with('\0')) refuse("an attribute without name");
  name.remove_suffix(1);
  check_name(name, "attribute");
  try {
    Reader type(reader.take_bytes(type_bytes)), space(reader.take_bytes(space_bytes));
    uint64_t bytes = read_datatype(type);
    for (const uint64_t extent : read_dataspace(space)) {
      if (__builtin_mul_overflow(bytes, extent, &bytes)) refuse("its extent overflows");
    }
    if (!type.left().empty() || !space.left().empty()) refuse("surplus bytes");
    if (bytes != reader.left().size()) refuse("its value has another size than its type");
  } catch (const UnknownStructure& reason) {
    throw reason.within("attribute " + printable(name));
  } catch (const Error& error) {
    throw error.in("attribute " + printable(name));
  }
}

void read_fill_value(Reader reader) {
  const auto version = reader.take<uint8_t>();
  const auto flags = reader.take<uint8_t>();
  // Version 3 without a value of its own: bit 5 says that one follows.
  if (version != 3 || (flags & 0x20) != 0 || flags > 0x3f) unknown("fill values are not read");
}

void read_layout(Reader reader, RawObject& object) {
  once(object.layout != RawLayout::kNone, "layout");
  const auto version = reader.take<uint8_t>(), kind = reader.take<uint8_t>();
  if (version == 4 && kind == 3) refuse("virtual datasets are not allowed");
  if (version != 3 || kind > 2) unknown("a layout that traces do not have");
  if (kind == 0) {
    object.layout = RawLayout::kCompact;
    object.data_bytes = reader.take<uint16_t>();
    reader.take_bytes(object.data_bytes);
  } else if (kind == 1) {
    object.layout = RawLayout::kContiguous;
    object.data_address = reader.take<uint64_t>();
    object.data_bytes = reader.take<uint64_t>();
  } else {
    object.layout = RawLayout::kChunked;
    const auto rank = reader.take<uint8_t>();
    object.data_address = reader.take<uint64_t>();
    for (uint8_t i = 0; i < rank; ++i) object.chunk.push_back(reader.take<uint32_t>());
  }
}

void read_filters(Reader reader, RawObject& object) {
  constexpr uint8_t kMostFilters = 8;
  once(object.filtered, "list of filters");
  const auto version = reader.take<uint8_t>(), count = reader.take<uint8_t>();
  if (version == 1) unknown("filters of the format before HDF5 1.8");
  if (version != 2 || count == 0 || count > kMostFilters) refuse("damaged filters");
  object.filtered = true;
  for (uint8_t i = 0; i < count; ++i) {
    const auto id = reader.take<uint16_t>();
    // Deflate and shuffle, which ChunkReader undoes.
    if (id != 1 && id != 2) {
      unknown("filter " + std::to_string(id) + " is not available (allowed: 1 and 2)");
    }
    reader.take<uint16_t>();  // flags
    const auto values = reader.take<uint16_t>();
    if (values > 1) refuse("damaged filters");
    reader.take_bytes(uint64_t{4} * values);
  }
}

// Link info and attribute info: versions and places of heap and trees of names. What stands in a
// heap is not checked here, so it has to be empty.
void read_info(Reader reader, size_t order_bytes) {
  const auto version = reader.take<uint8_t>(), flags = reader.take<uint8_t>();
  if (version != 0 || flags > 3) refuse("damaged link or attribute info");
  if ((flags & 1) != 0) reader.take_bytes(order_bytes);
  const int trees = (flags & 2) != 0 ? 2 : 1;
  for (int i = 0; i < 1 + trees; ++i) {
    if (reader.take<uint64_t>() != kNoAddress)
      unknown("links or attributes in a heap are not read");
  }
}

}  // namespace

void read_message(uint8_t type, std::span<const std::byte> bytes, RawObject& object) {
  Reader reader(bytes);
  switch (type) {
    case 0x00: return;  // gap
    case 0x01:
      once(object.extents.has_value(), "dataspace");
      object.extents = read_dataspace(reader);
      return;
    case 0x02:
      once(object.is_group, "link info");
      object.is_group = true;
      return read_info(reader, 8);
    case 0x03:
      once(object.element_bytes != 0, "datatype");
      object.element_bytes = read_datatype(reader);
      return;
    case 0x05: return read_fill_value(reader);
    case 0x06: return read_link(reader, object);
    case 0x07: refuse("its data lie in another file");
    case 0x08: return read_layout(reader, object);
    case 0x0a:
      if (reader.take<uint8_t>() != 0) refuse("damaged group info");
      reader.take_bytes(uint64_t{4} * static_cast<uint64_t>(std::popcount(
                                          static_cast<unsigned>(reader.take<uint8_t>() & 3))));
      return;
    case 0x0b: return read_filters(reader, object);
    case 0x0c: return read_attribute(reader);
    case 0x15: return read_info(reader, 2);
    case 0x16:  // number of links to the object
      if (reader.take<uint8_t>() != 0) refuse("a damaged reference count");
      reader.take<uint32_t>();
      return;
    default: unknown("header message " + std::to_string(type) + " is not allowed");
  }
}

}  // namespace spikeloom::hdf5
