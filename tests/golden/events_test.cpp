// Recordings and frames against what Tonic, SpikingJelly, OpenEB, faery, dv-processing and
// expelliarmus read of them (events/README.md).

#include <algorithm>
#include <filesystem>
#include <random>

#include "core/error.hpp"
#include "core/io/hdf5/foreign_file.hpp"
#include "core/io/npy.hpp"
#include "core/io/zip_archive.hpp"
#include "datasets/events/frames.hpp"
#include "datasets/events/hdf5_events.hpp"
#include "datasets/events/recording.hpp"
#include "datasets/events/step_stream.hpp"
#include "datasets/events/steps.hpp"
#include "datasets/open.hpp"
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

// A few events at a time, as a live recording hands them over.
std::vector<int64_t> streamed(const StepRule& rule, const Events& events, const FrameShape& shape) {
  const auto blocks = [&events] {
    return [&events, at = size_t{0}](Events& block) mutable {
      block.clear();
      for (size_t i = 0; i < 7 && at < events.size(); ++i, ++at) {
        block.t.push_back(events.t[at]);
        block.x.push_back(events.x[at]);
        block.y.push_back(events.y[at]);
        block.p.push_back(events.p[at]);
      }
      return block.size() > 0;
    };
  };
  std::optional<RecordingExtent> extent;
  if (!rule.runs_live()) extent = measure(blocks());
  StepStream stream(rule, shape, EventValue::kCount, blocks(), extent);
  std::vector<int64_t> result;
  std::vector<float> frame(static_cast<size_t>(shape.size()));
  const auto channels = static_cast<size_t>(shape.channels), pixels = frame.size() / channels;
  while (stream.next(frame)) {
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
    {"cifar10dvs.aedat", "aedat2"},
    {"cifar10dvs_wrap.aedat", "aedat2"},
    {"dvsgesture.aedat", "aedat31"},
    {"dv_none.aedat4", "aedat4"},
    {"dv_lz4.aedat4", "aedat4"},
    {"dv_zstd.aedat4", "aedat4"},
    {"faery_zstd.aedat4", "aedat4"},
    {"expelliarmus_evt2.raw", "evt2"},
    {"faery_evt2.raw", "evt2"},
    {"own_evt2.raw", "evt2"},
    {"own_evt2_noend.raw", "evt2"},
    {"own_evt2_wrap.raw", "evt2"},
    {"own_evt21.raw", "evt2.1"},
    {"own_evt21_old_header.raw", "evt2.1"},
    {"own_evt21_legacy.raw", "evt2.1"},
    {"own_evt3.raw", "evt3"},
    {"own_evt3_noend.raw", "evt3"},
    {"own_evt3_wrap.raw", "evt3"},
    {"faery_evt3.raw", "evt3"},
    {"faery_t0_evt3.raw", "evt3"},
    {"faery_dat2.dat", "dat"},
    {"expelliarmus_dat.dat", "dat"},
    {"ncars.dat", "dat"},
    {"own_dat_wrap.dat", "dat"},
    {"dvslip.npy", "npy"},
    {"gesture_tonic.npy", "npy", {.columns = "x,y,p,t", .time_unit = "ms"}},
    {"dsec.h5", "dsec"},
};

}  // namespace

TEST_CASE("recordings are what other programs read of them", "[fast]") {
  hdf5::use_foreign_reader(SPIKELOOM_PROGRAM);
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
    const FrameShape shape = frame_shape(34, 34, EventValue::kCount);
    CHECK(streamed(parse_step_rule(mode), events, shape) == frames_of(frames, events, shape));
    if (error) {  // an empty slice, where SpikingJelly ends
      CHECK(std::any_of(frames.begin(), frames.end(),
                        [](const Slice& slice) { return slice.begin >= slice.end; }));
      ++errors;
      continue;
    }
    CHECK(frames_of(frames, events, shape) == golden.integers(name));
    ++compared;
  }
  CHECK(compared == 102);
  CHECK(errors == 3);
}

TEST_CASE("recordings of SHD are what Tonic and SpikingJelly read", "[fast]") {
  hdf5::use_foreign_reader(SPIKELOOM_PROGRAM);
  const Arrays expected("shd_expected.npz"), golden("shd_frames.npz");
  const std::vector<int64_t> lengths = expected.integers("lengths");
  int64_t compared = 0;
  for (const std::string file : {"shd_f16", "shd_f64"}) {
    INFO(file);
    const ShdFile shd(kFolder + file + ".h5");
    REQUIRE(shd.size() == static_cast<int64_t>(lengths.size()));
    std::vector<int64_t> times, units, labels;
    for (int64_t i = 0; i < shd.size(); ++i) {
      RecordingInfo info;
      info.width = ShdFile::kUnits;
      info.height = 1;
      const Events events = shd.read(i, info);
      CHECK(static_cast<int64_t>(events.size()) == lengths[static_cast<size_t>(i)]);
      times.insert(times.end(), events.t.begin(), events.t.end());
      units.insert(units.end(), events.x.begin(), events.x.end());
      labels.push_back(shd.label(i));
      const std::string at = file + "/" + std::to_string(i) + "/";
      for (const std::string& name : golden.names()) {
        if (!name.starts_with(at)) continue;
        INFO(name);
        std::string mode = name.substr(at.size());
        const bool error = mode.ends_with("/error");
        if (error) mode.resize(mode.size() - 6);
        mode[mode.find('/')] = '.';
        const StoredArithmetic stored{events.half};
        const std::vector<Slice> frames = slices(parse_step_rule(mode), events, &stored);
        CHECK((!error || events.size() == 0));
        if (error) continue;
        CHECK(frames_of(frames, events, frame_shape(ShdFile::kUnits, 0, EventValue::kCount)) ==
              golden.integers(name));
        ++compared;
      }
    }
    if (file == "shd_f16") {
      CHECK(times == expected.integers("times_us"));
      CHECK(units == expected.integers("units"));
      CHECK(labels == expected.integers("labels"));
    }
  }
  CHECK(compared == 2 * 26);
}

