// Recordings and frames against what Tonic, SpikingJelly, OpenEB, faery, dv-processing and
// expelliarmus read of them (events/README.md).

#include <map>

#include "core/io/npy.hpp"
#include "core/io/zip_archive.hpp"
#include "datasets/events/frames.hpp"
#include "datasets/events/recording.hpp"
#include "datasets/events/steps.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

const std::string kFolder = SPIKELOOM_SOURCE_DIR "/tests/golden/events/";

// All arrays of numbers; names that end in /error are texts.
class Arrays {
 public:
  explicit Arrays(const std::string& file) : archive_(kFolder + file) {
    for (const ZipEntry& entry : archive_.entries())
      names_.push_back(entry.name.substr(0, entry.name.size() - 4));
  }
  const std::vector<std::string>& names() const { return names_; }
  bool has(const std::string& name) const { return archive_.find(name + ".npy") != nullptr; }
  Tensor get(const std::string& name) const {
    const ZipEntry* entry = archive_.find(name + ".npy");
    REQUIRE(entry != nullptr);
    return parse_npy(archive_.read(*entry, int64_t{64} << 20, ZipCrc::kCheck), name);
  }
  std::vector<int64_t> integers(const std::string& name) const {
    const Tensor array = get(name);
    std::vector<int64_t> values;
    const auto copy = [&](auto from) { values.assign(from.begin(), from.end()); };
    switch (array.dtype()) {
      case DType::kI64: copy(array.as<int64_t>()); break;
      case DType::kI32: copy(array.as<int32_t>()); break;
      case DType::kU8: copy(array.as<uint8_t>()); break;
      default: FAIL("an array of other numbers: " << name);
    }
    return values;
  }

 private:
  ZipArchive archive_;
  std::vector<std::string> names_;
};

template <typename T>
std::vector<int64_t> wide(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

// Frames [T, 2, H, W] or [T, W] as the libraries lay them out.
std::vector<int64_t> frames_of(const std::vector<Slice>& slices, const Events& events,
                               const FrameShape& shape) {
  std::vector<int64_t> result;
  const auto size = static_cast<size_t>(shape.size());
  for (const Slice& slice : slices) {
    std::vector<float> frame(size);
    add_events(frame, shape, EventValue::kCount, events, slice);
    const auto channels = static_cast<size_t>(shape.channels), pixels = size / channels;
    for (size_t c = 0; c < channels; ++c) {
      for (size_t i = 0; i < pixels; ++i)
        result.push_back(static_cast<int64_t>(frame[i * channels + c]));
    }
  }
  return result;
}

struct File {
  const char* name;
  const char* format;
  RecordingOptions options{};
};

const File kFiles[] = {
    {"nmnist.bin", "nmnist"},
    {"ncaltech_marks.bin", "nmnist"},
};

}  // namespace

TEST_CASE("recordings are what other programs read of them", "[fast]") {
  const Arrays expected("expected.npz");
  for (const File& file : kFiles) {
    INFO(file.name);
    const LoadedRecording loaded = load_recording(kFolder + file.name, file.options);
    const std::string at = std::string(file.name) + "/";
    CHECK(loaded.info.format == file.format);
    CHECK(loaded.events.t == expected.integers(at + "t"));
    CHECK(wide(loaded.events.x) == expected.integers(at + "x"));
    CHECK(wide(loaded.events.y) == expected.integers(at + "y"));
    CHECK(wide(loaded.events.p) == expected.integers(at + "p"));
  }
}

TEST_CASE("frames are those of Tonic and SpikingJelly", "[fast]") {
  const Arrays golden("frames.npz");
  int64_t compared = 0, errors = 0;
  for (const std::string& name : golden.names()) {
    const size_t slash = name.find('/');
    const std::string stream = name.substr(0, slash);
    std::string mode = name.substr(slash + 1);
    if (mode.starts_with("events/")) continue;
    INFO(name);
    const bool error = mode.ends_with("/error");
    if (error) mode.resize(mode.size() - 6);
    mode[mode.find('/')] = '.';
    Events events;
    events.t = golden.integers(stream + "/events/t");
    for (const int64_t x : golden.integers(stream + "/events/x"))
      events.x.push_back(static_cast<uint16_t>(x));
    for (const int64_t y : golden.integers(stream + "/events/y"))
      events.y.push_back(static_cast<uint16_t>(y));
    for (const int64_t p : golden.integers(stream + "/events/p"))
      events.p.push_back(static_cast<uint8_t>(p));
    const std::vector<Slice> frames = slices(parse_step_rule(mode), events);
    if (error) {  // an empty slice, where SpikingJelly ends
      CHECK(std::any_of(frames.begin(), frames.end(),
                        [](const Slice& slice) { return slice.begin >= slice.end; }));
      ++errors;
      continue;
    }
    CHECK(frames_of(frames, events, frame_shape(34, 34, EventValue::kCount)) ==
          golden.integers(name));
    ++compared;
  }
  CHECK(compared == 102);
  CHECK(errors == 3);
}
