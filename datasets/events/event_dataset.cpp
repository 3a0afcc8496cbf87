#include "datasets/events/event_dataset.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "datasets/declared_events.hpp"
#include "datasets/events/event_list.hpp"
#include "datasets/events/frames.hpp"
#include "datasets/events/hdf5_events.hpp"
#include "datasets/events/recording.hpp"
#include "datasets/events/steps.hpp"
#include "datasets/pixels.hpp"

namespace spikeloom {
namespace {

// What reading a recording forgave, without numbers, so that equal ones can be counted.
std::vector<std::string> notes_of(const RecordingInfo& info) {
  std::vector<std::string> notes = info.notes;
  if (info.unknown.count > 0) {
    notes.push_back(info.has_words() ? "words of no known type are left out"
                                     : "events of impossible times are left out");
  }
  if (info.outside.count > 0) notes.push_back("events outside of the sensor are left out");
  if (info.falls.count > 0) notes.push_back("events out of order are sorted by time");
  if (info.invalid.count > 0) notes.push_back("events marked as invalid are left out");
  return notes;
}

class EventDataset final : public Dataset {
 public:
  explicit EventDataset(const DatasetSpec& spec)
      : options_(spec.event.recording),
        rule_(parse_step_rule(spec.event.steps)),
        value_(rule_.kind == StepRuleKind::kEsImageNet ? EventValue::kBinary
                                                       : event_value_named(spec.event.value)),
        as_stored_(spec.event.time_arithmetic == "stored"),
        list_(list_recordings(spec)),
        window_(choose_window(spec, static_cast<int64_t>(list_.samples.size()))),
        shape_(shape_of_first()),
        normaliser_(spec.mean, spec.std, shape_.height == 0 ? shape_.width : shape_.channels) {
    if (as_stored_ && !list_.shd)
      throw Error(ErrorCode::kUsage, "time_arithmetic: \"stored\" is of SHD and SSC");
    info_.size = window_.count;
    info_.classes = spec.classes == 0 ? list_.classes : spec.classes;
    info_.height = shape_.height;
    info_.width = shape_.height == 0 ? 0 : shape_.width;
    info_.channels = shape_.height == 0 ? shape_.width : shape_.channels;
    info_.separate_files = list_.separate;
    info_.warnings = list_.warnings;
    info_.frames = rule_.fixes_frames() ? rule_.value : std::max<int64_t>(1, spec.frames);
    info_.any_frames = !rule_.fixes_frames() && spec.frames == 0;
    info_.description = "recordings (" + format_ + "), " + std::to_string(list_.samples.size()) +
                        " samples, steps " + rule_.text + ", values " + spec.event.value;
  }

  const DatasetInfo& info() const noexcept override { return info_; }

  // Reads all samples for the most events that a pixel has in a step.
  void find_levels() {
    if (normaliser_.given()) return;
    LevelRange range;
    for (int64_t i = 0; i < info_.size && value_ != EventValue::kBinary; ++i) {
      try {
        const Sample sample = load(i);
        for (const float value : sample.frames.f32()) {
          range.high = std::max(range.high, static_cast<int64_t>(value));
          range.low = std::min(range.low, static_cast<int64_t>(value));
        }
      } catch (const Error& error) {
        if (!info_.separate_files || error.code() != ErrorCode::kData) throw;
      }
    }
    info_.events = range;
  }

  Sample load(int64_t index) const override {
    if (index < 0 || index >= info_.size) {
      throw Error(ErrorCode::kInternal,
                  "sample " + std::to_string(index) + " of " + std::to_string(info_.size));
    }
    const ListedRecording& listed = list_.samples[static_cast<size_t>(window_.first + index)];
    LoadedRecording loaded = read(listed);
    Sample sample{
        Tensor(shape_.height == 0 ? Shape{info_.frames, info_.channels}
                                  : Shape{info_.frames, info_.height, info_.width, info_.channels}),
        listed.label, listed.name, notes_of(loaded.info)};
    if (rule_.kind == StepRuleKind::kEsImageNet) loaded.events = centred_by(listed, loaded.events);
    fill(sample, loaded.events);
    return sample;
  }

 private:
  LoadedRecording read(const ListedRecording& listed) const {
    const std::filesystem::path path = list_.folder / listed.name;
    if (list_.shd) return read_shd(path, listed.index);
    RecordingOptions options = options_;
    const bool own_size = rule_.kind == StepRuleKind::kEsImageNet;
    if (options.sensor.empty() && shape_.height > 0 && !own_size)
      options.sensor = {shape_.width, shape_.height};
    return load_recording(path, options, listed.index, listed.span);
  }

