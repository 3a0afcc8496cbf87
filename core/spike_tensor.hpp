#pragma once
// Binary activations of one time step, bit-packed, channels last.
//
// Row r is one pixel (y*W + x) or one token; bit c of a row is channel c. Each row starts on a
// 64-bit word and bits beyond the last channel are zero, always: kernels count and scan whole words
// without masking.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace spikeloom {

constexpr int64_t words_for(int64_t channels) noexcept {
  return (channels + 63) / 64;
}

// Set bits of a word. std::popcount is a call into the compiler's library on processors that are
// not known to have the instruction; this is inline, and loops over it become vectors.
constexpr int64_t count_bits(uint64_t word) noexcept {
  word -= word >> 1 & 0x5555555555555555;
  word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
  return static_cast<int64_t>(word * 0x0101010101010101 >> 56);
}

// A view of such bits; Word is uint64_t or const uint64_t.
template <typename Word>
struct BasicSpikeView {
  Word* words = nullptr;
  int64_t rows = 0;
  int64_t channels = 0;

  int64_t row_words() const noexcept { return words_for(channels); }
  Word* row(int64_t r) const noexcept { return words + r * row_words(); }
  bool test(int64_t r, int64_t c) const noexcept { return (row(r)[c >> 6] >> (c & 63)) & 1; }
  int64_t count_row(int64_t r) const noexcept {
    int64_t sum = 0;
    for (int64_t w = 0; w < row_words(); ++w) sum += count_bits(row(r)[w]);
    return sum;
  }
  int64_t count() const noexcept {
    int64_t sum = 0;
    for (int64_t w = 0; w < rows * row_words(); ++w) sum += count_bits(words[w]);
    return sum;
  }
  // Calls f(channel) for every set bit of row r, ascending.
  template <typename F>
  void for_each(int64_t r, F&& f) const {
    for (int64_t w = 0; w < row_words(); ++w) {
      for (uint64_t bits = row(r)[w]; bits != 0; bits &= bits - 1)
        f(w * 64 + std::countr_zero(bits));
    }
  }
};

using SpikeView = BasicSpikeView<const uint64_t>;
using MutableSpikeView = BasicSpikeView<uint64_t>;

inline SpikeView as_const(MutableSpikeView view) noexcept {
  return {view.words, view.rows, view.channels};
}

// Owns the bits of one step.
class SpikeTensor {
 public:
  SpikeTensor() = default;
  SpikeTensor(int64_t rows, int64_t channels)
      : rows_(rows), channels_(channels), words_(static_cast<size_t>(rows * words_for(channels))) {}

  SpikeView view() const noexcept { return {words_.data(), rows_, channels_}; }
  MutableSpikeView view() noexcept { return {words_.data(), rows_, channels_}; }
  void set(int64_t r, int64_t c) noexcept {
    words_[static_cast<size_t>(r * words_for(channels_) + (c >> 6))] |= uint64_t{1} << (c & 63);
  }
  void clear() noexcept { std::fill(words_.begin(), words_.end(), uint64_t{0}); }
  bool operator==(const SpikeTensor&) const = default;

 private:
  int64_t rows_ = 0;
  int64_t channels_ = 0;
  std::vector<uint64_t> words_;
};

}  // namespace spikeloom
