// spikeloom stream: one sound or sequence, frame by frame, and the decision as it forms.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "cli/token_input.hpp"
#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/npy.hpp"
#include "core/io/utf8.hpp"
#include "datasets/audio/wav.hpp"
#include "run/decision_stream.hpp"
#include "run/frames.hpp"

namespace spikeloom {
namespace {

constexpr double kFrameMs = 1000.0 * kFrameShift / kSampleRate,
                 kWindowMs = 1000.0 * kFrameSamples / kSampleRate;

struct StreamOptions {
  bool json = false;  // a JSON object a line, nothing else
  bool sound = true;  // frames of 10 ms
  int64_t every = 1;
  int threads = 1;
  std::vector<std::string> labels;
  const char* none = "is shorter than one frame of 25 ms";  // there was no frame
};

class Stream {
 public:
  Stream(DecisionStream& decisions, StreamOptions options)
      : options_(std::move(options)), decisions_(decisions) {}

  void run(const NextFrame& next) {
    Tensor frame(decisions_.frame_shape());
    if (!options_.json) {
      fmt::print("step  {}answer            probability  computed in\n",
                 options_.sound ? "  time  " : "");
    }
    while (!over() && next(frame)) print(decisions_.feed(frame));
    if (decisions_.frames() == 0) throw Error(ErrorCode::kData, options_.none);
    const int64_t look_ahead = decisions_.look_ahead();
    for (int64_t i = 0; i < look_ahead && !over(); ++i) print(decisions_.drain());
    if (options_.json) {
      print_final(look_ahead);
    } else {
      summary(look_ahead);
    }
  }

 private:
  bool over() const { return decisions_.last().decided || interrupted(); }
  std::string name(int64_t answer) const {
    const auto at = static_cast<size_t>(answer);
    return at < options_.labels.size() ? options_.labels[at] : fmt::format("class {}", answer);
  }

  void print(const std::optional<DecisionStep>& now) const {
    if (!now || (now->step % options_.every != 0 && !now->decided)) return;
    const double seconds = static_cast<double>(now->step) * kFrameMs / 1000;
    if (options_.json) {
      nlohmann::json line{{"step", now->step},
                          {"answer", now->answer},
                          {"label", lossy_utf8(name(now->answer))},
                          {"probability", now->probability},
                          {"computed_ms", now->computed_ms},
                          {"same_since", now->same_since},
                          {"decided", now->decided}};
      if (options_.sound) line["time_s"] = seconds;
      fmt::print("{}\n", line.dump());
    } else {
      fmt::print("{:4}  {}{:<16}  {:11.3f}  {:8.3f} ms\n", now->step,
                 options_.sound ? fmt::format("{:4.2f} s  ", seconds) : "", name(now->answer),
                 now->probability, now->computed_ms);
    }
    std::fflush(stdout);
  }

  // What holds at the end.
  void print_final(int64_t look_ahead) const {
    const DecisionStep& last = decisions_.last();
    nlohmann::json line{{"final", true},
                        {"step", last.step},
                        {"answer", last.answer},
                        {"label", last.answer < 0 ? "" : lossy_utf8(name(last.answer))},
                        {"probability", last.probability},
                        {"same_since", last.same_since},
                        {"decided", last.decided},
                        {"look_ahead", look_ahead},
                        {"mean_ms", decisions_.mean_ms()},
                        {"worst_ms", decisions_.worst_ms()},
                        {"interrupted", interrupted()}};
    fmt::print("{}\n", line.dump());
  }

