// spikeloom stream: one sound or sequence, frame by frame, and the decision as it forms.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "cli/token_input.hpp"
#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/npy.hpp"
#include "datasets/audio/wav.hpp"
#include "datasets/utf8.hpp"
#include "run/experiment.hpp"
#include "run/network.hpp"
#include "sim/counts/finite_watch.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kFrameMs = 1000.0 * kFrameShift / kSampleRate,
                 kWindowMs = 1000.0 * kFrameSamples / kSampleRate;

struct StreamOptions {
  bool json = false;  // a JSON object a line, nothing else
  bool sound = true;  // frames of 10 ms
  int64_t every = 1;
  double decide = 2;  // probability that ends the stream; above 1: never
  std::vector<std::string> labels;
};

// Where frames come from. The next one, as the network reads it, into [1, C]; false at the end.
using NextFrame = std::function<bool(Tensor&)>;

// Frames of a sound as it comes; holds one window and one block.
class SoundFrames {
 public:
  explicit SoundFrames(WavReader reader) : reader_(std::move(reader)) {
    // Blocks of one frame shift: a live source must not wait for more.
    block_ = std::max<int64_t>(1, reader_.rate() * kFrameShift / kSampleRate);
  }
  bool next(Tensor& frame) {
    while (static_cast<int64_t>(samples_.size()) < kFrameSamples) {
      if (!reader_.read(block_, samples_)) return false;
    }
    front_end_.frame(std::span(samples_).first(kFrameSamples), values_);
    std::transform(values_.begin(), values_.end(), frame.f32().begin(), normalised_log_mel);
    samples_.erase(samples_.begin(), samples_.begin() + kFrameShift);
    return true;
  }
  const std::vector<std::string>& notes() const { return reader_.notes(); }

 private:
  WavReader reader_;
  int64_t block_ = 1;
  std::vector<float> samples_;
  LogMel front_end_;
  std::vector<double> values_ = std::vector<double>(kMelBins);
};

// Rows of an array [T, C] or [1, T, C], read as they are.
class ArrayFrames {
 public:
  ArrayFrames(const Tensor& array, int64_t channels) : values_(to_f32(array)) {
    const Shape& shape = array.shape();
    const size_t axes = shape.size();
    const bool fits = (axes == 2 || (axes == 3 && shape[0] == 1)) && shape[axes - 1] == channels;
    if (!fits || array.size() == 0) {
      throw Error(ErrorCode::kData,
                  fmt::format("expected frames [T,{}], found {}", channels, to_string(shape)));
    }
    for (size_t i = 0; i < values_.f32().size(); ++i) {
      if (!std::isfinite(values_.f32()[i])) {
        throw Error(ErrorCode::kData, fmt::format("frame {} holds a value that is not finite",
                                                  i / static_cast<size_t>(channels)));
      }
    }
  }
  bool next(Tensor& frame) {
    const auto to = frame.f32();
    const auto values = values_.f32();
    if (at_ == values.size()) return false;
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(at_), to.size(), to.begin());
    at_ += to.size();
    return true;
  }

 private:
  Tensor values_;
  size_t at_ = 0;
};

struct Decision {
  int64_t answer = -1;
  double probability = 0;  // softmax of the running mean
};

Decision decide(const Tensor& logits) {
  const auto values = logits.f32();
  const auto best = std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const float value : values)
    sum += std::exp(static_cast<double>(value) - static_cast<double>(*best));
  return {best - values.begin(), 1 / sum};
}

class Stream {
 public:
  Stream(const Experiment& experiment, const Network& network, StreamOptions options)
      : options_(std::move(options)),
        session_(compile(network.model.graph,
                         in_precision(network.model.graph, network.model.weights,
                                      experiment.run.precision.precision)
                             .weights,
                         make_backend(experiment.run.device, cpu_options_of_environment()),
                         {Schedule::kStepMajor, 1, {}})),
        logits_(*network.model.graph.find_output("logits")),
        channels_(network.model.graph.node(0).shape.back()),
        threads_(experiment.run.threads) {}

  void run(const NextFrame& next) {
    Tensor frame({1, channels_});
    const int64_t look_ahead = session_.plan().look_ahead;
    if (!options_.json) {
      fmt::print("step  {}answer            probability  computed in\n",
                 options_.sound ? "  time  " : "");
    }
    while (!over() && next(frame)) tick(frame, 0);
    if (session_.steps_done() == 0)
      throw Error(ErrorCode::kData, "is shorter than one frame of 25 ms");
    for (int64_t i = 0; i < look_ahead && !over(); ++i) tick(frame, 1);
    if (options_.json) {
      print_final(look_ahead);
    } else {
      summary(look_ahead);
    }
  }

