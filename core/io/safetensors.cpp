#include "core/io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_set>
#include <vector>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/element_types.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/utf8.hpp"
#include "core/parallel.hpp"

namespace spikeloom {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxTensors = 1'000'000;
constexpr const char* kMetadataKey = "__metadata__";

struct StoredType {
  std::string_view name;
  int64_t bits;
  ElementType element;
};
constexpr std::array<StoredType, 22> kStoredTypes = {
    {// Those that are written, in the order in which the official writer lays tensors out.
     {"I64", 64, {DType::kI64, 8}},
     {"F64", 64, {DType::kF64, 8}},
     {"F32", 32, {DType::kF32, 4}},
     {"I32", 32, {DType::kI32, 4}},
     {"BF16", 16, {DType::kBF16, 2}},
     {"F16", 16, {DType::kF16, 2}},
     {"I16", 16, {DType::kI16, 2}},
     {"I8", 8, {DType::kI8, 1}},
     {"U8", 8, {DType::kU8, 1}},
     {"BOOL", 8, {DType::kBool, 1}},
     // Those that are widened.
     {"U32", 32, {DType::kI64, 4, Widening::kU32}},
     {"U16", 16, {DType::kI32, 2, Widening::kU16}},
     {"F8_E4M3", 8, {DType::kF16, 1, Widening::kE4M3}},
     {"F8_E5M2", 8, {DType::kF16, 1, Widening::kE5M2}},
     // Those that no Tensor holds.
     {"U64", 64, {std::nullopt, 8}},
     {"C64", 64, {std::nullopt, 8}},
     {"F8_E8M0", 8, {std::nullopt, 1}},
     {"F8_E4M3FNUZ", 8, {std::nullopt, 1}},
     {"F8_E5M2FNUZ", 8, {std::nullopt, 1}},
     {"F4", 4, {}},
     {"F6_E2M3", 6, {}},
     {"F6_E3M2", 6, {}}}};

size_t rank_of(DType dtype) {
  size_t i = 0;
  while (kStoredTypes[i].element.dtype != dtype) ++i;
  return i;
}

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::kData, what + ": safetensors header: " + why);
}

struct Entry {
  std::string name;
  const StoredType* type = nullptr;
  Shape shape;
  std::vector<uint64_t> offsets;
  bool has_shape = false;
  bool has_offsets = false;
};

// Follows the fixed nesting of a header (object of objects with two arrays of integers); anything
// else is refused at once, so neither depth nor stray values cost memory.
class HeaderReader final : public nlohmann::json_sax<json> {
 public:
  HeaderReader(std::string what, uint64_t data_bytes)
      : what_(std::move(what)), data_bytes_(data_bytes) {}

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool start_object(std::size_t /*elements*/) override {
    if (place_ == Place::kStart) return go(Place::kTop);
    if (place_ != Place::kTop) refuse("an object");
    if (key_ == kMetadataKey) return go(Place::kMetadata);
    if (entries.size() == kMaxTensors) fail(what_, "more than 1000000 tensors");
    entries.emplace_back().name = key_;
    return go(Place::kEntry);
  }

