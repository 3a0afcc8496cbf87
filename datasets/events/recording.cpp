#include "datasets/events/recording.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"
#include "datasets/events/decoders.hpp"

namespace spikeloom {
namespace {

// What a format needs to be opened.
struct Opening {
  std::shared_ptr<ByteReader> bytes;
  std::filesystem::path file;  // empty: standard input
  const RecordingOptions& options;
  int64_t index;
  RecordingInfo& info;  // gets what the file says of the sensor
};

Decoder open_nmnist(Opening& o) {
  return decode_atis(o.bytes);
}

struct FormatRow {
  RecordingFormat format;
  Decoder (*open)(Opening&);
};

constexpr FormatRow kFormats[] = {
    {{"nmnist", "N-MNIST, N-Caltech101: .bin files of 5 bytes an event"}, open_nmnist},
};

constexpr size_t kStart = 4096;  // bytes that tell a format

// Nothing marks such a file: time must not fall and, where it is known, the sensor must hold.
bool looks_like_atis(std::span<const std::byte> bytes, const RecordingOptions& options) {
  const auto byte = [&](size_t i) { return std::to_integer<int64_t>(bytes[i]); };
  int64_t last = -1;
  for (size_t i = 0; i + 5 <= bytes.size(); i += 5) {
    if (byte(i + 1) == 240) {
      last = -1;
      continue;
    }
    const int64_t t = (byte(i + 2) & 0x7f) << 16 | byte(i + 3) << 8 | byte(i + 4);
    if (t < last) return false;
    last = t;
    const auto& sensor = options.sensor;
    if (!sensor.empty() && (byte(i) >= sensor[0] || byte(i + 1) >= sensor[1])) return false;
  }
  return bytes.size() >= 5;
}

std::string_view detected(std::span<const std::byte> bytes, const RecordingOptions& options) {
  if (looks_like_atis(bytes, options)) return "nmnist";
  if (bytes.empty()) throw Error(ErrorCode::kData, "is empty; dataset.format names its format");
  throw Error(ErrorCode::kData,
              "is of no format that can be told by its content; dataset.format names it");
}

const FormatRow& row_named(std::string_view name) {
  for (const FormatRow& row : kFormats) {
    if (row.format.name == name) return row;
  }
  std::string known = "auto";
  for (const FormatRow& row : kFormats) known += ", " + std::string(row.format.name);
  throw Error(ErrorCode::kUsage, "format: no format " + in_quotes(name) + "; there are " + known);
}

void check_sensor(const std::vector<int64_t>& sensor) {
  constexpr int64_t kWidest = 65536;
  if (sensor.empty()) return;
  const auto fits = [&](int64_t side) { return side >= 1 && side <= kWidest; };
  if (sensor.size() != 2 || !fits(sensor[0]) || !fits(sensor[1])) {
    throw Error(ErrorCode::kUsage,
                "sensor: expected width and height, each 1 to " + std::to_string(kWidest));
  }
}

// The user's size and the file's.
void agree_on_sensor(RecordingInfo& info, const std::vector<int64_t>& sensor) {
  if (sensor.empty()) return;
  if (info.width > 0 && (info.width != sensor[0] || info.height != sensor[1])) {
    throw Error(ErrorCode::kUsage, "sensor: is " + std::to_string(sensor[0]) + " x " +
                                       std::to_string(sensor[1]) + ", the file says " +
                                       std::to_string(info.width) + " x " +
                                       std::to_string(info.height));
  }
  info.width = sensor[0];
  info.height = sensor[1];
}

void check_share(const Oddity& oddity, int64_t all, const char* what) {
  if (oddity.count * 100 <= all) return;
  throw Error(ErrorCode::kData, std::to_string(oddity.count) + " of " + std::to_string(all) + " " +
                                    what + ", the first at byte " + std::to_string(oddity.first));
}

// Now and then is a fault of the camera, often means another format.
void check_counts(const RecordingInfo& info) {
  check_share(info.unknown, info.words, "words are of no known type");
  check_share(info.outside, info.events + info.outside.count, "events lie outside of the sensor");
  check_share(info.falls, info.events, "events lie before the one in front of them");
}

}  // namespace

struct Recording::State {
  std::string name;
  RecordingInfo info;
  std::optional<EventSink> sink;
  Decoder decode;
  int64_t checked = 0;  // words when the counts were looked at last

