#include "core/io/deflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>

#include "core/io/huffman.hpp"

namespace spikeloom {
namespace {

static_assert(std::endian::native == std::endian::little, "bits are stored as words");

constexpr size_t kBlockBytes = 65528;  // at most 65535, the longest that can be stored as it is
constexpr size_t kShortest = 8;        // match worth a code of its own
constexpr size_t kLongest = 258;
constexpr size_t kStride = 4;  // places looked at: a match of 12 bytes is never missed
constexpr size_t kLengthSymbol = 257, kEnd = 256;

struct Match {
  uint32_t at;       // in the block
  uint16_t length;   // kShortest to kLongest, the rest of a run at least 3
  uint8_t distance;  // of the list
};

struct Symbol {
  uint16_t symbol;
  uint8_t extra_bits;
  uint16_t extra;
};

// RFC 1951, 3.2.5: both tables double their steps every 4 (every 2) symbols.
constexpr Symbol length_symbol(size_t length) {
  if (length == kLongest) return {285, 0, 0};
  const auto offset = static_cast<unsigned>(length - 3);
  if (offset < 8) return {static_cast<uint16_t>(kLengthSymbol + offset), 0, 0};
  const auto bits = static_cast<unsigned>(std::bit_width(offset)) - 3;
  const unsigned step = offset >> bits;  // 4 to 7
  return {static_cast<uint16_t>(kLengthSymbol + 4 * bits + step), static_cast<uint8_t>(bits),
          static_cast<uint16_t>(offset - (step << bits))};
}

constexpr Symbol distance_symbol(size_t distance) {
  const auto offset = static_cast<unsigned>(distance - 1);
  if (offset < 4) return {static_cast<uint16_t>(offset), 0, 0};
  const auto bits = static_cast<unsigned>(std::bit_width(offset)) - 2;
  const unsigned step = offset >> bits;  // 2 or 3
  return {static_cast<uint16_t>(2 * bits + step), static_cast<uint8_t>(bits),
          static_cast<uint16_t>(offset - (step << bits))};
}

// Bits from the lowest on, behind each other. Whoever makes it has left 8 bytes of room at the end.
class BitWriter {
 public:
  explicit BitWriter(uint8_t* out) : out_(out) {}

  // At most 57 bits between two calls of flush().
  void put(uint64_t bits, unsigned count) noexcept {
    pending_ |= bits << count_;
    count_ += count;
  }
  void put(HuffmanCode code) noexcept { put(code.bits, code.length); }
  void flush() noexcept {
    std::memcpy(out_, &pending_, 8);
    out_ += count_ >> 3;
    pending_ >>= count_ & ~7u;
    count_ &= 7;
  }
  // Up to the next whole byte.
  void align() noexcept {
    put(0, (8 - count_ % 8) % 8);
    flush();
  }
  void bytes(std::span<const uint8_t> from) noexcept {
    out_ = std::copy(from.begin(), from.end(), out_);
  }
  uint8_t* end() const noexcept { return out_; }

