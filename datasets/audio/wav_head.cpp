#include "datasets/audio/wav_head.hpp"

#include <sndfile.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>

#include "core/error.hpp"
#include "core/io/bytes.hpp"

namespace spikeloom {
namespace {

// Lengths from here on are those of programs that could not go back and write the right one.
constexpr uint64_t kNoLength = 0x7f000000;

// A tag of W64 is the RIFF tag, in small letters, and one of two tails.
constexpr std::string_view kW64Riff("\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", 12);
constexpr std::string_view kW64Chunk("\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", 12);

[[noreturn]] void fail(const std::string& reason) {
  throw Error(ErrorCode::kData, reason);
}

// Other sounds, by their first bytes.
struct Magic {
  std::string_view bytes;
  size_t at;
  const char* name;
};
constexpr Magic kOtherSounds[] = {{"fLaC", 0, "FLAC"},    {"OggS", 0, "Ogg"},
                                  {"FORM", 0, "AIFF"},    {".snd", 0, "AU"},
                                  {"caff", 0, "CAF"},     {"ID3", 0, "MP3"},
                                  {"ftyp", 4, "MP4"},     {"#!AMR", 0, "AMR"},
                                  {"\xff\xfb", 0, "MP3"}, {"NIST_1A", 0, "NIST SPHERE"}};

[[noreturn]] void fail_unknown(std::string_view start) {
  for (const Magic& magic : kOtherSounds) {
    if (start.size() > magic.at && start.substr(magic.at).starts_with(magic.bytes))
      fail(std::string("is ") + magic.name + ", which is not read; convert it to WAV");
  }
  fail("is no RIFF/WAVE file");
}

enum class Container { kRiff, kRifx, kRf64, kW64 };

class HeadReader {
 public:
  explicit HeadReader(const ByteSource& source) : source_(source) {}

  WavHead read() {
    start();
    while (true) {
      const auto [tag, length] = chunk();
      if (tag == "data") {
        if (!has_format_) fail("has no format before its samples");
        set_data(length);
        return std::move(head_);
      }
      const uint64_t end = head_.data_offset + padded(length);
      if (tag == "fmt " && !has_format_) read_format(length);
      if (tag == "ds64" && length >= 16) read_long_lengths();
      skip(end);
    }
  }

 private:
  // False at the end of the source.
  bool take(std::span<std::byte> to) {
    const size_t got = source_(to);
    head_.data_offset += got;
    const size_t room = kMostKept - head_.kept.size();
    head_.all_kept &= got <= room;
    head_.kept.insert(head_.kept.end(), to.begin(),
                      to.begin() + static_cast<std::ptrdiff_t>(std::min(got, room)));
    return got == to.size();
  }
  template <size_t N>
  std::array<std::byte, N> take() {
    std::array<std::byte, N> bytes{};
    if (!take(bytes)) fail("has no data chunk");
    return bytes;
  }
  void skip(uint64_t end) {
    std::array<std::byte, 4096> bytes;
    while (head_.data_offset < end) {
      const uint64_t left = end - head_.data_offset;
      const auto part = std::span(bytes).first(std::min<uint64_t>(left, bytes.size()));
      if (!take(part)) fail("has no data chunk");
    }
  }
  template <typename T>
  T number(std::span<const std::byte> bytes, size_t at) const {
    std::array<std::byte, sizeof(T)> value{};
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), sizeof(T), value.begin());
    if (container_ == Container::kRifx) std::reverse(value.begin(), value.end());
    return std::bit_cast<T>(value);
  }
  uint64_t padded(uint64_t length) const {
    const uint64_t step = container_ == Container::kW64 ? 8 : 2;
    return length > UINT64_MAX / 2 ? length : (length + step - 1) / step * step;
  }

  void start() {
    std::array<std::byte, 12> bytes{};
    const bool whole = take(bytes);
    const std::string_view text = as_text(bytes);
    if (head_.data_offset == 0) fail("is empty");
    const std::string_view given = text.substr(0, head_.data_offset);
    if (given.starts_with("riff") && given.substr(4) == kW64Riff.substr(0, 8)) {
      container_ = Container::kW64;
      const auto rest = take<28>();  // of the tag, the length of the file, "wave" and its tail
      if (as_text(rest).substr(12, 4) != "wave") fail_unknown(given);
      return;
    }
    if (!whole || text.substr(8) != "WAVE") fail_unknown(given);
    if (text.starts_with("RIFX")) container_ = Container::kRifx;
    if (text.starts_with("RF64") || text.starts_with("BW64")) container_ = Container::kRf64;
    if (container_ == Container::kRiff && !text.starts_with("RIFF")) fail_unknown(given);
  }

