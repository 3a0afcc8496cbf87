#include "datasets/events/recording.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"
#include "datasets/events/decoders.hpp"
#include "datasets/events/hdf5_events.hpp"
#include "datasets/events/npy_events.hpp"
#include "datasets/events/prophesee.hpp"

namespace spikeloom {
namespace {

// What a format needs to be opened.
struct Opening {
  std::shared_ptr<ByteReader> bytes;
  std::filesystem::path file;  // empty: standard input
  const RecordingOptions& options;
  int64_t index;
  RecordingInfo& info;                      // gets what the file says of the sensor
  std::optional<PropheseeHeader> header{};  // where it was read to tell the format
};

EventDecoder open_nmnist(Opening& o) {
  return decode_atis(o.bytes);
}

EventDecoder open_aedat2(Opening& o) {
  return decode_aedat2(o.bytes, o.options.orientation == "tonic", o.info);
}

EventDecoder open_aedat31(Opening& o) {
  return decode_aedat31(o.bytes, o.info);
}

EventDecoder open_aedat4(Opening& o) {
  return decode_aedat4(o.bytes, o.info);
}

const PropheseeHeader& header_of(Opening& o) {
  if (!o.header) o.header = read_prophesee_header(*o.bytes);
  return *o.header;
}

EventDecoder open_raw(Opening& o) {
  return decode_raw(o.bytes, header_of(o), o.info);
}

EventDecoder open_dat(Opening& o) {
  return decode_dat(o.bytes, header_of(o), o.info);
}

EventDecoder open_npy(Opening& o) {
  return decode_npy(o.bytes, o.options);
}

// Formats that are read from their end or here and there.
const std::filesystem::path& file_of(const Opening& o) {
  if (o.file.empty())
    throw Error(ErrorCode::kUsage,
                "HDF5 files and archives cannot be read from standard input; give the file");
  return o.file;
}

EventDecoder open_npz(Opening& o) {
  return decode_npz(file_of(o), o.options);
}

EventDecoder open_es_imagenet(Opening& o) {
  return decode_es_imagenet(file_of(o), o.info);
}

EventDecoder open_shd(Opening& o) {
  return decode_shd(file_of(o), o.index, o.info);
}

EventDecoder open_dsec(Opening& o) {
  return decode_dsec(std::make_unique<hdf5::ForeignFile>(file_of(o)), o.info);
}

struct FormatRow {
  RecordingFormat format;
  EventDecoder (*open)(Opening&);
};

constexpr FormatRow kFormats[] = {
    {{"aedat2", "AEDAT 2 of the 128 x 128 sensor: CIFAR10-DVS"}, open_aedat2},
    {{"aedat31", "AEDAT 3.1: DVS128 Gesture"}, open_aedat31},
    {{"aedat4", "AEDAT 4 of dv-processing, plain, LZ4 or Zstandard"}, open_aedat4},
    {{"dat", "Prophesee DAT: N-CARS"}, open_dat},
    {{"dsec", "DSEC: HDF5 with events/t, x, y, p"}, open_dsec},
    {{"es_imagenet", "ES-ImageNet: .npz with pos and neg"}, open_es_imagenet},
    {{"nmnist", "N-MNIST, N-Caltech101: .bin files of 5 bytes an event"}, open_nmnist},
    {{"npy", "NumPy: a structure with t, x, y, p, or an array [N, 4]"}, open_npy},
    {{"npz", "NumPy: arrays t, x, y, p"}, open_npz},
    {{"raw", "Prophesee RAW: EVT2, EVT2.1, EVT3"}, open_raw},
    {{"shd", "SHD, SSC: HDF5 with spikes/times and spikes/units"}, open_shd},
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

std::string_view aedat_version(std::string_view text) {
  constexpr std::string_view kMark = "#!AER-DAT";
  const std::string_view version = text.substr(kMark.size(), 3);
  if (version == "2.0") return "aedat2";
  if (version == "3.1") return "aedat31";
  if (version == "4.0") return "aedat4";
  throw Error(ErrorCode::kData, "is AEDAT " + printable(version.substr(0, version.find('\r'))) +
                                    "; 2.0, 3.1 and 4.0 are read");
}

// Bytes that other formats begin with, also of a file that is cut off.
bool has_mark(std::string_view text) {
  constexpr std::string_view kMarks[] = {"#!AER-DAT", "\x93NUMPY", "\x89HDF\r\n", "PK\x03\x04"};
  return std::any_of(std::begin(kMarks), std::end(kMarks), [&](std::string_view mark) {
    return text.starts_with(mark.substr(0, text.size()));
  });
}

std::string_view detected(Opening& opening) {
  const auto bytes = opening.bytes->peek(kStart);
  const std::string_view text = as_text(bytes);
  if (text.starts_with("#!AER-DAT")) return aedat_version(text);
  if (text.starts_with("\x93NUMPY")) return "npy";
  if (text.starts_with("PK\x03\x04"))
    return is_es_imagenet(file_of(opening)) ? "es_imagenet" : "npz";
  if (text.starts_with("\x89HDF\r\n")) {
    const hdf5::ForeignFile file(file_of(opening));
    return hdf5_events_in(file) == Hdf5Events::kShd ? "shd" : "dsec";
  }
  // An event of N-Caltech101 may begin with the same two bytes, but no line of text.
  if (text.starts_with("% ") && !header_of(opening).lines.empty())
    return is_raw(header_of(opening)) ? "raw" : "dat";
  if (!text.empty() && has_mark(text.substr(0, 8)))
    throw Error(ErrorCode::kData, "ends inside its header");
  if (looks_like_atis(bytes.first(std::min(bytes.size(), kStart)), opening.options))
    return "nmnist";
  const auto& sensor = opening.options.sensor;
  if (!sensor.empty() && looks_like_atis(bytes.first(std::min(bytes.size(), kStart)), {})) {
    throw Error(ErrorCode::kData,
                "is of no format that can be told by its content: as N-MNIST's, events lie outside "
                "of the sensor, dataset.sensor = " +
                    to_string(sensor));
  }
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
  if (info.format == "shd") {
    if (sensor.empty()) {
      info.notes.push_back("units are 0 to 699, as SHD has them: the file does not say how many");
      return;
    }
    if (sensor[1] != 1)
      throw Error(ErrorCode::kUsage, "sensor: units stand in one row, [units, 1]");
    info.width = sensor[0];
  }
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

void check_share(const RecordingInfo& info, const Oddity& oddity, int64_t all, const char* what) {
  if (oddity.count * 100 <= all) return;
  throw Error(ErrorCode::kData,
              std::to_string(oddity.count) + " of " + std::to_string(all) + " " + what +
                  (info.numbers_events() ? ", the first is event " : ", the first at byte ") +
                  std::to_string(oddity.first));
}

}  // namespace

// Now and then is a fault of the camera, often means another format.
void check_counts(const RecordingInfo& info) {
  const char* unknown = "words are of no known type";
  if (!info.has_words()) unknown = "events have times beyond 142 years";
  if (info.format == "npy" || info.format == "npz")
    unknown = "events have times beyond 142 years: dataset.time_unit may be another";
  check_share(info, info.unknown, info.words, unknown);
  check_share(info, info.outside, info.events + info.outside.count,
              "events lie outside of the sensor");
  check_share(info, info.falls, info.events, "events lie before the one in front of them");
}

struct Recording::State {
  std::string name;
  RecordingInfo info;
  std::optional<EventSink> sink;
  EventDecoder decode;
  int64_t checked = 0;  // words when the counts were looked at last

  void open(Opening& opening) {
    check_sensor(opening.options.sensor);
    const std::string& given = opening.options.format;
    const std::string_view format = given == "auto" ? detected(opening) : given;
    const FormatRow& row = row_named(format);
    const bool numpy = format == "npy" || format == "npz";
    if (!numpy && opening.options.time_unit != "us")
      throw Error(ErrorCode::kUsage, "time_unit: " + std::string(format) + " says it itself");
    if (format != "npy" && !opening.options.columns.empty())
      throw Error(ErrorCode::kUsage, "columns: an option of npy");
    if (format != "aedat2" && opening.options.orientation != RecordingOptions().orientation)
      throw Error(ErrorCode::kUsage, "orientation: an option of aedat2");
    info.format = row.format.name;  // or finer, where opening tells more
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
    Opening opening{
        std::make_shared<ByteReader>(std::move(input)), file, options, index, state_->info, {}};
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
                    state->info,
                    {}};
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
    throw error.in_file(s.name);
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
