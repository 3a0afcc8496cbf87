// core/io: compression beside a computation. zlib is the judge of every stream.

#include <zlib.h>

#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "core/io/deflate.hpp"
#include "core/io/huffman.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

using Bytes = std::vector<uint8_t>;

void check(const Bytes& bytes, const std::vector<size_t>& distances) {
  const Bytes packed = deflate_repeats(bytes, distances);
  Bytes back(bytes.size() + 1);
  uLongf size = back.size();
  REQUIRE(uncompress(back.data(), &size, packed.data(), packed.size()) == Z_OK);
  back.resize(size);
  REQUIRE(back == bytes);
  REQUIRE(packed.size() <= bytes.size() + 6 * (bytes.size() / 65528 + 1) + 6);
}

}  // namespace

TEST_CASE("zlib reads what repeats were packed into, whatever the bytes") {
  std::mt19937 random(11);
  const std::vector<std::vector<size_t>> distances = {{}, {1}, {1, 4}, {1, 16, 45}, {1, 32768}};
  for (const size_t size : {0, 1, 2, 7, 8, 9, 255, 258, 259, 260, 261, 1000, 65527, 65528, 65529,
                            131056, 131057, 200000}) {
    for (int kind = 0; kind < 7; ++kind) {
      Bytes bytes(size);
      const double rate = kind == 0 ? 0 : std::pow(0.5, kind);
      for (size_t i = 0; i < size; ++i) {
        if (kind == 6) {  // the 16 bytes before, with faults
          bytes[i] = i >= 16 && random() % 50 != 0 ? bytes[i - 16] : static_cast<uint8_t>(random());
        } else if (kind == 5) {
          bytes[i] = static_cast<uint8_t>(random());  // nothing to gain
        } else {
          for (int bit = 0; bit < 8; ++bit)
            bytes[i] |= static_cast<uint8_t>((random() % 1000 < rate * 1000 ? 1 : 0) << bit);
        }
      }
      for (const auto& at : distances) check(bytes, at);
    }
  }
}

TEST_CASE("runs and repeats shrink to next to nothing, noise does not grow") {
  const std::vector<size_t> distances = {1, 40};
  CHECK(deflate_repeats(Bytes(1 << 20), distances).size() < 2000);
  Bytes period(1 << 20);
  std::mt19937 random(3);
  for (size_t i = 0; i < period.size(); ++i)
    period[i] = i < 40 ? static_cast<uint8_t>(random()) : period[i - 40];
  CHECK(deflate_repeats(period, distances).size() < 4500);
  // Bits that fire at 10 % hold 0.469 bits each; a code for bytes comes within 3 %.
  Bytes noise(1 << 20);
  for (uint8_t& byte : noise)
    for (int bit = 0; bit < 8; ++bit) byte |= static_cast<uint8_t>((random() % 10 == 0) << bit);
  CHECK(static_cast<double>(deflate_repeats(noise, distances).size()) < 1.03 * 0.469 * (1 << 20));
}

TEST_CASE("codes are whole and never longer than allowed, whatever the counts") {
  std::mt19937 random(17);
  for (int round = 0; round < 3000; ++round) {
    const int longest = 5 + static_cast<int>(random() % 11);
    const size_t most = std::min<size_t>(286, size_t{1} << longest);
    std::vector<uint32_t> counts(1 + random() % most);
    uint32_t a = 1, b = 1;
    for (uint32_t& count : counts) {
      const uint32_t kind = round % 3;
      count = kind == 0   ? static_cast<uint32_t>(random() % 100)
              : kind == 1 ? a  // Fibonacci: the deepest trees
                          : static_cast<uint32_t>(random() % 2 == 0 ? 0 : 1 << random() % 16);
      if (a < 1000000) b = std::exchange(a, a + b);
    }
    std::vector<HuffmanCode> codes(counts.size());
    make_codes(counts, longest, codes);
    size_t used = 0;
    double space = 0;
    for (size_t s = 0; s < counts.size(); ++s) {
      REQUIRE((codes[s].length > 0) == (counts[s] > 0));
      REQUIRE(codes[s].length <= longest);
      used += counts[s] > 0;
      if (counts[s] > 0) space += std::ldexp(1.0, -codes[s].length);
    }
    if (used > 1) REQUIRE(space == 1.0);
    if (used == 1) REQUIRE(space == 0.5);
  }
}