  bool key(string_t& key) override {
    if (place_ == Place::kTop) {
      check_name(key, what_);
      if (!names_.insert(key).second) repeated(key);
    } else if (place_ == Place::kMetadata) {
      check_name(key, what_);
      if (metadata.contains(key)) repeated(key);
    } else {
      const Entry& entry = entries.back();
      const bool seen = (key == "dtype" && entry.type != nullptr) ||
                        (key == "shape" && entry.has_shape) ||
                        (key == "data_offsets" && entry.has_offsets);
      if (seen) repeated(key);
      if (key != "dtype" && key != "shape" && key != "data_offsets") {
        fail(what_, "tensor '" + entry.name + "' has unknown key '" + printable(key, 80) + "'");
      }
    }
    key_ = key;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTop) return go(Place::kDone);
    if (place_ == Place::kEntry) {
      const Entry& entry = entries.back();
      if (entry.type == nullptr || !entry.has_shape || !entry.has_offsets) {
        fail(what_, "tensor '" + entry.name + "' needs dtype, shape and data_offsets");
      }
    }
    return go(Place::kTop);
  }

  bool start_array(std::size_t /*elements*/) override {
    if (place_ != Place::kEntry || key_ == "dtype") refuse("an array");
    (key_ == "shape" ? entries.back().has_shape : entries.back().has_offsets) = true;
    return go(key_ == "shape" ? Place::kShape : Place::kOffsets);
  }

  bool end_array() override {
    const Entry& entry = entries.back();
    if (place_ == Place::kOffsets && entry.offsets.size() != 2) {
      fail(what_, "data_offsets of '" + entry.name + "' are not two integers");
    }
    return go(Place::kEntry);
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      metadata[key_] = value;
      return true;
    }
    if (place_ != Place::kEntry || key_ != "dtype") refuse("a string");
    Entry& entry = entries.back();
    for (const StoredType& type : kStoredTypes) {
      if (type.name == value) entry.type = &type;
    }
    if (entry.type == nullptr) {
      fail(what_, "dtype '" + printable(value, 80) + "' of '" + entry.name + "' is not supported");
    }
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      Entry& entry = entries.back();
      if (entry.shape.size() == kMaxRank || value > uint64_t{1} << 62) {
        fail(what_, "shape of '" + entry.name + "' is too large");
      }
      entry.shape.push_back(static_cast<int64_t>(value));
    } else if (place_ == Place::kOffsets) {
      Entry& entry = entries.back();
      if (entry.offsets.size() == 2 || value > data_bytes_) {
        fail(what_, "data_offsets of '" + entry.name + "' are not two integers inside the file");
      }
      entry.offsets.push_back(value);
    } else {
      refuse("a number");
    }
    return true;
  }

  bool null() override { refuse("null"); }
  bool boolean(bool /*value*/) override { refuse("a boolean"); }
  bool number_integer(number_integer_t /*value*/) override { refuse("a negative number"); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
    refuse("a fraction or an overflowing number");
  }
  bool binary(binary_t& /*value*/) override { refuse("binary data"); }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    fail(what_, "not valid JSON at byte " + std::to_string(8 + position));
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kEntry, kShape, kOffsets, kDone };

  bool go(Place place) {
    place_ = place;
    return true;
  }
  [[noreturn]] void refuse(const char* found) const {
    fail(what_, std::string("unexpected ") + found +
                    (key_.empty() ? "" : " near key '" + printable(key_, 80) + "'"));
  }
  [[noreturn]] void repeated(const std::string& key) const {
    fail(what_, "key '" + printable(key, 80) + "' occurs twice");
  }

  std::string what_;
  uint64_t data_bytes_;
  Place place_ = Place::kStart;
  std::string key_;
  std::unordered_set<std::string> names_;
};

// Rules 5 to 7: the tensors tile the data without holes, and each has the size of its shape.
void check_layout(std::vector<Entry>& entries, uint64_t data_bytes, const std::string& what) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.offsets != b.offsets ? a.offsets < b.offsets : a.name < b.name;
  });
  uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.offsets[0] != end || entry.offsets[1] < end) {
      fail(what, "data of '" + entry.name + "' begin at " + std::to_string(entry.offsets[0]) +
                     " and end at " + std::to_string(entry.offsets[1]) + ", expected to begin at " +
                     std::to_string(end));
    }
    const std::string where = what + ": tensor '" + entry.name + "'";
    const int64_t bits = checked_bytes(entry.shape, entry.type->bits, where);
    const int64_t need = bits / 8 + (bits % 8 != 0 ? 1 : 0);
    end = entry.offsets[1];
    if (static_cast<uint64_t>(need) != end - entry.offsets[0]) {
      fail(what, "tensor '" + entry.name + "' of shape " + to_string(entry.shape) + " needs " +
                     std::to_string(need) + " bytes, data_offsets give " +
                     std::to_string(end - entry.offsets[0]));
    }
  }
  if (end != data_bytes) {
    fail(what, "the tensors end at data byte " + std::to_string(end) + ", the file at " +
                   std::to_string(data_bytes));
  }
}

std::string quoted(const std::string& text) {
  try {
    return json(text).dump();
  } catch (const nlohmann::detail::exception&) {
    throw Error(ErrorCode::kInternal,
                "safetensors text '" + printable(text, 80) + "' is not UTF-8");
  }
}