  void summary(int64_t look_ahead) const {
    const DecisionStep& last = decisions_.last();
    if (last.answer >= 0) {
      fmt::print("{}: {} after step {}, the same answer since step {}\n",
                 last.decided ? "decided" : "answer", name(last.answer), last.step,
                 last.same_since);
    }
    const double mean = decisions_.mean_ms();
    const std::string wait =
        options_.sound
            ? fmt::format(
                  "{:.0f} ms until {} frames of look-ahead are there, {:.0f} ms analysis "
                  "window\nreal time: {:.1f}x",
                  static_cast<double>(look_ahead) * kFrameMs, look_ahead, kWindowMs,
                  kFrameMs / mean)
            : fmt::format("{} frames of look-ahead", look_ahead);
    fmt::print(
        "latency per frame: {:.3f} ms computed (mean; {:.3f} ms at most) on {} thread{}, {}\n",
        mean, decisions_.worst_ms(), options_.threads, options_.threads == 1 ? "" : "s", wait);
  }

  StreamOptions options_;
  DecisionStream& decisions_;
};

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

constexpr std::string_view kNpyMagic("\x93NUMPY");

// What the first argument names.
struct FrameSource {
  std::string start;  // of standard input: bytes that were read to tell what it is
  bool is_array = false;
  std::shared_ptr<const InputFile> file;  // null: standard input
};

FrameSource open_input(const std::string& path) {
  FrameSource input;
  if (path == "-") {
    input.start = read_start_of_standard_input(kNpyMagic.size());
  } else {
    input.file = std::make_shared<const InputFile>(path);  // names itself
    input.start.resize(std::min<uint64_t>(kNpyMagic.size(), input.file->size()));
    input.file->read_at(0, std::as_writable_bytes(std::span(input.start)));
  }
  input.is_array = input.start == kNpyMagic;
  return input;
}

void stream_sound(Stream& stream, const FrameSource& input, bool notes) {
  SoundFrames frames(input.file ? WavReader(input.file) : WavReader::standard_input(input.start));
  stream.run([&](Tensor& frame) { return frames.next(frame); });
  for (const std::string& note : frames.notes()) {
    if (notes) fmt::print("note: {}\n", note);
  }
}

void stream_array(Stream& stream, const FrameSource& input, const std::string& path,
                  int64_t channels) {
  const auto load = [&] {
    if (input.file) return load_npy(path);
    const std::string bytes = input.start + read_standard_input();
    return parse_npy(std::as_bytes(std::span(bytes)), "array");
  };
  ArrayFrames frames(load(), channels);
  stream.run([&](Tensor& frame) { return frames.next(frame); });
}

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

int stream_recording(Experiment experiment, const std::string& path, StreamOptions options,
                     double decide) {
  const EventOptions& event = experiment.dataset.event;
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
  EventFrames frames(std::move(recording), event, shape, extent);
  const DatasetInfo info = info_of_frames(experiment, shape);
  fit_to(experiment, info);
  check_fits(experiment.model, info, [&](const auto& key, const auto& message) {
    return experiment.error_at(key, message);
  });
  const Network network = make_network(experiment, info);
  for (const std::string& note : network.notes) {
    if (!options.json) fmt::print("{}\n", note);
  }
  options.sound = false;
  options.none = "has no event: there is no answer";
  const bool notes = !options.json;
  DecisionStream decisions(experiment, network, decide, cpu_options_of_environment());
  Stream stream(decisions, std::move(options));
  try {
    stream.run([&](Tensor& frame) { return frames.next(frame); });
  } catch (const Error& error) {
    const std::string name = path == "-" ? "standard input" : path;
    if (error.code() != ErrorCode::kData || std::string_view(error.what()).starts_with(name)) throw;
    throw error.in(name);
  }
  for (const std::string& note : frames.info().notes) {
    if (notes) fmt::print("note: {}\n", note);
  }
  return interrupted() ? exit_code(ErrorCode::kInterrupted) : 0;
}

}  // namespace

int command_stream(const Arguments& arguments) {
  CommandLine line;
  line.usage =
      "spikeloom stream FILE.wav|FILE.npy|RECORDING|- --experiment EXPERIMENT.toml [--set "
      "key=value]... "
      "[--labels A,B,..] [--every N] [--decide P] [--json]";
  line.about =
      "Feeds a sound, of a file or from standard input as it comes, to the network of an "
      "experiment, one\n"
      "frame of 10 ms after the other, and prints the answer as it forms: the mean over the steps "
      "so far.\nA .npy array holds frames [T, C] as the network reads them. With dataset.kind = "
      "\"events\", the frames of a\nrecording of an event camera by dataset.steps, in constant "
      "memory.";
  line.named.add_options()(
      "experiment", options::value<std::string>()->required(),
      "an experiment whose network reads sequences; for sounds with in_channels = 128")(
      "labels", options::value<std::string>()->default_value(""), "names of the classes, in order")(
      "every", options::value<int64_t>()->default_value(1), "print every Nth step")(
      "decide", options::value<double>()->default_value(2),
      "stop when the answer has this probability (softmax); above 1: at the end of the sound")(
      "json", "print a JSON object a line for every step printed, nothing else");
  add_set_option(line);
  line.hidden.add_options()("input", options::value<std::string>()->required());
  line.words.add("input", 1);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  Experiment experiment =
      read_experiment(load_experiment((*values)["experiment"].as<std::string>(), *values));
  if (experiment.reads_tokens()) {
    throw experiment.error_at(
        "model.family",
        fmt::format("{} reads tokens: only run and generate do", experiment.model.family->name));
  }
  const ModelShape shape = experiment.model.shape();
  if (experiment.says("what_if"))
    throw experiment.error_at("what_if", "only spikeloom run asks what if");
  // A step takes microseconds, less than waking a second thread.
  if (!experiment.says("run.threads")) experiment.run.threads = 1;
  const SampleKind reads = experiment.model.family->sample;
  const bool events = experiment.dataset.kind == "events";
  const bool recordings = events && (reads == SampleKind::kImage || reads == SampleKind::kFrames);
  const bool vectors = !events && reads == SampleKind::kFrames && shape.frame.size() == 1;
  if (reads != SampleKind::kSequence && !recordings && !vectors) {
    throw experiment.error_at("model.family", "stream feeds sequences frame by frame to " +
                                                  family_names(SampleKind::kSequence));
  }
  StreamOptions stream_options{values->count("json") > 0,
                               true,
                               (*values)["every"].as<int64_t>(),
                               experiment.run.threads,
                               words_of((*values)["labels"].as<std::string>()),
                               StreamOptions().none};
  if (stream_options.every < 1) throw usage_error("--every must be positive");
  const std::string path = (*values)["input"].as<std::string>();
  if (experiment.dataset.kind == "events") {
    return stream_recording(experiment, path, std::move(stream_options),
                            (*values)["decide"].as<double>());
  }
  const int64_t channels = shape.channels;
  const bool piped = path == "-";
  const FrameSource input = open_input(path);
  if (!input.is_array && channels != kMelBins)
    throw experiment.error_at("model.family", "stream needs in_channels = 128 for sounds");
  stream_options.sound = !input.is_array;
  DatasetInfo frames;
  frames.size = 1;
  frames.channels = channels;
  frames.frames = vectors ? std::max<int64_t>(shape.steps, 2) : shape.steps;  // one a step
  fit_to(experiment, frames);
  const Network network = make_network(experiment, frames);
  for (const std::string& note : network.notes) {
    if (!stream_options.json) fmt::print("{}\n", note);
  }
  DecisionStream decisions(experiment, network, (*values)["decide"].as<double>(),
                           cpu_options_of_environment());
  Stream stream(decisions, stream_options);
  try {
    if (input.is_array) {
      stream_array(stream, input, path, channels);
    } else {
      stream_sound(stream, input, !stream_options.json);
    }
  } catch (const Error& error) {
    const bool named = std::string_view(error.what()).starts_with(path);
    if (error.code() != ErrorCode::kData || named) throw;
    throw error.in(piped ? "standard input" : path);
  }
  return interrupted() ? exit_code(ErrorCode::kInterrupted) : 0;
}

}  // namespace spikeloom