 private:
  uint8_t* out_;
  uint64_t pending_ = 0;
  unsigned count_ = 0;
};

uint64_t word_at(const uint8_t* bytes) noexcept {
  uint64_t word;
  std::memcpy(&word, bytes, 8);
  return word;
}

constexpr size_t kSymbols = 286, kDistances = 30, kMeta = 19;
using Codes = std::array<HuffmanCode, kSymbols>;

// Lengths of the codes as deflate tells them: run by run, symbols 16 to 18 with extra bits.
struct Header {
  std::vector<Symbol> symbols;
  std::array<HuffmanCode, kMeta> codes{};
  size_t literals = 0, distances = 0, meta = 0;  // how many lengths are told
  uint64_t bits = 0;
};

constexpr std::array<uint8_t, kMeta> kMetaOrder = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                   11, 4,  12, 3, 13, 2, 14, 1, 15};

void add_run(std::vector<Symbol>& symbols, uint8_t length, size_t count) {
  while (count > 0) {
    if (length == 0 && count >= 3) {
      const size_t part = std::min<size_t>(count, 138);
      const bool far = part > 10;
      symbols.push_back({static_cast<uint16_t>(far ? 18 : 17), static_cast<uint8_t>(far ? 7 : 3),
                         static_cast<uint16_t>(part - (far ? 11 : 3))});
      count -= part;
      continue;
    }
    symbols.push_back({length, 0, 0});
    --count;
    while (length != 0 && count >= 3) {
      const size_t part = std::min<size_t>(count, 6);
      symbols.push_back({16, 2, static_cast<uint16_t>(part - 3)});
      count -= part;
    }
  }
}

size_t used(std::span<const HuffmanCode> codes, size_t least) {
  size_t count = codes.size();
  while (count > least && codes[count - 1].length == 0) --count;
  return count;
}

Header describe(std::span<const HuffmanCode> literals, std::span<const HuffmanCode> distances) {
  Header header;
  header.literals = used(literals, kLengthSymbol);
  header.distances = used(distances, 1);
  std::array<uint8_t, kSymbols + kDistances> lengths{};
  size_t count = 0;
  for (const HuffmanCode& code : literals.first(header.literals)) lengths[count++] = code.length;
  for (const HuffmanCode& code : distances.first(header.distances)) lengths[count++] = code.length;
  for (size_t i = 0; i < count;) {
    size_t end = i;
    while (end < count && lengths[end] == lengths[i]) ++end;
    add_run(header.symbols, lengths[i], end - i);
    i = end;
  }
  std::array<uint32_t, kMeta> counts{};
  for (const Symbol& symbol : header.symbols) ++counts[symbol.symbol];
  make_codes(counts, 7, header.codes);
  header.meta = kMeta;
  while (header.meta > 4 && header.codes[kMetaOrder[header.meta - 1]].length == 0) --header.meta;
  header.bits = 3 + 5 + 5 + 4 + 3 * header.meta;
  for (const Symbol& symbol : header.symbols)
    header.bits += header.codes[symbol.symbol].length + symbol.extra_bits;
  return header;
}

// One stream, block by block.
class Deflater {
 public:
  Deflater(std::span<const uint8_t> bytes, std::span<const size_t> distances)
      : bytes_(bytes), distances_(distances) {
    for (const size_t distance : distances_) symbols_.push_back(distance_symbol(distance));
    // No block is longer than stored: five bytes more, and a byte before them is filled up.
    const size_t blocks = bytes.size() / kBlockBytes + 1;
    out_.resize(bytes.size() + 6 * blocks + 6 + 8);
  }

  std::vector<uint8_t> run() {
    BitWriter writer(out_.data());
    writer.put(0x0178, 16);  // deflate, a window of 32 KiB, the fastest of compressors
    writer.flush();
    size_t begin = 0;
    do {
      const size_t size = std::min(kBlockBytes, bytes_.size() - begin);
      block(writer, begin, size, begin + size == bytes_.size());
      begin += size;
    } while (begin < bytes_.size());
    writer.align();
    uLong sum = adler32_z(1, bytes_.data(), bytes_.size());
    for (int i = 3; i >= 0; --i) writer.put(sum >> (8 * i) & 0xff, 8);
    writer.flush();
    out_.resize(static_cast<size_t>(writer.end() - out_.data()));
    return std::move(out_);
  }

 private:
  // Bytes from `at` on that are those `distance` before, up to `end`.
  size_t same(size_t at, size_t distance, size_t end) const noexcept {
    size_t i = at;
    for (; i + 8 <= end; i += 8) {
      const uint64_t differ = word_at(&bytes_[i]) ^ word_at(&bytes_[i - distance]);
      if (differ != 0) return i - at + static_cast<size_t>(std::countr_zero(differ)) / 8;
    }
    while (i < end && bytes_[i] == bytes_[i - distance]) ++i;
    return i - at;
  }

  void add_match(size_t at, size_t length, size_t distance) {
    while (length >= 3) {
      size_t part = std::min(length, kLongest);
      if (length - part > 0 && length - part < 3) part -= 3;  // leave a whole match
      matches_.push_back(
          {static_cast<uint32_t>(at), static_cast<uint16_t>(part), static_cast<uint8_t>(distance)});
      at += part;
      length -= part;
    }
  }

  void find_matches(size_t begin, size_t size) {
    matches_.clear();
    const size_t end = begin + size;
    size_t free = begin;  // behind the last match
    for (size_t at = begin; at + kShortest <= end;) {
      size_t d = 0;
      const uint64_t word = word_at(&bytes_[at]);
      while (d < distances_.size() &&
             (at < distances_[d] || word != word_at(&bytes_[at - distances_[d]])))
        ++d;
      if (d == distances_.size()) {
        at += kStride;
        continue;
      }
      const size_t distance = distances_[d];
      while (at > free && at > distance && bytes_[at - 1] == bytes_[at - 1 - distance]) --at;
      const size_t length = same(at, distance, end);
      add_match(at - begin, length, d);
      at += length;
      free = at;
    }
  }

  // Calls literals(from, to) and match(m) in the order of the block.
  template <typename Literals, typename OfMatch>
  void for_each(size_t size, Literals&& literals, OfMatch&& match) {
    size_t at = 0;
    for (const Match& m : matches_) {
      literals(at, static_cast<size_t>(m.at));
      match(m);
      at = m.at + size_t{m.length};
    }
    literals(at, size);
  }

