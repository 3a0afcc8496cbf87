#include "tests/fuzz/hdf5_answers.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.hpp"
#include "core/io/hdf5/channel.hpp"
#include "core/io/hdf5/protocol.hpp"
#include "core/io/json.hpp"

namespace spikeloom::fuzz {
namespace {

using namespace hdf5;
using nlohmann::json;

constexpr int kForEver = -1;
constexpr int64_t kMostAnswered = 1 << 18;  // values in all: time is not what is tried

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

ValueType type_of(const json& object, const char* key) {
  const std::string text = object.contains(key) && object[key].is_string()
                               ? object[key].get<std::string>()
                               : std::string("o");
  constexpr std::string_view kKinds = "iufto";
  const size_t kind = std::min(kKinds.find(text[0]), kKinds.size() - 1);
  const ValueType type{static_cast<ValueKind>(kind), 0};
  if (type.kind >= ValueKind::kText) return type;
  const int bytes = text.size() > 1 ? text[1] - '0' : 8;
  return {type.kind, static_cast<uint8_t>(bytes)};
}

const json& list_of(const json& object, const char* key) {
  static const json none = json::array();
  return object.is_object() && object.contains(key) && object[key].is_array() ? object[key] : none;
}

int64_t whole(const json& value) {
  if (value.is_number_integer()) return value.get<int64_t>();
  const double real = value.is_number() ? value.get<double>() : 0;
  return std::abs(real) < 9e18 ? static_cast<int64_t>(real) : INT64_MAX;
}

double real(const json& value) {
  return value.is_number() ? value.get<double>() : NAN;
}

Shape shape_of(const json& object) {
  Shape shape;
  for (const json& extent : list_of(object, "shape")) shape.push_back(whole(extent));
  if (object.contains("shape")) return shape;
  return {static_cast<int64_t>(list_of(object, "values").size())};
}

Attribute attribute_of(const std::string& name, const json& value) {
  Attribute attribute{name, {}, {}, {}};
  const json values = value.is_array() ? value : json::array({value});
  if (value.is_array()) attribute.shape = {static_cast<int64_t>(values.size())};
  if (values.empty()) return attribute;
  if (values[0].is_string()) {
    std::vector<std::string> texts;
    for (const json& text : values)
      texts.push_back(text.is_string() ? text.get<std::string>() : "");
    attribute.type = {ValueKind::kText, 0};
    attribute.values = std::move(texts);
  } else if (values[0].is_number_integer()) {
    std::vector<int64_t> numbers;
    for (const json& number : values) numbers.push_back(whole(number));
    attribute.type = {ValueKind::kInteger, 8};
    attribute.values = std::move(numbers);
  } else if (values[0].is_number()) {
    std::vector<double> numbers;
    for (const json& number : values) numbers.push_back(real(number));
    attribute.type = {ValueKind::kReal, 8};
    attribute.values = std::move(numbers);
  }
  return attribute;
}

Object object_of(const std::string& path, const json& value) {
  Object object;
  object.path = path;
  if (!value.is_object()) return object;
  if (value.contains("type")) {
    object.kind = ObjectKind::kDataset;
    object.type = type_of(value, "type");
    object.item = type_of(value, "item");
    object.shape = shape_of(value);
  } else if (value.contains("kind")) {
    object.kind = static_cast<ObjectKind>(whole(value["kind"]) & 3);
  }
  if (value.contains("attributes") && value["attributes"].is_object()) {
    for (const auto& [name, attribute] : value["attributes"].items())
      object.attributes.push_back(attribute_of(name, attribute));
  }
  return object;
}

template <typename T>
void put(std::vector<std::byte>& out, T value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void put_number(std::vector<std::byte>& out, ValueType wanted, const json& value) {
  if (wanted.kind == ValueKind::kReal) {
    const double number = real(value);
    return wanted.bytes == 8 ? put(out, number) : put(out, static_cast<float>(number));
  }
  const int64_t number = whole(value);
  switch (wanted.bytes) {
    case 1: return put(out, static_cast<int8_t>(number));
    case 2: return put(out, static_cast<int16_t>(number));
    case 4: return put(out, static_cast<int32_t>(number));
    default: return put(out, number);
  }
}

class Answerer {
 public:
  explicit Answerer(int file) {
    struct stat status = {};
    fstat(file, &status);
    std::string text(static_cast<size_t>(status.st_size), '\0');
    const ssize_t got = pread(file, text.data(), text.size(), 0);
    text.erase(0, std::min(text.size(), sizeof(kHdf5Mark) - 1));
    if (got < 0) text.clear();
    json_ = parse_json(text, "file");
    if (!json_.is_object()) refuse("no object");
  }

  std::vector<std::byte> answer(Operation operation, std::span<const std::byte> body) {
    if (operation == Operation::kList) {
      std::map<std::string, Object> objects;  // in order of their paths
      objects["/"].path = "/";
      for (const auto& [path, value] : json_.items()) objects[path] = object_of(path, value);
      std::vector<Object> list;
      for (auto& [path, object] : objects) list.push_back(std::move(object));
      return encode(list);
    }
    const SlabRequest request = decode_slab(body);
    const auto found = json_.find(request.path);
    if (found == json_.end() || !found->is_object()) refuse("no such dataset");
    if (operation == Operation::kTexts) return texts(*found, request);
    auto bytes = operation == Operation::kItems ? items(*found, request) : numbers(*found, request);
    if (found->contains("short") && !bytes.empty()) bytes.pop_back();
    return bytes;
  }

 private:
  void count(int64_t values) {
    answered_ += values;
    if (values > kMostAnswered || answered_ > kMostAnswered) refuse("enough was answered");
  }

  const json& at(const json& dataset, int64_t index) const {
    const json& values = list_of(dataset, "values");
    const auto i = static_cast<size_t>(index);
    if (i < values.size()) return values[i];
    if (values.empty() || !dataset.contains("rest")) refuse("claims what is stored nowhere");
    return values.back();
  }

  std::vector<std::byte> numbers(const json& dataset, const SlabRequest& request) {
    const Shape shape = shape_of(dataset);
    if (request.start.size() != shape.size() || request.count.size() != shape.size())
      refuse("a part of another rank");
    const int64_t all = element_count(request.count);
    count(all);
    std::vector<std::byte> out;
    for (int64_t i = 0; i < all; ++i) {
      int64_t index = 0, rest = i, stride = 1;
      for (size_t axis = shape.size(); axis-- > 0;) {
        index += (request.start[axis] + rest % request.count[axis]) * stride;
        rest /= request.count[axis];
        stride *= shape[axis];
      }
      put_number(out, request.wanted, at(dataset, index));
    }
    return out;
  }

  std::vector<std::byte> items(const json& dataset, const SlabRequest& request) {
    if (request.start.size() != 1) refuse("lists stand in a vector");
    const json& list = at(dataset, request.start[0]);
    std::vector<std::byte> out;
    count(static_cast<int64_t>(list.size()));
    for (const json& value : list) put_number(out, request.wanted, value);
    return out;
  }

  std::vector<std::byte> texts(const json& dataset, const SlabRequest& request) {
    const int64_t all = element_count(request.count);
    count(all);
    std::vector<std::string> out;
    for (int64_t i = 0; i < all; ++i) {
      const json& value = at(dataset, i);
      out.push_back(value.is_string() ? value.get<std::string>() : "");
    }
    return encode(out);
  }

  json json_;
  int64_t answered_ = 0;
};

bool send(int socket, Status status, std::span<const std::byte> payload) {
  const AnswerHead head{status, 0, payload.size()};
  return send_all(socket, std::as_bytes(std::span(&head, 1)), kForEver) == Transfer::kDone &&
         send_all(socket, payload, kForEver) == Transfer::kDone;
}

}  // namespace

void answer_from_json(int socket, int file) {
  std::optional<Answerer> answerer;
  if (!send(socket, Status::kDone, {})) return;
  for (;;) {
    RequestHead head;
    if (receive_all(socket, std::as_writable_bytes(std::span(&head, 1)), kForEver) !=
        Transfer::kDone)
      return;
    std::vector<std::byte> body(head.body_bytes);
    if (receive_all(socket, body, kForEver) != Transfer::kDone) return;
    bool goes_on = false;
    try {
      if (!answerer) answerer.emplace(file);
      goes_on = send(socket, Status::kDone, answerer->answer(head.operation, body));
    } catch (const Error& error) {
      goes_on =
          send(socket, Status::kRefused, std::as_bytes(std::span(std::string_view(error.what()))));
    }
    if (!goes_on) return;
  }
}

}  // namespace spikeloom::fuzz