 private:
  // Throws Error(kRuntime) where there is no answer.
  Tensor checked_logits() const {
    Tensor logits = session_.value(logits_, 0);
    const std::string node = all_finite(logits.f32()) ? session_.not_finite_state() : "logits";
    if (node.empty()) return logits;
    throw Error(ErrorCode::kRuntime, fmt::format("{} of step {} are not finite: there is no answer",
                                                 node, session_.last_chunk().first_step));
  }
  bool over() const { return decided_ || interrupted(); }
  std::string name(int64_t answer) const {
    const auto at = static_cast<size_t>(answer);
    return at < options_.labels.size() ? options_.labels[at] : fmt::format("class {}", answer);
  }

  void tick(const Tensor& frame, int64_t drained) {
    const auto start = Clock::now();
    session_.run_chunk(frame, 1 - drained, threads_, drained);
    const SpikeChunk out = session_.last_chunk();
    const bool answered = out.steps > 0;
    const Decision now = answered ? decide(checked_logits()) : Decision{};
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    total_ms_ += ms;
    worst_ms_ = std::max(worst_ms_, ms);
    if (!answered) return;
    if (now.answer != last_.answer) since_ = out.first_step;
    last_ = now;
    last_step_ = out.first_step;
    decided_ = now.probability >= options_.decide;
    if (out.first_step % options_.every == 0 || decided_) print(out.first_step, ms);
  }

  void print(int64_t step, double ms) const {
    const double seconds = static_cast<double>(step) * kFrameMs / 1000;
    if (options_.json) {
      nlohmann::json line{{"step", step},
                          {"answer", last_.answer},
                          {"label", lossy_utf8(name(last_.answer))},
                          {"probability", last_.probability},
                          {"computed_ms", ms},
                          {"same_since", since_},
                          {"decided", decided_}};
      if (options_.sound) line["time_s"] = seconds;
      fmt::print("{}\n", line.dump());
    } else {
      fmt::print("{:4}  {}{:<16}  {:11.3f}  {:8.3f} ms\n", step,
                 options_.sound ? fmt::format("{:4.2f} s  ", seconds) : "", name(last_.answer),
                 last_.probability, ms);
    }
    std::fflush(stdout);
  }

  // What holds at the end.
  void print_final(int64_t look_ahead) const {
    nlohmann::json line{{"final", true},
                        {"step", last_step_},
                        {"answer", last_.answer},
                        {"label", last_.answer < 0 ? "" : lossy_utf8(name(last_.answer))},
                        {"probability", last_.probability},
                        {"same_since", since_},
                        {"decided", decided_},
                        {"look_ahead", look_ahead},
                        {"mean_ms", total_ms_ / static_cast<double>(session_.steps_done())},
                        {"worst_ms", worst_ms_},
                        {"interrupted", interrupted()}};
    fmt::print("{}\n", line.dump());
  }

  void summary(int64_t look_ahead) const {
    const auto ticks = static_cast<double>(session_.steps_done());
    const double mean = total_ms_ / ticks;
    if (last_.answer >= 0) {
      fmt::print("{}: {} after step {}, the same answer since step {}\n",
                 decided_ ? "decided" : "answer", name(last_.answer), last_step_, since_);
    }
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
        mean, worst_ms_, threads_, threads_ == 1 ? "" : "s", wait);
  }

  StreamOptions options_;
  Session session_;
  NodeId logits_;
  int64_t channels_;
  int threads_;
  Decision last_;
  bool decided_ = false;
  int64_t since_ = 0, last_step_ = 0;
  double total_ms_ = 0, worst_ms_ = 0;
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

}  // namespace

int command_stream(const Arguments& arguments) {
  CommandLine line;
  line.usage =
      "spikeloom stream FILE.wav|FILE.npy|- --experiment EXPERIMENT.toml [--set key=value]... "
      "[--labels A,B,..] [--every N] [--decide P] [--json]";
  line.about =
      "Feeds a sound, of a file or from standard input as it comes, to the network of an "
      "experiment, one\n"
      "frame of 10 ms after the other, and prints the answer as it forms: the mean over the steps "
      "so far.\nA .npy array holds frames [T, C] as the network reads them.";
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
  if (experiment.model.family->sample != SampleKind::kSequence) {
    throw experiment.error_at("model.family", "stream feeds sequences frame by frame to " +
                                                  family_names(SampleKind::kSequence));
  }
  StreamOptions stream_options{values->count("json") > 0, true, (*values)["every"].as<int64_t>(),
                               (*values)["decide"].as<double>(),
                               words_of((*values)["labels"].as<std::string>())};
  if (stream_options.every < 1) throw Error(ErrorCode::kUsage, "--every must be positive");
  const std::string path = (*values)["input"].as<std::string>();
  const int64_t channels = shape.channels;
  const bool piped = path == "-";
  const FrameSource input = open_input(path);
  if (!input.is_array && channels != kMelBins)
    throw experiment.error_at("model.family", "stream needs in_channels = 128 for sounds");
  stream_options.sound = !input.is_array;
  DatasetInfo frames;
  frames.size = 1;
  frames.channels = channels;
  frames.frames = shape.steps;
  const Network network = make_network(experiment, frames);
  for (const std::string& note : network.notes) {
    if (!stream_options.json) fmt::print("{}\n", note);
  }
  Stream stream(experiment, network, stream_options);
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
