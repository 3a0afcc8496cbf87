// N-MNIST, N-Caltech101 (Orchard et al. 2015): 40 bits big-endian an event, x (8), y (8), polarity
// (1), t (23, microseconds). y 240 marks an overflow of the clock: it is no event, every later t is
// 2^13 larger.

#include "datasets/events/decoders.hpp"

namespace spikeloom {

EventDecoder decode_atis(std::shared_ptr<ByteReader> in) {
  constexpr int kOverflowRow = 240, kOverflow = 1 << 13;
  return record_decoder(
      std::move(in), 5,
      [base = int64_t{0}](std::span<const std::byte> record, uint64_t at, EventSink& sink) mutable {
        const auto byte = [&](size_t i) { return std::to_integer<int64_t>(record[i]); };
        if (byte(1) == kOverflowRow) {
          base += kOverflow;
          ++sink.info().wraps;
          return;
        }
        const int64_t t = (byte(2) & 0x7f) << 16 | byte(3) << 8 | byte(4);
        sink.add(base + t, byte(0), byte(1), (byte(2) & 0x80) != 0, at);
      });
}

}  // namespace spikeloom
