#pragma once
// The decoders, one for each way to store events. Each takes over a ByteReader behind what
// recording.cpp has looked at, reads what stands in front of the events, fills in the sensor's size
// where the file tells it, and returns what decodes the rest block by block.
//
// All throw Error(kData) with the byte where the fault lies; the caller adds the file. A last word
// that is cut off is a note, as cameras write such files.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "datasets/events/byte_reader.hpp"
#include "datasets/events/event_sink.hpp"

namespace spikeloom {

// Decodes the next block into the sink; false when there is no more. A block may hold no events.
using EventDecoder = std::function<bool(EventSink&)>;

// A clock of few bits: a fall by more than half of its range is a wrap.
class Clock {
 public:
  explicit constexpr Clock(int bits) noexcept : range_(int64_t{1} << bits) {}
  int64_t unwrapped(int64_t t, RecordingInfo& info) noexcept {
    if (last_ - t > range_ / 2) {
      base_ += range_;
      ++info.wraps;
    }
    last_ = t;
    return base_ + t;
  }

 private:
  int64_t range_, base_ = 0, last_ = 0;
};

// Whole records of `bytes` bytes one after the other. `decode(record, at, sink)` takes each.
template <typename Decode>
EventDecoder record_decoder(std::shared_ptr<ByteReader> in, size_t bytes, Decode decode) {
  return [in = std::move(in), bytes, decode = std::move(decode)](EventSink& sink) mutable {
    const auto block = in->peek(bytes);
    const size_t records = block.size() / bytes;
    if (records == 0) {
      if (!block.empty()) sink.info().notes.push_back("the last record is cut off and left out");
      return false;
    }
    const uint64_t at = in->offset();
    for (size_t i = 0; i < records; ++i)
      decode(block.subspan(i * bytes, bytes), at + i * bytes, sink);
    sink.info().words += static_cast<int64_t>(records);
    in->skip(records * bytes);
    return true;
  };
}

// N-MNIST and N-Caltech101: 5 bytes an event.
EventDecoder decode_atis(std::shared_ptr<ByteReader> in);

// AEDAT 2 of the 128 x 128 sensor (CIFAR10-DVS): big-endian pairs. `mirrored`: as Tonic reads
// addresses, otherwise as SpikingJelly does.
EventDecoder decode_aedat2(std::shared_ptr<ByteReader> in, bool mirrored, RecordingInfo& info);
// AEDAT 3.1 (DVS128 Gesture): packets; those that are no changes of brightness are skipped.
EventDecoder decode_aedat31(std::shared_ptr<ByteReader> in, RecordingInfo& info);
// AEDAT 4: the first stream of events.
EventDecoder decode_aedat4(std::shared_ptr<ByteReader> in, RecordingInfo& info);

}  // namespace spikeloom
