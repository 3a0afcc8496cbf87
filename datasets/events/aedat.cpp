// AEDAT 2 and 3.1 (iniLabs, jAER and cAER): lines of text, then big-endian pairs, or packets.

#include <algorithm>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"
#include "datasets/events/decoders.hpp"

namespace spikeloom {
namespace {

constexpr size_t kMostText = 64 << 10;

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

// Takes a line that begins with #, without its end; nothing where there is none.
std::optional<std::string> take_comment(ByteReader& in) {
  if (as_text(in.peek(1)).substr(0, 1) != "#") return {};
  const std::string_view text = as_text(in.peek(kMostText)).substr(0, kMostText);
  const size_t length = text.find('\n');
  if (length == std::string_view::npos || in.offset() + length > kMostText)
    fail("the header has no end within 64 KiB");
  std::string line(text.substr(0, length));
  if (line.ends_with('\r')) line.pop_back();
  in.skip(length + 1);
  return line;
}

uint32_t load_be(std::span<const std::byte> bytes, size_t at) {
  return __builtin_bswap32(load_le<uint32_t>(bytes, at));
}

}  // namespace

EventDecoder decode_aedat2(std::shared_ptr<ByteReader> in, bool mirrored, RecordingInfo& info) {
  constexpr int64_t kSide = 128;
  constexpr uint32_t kAddresses = 1 << 15;
  info.width = info.height = kSide;
  while (take_comment(*in)) {
  }
  return record_decoder(std::move(in), 8,
                        [clock = Clock(32), mirrored](std::span<const std::byte> record,
                                                      uint64_t at, EventSink& sink) mutable {
                          const uint32_t address = load_be(record, 0);
                          const int64_t t = clock.unwrapped(load_be(record, 4), sink.info());
                          if (address >= kAddresses) return sink.info().unknown.add(at);
                          const int64_t x = address >> 8 & 127, y = address >> 1 & 127;
                          const bool bit = (address & 1) != 0;
                          mirrored ? sink.add(t, x, y, bit, at)
                                   : sink.add(t, kSide - 1 - x, kSide - 1 - y, !bit, at);
                        });
}

namespace {

// "#Source 1: DVS128"
void set_sensor(RecordingInfo& info, const std::string& line) {
  struct Camera {
    std::string_view name;
    int64_t width, height;
  };
  constexpr Camera kCameras[] = {{"DVS128", 128, 128},
                                 {"DAVIS128", 128, 128},
                                 {"DAVIS240", 240, 180},
                                 {"DAVIS346", 346, 260},
                                 {"DAVIS640", 640, 480}};
  if (!line.starts_with("#Source ") || info.width > 0) return;
  for (const Camera& camera : kCameras) {
    if (line.find(camera.name) == std::string::npos) continue;
    info.width = camera.width;
    info.height = camera.height;
  }
}

struct PacketHead {
  int16_t type = 0;
  int64_t event_bytes = 0, time_at = 0, overflow = 0, capacity = 0, number = 0, valid = 0;
};

PacketHead parse_head(std::span<const std::byte> bytes, uint64_t at) {
  constexpr int64_t kLargestEvent = 64 << 20;
  PacketHead head;
  head.type = load_le<int16_t>(bytes, 0);
  head.event_bytes = load_le<int32_t>(bytes, 4);
  head.time_at = load_le<int32_t>(bytes, 8);
  head.overflow = load_le<int32_t>(bytes, 12);
  head.capacity = load_le<int32_t>(bytes, 16);
  head.number = load_le<int32_t>(bytes, 20);
  head.valid = load_le<int32_t>(bytes, 24);
  const bool sound = head.event_bytes > 0 && head.event_bytes <= kLargestEvent &&
                     head.overflow >= 0 && head.valid >= 0 && head.valid <= head.number &&
                     head.number <= head.capacity && head.type >= 0;
  if (!sound)
    fail("the packet at byte " + std::to_string(at) + " contradicts itself (" +
         std::to_string(head.event_bytes) + " bytes an event, " + std::to_string(head.valid) +
         " valid of " + std::to_string(head.number) + " of " + std::to_string(head.capacity) + ")");
  return head;
}

// Packets one after the other; only those of changes of brightness are read.
class Packets {
 public:
  explicit Packets(std::shared_ptr<ByteReader> in) : in_(std::move(in)) {}

  bool operator()(EventSink& sink) {
    if (left_ == 0 && !next_packet(sink)) return false;
    if (left_ == 0) return true;
    const auto block = in_->peek(kEvent);
    const auto events =
        static_cast<size_t>(std::min<int64_t>(left_, static_cast<int64_t>(block.size() / kEvent)));
    if (events == 0) return cut_off(sink);
    for (size_t i = 0; i < events; ++i)
      decode(block.subspan(i * kEvent, kEvent), in_->offset() + i * kEvent, sink);
    sink.info().words += static_cast<int64_t>(events);
    in_->skip(events * kEvent);
    left_ -= static_cast<int64_t>(events);
    return left_ > 0 || skip(behind_, sink);
  }

 private:
  static constexpr size_t kHead = 28, kEvent = 8;
  static constexpr int16_t kPolarity = 1;

  bool next_packet(EventSink& sink) {
    const auto bytes = in_->peek(kHead);
    if (bytes.empty()) return false;
    if (bytes.size() < kHead) return cut_off(sink);
    const PacketHead head = parse_head(bytes, in_->offset());
    const uint64_t at = in_->offset();
    in_->skip(kHead);
    const auto size = [&](int64_t events) {
      return static_cast<uint64_t>(events) * static_cast<uint64_t>(head.event_bytes);
    };
    if (head.type != kPolarity) return skip(size(head.capacity), sink);
    if (head.event_bytes != static_cast<int64_t>(kEvent) || head.time_at != 4)
      fail("the packet at byte " + std::to_string(at) + " holds events of " +
           std::to_string(head.event_bytes) + " bytes; those of brightness have 8");
    overflow_ = head.overflow << 31;
    left_ = head.number;
    behind_ = size(head.capacity - head.number);
    return left_ > 0 || skip(behind_, sink);
  }

  // True, also at the end of the file; false when it ends before.
  bool skip(uint64_t bytes, EventSink& sink) {
    const uint64_t to = in_->offset() + bytes;
    in_->skip(bytes);
    return in_->offset() == to || cut_off(sink);
  }

  static bool cut_off(EventSink& sink) {
    sink.info().notes.push_back("the last packet is cut off");
    return false;
  }

  void decode(std::span<const std::byte> record, uint64_t at, EventSink& sink) const {
    const auto data = load_le<uint32_t>(record, 0);
    const auto time = load_le<int32_t>(record, 4);
    if (time < 0) return sink.info().unknown.add(at);
    if ((data & 1) == 0) return sink.info().invalid.add(at);
    sink.add(overflow_ | time, data >> 17, data >> 2 & 0x7fff, (data & 2) != 0, at);
  }

  std::shared_ptr<ByteReader> in_;
  int64_t overflow_ = 0, left_ = 0;
  uint64_t behind_ = 0;  // bytes of the capacity that hold no events
};

}  // namespace

EventDecoder decode_aedat31(std::shared_ptr<ByteReader> in, RecordingInfo& info) {
  for (;;) {
    const auto line = take_comment(*in);
    if (!line) fail("the header does not end with #!END-HEADER");
    if (*line == "#!END-HEADER") break;
    set_sensor(info, *line);
  }
  return Packets(std::move(in));
}

}  // namespace spikeloom