  struct Chunk {
    std::string tag;
    uint64_t length;
  };
  Chunk chunk() {
    if (container_ == Container::kW64) {
      const auto bytes = take<24>();
      const auto length = number<uint64_t>(bytes, 16);
      const bool known = as_text(bytes).substr(4, 12) == kW64Chunk;
      std::string tag(known ? as_text(bytes).substr(0, 4) : "");
      if (length < 24 && tag != "data") fail("has a chunk of " + std::to_string(length) + " bytes");
      return {std::move(tag), length < 24 ? 0 : length - 24};
    }
    const auto bytes = take<8>();
    return {std::string(as_text(bytes).substr(0, 4)), number<uint32_t>(bytes, 4)};
  }

  void read_long_lengths() {
    const auto bytes = take<16>();  // of the file, of the samples
    long_data_ = number<uint64_t>(bytes, 8);
  }

  void read_format(uint64_t length) {
    if (length < 16) fail("has a format of " + std::to_string(length) + " bytes");
    const auto bytes = take<16>();
    auto tag = number<uint16_t>(bytes, 0);
    head_.channels = number<uint16_t>(bytes, 2);
    head_.rate = number<uint32_t>(bytes, 4);
    const auto frame = number<uint16_t>(bytes, 12), bits = number<uint16_t>(bytes, 14);
    constexpr uint16_t kExtensible = 0xfffe;
    if (tag == kExtensible && length >= 40) {
      const auto more = take<24>();  // its length, valid bits, speakers, coding
      tag = number<uint16_t>(more, 8);
    }
    has_format_ = true;
    int64_t sample = (bits + 7) / 8;
    if (head_.channels > 0 && frame % head_.channels == 0 && frame / head_.channels > sample) {
      sample = frame / head_.channels;  // 12 bits in 16, 20 bits in 32
    }
    head_.frame_bytes = sample * head_.channels;
    head_.raw_format = raw_format_of(tag, sample, bits);
  }

  // 0: a coding in blocks.
  int raw_format_of(int tag, int64_t sample, int bits) const {
    struct Coding {
      int tag;
      int64_t bytes;
      int format;
    };
    constexpr Coding kCodings[] = {{1, 1, SF_FORMAT_PCM_U8}, {1, 2, SF_FORMAT_PCM_16},
                                   {1, 3, SF_FORMAT_PCM_24}, {1, 4, SF_FORMAT_PCM_32},
                                   {3, 4, SF_FORMAT_FLOAT},  {3, 8, SF_FORMAT_DOUBLE},
                                   {6, 1, SF_FORMAT_ALAW},   {7, 1, SF_FORMAT_ULAW}};
    const int order =
        container_ == Container::kRifx ? SF_ENDIAN_BIG : static_cast<int>(SF_ENDIAN_LITTLE);
    bool raw = false;
    for (const Coding& coding : kCodings) {
      raw |= coding.tag == tag;
      if (coding.tag == tag && coding.bytes == sample) return SF_FORMAT_RAW | coding.format | order;
    }
    if (raw) {
      fail("has samples of " + std::to_string(bits) + " bits in " + std::to_string(sample) +
           " bytes, format " + std::to_string(tag));
    }
    return 0;
  }

  void set_data(uint64_t length) {
    if (container_ == Container::kRf64 && length == UINT32_MAX) {
      if (long_data_ && *long_data_ > 0 && *long_data_ < UINT64_MAX / 2)
        head_.data_bytes = long_data_;
      return;
    }
    const uint64_t most = container_ == Container::kW64 ? uint64_t{1} << 62 : kNoLength;
    if (length > 0 && length < most) head_.data_bytes = length;
    if (length > 0) return;
    // No samples, or a length that was never written: another chunk tells.
    std::array<std::byte, 8> next{};
    const uint64_t before = head_.data_offset;
    take(next);
    head_.pending = static_cast<size_t>(head_.data_offset - before);
    head_.data_offset = before;
    if (head_.pending == 0 || looks_like_chunk(std::span(next).first(head_.pending)))
      fail("has no samples");
  }

  const ByteSource& source_;
  WavHead head_;
  Container container_ = Container::kRiff;
  bool has_format_ = false;
  std::optional<uint64_t> long_data_;
};

}  // namespace

WavHead read_wav_head(const ByteSource& source) {
  return HeadReader(source).read();
}

bool looks_like_chunk(std::span<const std::byte> bytes) {
  constexpr std::string_view kTags[] = {"LIST", "list", "fact", "bext", "cue ", "smpl", "inst",
                                        "PEAK", "JUNK", "junk", "PAD ", "id3 ", "ID3 ", "iXML",
                                        "axml", "cart", "_PMX", "afsp", "plst", "acid", "FLLR",
                                        "chna", "levl", "minf", "elm1", "regn", "umid", "DISP"};
  if (bytes.size() < 8) return false;
  return std::find(std::begin(kTags), std::end(kTags), as_text(bytes).substr(0, 4)) !=
         std::end(kTags);
}

}  // namespace spikeloom