  void open(Opening& opening) {
    check_sensor(opening.options.sensor);
    const std::string& given = opening.options.format;
    const std::string_view format =
        given == "auto" ? detected(opening.bytes->peek(kStart), opening.options) : given;
    const FormatRow& row = row_named(format);
    info.format = row.format.name;
    decode = row.open(opening);
    agree_on_sensor(info, opening.options.sensor);
    sink.emplace(info);
  }
};

std::span<const RecordingFormat> recording_formats() noexcept {
  static const std::vector<RecordingFormat> formats = [] {
    std::vector<RecordingFormat> list;
    for (const FormatRow& row : kFormats) list.push_back(row.format);
    return list;
  }();
  return formats;
}

Recording::Recording(std::unique_ptr<State> state) : state_(std::move(state)) {}
Recording::Recording(Recording&&) noexcept = default;
Recording::~Recording() = default;

Recording::Recording(const std::filesystem::path& file, const RecordingOptions& options,
                     int64_t index)
    : state_(std::make_unique<State>()) {
  state_->name = file.string();
  auto input = std::make_shared<const InputFile>(file);  // names itself
  try {
    Opening opening{std::make_shared<ByteReader>(std::move(input)), file, options, index,
                    state_->info};
    state_->open(opening);
  } catch (const Error& error) {
    throw error.in_file(file);
  }
}

Recording Recording::standard_input(std::string start, const RecordingOptions& options) {
  auto state = std::make_unique<State>();
  state->name = "standard input";
  try {
    Opening opening{std::make_shared<ByteReader>(ByteReader::standard_input(std::move(start))),
                    {},
                    options,
                    0,
                    state->info};
    state->open(opening);
  } catch (const Error& error) {
    throw error.in(state->name);
  }
  return Recording(std::move(state));
}

const RecordingInfo& Recording::info() const noexcept {
  return state_->info;
}

bool Recording::next(Events& events) {
  constexpr int64_t kBetweenChecks = 1 << 20;
  State& s = *state_;
  events.clear();
  s.sink->into(events);
  try {
    const bool more = s.decode(*s.sink);
    if (!more || s.info.words - s.checked > kBetweenChecks) {
      check_counts(s.info);
      s.checked = s.info.words;
    }
    return more;
  } catch (const Error& error) {
    throw error.in(s.name);
  }
}

LoadedRecording load_recording(const std::filesystem::path& file, const RecordingOptions& options,
                               int64_t index, TimeSpan span) {
  Recording recording(file, options, index);
  LoadedRecording loaded;
  Events block, &all = loaded.events;
  while (recording.next(block)) {
    for (size_t i = 0; i < block.size(); ++i) {
      if (block.t[i] < span.start || block.t[i] >= span.end) continue;
      all.t.push_back(block.t[i]);
      all.x.push_back(block.x[i]);
      all.y.push_back(block.y[i]);
      all.p.push_back(block.p[i]);
      if (!block.seconds.empty()) all.seconds.push_back(block.seconds[i]);
    }
    all.half = block.half;
    if (static_cast<int64_t>(all.size()) > kMostEvents) {
      throw Error(ErrorCode::kCapacity, file.string() + ": more than " +
                                            std::to_string(kMostEvents) +
                                            " events are not held in memory");
    }
  }
  loaded.info = recording.info();
  sort_by_time(all);
  return loaded;
}

}  // namespace spikeloom
