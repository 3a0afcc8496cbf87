#include "datasets/events/prophesee.hpp"

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

constexpr size_t kMostHeader = 64 << 10;
constexpr int64_t kWidestSensor = 1 << 16;

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

// The next line of the header without its end; nothing where the header has ended. Events may begin
// with the same two bytes, so it is a line only when it is text up to its end.
std::optional<std::string> take_header_line(ByteReader& in) {
  constexpr size_t kLongestLine = 4096;
  const std::string_view text = as_text(in.peek(kLongestLine)).substr(0, kLongestLine);
  if (!text.starts_with("% ")) return {};
  const auto is_text = [](char c) { return (c >= ' ' && c <= '~') || c == '\t' || c == '\r'; };
  const size_t length =
      static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_text) - text.begin());
  if (length == text.size()) {
    fail("the line of the header at byte " + std::to_string(in.offset()) + " has no end");
  }
  if (text[length] != '\n') return {};
  std::string line(text.substr(2, length - 2));
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  in.skip(length + 1);
  return line;
}

int64_t side(std::string_view text, const std::string& line) {
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size() || value < 1 ||
      value > kWidestSensor) {
    fail("the header's line " + in_quotes(line) + " holds no size of a sensor");
  }
  return value;
}

void set_side(int64_t& side, int64_t value, const char* name) {
  if (side != 0 && side != value) {
    fail("the header says that the " + std::string(name) + " is " + std::to_string(side) +
         " and that it is " + std::to_string(value));
  }
  side = value;
}

// Calls f(key, value) for "NAME;key=value;...", and f("", NAME).
template <typename F>
void for_each_part(std::string_view text, F f) {
  while (!text.empty()) {
    const size_t semicolon = std::min(text.find(';'), text.size());
    const std::string_view part = text.substr(0, semicolon);
    text.remove_prefix(std::min(semicolon + 1, text.size()));
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      f(std::string_view(), part);
    } else {
      f(part.substr(0, equals), part.substr(equals + 1));
    }
  }
}

void read_sizes(PropheseeHeader& header) {
  for (const auto& [key, value] : header.lines) {
    const std::string line = key + " " + value;
    if (key == "format") {
      for_each_part(value, [&](std::string_view name, std::string_view number) {
        if (name == "width") set_side(header.width, side(number, line), "width");
        if (name == "height") set_side(header.height, side(number, line), "height");
      });
    } else if (key == "geometry") {
      const size_t cross = std::min(value.find('x'), value.size());
      set_side(header.width, side(std::string_view(value).substr(0, cross), line), "width");
      const size_t behind = std::min(cross + 1, value.size());
      set_side(header.height, side(std::string_view(value).substr(behind), line), "height");
    } else if (key == "Width") {
      set_side(header.width, side(value, line), "width");
    } else if (key == "Height") {
      set_side(header.height, side(value, line), "height");
    }
  }
  if ((header.width == 0) != (header.height == 0))
    fail("the header tells only one side of the sensor");
}

// Of the "format" line, "" where it has none.
std::string format_value(const PropheseeHeader& header, std::string_view wanted) {
  std::string found;
  if (const std::string* format = header.find("format")) {
    for_each_part(*format, [&](std::string_view key, std::string_view value) {
      if (key == wanted) found = value;
    });
  }
  return found;
}

// Cameras before the second evaluation kit wrote EVT2.1 with exchanged halves and did not say so.
// Numbers as in the header's system_ID.
bool is_old_camera(const PropheseeHeader& header) {
  constexpr int64_t kFirstKits[] = {0x1f, 0x27, 0x28, 0x29};
  const std::string* integrator = header.find("integrator_name");
  if (integrator == nullptr) integrator = header.find("camera_integrator_name");
  const std::string* system = header.find("system_ID");
  if (integrator == nullptr || *integrator != "Prophesee" || system == nullptr) return false;
  int64_t id = 0;
  const auto [end, fault] = std::from_chars(system->data(), system->data() + system->size(), id);
  if (fault != std::errc() || end != system->data() + system->size()) return false;
  return id < 0x30 &&
         std::find(std::begin(kFirstKits), std::end(kFirstKits), id) == std::end(kFirstKits);
}

// "EVT2", "EVT21" or "EVT3", by the newer line or the older.
std::string encoding_of(const PropheseeHeader& header) {
  std::string name = format_value(header, "");
  const std::string* version = header.find("evt");
  std::string old;
  if (version != nullptr) {
    old = *version == "2.0"   ? "EVT2"
          : *version == "2.1" ? "EVT21"
          : *version == "3.0" ? "EVT3"
                              : "";
    if (old.empty()) fail("is encoded as evt " + printable(*version, 40) + ", which is not read");
  }
  if (name.empty()) return old;
  if (name == "EVT2.1") name = "EVT21";
  if (name != "EVT2" && name != "EVT21" && name != "EVT3")
    fail("is encoded as " + printable(name, 40) + ", which is not read");
  if (!old.empty() && old != name)
    fail("the header says that words are " + name + " and that they are " + old);
  return name;
}