TEST_CASE("ES-ImageNet is centred as its authors do", "[fast]") {
  const Arrays expected("es_imagenet_expected.npz");
  DatasetSpec spec;
  spec.kind = "events";
  spec.path = kFolder + "es_imagenet_label.txt";
  spec.event.steps = "es_imagenet";
  const auto dataset = open_dataset(spec);
  REQUIRE(dataset->info().size == 1);
  const Sample sample = dataset->load(0);
  CHECK(sample.label == 0);
  REQUIRE(sample.frames.shape() == Shape{8, 224, 224, 2});
  CHECK(expected.integers("shape") == std::vector<int64_t>{8, 2, 224, 224});
  const std::vector<int64_t> packed = expected.integers("frames");
  size_t differences = 0;
  for (size_t i = 0; i < packed.size() * 8; ++i) {
    const size_t pixel = i % (224 * 224), channel = i / (224 * 224) % 2, step = i / (2 * 224 * 224);
    const bool bit = (packed[i / 8] >> (7 - i % 8) & 1) != 0;
    const float value = sample.frames.f32()[(step * 224 * 224 + pixel) * 2 + channel];
    differences += value != (bit ? 1.0f : 0.0f);
  }
  CHECK(differences == 0);
}

TEST_CASE("gestures are cut as their list says", "[fast]") {
  const Arrays expected("expected.npz");
  DatasetSpec spec;
  spec.kind = "events";
  spec.path = kFolder + "dvsgesture.aedat";
  spec.event.steps = "spikingjelly.number=1";
  const auto dataset = open_dataset(spec);
  const struct {
    int64_t label, start, end;
  } gestures[] = {{0, 80004627, 81997289}, {1, 81997290, 84076219}, {10, 83919216, 86000000}};
  REQUIRE(dataset->info().size == 3);
  const std::vector<int64_t> times = expected.integers("dvsgesture.aedat/t");
  for (int64_t i = 0; i < 3; ++i) {
    const auto& gesture = gestures[i];
    const Sample sample = dataset->load(i);
    CHECK(sample.label == gesture.label);
    float events = 0;
    for (const float value : sample.frames.f32()) events += value;
    CHECK(static_cast<int64_t>(events) == std::count_if(times.begin(), times.end(), [&](int64_t t) {
            return t >= gesture.start && t < gesture.end;
          }));
  }
}

TEST_CASE("a recording that is cut off holds no event that the whole one does not") {
  hdf5::use_foreign_reader(SPIKELOOM_PROGRAM);
  const std::filesystem::path copy = std::filesystem::temp_directory_path() /
                                     ("spikeloom_cut_" + std::to_string(std::random_device()()));
  for (const File& file : kFiles) {
    INFO(file.name);
    const std::filesystem::path from = kFolder + file.name;
    const LoadedRecording whole = load_recording(from, file.options);
    std::filesystem::copy_file(from, copy, std::filesystem::copy_options::overwrite_existing);
    const bool is_hdf5 = std::string_view(file.format) == "dsec";
    int64_t most = 0;
    for (auto size = static_cast<int64_t>(std::filesystem::file_size(from)) - 1; size >= 0;
         size -= is_hdf5 ? 997 : 1) {
      std::filesystem::resize_file(copy, static_cast<uint64_t>(size));
      try {
        const Events cut = load_recording(copy, file.options).events;
        REQUIRE(cut.size() <= whole.events.size());
        const bool same = std::equal(cut.t.begin(), cut.t.end(), whole.events.t.begin()) &&
                          std::equal(cut.x.begin(), cut.x.end(), whole.events.x.begin()) &&
                          std::equal(cut.y.begin(), cut.y.end(), whole.events.y.begin()) &&
                          std::equal(cut.p.begin(), cut.p.end(), whole.events.p.begin());
        if (!same) FAIL("of " << size << " bytes");
        most = std::max(most, static_cast<int64_t>(cut.size()));
      } catch (const Error& error) {
        if (error.code() == ErrorCode::kInternal) FAIL(size << " bytes: " << error.what());
        const std::string_view message = error.what();
        if (message.find('\n') != std::string_view::npos) FAIL(message);
      }
    }
    const std::string_view format = file.format;
    if (format != "npy" && format != "dsec")
      CHECK(most >= static_cast<int64_t>(whole.events.size()) / 3);
  }
  std::filesystem::remove(copy);
}
