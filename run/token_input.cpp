#include "run/token_input.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "datasets/token_text.hpp"

namespace spikeloom {
namespace {

constexpr size_t kMaxInputBytes = size_t{1} << 30;

}  // namespace

std::string read_standard_input() {
  std::string text;
  char block[1 << 16];
  while (const size_t count = std::fread(block, 1, sizeof block, stdin)) {
    text.append(block, count);
    if (text.size() > kMaxInputBytes)
      throw Error(ErrorCode::kData, "standard input: is longer than 1 GiB");
  }
  if (std::ferror(stdin) != 0) throw Error(ErrorCode::kData, "standard input: cannot be read");
  return text;
}

std::string read_start_of_standard_input(size_t count) {
  std::string start(count, '\0');
  size_t done = 0;
  while (done < count) {
    const ssize_t got = ::read(STDIN_FILENO, start.data() + done, count - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::kData, "standard input: cannot be read");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  start.resize(done);
  return start;
}

std::vector<int32_t> read_token_ids(const std::string& path, int64_t vocabulary) {
  const bool piped = path == "-";
  const std::string what = piped ? "standard input" : path;
  std::string bytes;
  if (piped) {
    bytes = read_standard_input();
  } else {
    const auto file = read_file(path, static_cast<int64_t>(kMaxInputBytes));
    bytes.assign(reinterpret_cast<const char*>(file.data()), file.size());
  }
  return token_ids_of(bytes, vocabulary, what);
}

}  // namespace spikeloom
