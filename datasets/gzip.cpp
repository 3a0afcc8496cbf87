#include "datasets/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <string>

#include "core/error.hpp"

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

MaybeGzip::MaybeGzip(const std::filesystem::path& path) : path_(path), file_(path) {
  std::byte magic[2] = {};
  if (file_.size() >= 2) file_.read_at(0, magic);
  if (magic[0] == std::byte{0x1f} && magic[1] == std::byte{0x8b})
    inflater_ = std::make_unique<Inflater>();
}

MaybeGzip::~MaybeGzip() = default;

// The next block of a compressed file, when the last one is used up.
void MaybeGzip::fill() {
  constexpr uint64_t kBlock = 1 << 18;
  if (block_at_ < block_.size()) return;
  block_.resize(static_cast<size_t>(std::min(kBlock, file_.size() - at_)));
  file_.read_at(at_, block_);
  block_at_ = 0;
}

// Behind a member may be others, whose data continue its own (RFC 1952, section 2.2).
bool MaybeGzip::another_member() {
  std::byte magic[2] = {};
  if (file_.size() - at_ < 2) return false;
  file_.read_at(at_, magic);
  if (magic[0] != std::byte{0x1f} || magic[1] != std::byte{0x8b}) return false;
  return inflateReset(&inflater_->stream) == Z_OK;
}

// Fewer bytes than asked for: the stream has ended.
size_t MaybeGzip::read_some(std::span<std::byte> out) {
  if (!inflater_) {
    const auto count = static_cast<size_t>(std::min<uint64_t>(out.size(), file_.size() - at_));
    file_.read_at(at_, out.first(count));
    file_.check_unchanged();
    at_ += count;
    return count;
  }
  constexpr size_t kChunk = std::numeric_limits<uInt>::max();
  z_stream& stream = inflater_->stream;
  size_t done = 0;
  while (done < out.size() && !inflater_->ended) {
    fill();
    stream.next_in = reinterpret_cast<Bytef*>(block_.data() + block_at_);
    stream.avail_in = static_cast<uInt>(block_.size() - block_at_);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
    stream.avail_out = static_cast<uInt>(std::min(kChunk, out.size() - done));
    const uInt in_before = stream.avail_in, out_before = stream.avail_out;
    const int result = inflate(&stream, Z_NO_FLUSH);
    at_ += in_before - stream.avail_in;
    block_at_ += in_before - stream.avail_in;
    done += out_before - stream.avail_out;
    if (result == Z_STREAM_END) {
      if (!another_member()) inflater_->ended = true;
    } else if (result == Z_BUF_ERROR) {
      throw Error(ErrorCode::kData, path_.string() + ": the gzip stream is cut off");
    } else if (result != Z_OK) {
      throw Error(ErrorCode::kData,
                  path_.string() + ": damaged gzip stream at byte " + std::to_string(at_) +
                      (stream.msg != nullptr ? std::string(" (") + stream.msg + ")" : ""));
    }
  }
  if (inflater_) file_.check_unchanged();
  return done;
}

void MaybeGzip::skip(uint64_t count) {
  if (!inflater_) {
    at_ += std::min(count, file_.size() - at_);
    return;
  }
  std::vector<std::byte> block(size_t{1} << 16);
  for (; count > 0; count -= std::min<uint64_t>(count, block.size()))
    read(std::span(block).first(static_cast<size_t>(std::min<uint64_t>(count, block.size()))));
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
  if (at_ != file_.size()) {
    throw Error(ErrorCode::kData, path_.string() + ": " + std::to_string(file_.size() - at_) +
                                      " bytes follow the gzip stream");
  }
}

void MaybeGzip::justify(uint64_t bytes) const {
  const uint64_t stored = file_.size();
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