// Written by faery, which takes it off all times.
int64_t start_of(const PropheseeHeader& header) {
  const std::string* text = header.find("t0");
  if (text == nullptr) return 0;
  int64_t start = 0;
  const auto [end, fault] = std::from_chars(text->data(), text->data() + text->size(), start);
  constexpr int64_t kLargest = int64_t{1} << 53;
  if (fault != std::errc() || end != text->data() + text->size() || start < 0 || start > kLargest)
    fail("the header's line " + in_quotes("t0 " + *text) + " holds no time");
  return start;
}

}  // namespace

const std::string* PropheseeHeader::find(std::string_view key) const noexcept {
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (line->first == key) return &line->second;
  }
  return nullptr;
}

PropheseeHeader read_prophesee_header(ByteReader& in) {
  PropheseeHeader header;
  while (const auto line = take_header_line(in)) {
    if (in.offset() > kMostHeader) fail("the header has no end within 64 KiB");
    if (*line == "end") {
      header.has_end = true;
      break;
    }
    const size_t blank = std::min(line->find(' '), line->size());
    header.lines.emplace_back(line->substr(0, blank),
                              line->substr(std::min(blank + 1, line->size())));
  }
  read_sizes(header);
  return header;
}

bool is_raw(const PropheseeHeader& header) noexcept {
  return header.find("evt") != nullptr || header.find("format") != nullptr;
}

EventDecoder decode_raw(std::shared_ptr<ByteReader> in, const PropheseeHeader& header,
                        RecordingInfo& info) {
  info.width = header.width;
  info.height = header.height;
  const std::string encoding = encoding_of(header);
  const int64_t start = start_of(header);
  if (encoding == "EVT2") {
    info.format = "evt2";
    return decode_evt2(std::move(in), start);
  }
  if (encoding == "EVT21") {
    info.format = "evt2.1";
    const std::string order = format_value(header, "endianness");
    if (!order.empty() && order != "little" && order != "legacy")
      fail("EVT2.1 words of endianness " + printable(order, 40) + " are not read");
    const bool old = order.empty() && is_old_camera(header);
    if (old) info.notes.push_back("an old camera: the halves of EVT2.1 words are exchanged");
    return decode_evt21(std::move(in), start, old || order == "legacy");
  }
  if (encoding.empty())
    fail("its header has neither format nor evt: nothing tells how its words are encoded");
  info.format = "evt3";
  return decode_evt3(std::move(in), start);
}

EventDecoder decode_dat(std::shared_ptr<ByteReader> in, const PropheseeHeader& header,
                        RecordingInfo& info) {
  constexpr size_t kRecord = 8;
  info.width = header.width;
  info.height = header.height;
  const std::string* text = header.find("Version");
  // Without any line the two bytes of the type are missing as well.
  if (!header.lines.empty() || header.has_end) {
    const auto bytes = in->peek(2);
    if (bytes.size() >= 2) {
      const int type = std::to_integer<int>(bytes[0]), size = std::to_integer<int>(bytes[1]);
      if (type != 0x00 && type != 0x0c)
        fail("holds events of type " + std::to_string(type) + " at byte " +
             std::to_string(in->offset()) + "; 0 and 12, changes of brightness, are read");
      if (size != static_cast<int>(kRecord))
        fail("says that an event has " + std::to_string(size) + " bytes, not 8");
      in->skip(2);
    } else if (!bytes.empty()) {
      in->skip(bytes.size());
      info.notes.push_back("the last record is cut off and left out");
    }
  }
  if (text != nullptr && *text != "1" && *text != "2")
    fail("is of version " + printable(*text, 40) + ", which is not read");
  const bool first_version = text != nullptr && *text == "1";
  return record_decoder(
      std::move(in), kRecord,
      [clock = Clock(32), first_version](std::span<const std::byte> record, uint64_t at,
                                         EventSink& sink) mutable {
        const int64_t t = clock.unwrapped(load_le<uint32_t>(record, 0), sink.info());
        const auto data = load_le<uint32_t>(record, 4);
        if (first_version) {
          sink.add(t, data & 0x1ff, data >> 9 & 0xff, (data >> 17 & 1) != 0, at);
        } else {
          sink.add(t, data & 0x3fff, data >> 14 & 0x3fff, (data >> 28 & 1) != 0, at);
        }
      });
}

}  // namespace spikeloom
