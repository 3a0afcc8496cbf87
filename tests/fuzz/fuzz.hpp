#pragma once
// What every fuzz target does: the bytes as a file, and the rule for what a reader may throw.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "core/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace spikeloom::fuzz {

// Runs a reader. An Error that blames the input on one line is right; every other exception, and an
// Error that blames the program itself, ends the process.
template <typename Reader>
int errors_only(Reader&& read) {
  try {
    read();
  } catch (const Error& error) {
    const std::string_view what = error.what();
    if (error.code() == ErrorCode::kInternal || what.empty() || what.find('\n') != what.npos) {
      std::fprintf(stderr, "not an error of the input: %s\n", error.what());
      std::abort();
    }
  }
  return 0;
}

// A file in memory that lives as long as the object. Not a memfd: HDF5 asks for the real path.
class InputFile {
 public:
  InputFile(const uint8_t* data, size_t size) {
    std::string name = "/dev/shm/spikeloom-fuzz-XXXXXX";
    const int descriptor = ::mkstemp(name.data());
    path_ = name;
    if (descriptor < 0 || ::write(descriptor, data, size) != static_cast<ssize_t>(size)) {
      std::perror(name.c_str());
      std::abort();
    }
    ::close(descriptor);
  }
  ~InputFile() { ::unlink(path_.c_str()); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::span<const std::byte> bytes(const uint8_t* data, size_t size) {
  return std::as_bytes(std::span(data, size));
}

inline std::string_view text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace spikeloom::fuzz
