#pragma once
// The bytes of a recording in order, from a file or from standard input as they come. Holds one
// block, however long the recording is.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/io/file.hpp"

namespace spikeloom {

class ByteReader {
 public:
  explicit ByteReader(std::shared_ptr<const InputFile> file);
  // `start`: what was read of it already.
  static ByteReader standard_input(std::string start);

  // The next bytes: at least `count`, unless the recording ends before; often more. Valid until the
  // next call. Throws Error(kData) when they cannot be read.
  std::span<const std::byte> peek(size_t count);
  // Moves on, by any number of bytes, not beyond the end.
  void skip(uint64_t count);
  // Of the next byte, from the start of the recording.
  uint64_t offset() const noexcept { return offset_; }
  bool at_end() { return peek(1).empty(); }

 private:
  ByteReader() = default;
  void drop_used();
  size_t read_more(std::span<std::byte> to);

  std::shared_ptr<const InputFile> file_;  // null: standard input
  uint64_t read_ = 0;                      // bytes taken from the source
  uint64_t offset_ = 0;
  std::vector<std::byte> block_;
  size_t used_ = 0;  // of the block
  bool ended_ = false;
};

}  // namespace spikeloom