std::string make_header(std::span<const TensorOutline> outlines, std::span<const size_t> order,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += quoted(kMetadataKey) + ":{";
    for (const auto& [key, value] : metadata) text += quoted(key) + ":" + quoted(value) + ",";
    text.back() = '}';
    text += ',';
  }
  int64_t offset = 0;
  for (const size_t i : order) {
    const TensorOutline& tensor = outlines[i];
    text += quoted(tensor.name) + ":{\"dtype\":\"";
    text += kStoredTypes[rank_of(tensor.dtype)].name;
    text += "\",\"shape\":[";
    for (const int64_t extent : tensor.shape) text += std::to_string(extent) + ",";
    if (!tensor.shape.empty()) text.pop_back();
    text += "],\"data_offsets\":[" + std::to_string(offset) + ",";
    offset += element_count(tensor.shape) * size_of(tensor.dtype);
    text += std::to_string(offset) + "]},";
  }
  if (text.back() == ',') text.pop_back();
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

// Fills `to` from an offset of the file.
using ReadAt = std::function<void(uint64_t offset, std::span<std::byte> to)>;

// What a file holds and where its data begin.
struct Contents {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  uint64_t begin = 0;
};

Contents read_contents(uint64_t size, const ReadAt& read, const std::string& what) {
  if (size < 8) fail(what, "the file has only " + std::to_string(size) + " bytes");
  std::array<std::byte, 8> first;
  read(0, first);
  const auto length = load_le<uint64_t>(first, 0);
  if (length > kMaxHeaderBytes || length > size - 8) {
    fail(what,
         "length " + std::to_string(length) + " in a file of " + std::to_string(size) + " bytes");
  }
  std::vector<std::byte> header_bytes(length);
  read(8, header_bytes);
  const std::string_view text = as_text(header_bytes);
  if (!text.starts_with('{')) fail(what, "does not start with '{'");
  // nlohmann takes a NUL for the end of its input and checks UTF-8 only inside strings.
  if (text.find('\0') != std::string_view::npos || !is_utf8(text)) fail(what, "is not UTF-8 text");
  Contents contents;
  contents.begin = 8 + length;
  HeaderReader header(what, size - contents.begin);
  json::sax_parse(text.begin(), text.end(), &header);
  check_layout(header.entries, size - contents.begin, what);
  contents.entries = std::move(header.entries);
  contents.metadata = std::move(header.metadata);
  return contents;
}

Tensor read_entry(const Contents& contents, const Entry& entry, const ReadAt& read) {
  const ElementType& element = entry.type->element;
  Tensor tensor(entry.shape, *element.dtype);
  const uint64_t offset = contents.begin + entry.offsets[0];
  if (element.widening == Widening::kNone) {
    read(offset, {tensor.data(), static_cast<size_t>(tensor.bytes())});
  } else {
    std::vector<std::byte> stored(entry.offsets[1] - entry.offsets[0]);
    read(offset, stored);
    widen_elements(stored, element.widening, tensor);
  }
  return tensor;
}

SafetensorsFile read_tensors(uint64_t size, const ReadAt& read, const std::string& what) {
  Contents contents = read_contents(size, read, what);
  SafetensorsFile file;
  for (Entry& entry : contents.entries) {
    if (!entry.type->element.dtype) {
      fail(what, "dtype '" + std::string(entry.type->name) + "' of '" + entry.name +
                     "' is not supported");
    }
    Tensor tensor = read_entry(contents, entry, read);
    file.weights.add(std::move(entry.name), std::move(tensor));
  }
  file.metadata = std::move(contents.metadata);
  return file;
}

WeightsFile open_contents(uint64_t size, ReadAt read, const std::string& what) {
  const auto contents = std::make_shared<const Contents>(read_contents(size, read, what));
  WeightsFile file;
  file.what = what;
  file.groups.resize(1);
  for (const Entry& entry : contents->entries) {
    const auto place = static_cast<int64_t>(file.groups[0].tensors.size());
    file.groups[0].tensors.push_back(
        {entry.name, std::string(entry.type->name), entry.type->element.dtype, entry.shape, place});
  }
  file.read = [contents, read = std::move(read)](size_t, size_t tensor) {
    return read_entry(*contents, contents->entries[tensor], read);
  };
  return file;
}