  void count(size_t begin, size_t size, std::span<uint32_t> literals,
             std::span<uint32_t> distances) {
    std::array<std::array<uint32_t, 256>, 4> counts{};  // four, so that equal bytes do not wait
    const uint8_t* from = bytes_.data() + begin;
    for_each(
        size,
        [&](size_t at, size_t end) {
          for (; at + 4 <= end; at += 4)
            for (size_t k = 0; k < 4; ++k) ++counts[k][from[at + k]];
          for (; at < end; ++at) ++counts[0][from[at]];
        },
        [&](const Match& m) {
          ++literals[length_symbol(m.length).symbol];
          ++distances[symbols_[m.distance].symbol];
        });
    for (const auto& part : counts)
      for (size_t s = 0; s < 256; ++s) literals[s] += part[s];
    literals[kEnd] = 1;
  }

  void block(BitWriter& writer, size_t begin, size_t size, bool last) {
    find_matches(begin, size);
    std::array<uint32_t, kSymbols> literals{};
    std::array<uint32_t, kDistances> distances{};
    count(begin, size, literals, distances);
    Codes codes;
    std::array<HuffmanCode, kDistances> distance_codes;
    make_codes(literals, 15, codes);
    make_codes(distances, 15, distance_codes);
    const Header header = describe(codes, distance_codes);
    uint64_t bits = header.bits;
    for (size_t s = 0; s < kSymbols; ++s) bits += uint64_t{literals[s]} * codes[s].length;
    for (const Match& m : matches_) {
      bits += length_symbol(m.length).extra_bits +
              distance_codes[symbols_[m.distance].symbol].length + symbols_[m.distance].extra_bits;
    }
    if (bits / 8 >= size + 4) return stored(writer, begin, size, last);
    write_header(writer, header, last);
    write_block(writer, begin, size, codes, distance_codes);
  }

  void stored(BitWriter& writer, size_t begin, size_t size, bool last) {
    writer.put(last ? 1 : 0, 3);
    writer.align();
    writer.put(size | (~size & 0xffff) << 16, 32);
    writer.flush();
    writer.bytes(bytes_.subspan(begin, size));
  }

  static void write_header(BitWriter& writer, const Header& header, bool last) {
    writer.put(last ? 5 : 4, 3);
    writer.put(header.literals - kLengthSymbol, 5);
    writer.put(header.distances - 1, 5);
    writer.put(header.meta - 4, 4);
    for (size_t i = 0; i < header.meta; ++i) {
      writer.put(header.codes[kMetaOrder[i]].length, 3);
      writer.flush();
    }
    for (const Symbol& symbol : header.symbols) {
      writer.put(header.codes[symbol.symbol]);
      writer.put(symbol.extra, symbol.extra_bits);
      writer.flush();
    }
  }

  void write_block(BitWriter& writer, size_t begin, size_t size, const Codes& codes,
                   std::span<const HuffmanCode> distance_codes) {
    const uint8_t* from = bytes_.data() + begin;
    for_each(
        size,
        [&](size_t at, size_t end) {
          for (; at + 3 <= end; at += 3) {  // 45 bits at most
            for (size_t k = 0; k < 3; ++k) writer.put(codes[from[at + k]]);
            writer.flush();
          }
          for (; at < end; ++at) writer.put(codes[from[at]]);
          writer.flush();
        },
        [&](const Match& m) {
          const Symbol length = length_symbol(m.length), distance = symbols_[m.distance];
          writer.put(codes[length.symbol]);
          writer.put(length.extra, length.extra_bits);
          writer.put(distance_codes[distance.symbol]);
          writer.put(distance.extra, distance.extra_bits);
          writer.flush();
        });
    writer.put(codes[kEnd]);
    writer.flush();
  }

  std::span<const uint8_t> bytes_;
  std::span<const size_t> distances_;
  std::vector<Symbol> symbols_;  // of the distances
  std::vector<Match> matches_;   // of the block
  std::vector<uint8_t> out_;
};

}  // namespace

std::vector<uint8_t> deflate_repeats(std::span<const uint8_t> bytes,
                                     std::span<const size_t> distances) {
  return Deflater(bytes, distances).run();
}

std::vector<uint8_t> deflate_zlib(std::span<const uint8_t> bytes, int level) {
  uLongf size = compressBound(bytes.size());
  std::vector<uint8_t> out(size);
  if (compress2(out.data(), &size, bytes.data(), bytes.size(), level) != Z_OK)
    throw std::bad_alloc();  // the only failure that is left
  out.resize(size);
  return out;
}

}  // namespace spikeloom
