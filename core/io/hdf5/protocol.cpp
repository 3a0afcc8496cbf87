#include "core/io/hdf5/protocol.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "core/error.hpp"
#include "core/io/bytes.hpp"

namespace spikeloom::hdf5 {
namespace {

[[noreturn]] void damaged(const std::string& what) {
  throw Error(ErrorCode::kData, "the process that reads HDF5 answered with " + what);
}

class Putter {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void put(T value) { append(&value, sizeof(T)); }
  void put_text(std::string_view text) {
    put(static_cast<uint32_t>(text.size()));
    append(text.data(), text.size());
  }
  void put_shape(const Shape& shape) {
    put(static_cast<uint8_t>(shape.size()));
    for (const int64_t extent : shape) put(extent);
  }
  void put_type(ValueType type) {
    put(type.kind);
    put(type.bytes);
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  void append(const void* from, size_t size) {
    const auto* first = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), first, first + size);
  }
  std::vector<std::byte> bytes_;
};

class Taker {
 public:
  explicit Taker(std::span<const std::byte> bytes) : left_(bytes) {}

  template <typename T>
  T take() {
    if (left_.size() < sizeof(T)) damaged("less than it announced");
    const T value = load_le<T>(left_, 0);
    left_ = left_.subspan(sizeof(T));
    return value;
  }
  // A number of things that take at least `each` bytes.
  uint32_t take_count(uint64_t each, int64_t most) {
    const auto count = take<uint32_t>();
    if (count > most || count * each > left_.size()) damaged("more than it sent");
    return count;
  }
  std::string_view take_text() {
    const auto size = take<uint32_t>();
    if (size > left_.size()) damaged("a text that ends early");
    const std::string_view text = as_text(left_.first(size));
    left_ = left_.subspan(size);
    return text;
  }
  std::vector<int64_t> take_extents() {
    const auto rank = take<uint8_t>();
    if (rank > kMaxExtents) damaged("too many extents");
    std::vector<int64_t> extents(rank);
    for (int64_t& extent : extents) extent = take<int64_t>();
    return extents;
  }
  Shape take_shape() {
    Shape shape = take_extents();
    element_count(shape);  // refuses negative ones and products beyond 2^62
    return shape;
  }
  ValueType take_type() {
    const auto kind = take<uint8_t>(), bytes = take<uint8_t>();
    if (kind > static_cast<uint8_t>(ValueKind::kOther)) damaged("an unknown kind of values");
    const ValueType type{static_cast<ValueKind>(kind), bytes};
    const bool number = type.kind < ValueKind::kText;
    const bool whole = bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
    if (number ? !whole || (type.kind == ValueKind::kReal && bytes == 1) : bytes != 0) {
      damaged("numbers of odd width");
    }
    return type;
  }
  template <typename T>
  std::vector<T> take_numbers(uint64_t count) {
    std::vector<T> numbers(count);
    for (T& number : numbers) number = take<T>();
    return numbers;
  }
  uint64_t left() const noexcept { return left_.size(); }

 private:
  std::span<const std::byte> left_;
};

void put_values(Putter& writer, const Values& values) {
  writer.put(static_cast<uint8_t>(values.index()));
  std::visit(
      [&]<typename T>(const T& list) {
        if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          for (const std::string& text : list) writer.put_text(text);
        } else if constexpr (!std::is_same_v<T, std::monostate>) {
          for (const auto number : list) writer.put(number);
        }
      },
      values);
}

Values take_values(Taker& reader, const Attribute& attribute, int64_t& budget) {
  const auto given = reader.take<uint8_t>();
  if (given == 0) return {};
  const int64_t count = element_count(attribute.shape);
  const bool text = attribute.type.kind == ValueKind::kText;
  if (attribute.type.kind == ValueKind::kOther ||
      given != 1 + static_cast<uint8_t>(attribute.type.kind)) {
    damaged("values of another type");
  }
  if (count > budget || static_cast<uint64_t>(count) * (text ? 4 : 8) > reader.left()) {
    damaged("more values than it sent");
  }
  budget -= count;
  const auto size = static_cast<uint64_t>(count);
  switch (attribute.type.kind) {
    case ValueKind::kInteger: return reader.take_numbers<int64_t>(size);
    case ValueKind::kUnsigned: return reader.take_numbers<uint64_t>(size);
    case ValueKind::kReal: return reader.take_numbers<double>(size);
    default: break;
  }
  std::vector<std::string> texts;
  texts.reserve(size);
  for (uint64_t i = 0; i < size; ++i) texts.emplace_back(reader.take_text());
  return texts;
}

