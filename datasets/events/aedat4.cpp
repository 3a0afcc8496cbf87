// AEDAT 4 (iniVation, dv-processing): packets of flatbuffers, plain or compressed, of several
// streams, which an XML text in the header names.

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"
#include "datasets/events/decoders.hpp"
#include "datasets/events/flat_table.hpp"
#include "datasets/events/unpack.hpp"

namespace spikeloom {
namespace {

constexpr size_t kMostHead = 16 << 20, kMostPacket = 256 << 20;

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

struct StreamInfo {
  int32_t id = 0;
  std::string type{};
  int64_t width = 0, height = 0;
};

// What stands between the quotes behind `name=`, or nothing.
std::string_view attribute(std::string_view tag, std::string_view name) {
  const std::string key = std::string(name) + "=\"";
  const size_t at = tag.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = tag.substr(at + key.size());
  return rest.substr(0, std::min(rest.find('"'), rest.size()));
}

int64_t number_in(std::string_view text) {
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc() && end == text.data() + text.size() ? value : -1;
}

// The streams below node "outInfo", in order. Only what is needed of XML: nodes, names, texts.
std::vector<StreamInfo> streams_in(std::string_view xml) {
  constexpr size_t kMostStreams = 1000;
  std::vector<std::string_view> path;
  std::vector<StreamInfo> streams;
  while (!xml.empty()) {
    const size_t open = std::min(xml.find('<'), xml.size());
    xml.remove_prefix(open);
    const size_t close = xml.find('>');
    if (close == std::string_view::npos) break;
    const std::string_view tag = xml.substr(0, close + 1);
    xml.remove_prefix(close + 1);
    if (tag.starts_with("</node")) {
      if (!path.empty()) path.pop_back();
    } else if (tag.starts_with("<node") && !tag.ends_with("/>")) {
      path.push_back(attribute(tag, "name"));
      if (path.size() == 2 && path[0] == "outInfo" && streams.size() < kMostStreams) {
        const int64_t id = number_in(path[1]);
        if (id >= 0 && id <= INT32_MAX) streams.push_back({.id = static_cast<int32_t>(id)});
      }
    } else if (tag.starts_with("<attr") && path.size() >= 2 && path[0] == "outInfo" &&
               !streams.empty() && number_in(path[1]) == streams.back().id) {
      const std::string_view value = xml.substr(0, std::min(xml.find('<'), xml.size()));
      const std::string_view key = attribute(tag, "key");
      if (key == "typeIdentifier") streams.back().type = value;
      if (key == "sizeX") streams.back().width = number_in(value);
      if (key == "sizeY") streams.back().height = number_in(value);
    }
  }
  return streams;
}

struct FileHead {
  Packing packing = Packing::kNone;
  int64_t table_at = -1;  // where an index of the packets begins; -1: there is none
  StreamInfo stream;      // the events
};

FileHead read_head(ByteReader& in) {
  constexpr std::string_view kMagic = "#!AER-DAT4.0\r\n";
  in.skip(kMagic.size());
  const auto prefix = in.peek(4);
  if (prefix.size() < 4) fail("ends inside its header");
  const auto bytes = load_le<uint32_t>(prefix, 0);
  if (bytes > kMostHead) fail("claims a header of " + std::to_string(bytes) + " bytes");
  in.skip(4);
  const auto buffer = in.peek(bytes);
  if (buffer.size() < bytes) fail("ends inside its header");
  const FlatTable table = FlatTable::root(buffer.first(bytes), "IOHE");
  constexpr Packing kPackings[] = {Packing::kNone, Packing::kLz4, Packing::kLz4, Packing::kZstd,
                                   Packing::kZstd};
  const auto packing = table.scalar<int32_t>(0, 0);
  if (packing < 0 || packing >= static_cast<int32_t>(std::size(kPackings)))
    fail("is compressed by method " + std::to_string(packing) + ", which is not known");
  FileHead head{kPackings[packing], table.scalar<int64_t>(1, -1), {}};
  const std::vector<StreamInfo> streams = streams_in(as_text(table.vector(2, 1)));
  const auto events = std::find_if(streams.begin(), streams.end(),
                                   [](const StreamInfo& s) { return s.type == "EVTS"; });
  if (events == streams.end()) fail("its header names no stream of events");
  head.stream = *events;
  if (head.stream.width < 0 || head.stream.height < 0 || head.stream.width > 32768 ||
      head.stream.height > 32768 || (head.stream.width == 0) != (head.stream.height == 0)) {
    fail("its header names a sensor of no sensible size");
  }
  in.skip(bytes);
  return head;
}

class Aedat4 {
 public:
  Aedat4(std::shared_ptr<ByteReader> in, FileHead head)
      : in_(std::move(in)), head_(std::move(head)) {}

  bool operator()(EventSink& sink) {
    constexpr size_t kPacketHead = 8;
    const uint64_t at = in_->offset();
    if (head_.table_at >= 0 && at >= static_cast<uint64_t>(head_.table_at)) return false;
    const auto bytes = in_->peek(kPacketHead);
    if (bytes.empty()) return false;
    if (bytes.size() < kPacketHead) return cut_off(sink);
    const auto stream = load_le<int32_t>(bytes, 0), size = load_le<int32_t>(bytes, 4);
    if (size < 0 || static_cast<uint32_t>(size) > kMostPacket)
      fail("the packet at byte " + std::to_string(at) + " claims " + std::to_string(size) +
           " bytes");
    in_->skip(kPacketHead);
    const auto count = static_cast<size_t>(size);
    if (stream != head_.stream.id) {
      in_->skip(count);
      return in_->offset() == at + kPacketHead + count || cut_off(sink);
    }
    const auto payload = in_->peek(count);
    if (payload.size() < count) return cut_off(sink);
    try {
      decode(unpack(payload.first(count), head_.packing), at, sink);
    } catch (const Error& error) {
      throw error.in("the packet at byte " + std::to_string(at));
    }
    in_->skip(count);
    return true;
  }

 private:
  static bool cut_off(EventSink& sink) {
    sink.info().notes.push_back("the last packet is cut off and left out");
    return false;
  }

  static void decode(const std::vector<std::byte>& buffer, uint64_t at, EventSink& sink) {
    constexpr size_t kEvent = 16;
    const auto size = load_le<uint32_t>(buffer, 0);
    if (size > buffer.size() - 4) fail("a buffer that claims more than there is");
    const auto events =
        FlatTable::root(std::span(buffer).subspan(4, size), "EVTS").vector(0, kEvent);
    for (size_t i = 0; i < events.size(); i += kEvent) {
      sink.add(load_le<int64_t>(events, i), load_le<int16_t>(events, i + 8),
               load_le<int16_t>(events, i + 10), std::to_integer<int>(events[i + 12]) != 0, at);
    }
    sink.info().words += static_cast<int64_t>(events.size() / kEvent);
  }

  std::shared_ptr<ByteReader> in_;
  FileHead head_;
};

}  // namespace

EventDecoder decode_aedat4(std::shared_ptr<ByteReader> in, RecordingInfo& info) {
  FileHead head = read_head(*in);
  info.width = head.stream.width;
  info.height = head.stream.height;
  return Aedat4(std::move(in), std::move(head));
}

}  // namespace spikeloom
