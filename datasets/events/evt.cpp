// The words of Prophesee's RAW files: EVT2 (32 bits), EVT2.1 (64), EVT3 (16), as their public format
// descriptions lay them out.

#include "core/io/bytes.hpp"
#include "datasets/events/prophesee.hpp"

namespace spikeloom {
namespace {

// Words that are no events of the pixels.
enum WordType : uint32_t {
  kTimeHigh = 0x8,
  kTrigger = 0xA,
  kImu = 0xD,
  kOther = 0xE,
  kContinued = 0xF,
};

bool is_skipped(uint32_t type) {
  return type == kTrigger || type == kImu || type == kOther || type == kContinued;
}

// Time of EVT2 and EVT2.1: 28 bits of 64 us, repeated when they change and now and then.
class HighTime {
 public:
  void set(uint32_t high, RecordingInfo& info) {
    base_ = clock_.unwrapped(static_cast<int64_t>(high) << 6, info);
    known_ = true;
  }
  bool known() const { return known_; }
  int64_t operator+(int64_t low) const { return base_ + low; }

 private:
  Clock clock_{34};
  int64_t base_ = 0;
  bool known_ = false;
};

}  // namespace

EventDecoder decode_evt2(std::shared_ptr<ByteReader> in, int64_t start) {
  return record_decoder(std::move(in), 4,
                        [start, time = HighTime()](std::span<const std::byte> record, uint64_t at,
                                                   EventSink& sink) mutable {
                          const auto word = load_le<uint32_t>(record, 0);
                          const uint32_t type = word >> 28;
                          if (type == kTimeHigh) return time.set(word & 0xfffffff, sink.info());
                          if (is_skipped(type)) return;
                          if (type > 1) return sink.info().unknown.add(at);
                          if (!time.known()) return sink.info().early.add(at);
                          sink.add(start + (time + (word >> 22 & 0x3f)), word >> 11 & 0x7ff,
                                   word & 0x7ff, type == 1, at);
                        });
}

EventDecoder decode_evt21(std::shared_ptr<ByteReader> in, int64_t start, bool swapped) {
  return record_decoder(std::move(in), 8,
                        [start, swapped, time = HighTime()](std::span<const std::byte> record,
                                                            uint64_t at, EventSink& sink) mutable {
                          const auto high = load_le<uint32_t>(record, swapped ? 0 : 4);
                          auto mask = load_le<uint32_t>(record, swapped ? 4 : 0);
                          const uint32_t type = high >> 28;
                          if (type == kTimeHigh) return time.set(high & 0xfffffff, sink.info());
                          if (is_skipped(type)) return;
                          if (type > 1) return sink.info().unknown.add(at);
                          if (!time.known()) return sink.info().early.add(at);
                          const int64_t t = start + (time + (high >> 22 & 0x3f));
                          for (int64_t x = high >> 11 & 0x7ff; mask != 0; ++x, mask >>= 1) {
                            if ((mask & 1) != 0) sink.add(t, x, high & 0x7ff, type == 1, at);
                          }
                        });
}

namespace {

// EVT3 is a state machine: words set time, row, column and polarity, and some make events of them.
class Evt3 {
 public:
  explicit Evt3(int64_t start) : start_(start) {}

  void operator()(std::span<const std::byte> record, uint64_t at, EventSink& sink) {
    const auto word = load_le<uint16_t>(record, 0);
    const int64_t low = word & 0x7ff;
    switch (word >> 12) {
      case 0x0: return set_row(low);
      case 0x1: has_row_ = false; return;  // a row of another class of events
      case 0x2: return add(low, (word & 0x800) != 0, at, sink);
      case 0x3:
        base_ = low;
        on_ = (word & 0x800) != 0;
        return;
      case 0x4: return add_vector(word & 0xfff, 12, at, sink);
      case 0x5: return add_vector(word & 0xff, 8, at, sink);
      case 0x6: low_ = word & 0xfff; return;
      case 0x8: return set_high(word & 0xfff, sink.info());
      case 0x7:  // more bits of others
      case kTrigger:
      case kImu:
      case kOther:
      case kContinued: return;
      default: sink.info().unknown.add(at);
    }
  }

 private:
  static constexpr int64_t kHighs = 1 << 12;

  void set_row(int64_t y) {
    y_ = y;
    has_row_ = true;
  }
  void set_high(int64_t high, RecordingInfo& info) {
    if (known_ && high == high_) return;
    if (known_ && high_ - high >= kHighs / 2) {
      base_time_ += kHighs << 12;
      ++info.wraps;
    }
    high_ = high;
    low_ = 0;
    known_ = true;
  }
  void add(int64_t x, bool on, uint64_t at, EventSink& sink) {
    if (!known_) return sink.info().early.add(at);
    if (!has_row_) return;
    sink.add(start_ + base_time_ + (high_ << 12) + low_, x, y_, on, at);
  }
  void add_vector(uint32_t mask, int64_t width, uint64_t at, EventSink& sink) {
    for (int64_t i = 0; i < width; ++i) {
      if ((mask >> i & 1) != 0) add(base_ + i, on_, at, sink);
    }
    base_ += width;
  }

  int64_t start_;
  int64_t base_time_ = 0, high_ = 0, low_ = 0;
  bool known_ = false;  // the time
  int64_t y_ = 0, base_ = 0;
  bool has_row_ = false, on_ = false;
};

}  // namespace

EventDecoder decode_evt3(std::shared_ptr<ByteReader> in, int64_t start) {
  return record_decoder(std::move(in), 2, Evt3(start));
}

}  // namespace spikeloom