// Copying and the first touch of new memory are worth a second thread.
void read_side_by_side(const InputFile& file, uint64_t offset, std::span<std::byte> to,
                       int threads) {
  constexpr size_t kPiece = size_t{4} << 20;
  const size_t pieces = (to.size() + kPiece - 1) / kPiece;
  if (pieces < 2 || threads < 2) return file.read_at(offset, to);
  std::vector<std::exception_ptr> failures(pieces);
  parallel_samples(static_cast<int64_t>(pieces), threads, [&](int64_t i) {
    const size_t piece = static_cast<size_t>(i), at = piece * kPiece;
    try {
      file.read_at(offset + at, to.subspan(at, std::min(kPiece, to.size() - at)));
    } catch (...) {
      failures[piece] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

ReadAt from_bytes(std::span<const std::byte> bytes) {
  return [bytes](uint64_t offset, std::span<std::byte> to) {
    std::copy_n(bytes.begin() + static_cast<int64_t>(offset), to.size(), to.begin());
  };
}

}  // namespace

SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, const std::string& what) {
  return read_tensors(bytes.size(), from_bytes(bytes), what);
}

// Every tensor straight into its place: the file is never in memory as a whole.
SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  const InputFile file(path);
  const auto read = [&](uint64_t offset, std::span<std::byte> to) { file.read_at(offset, to); };
  return read_tensors(file.size(), read, path.string());
}

WeightsFile open_safetensors(std::span<const std::byte> bytes, const std::string& what) {
  return open_contents(bytes.size(), from_bytes(bytes), what);
}

WeightsFile open_safetensors(const std::filesystem::path& path, int threads) {
  const auto file = std::make_shared<const InputFile>(path);
  const auto read = [file, threads](uint64_t offset, std::span<std::byte> to) {
    read_side_by_side(*file, offset, to, threads);
  };
  return open_contents(file->size(), read, path.string());
}

Weights load_safetensors(const std::filesystem::path& path) {
  return read_safetensors(path).weights;
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorOutline> outlines,
                       const std::map<std::string, std::string>& metadata,
                       const std::function<const Tensor&(size_t)>& tensor) {
  std::vector<size_t> order(outlines.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (const TensorOutline& outline : outlines) {
    if (!outline.name.empty() && outline.name != kMetadataKey && is_utf8(outline.name)) continue;
    throw Error(ErrorCode::kData, path.string() + ": tensor '" + printable(outline.name, 80) +
                                      "' has a name that safetensors cannot hold");
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto key = [&](size_t i) {
      return std::pair(rank_of(outlines[i].dtype), std::string_view(outlines[i].name));
    };
    return key(a) < key(b);
  });
  const std::string header = make_header(outlines, order, metadata);
  const uint64_t length = header.size();
  OutputFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const size_t i : order) {
    const Tensor& values = tensor(i);
    if (values.shape() != outlines[i].shape || values.dtype() != outlines[i].dtype) {
      throw Error(ErrorCode::kInternal, "tensor '" + outlines[i].name + "' is not its outline");
    }
    file.write({values.data(), static_cast<size_t>(values.bytes())});
  }
  file.commit();
}

void save_safetensors(const std::filesystem::path& path, const Weights& weights,
                      const std::map<std::string, std::string>& metadata) {
  std::vector<TensorOutline> outlines;
  for (const std::string& name : weights.names()) {
    const WeightTensor& tensor = weights.at(name);
    if (tensor.scale.size() > 0 || !tensor.scale.shape().empty()) {
      throw Error(ErrorCode::kInternal, path.string() + ": tensor '" + printable(name, 80) +
                                            "' has a scale, which cannot be stored yet");
    }
    outlines.push_back({name, tensor.data.dtype(), tensor.data.shape()});
  }
  write_safetensors(path, outlines, metadata,
                    [&](size_t i) -> const Tensor& { return weights.at(outlines[i].name).data; });
}

}  // namespace spikeloom
