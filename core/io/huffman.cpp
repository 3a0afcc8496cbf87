#include "core/io/huffman.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace spikeloom {
namespace {

constexpr size_t kMostSymbols = 320;
constexpr int kLongestCode = 15;

// Depths of the leaves of a Huffman tree over counts in ascending order, in their place (Moffat and
// Katajainen, In-place calculation of minimum-redundancy codes, 1995).
void depths_in_place(std::span<uint32_t> a) {
  const size_t n = a.size();
  size_t root = 0, leaf = 2;
  a[0] += a[1];
  for (size_t next = 1; next < n - 1; ++next) {  // parents, in place of what was joined
    const auto take = [&] {
      if (leaf >= n || (root < next && a[root] < a[leaf])) {
        const uint32_t count = a[root];
        a[root++] = static_cast<uint32_t>(next);
        return count;
      }
      return a[leaf++];
    };
    const uint32_t first = take();
    a[next] = first + take();
  }
  a[n - 2] = 0;
  for (size_t next = n - 2; next-- > 0;) a[next] = a[a[next]] + 1;  // depths of parents
  size_t available = 1, used = 0, next = n;
  auto parent = static_cast<ptrdiff_t>(n) - 2;
  for (uint32_t depth = 0; available > 0; ++depth) {  // depths of leaves
    for (; parent >= 0 && a[static_cast<size_t>(parent)] == depth; --parent) ++used;
    for (; available > used; --available) a[--next] = depth;
    available = 2 * used;
    used = 0;
  }
}

// Shortens what is too long, lengthens the rarest of the others until all have room, and gives what
// is left over to the most frequent: a whole code again, without which no reader takes it. Of
// `depths`, the rarest and longest first.
void limit(std::span<uint32_t> depths, uint32_t longest) {
  const auto share = [&](uint32_t depth) { return int64_t{1} << (longest - depth); };
  int64_t room = share(0);
  for (uint32_t& depth : depths) {
    depth = std::min(depth, longest);
    room -= share(depth);
  }
  for (size_t i = 0; room < 0; ++i) {
    for (; room < 0 && depths[i] < longest; ++depths[i]) room += share(depths[i] + 1);
  }
  while (room > 0) {
    for (size_t i = depths.size(); i-- > 0 && room > 0;) {
      if (share(depths[i]) > room) continue;
      room -= share(depths[i]);
      --depths[i];
    }
  }
}

uint16_t reversed(uint32_t code, int length) {
  uint32_t result = 0;
  for (int i = 0; i < length; ++i) result |= (code >> i & 1) << (length - 1 - i);
  return static_cast<uint16_t>(result);
}

}  // namespace

void make_codes(std::span<const uint32_t> counts, int longest, std::span<HuffmanCode> codes) {
  std::array<uint16_t, kMostSymbols> symbols{};
  size_t used = 0;
  for (size_t s = 0; s < counts.size(); ++s) {
    codes[s] = {};
    if (counts[s] > 0) symbols[used++] = static_cast<uint16_t>(s);
  }
  if (used == 0) return;
  if (used == 1) {
    codes[symbols[0]] = {0, 1};
    return;
  }
  std::sort(symbols.begin(), symbols.begin() + static_cast<ptrdiff_t>(used),
            [&](uint16_t a, uint16_t b) {
              return counts[a] != counts[b] ? counts[a] < counts[b] : a < b;
            });
  std::array<uint32_t, kMostSymbols> depths{};
  for (size_t i = 0; i < used; ++i) depths[i] = counts[symbols[i]];
  depths_in_place(std::span(depths).first(used));
  limit(std::span(depths).first(used), static_cast<uint32_t>(longest));

  std::array<uint32_t, kLongestCode + 2> of_length{}, next{};
  for (size_t i = 0; i < used; ++i) {
    codes[symbols[i]].length = static_cast<uint8_t>(depths[i]);
    ++of_length[depths[i]];
  }
  for (size_t length = 1; length < of_length.size(); ++length)
    next[length] = (next[length - 1] + of_length[length - 1]) << 1;
  for (HuffmanCode& code : codes)
    if (code.length > 0) code.bits = reversed(next[code.length]++, code.length);
}

}  // namespace spikeloom
