#pragma once
// Shared by the tests of core/io: scratch folder, error messages, byte strings, zip archives.

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/file.hpp"
#include "core/weights.hpp"
#include "tests/catch.hpp"

namespace spikeloom::io_test {

// A folder that lives as long as the test case.
class Scratch {
 public:
  Scratch()
      : folder_(std::filesystem::temp_directory_path() /
                ("spikeloom_io_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  // Names of the files inside.
  std::vector<std::string> list() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

 private:
  std::filesystem::path folder_;
};

inline std::string text_of(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  return std::string(as_text(bytes));
}

inline std::filesystem::path data_file(const std::string& name) {
  return std::filesystem::path(SPIKELOOM_SOURCE_DIR) / "tests/unit/data" / name;
}

// The message of the Error of this code that the action throws; one line always.
template <typename Action>
std::string error_of(Action&& action, ErrorCode code = ErrorCode::kData) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.code() == code);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  FAIL("nothing was thrown");
  return {};
}

inline bool has(const std::string& text, const std::string& part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

inline std::vector<std::byte> bytes_of(std::string_view text) {
  const auto span = as_bytes_of(text);
  return {span.begin(), span.end()};
}

template <typename T>
std::string le(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

template <typename T>
Tensor tensor_of(Shape shape, DType dtype, std::vector<T> values) {
  Tensor tensor(std::move(shape), dtype);
  std::copy(values.begin(), values.end(), tensor.as<T>().begin());
  return tensor;
}

template <typename T>
std::vector<T> values_of(const Tensor& tensor) {
  const auto span = tensor.as<T>();
  return {span.begin(), span.end()};
}

inline std::vector<float> floats(const Weights& weights, const std::string& name) {
  return values_of<float>(to_f32(weights.at(name).data));
}

// start, start + 1, ...
inline std::vector<float> ramp(int count, float start = 0) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(start + static_cast<float>(i));
  return values;
}

inline bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::equal(a.data(), a.data() + a.bytes(), b.data());
}

inline bool same(const Weights& a, const Weights& b) {
  if (a.names() != b.names()) return false;
  for (const std::string& name : a.names()) {
    if (!same(a.at(name).data, b.at(name).data)) return false;
  }
  return true;
}

inline uint32_t crc32(std::string_view text) {
  uint32_t crc = ~0u;
  for (const char c : text) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
  }
  return ~crc;
}

struct ZipContent {
  std::string name;
  std::string data;
  uint16_t method = 0;
  uint32_t size = 0;  // claimed, when not 0
};

// A zip archive of stored entries.
inline std::string make_zip(const std::vector<ZipContent>& entries) {
  std::string file;
  std::string directory;
  for (const ZipContent& entry : entries) {
    const auto stored = static_cast<uint32_t>(entry.data.size());
    const auto name = static_cast<uint16_t>(entry.name.size());
    const std::string common = le(uint16_t{20}) + le(uint16_t{0}) + le(entry.method) +
                               le(uint32_t{0}) + le(crc32(entry.data)) + le(stored) +
                               le(entry.size != 0 ? entry.size : stored) + le(name) +
                               le(uint16_t{0});
    directory += std::string("PK\1\2") + le(uint16_t{20}) + common + std::string(10, '\0') +
                 le(static_cast<uint32_t>(file.size())) + entry.name;
    file += "PK\3\4" + common + entry.name + entry.data;
  }
  const auto count = static_cast<uint16_t>(entries.size());
  const auto offset = static_cast<uint32_t>(file.size());
  return file + directory + "PK\5\6" + std::string(4, '\0') + le(count) + le(count) +
         le(static_cast<uint32_t>(directory.size())) + le(offset) + le(uint16_t{0});
}

}  // namespace spikeloom::io_test