struct Budgets {
  int64_t attributes = kMaxAttributes, values = kMaxListedValues;
};

Object take_object(Taker& reader, Budgets& budgets) {
  constexpr uint64_t kLeastAttribute = 4 + 2 + 1 + 1;
  Object object;
  const auto kind = reader.take<uint8_t>();
  if (kind > static_cast<uint8_t>(ObjectKind::kSoftLink)) damaged("an unknown kind of object");
  object.kind = static_cast<ObjectKind>(kind);
  object.path = reader.take_text();
  check_name(object.path, "an object of HDF5");  // before a message names it
  object.type = reader.take_type();
  object.item = reader.take_type();
  object.shape = reader.take_shape();
  const uint32_t count = reader.take_count(kLeastAttribute, budgets.attributes);
  budgets.attributes -= count;
  object.attributes.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    Attribute attribute;
    attribute.name = reader.take_text();
    check_name(attribute.name, object.path + ": an attribute");
    attribute.type = reader.take_type();
    attribute.shape = reader.take_shape();
    attribute.values = take_values(reader, attribute, budgets.values);
    object.attributes.push_back(std::move(attribute));
  }
  return object;
}

}  // namespace

std::vector<std::byte> encode(const std::vector<Object>& objects) {
  Putter writer;
  writer.put(static_cast<uint32_t>(objects.size()));
  for (const Object& object : objects) {
    writer.put(object.kind);
    writer.put_text(object.path);
    writer.put_type(object.type);
    writer.put_type(object.item);
    writer.put_shape(object.shape);
    writer.put(static_cast<uint32_t>(object.attributes.size()));
    for (const Attribute& attribute : object.attributes) {
      writer.put_text(attribute.name);
      writer.put_type(attribute.type);
      writer.put_shape(attribute.shape);
      put_values(writer, attribute.values);
    }
  }
  return writer.take();
}

std::vector<Object> decode_objects(std::span<const std::byte> bytes) {
  constexpr uint64_t kLeastObject = 1 + 4 + 2 + 2 + 1 + 4;
  Taker reader(bytes);
  Budgets budgets;
  const uint32_t count = reader.take_count(kLeastObject, kMaxObjects);
  std::vector<Object> objects;
  objects.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    objects.push_back(take_object(reader, budgets));
    const std::string& path = objects.back().path;
    const bool ordered = i == 0 ? path == "/" : objects[i - 1].path < path;
    if (!ordered || !path.starts_with('/')) damaged("objects out of order");
  }
  if (objects.empty() || reader.left() != 0) damaged("another length than it announced");
  return objects;
}

std::vector<std::byte> encode(const SlabRequest& request) {
  Putter writer;
  writer.put_text(request.path);
  writer.put_type(request.wanted);
  writer.put_shape(request.start);
  writer.put_shape(request.count);
  return writer.take();
}

SlabRequest decode_slab(std::span<const std::byte> bytes) {
  Taker reader(bytes);
  SlabRequest request;
  request.path = reader.take_text();
  request.wanted = reader.take_type();
  request.start = reader.take_extents();
  request.count = reader.take_shape();
  if (reader.left() != 0) damaged("another length than it announced");
  return request;
}

std::vector<std::byte> encode(const std::vector<std::string>& texts) {
  Putter writer;
  for (const std::string& text : texts) writer.put_text(text);
  return writer.take();
}

std::vector<std::string> decode_texts(std::span<const std::byte> bytes, int64_t count) {
  Taker reader(bytes);
  if (count < 0 || static_cast<uint64_t>(count) > reader.left() / 4) damaged("too few texts");
  std::vector<std::string> texts;
  texts.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) texts.emplace_back(reader.take_text());
  if (reader.left() != 0) damaged("another length than it announced");
  return texts;
}

}  // namespace spikeloom::hdf5
