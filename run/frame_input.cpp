#include "run/frame_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "core/error.hpp"
#include "core/io/npy.hpp"
#include "run/recording_facts.hpp"
#include "run/token_input.hpp"

namespace spikeloom {
namespace {

constexpr std::string_view kNpyMagic("\x93NUMPY");

// Where levels of a stream end: what a pixel has in a step is not known before.
constexpr int64_t kMostEventsOfPixel = 65535;

// What the network is told of the frames to come.
DatasetInfo info_of_frames(const Experiment& experiment, const FrameShape& shape) {
  const EventValue value = event_value_named(experiment.dataset.event.value);
  DatasetInfo info;
  info.size = 1;
  info.height = shape.height;
  info.width = shape.height == 0 ? 0 : shape.width;
  info.channels = shape.height == 0 ? shape.width : shape.channels;
  info.frames = std::max<int64_t>(experiment.model.shape().steps, 2);  // one a step
  info.events = experiment.dataset.events.value_or(
      value == EventValue::kBinary
          ? LevelRange()
          : LevelRange{value == EventValue::kSigned ? -kMostEventsOfPixel : 0, kMostEventsOfPixel});
  return info;
}

// Errors of the data say which input has them.
NextFrame named(NextFrame next, const std::string& path) {
  return [next = std::move(next), name = path == "-" ? "standard input" : path](Tensor& frame) {
    try {
      return next(frame);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kData || std::string_view(error.what()).starts_with(name))
        throw;
      throw error.in(name);
    }
  };
}

FrameInput recording_input(Experiment experiment, const std::string& path) {
  const EventOptions event = experiment.dataset.event;
  const auto open = [&] {
    return path == "-" ? Recording::standard_input("", event.recording)
                       : Recording(path, event.recording, experiment.dataset.skip);
  };
  Recording recording = open();
  const FrameShape shape = frame_shape_of(recording.info(), event);
  if (shape.height != 0 && experiment.model.shape().steps == 1)
    throw experiment.error_at("model.time_steps", "is 1: the network takes one picture, no stream");
  // They compute with the times as stored, in seconds.
  const bool stored = event.steps.starts_with("spikingjelly.time") ||
                      event.steps.starts_with("spikingjelly.duration");
  if (recording.info().format == "shd" && stored) {
    throw experiment.error_at("dataset.steps",
                              "of SHD, SpikingJelly's rules of time are not streamed: "
                              "tonic.time_window is");
  }
  std::optional<RecordingExtent> extent;
  if (!parse_step_rule(event.steps).runs_live() && path != "-") {
    Recording first = open();
    extent = measure([&](Events& events) { return first.next(events); });
  }
  const auto frames = std::make_shared<EventFrames>(std::move(recording), event, shape, extent);
  const DatasetInfo info = info_of_frames(experiment, shape);
  fit_to(experiment, info);
  check_fits(experiment.model, info, [&](const auto& key, const auto& message) {
    return experiment.error_at(key, message);
  });
  FrameInput input;
  input.experiment = std::move(experiment);
  input.network = make_network(input.experiment, info);
  input.next = [frames](Tensor& frame) { return frames->next(frame); };
  input.none = "has no event: there is no answer";
  input.notes = [frames] { return frames->info().notes; };
  return input;
}

// The network alone, for sequences.
FrameInput fed_input(Experiment experiment) {
  const ModelShape shape = experiment.model.shape();
  DatasetInfo info;
  info.size = 1;
  info.channels = shape.channels;
  const bool vectors = experiment.model.family->sample == SampleKind::kFrames;
  info.frames = std::max<int64_t>(shape.steps, vectors ? 2 : 1);  // one a step
  fit_to(experiment, info);
  FrameInput input;
  input.experiment = std::move(experiment);
  input.network = make_network(input.experiment, info);
  return input;
}

// Sounds, and arrays of frames.
FrameInput sequence_input(Experiment experiment, const std::string& path) {
  std::string start;  // of standard input: bytes that were read to tell what it is
  std::shared_ptr<const InputFile> file;
  if (path == "-") {
    start = read_start_of_standard_input(kNpyMagic.size());
  } else {
    file = std::make_shared<const InputFile>(path);  // names itself
    start.resize(std::min<uint64_t>(kNpyMagic.size(), file->size()));
    file->read_at(0, std::as_writable_bytes(std::span(start)));
  }
  const bool is_array = start == kNpyMagic;
  const ModelShape shape = experiment.model.shape();
  if (!is_array && shape.channels != kMelBins)
    throw experiment.error_at("model.family", "stream needs in_channels = 128 for sounds");
  FrameInput input = fed_input(std::move(experiment));
  input.sound = !is_array;
  input.none = "is shorter than one frame of 25 ms";
  // Opened by the first frame, so that standard input is not waited for earlier.
  if (is_array) {
    input.next = [file, start, path, channels = shape.channels,
                  frames = std::shared_ptr<ArrayFrames>()](Tensor& frame) mutable {
      if (frames == nullptr) {
        const std::string bytes = file ? std::string() : start + read_standard_input();
        frames = std::make_shared<ArrayFrames>(
            file ? load_npy(path) : parse_npy(std::as_bytes(std::span(bytes)), "array"), channels);
      }
      return frames->next(frame);
    };
    input.notes = [] { return std::vector<std::string>(); };
  } else {
    const auto frames = std::make_shared<std::unique_ptr<SoundFrames>>();
    input.next = [file, start, frames](Tensor& frame) {
      if (*frames == nullptr)
        *frames = std::make_unique<SoundFrames>(file ? WavReader(file)
                                                     : WavReader::standard_input(start));
      return (*frames)->next(frame);
    };
    input.notes = [frames] { return (*frames)->notes(); };
  }
  return input;
}

}  // namespace

// What cannot be streamed.
static void check_streams(Experiment& experiment) {
  const std::string_view family = experiment.model.family->name;
  if (experiment.reads_tokens()) {
    throw experiment.error_at("model.family",
                              fmt::format("{} reads tokens: only run and generate do", family));
  }
  if (experiment.says("what_if"))
    throw experiment.error_at("what_if", "only spikeloom run asks what if");
  // A step takes microseconds, less than waking a second thread.
  if (!experiment.says("run.threads")) experiment.run.threads = 1;
}

// Sequences, of a network of vectors too where no recording gives them a shape.
static void check_sequences(const Experiment& experiment) {
  const SampleKind reads = experiment.model.family->sample;
  const bool vectors = reads == SampleKind::kFrames && experiment.model.shape().frame.size() == 1;
  if (reads == SampleKind::kSequence || vectors) return;
  throw experiment.error_at("model.family", "stream feeds sequences frame by frame to " +
                                                family_names(SampleKind::kSequence));
}

FrameInput open_frames(Experiment experiment) {
  check_streams(experiment);
  check_sequences(experiment);
  return fed_input(std::move(experiment));
}

FrameInput open_frames(Experiment experiment, const std::string& path) {
  check_streams(experiment);
  const SampleKind reads = experiment.model.family->sample;
  const bool events = experiment.dataset.kind == "events";
  const bool recordings = events && (reads == SampleKind::kImage || reads == SampleKind::kFrames);
  if (!recordings) check_sequences(experiment);
  FrameInput input = events ? recording_input(std::move(experiment), path)
                            : sequence_input(std::move(experiment), path);
  input.next = named(std::move(input.next), path);
  input.none = (path == "-" ? "standard input" : path) + ": " + input.none;
  return input;
}

}  // namespace spikeloom
