#include "datasets/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "core/error.hpp"
#include "core/io/file.hpp"

namespace spikeloom {

struct MaybeGzip::Inflater {
  z_stream stream{};
  bool ended = false;

  Inflater() {
    constexpr int kGzipOnly = 15 + 16;
    if (inflateInit2(&stream, kGzipOnly) != Z_OK) {
      throw Error(ErrorCode::kRuntime, "zlib cannot start: out of memory");
    }
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

MaybeGzip::MaybeGzip(const std::filesystem::path& path) : path_(path), bytes_(read_file(path)) {
  const bool is_gzip =
      bytes_.size() >= 2 && bytes_[0] == std::byte{0x1f} && bytes_[1] == std::byte{0x8b};
  if (is_gzip) inflater_ = std::make_unique<Inflater>();
}

MaybeGzip::~MaybeGzip() = default;

// Fewer bytes than asked for: the stream has ended.
size_t MaybeGzip::read_some(std::span<std::byte> out) {
  if (!inflater_) {
    const size_t count = std::min(out.size(), bytes_.size() - at_);
    if (count > 0) std::memcpy(out.data(), bytes_.data() + at_, count);
    at_ += count;
    return count;
  }
  constexpr size_t kChunk = std::numeric_limits<uInt>::max();
  z_stream& stream = inflater_->stream;
  size_t done = 0;
  while (done < out.size() && !inflater_->ended) {
    stream.next_in = reinterpret_cast<Bytef*>(bytes_.data() + at_);
    stream.avail_in = static_cast<uInt>(std::min(kChunk, bytes_.size() - at_));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
    stream.avail_out = static_cast<uInt>(std::min(kChunk, out.size() - done));
    const uInt in_before = stream.avail_in, out_before = stream.avail_out;
    const int result = inflate(&stream, Z_NO_FLUSH);
    at_ += in_before - stream.avail_in;
    done += out_before - stream.avail_out;
    if (result == Z_STREAM_END) {
      inflater_->ended = true;
    } else if (result == Z_BUF_ERROR) {
      throw Error(ErrorCode::kData, path_.string() + ": the gzip stream is cut off");
    } else if (result != Z_OK) {
      throw Error(ErrorCode::kData,
                  path_.string() + ": damaged gzip stream at byte " + std::to_string(at_) +
                      (stream.msg != nullptr ? std::string(" (") + stream.msg + ")" : ""));
    }
  }
  return done;
}

void MaybeGzip::read(std::span<std::byte> out) {
  const size_t count = read_some(out);
  if (count < out.size()) {
    throw Error(ErrorCode::kData, path_.string() + ": " + std::to_string(out.size() - count) +
                                      " bytes are missing at the end");
  }
}

void MaybeGzip::expect_end() {
  std::byte extra[1];
  if (read_some(extra) != 0) {
    throw Error(ErrorCode::kData, path_.string() + ": more data than the header declares");
  }
  if (at_ != bytes_.size()) {
    throw Error(ErrorCode::kData, path_.string() + ": " + std::to_string(bytes_.size() - at_) +
                                      " bytes follow the gzip stream");
  }
}

void MaybeGzip::justify(uint64_t bytes) const {
  const uint64_t stored = bytes_.size();
  if (!inflater_) {
    if (bytes == stored - at_) return;
    throw Error(ErrorCode::kData, path_.string() + ": the header declares " +
                                      std::to_string(bytes) + " bytes of data, the file holds " +
                                      std::to_string(stored - at_));
  }
  if (bytes > std::max<uint64_t>(16 * stored, uint64_t{1} << 20)) {
    throw Error(ErrorCode::kData, path_.string() + ": the header declares " +
                                      std::to_string(bytes) + " bytes of data, too many for " +
                                      std::to_string(stored) + " compressed bytes");
  }
}

}  // namespace spikeloom