  LoadedRecording read_shd(const std::filesystem::path& path, int64_t index) const {
    LoadedRecording loaded;
    loaded.info.format = "shd";
    loaded.info.width = shape_.width;
    loaded.info.height = 1;
    try {
      loaded.events = list_.shd->read(index, loaded.info);
      check_counts(loaded.info);
    } catch (const Error& error) {
      throw error.in_file(path);
    }
    sort_by_time(loaded.events);
    return loaded;
  }

  Events centred_by(const ListedRecording& listed, const Events& events) const {
    const std::string where = (list_.folder / listed.name).string();
    if (format_ != "es_imagenet" || !listed.centre)
      throw Error(ErrorCode::kData, where +
                                        ": steps = \"es_imagenet\" needs a list of lines "
                                        "`name class rows columns`, as ES-ImageNet has");
    try {
      return centred(events, listed.centre->first, listed.centre->second);
    } catch (const Error& error) {
      throw error.in(where);
    }
  }

  void fill(Sample& sample, const Events& events) const {
    const StoredArithmetic stored{as_stored_ && events.half};
    std::vector<Slice> frames = slices(rule_, events, list_.shd ? &stored : nullptr);
    const auto steps = static_cast<size_t>(info_.frames);
    if (frames.size() > steps)
      sample.notes.push_back("more frames than the network has steps: the rest is cut off");
    if (frames.size() < steps)
      sample.notes.push_back("fewer frames than the network has steps: the rest is empty");
    frames.resize(steps);
    const bool stops = rule_.kind == StepRuleKind::kSpikingJellyTime && events.size() > 0 &&
                       std::any_of(frames.begin(), frames.end(),
                                   [](const Slice& slice) { return slice.begin >= slice.end; });
    if (stops)
      sample.notes.push_back("a step without events, where SpikingJelly ends with an error");
    const auto values = sample.frames.f32();
    const auto size = static_cast<size_t>(shape_.size());
    for (size_t i = 0; i < steps; ++i)
      add_events(values.subspan(i * size, size), shape_, value_, events, frames[i]);
    check_exact(values);
    if (!normaliser_.given()) return;
    const auto channels = static_cast<size_t>(info_.channels);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = normaliser_.apply(values[i], i % channels);
  }

  // Of the user, or of the first recording that can be opened.
  FrameShape shape_of_first() {
    std::string first_fault;
    if (list_.shd) {
      format_ = "shd";
      if (!options_.sensor.empty() && options_.sensor[1] != 1)
        throw Error(ErrorCode::kUsage, "sensor: units stand in one row, [units, 1]");
      const int64_t units =
          options_.sensor.empty() ? ShdFile::kUnits : options_.sensor[0] * options_.sensor[1];
      return frame_shape(units, 0, value_);
    }
    for (int64_t i = 0; i < window_.count; ++i) {
      const ListedRecording& listed = list_.samples[static_cast<size_t>(window_.first + i)];
      try {
        const Recording recording(list_.folder / listed.name, options_, listed.index);
        const RecordingInfo& info = recording.info();
        format_ = info.format;
        if (rule_.kind == StepRuleKind::kEsImageNet)
          return frame_shape(kEsImageNetSide, kEsImageNetSide, value_);
        if (info.width > 0) return frame_shape(info.width, info.height, value_);
        throw Error(ErrorCode::kUsage, "sensor: " + info.format +
                                           " files do not say how large it is; give [width, "
                                           "height]");
      } catch (const Error& error) {
        if (!list_.separate || error.code() != ErrorCode::kData) throw;
        if (first_fault.empty()) first_fault = error.what();
      }
    }
    throw Error(ErrorCode::kData, "no recording can be read; the first: " + first_fault);
  }

  RecordingOptions options_;
  StepRule rule_;
  EventValue value_;
  bool as_stored_;
  RecordingList list_;
  SampleWindow window_;
  std::string format_;
  FrameShape shape_;
  Normaliser normaliser_;
  DatasetInfo info_;
};

}  // namespace

std::unique_ptr<Dataset> open_events(const DatasetSpec& spec) {
  refuse_image_options(spec);
  if (!spec.split.empty())
    throw Error(ErrorCode::kUsage, "split: recordings are named by path and labels");
  if (spec.pad != 0) throw Error(ErrorCode::kUsage, "pad: frames have the size of the sensor");
  if (spec.classes < 0) throw Error(ErrorCode::kUsage, "classes: negative");
  if (spec.event.steps == "es_imagenet" && spec.event.value == "signed")
    throw Error(ErrorCode::kUsage, "value: frames of es_imagenet are 0 and 1 in two channels");
  auto dataset = std::make_unique<EventDataset>(spec);
  if (spec.events) return declared_events(std::move(dataset), *spec.events);
  // A rule that does not fit the network is an error that should not wait for all files.
  const int64_t frames = dataset->info().frames;
  if (frames > 1 && spec.frames > 0 && frames != spec.frames) return dataset;
  dataset->find_levels();
  return dataset;
}

}  // namespace spikeloom
