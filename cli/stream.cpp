// spikeloom stream: one sound, frame by frame, and the decision as it forms.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "cli/experiment.hpp"
#include "cli/interrupt.hpp"
#include "cli/network.hpp"
#include "cli/options.hpp"
#include "core/error.hpp"
#include "core/io/file.hpp"
#include "datasets/audio/wav.hpp"
#include "sim/plan/session.hpp"
#include "sim/trace/finite_watch.hpp"

namespace spikeloom {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kFrameMs = 1000.0 * kFrameShift / kSampleRate,
                 kWindowMs = 1000.0 * kFrameSamples / kSampleRate;

struct StreamOptions {
  int64_t every = 1;
  double decide = 2;  // probability that ends the stream; above 1: never
  std::vector<std::string> labels;
};

// Frames of a sound as it comes; holds one window and one block.
class Frames {
 public:
  explicit Frames(WavReader reader) : reader_(std::move(reader)) {
    // Blocks of one frame shift: a live source must not wait for more.
    block_ = std::max<int64_t>(1, reader_.rate() * kFrameShift / kSampleRate);
  }
  // The next frame, normalised, into [1, 128]; false at the end.
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
                         make_backend(experiment.run.device), {Schedule::kStepMajor, 1, {}})),
        logits_(*network.model.graph.find_output("logits")),
        threads_(experiment.run.threads) {}

  void run(Frames frames) {
    Tensor frame({1, kMelBins});
    const int64_t look_ahead = session_.plan().look_ahead;
    fmt::print("step    time  answer            probability  computed in\n");
    while (!over() && frames.next(frame)) tick(frame, 0);
    if (session_.steps_done() == 0)
      throw Error(ErrorCode::kData, "is shorter than one frame of 25 ms");
    for (int64_t i = 0; i < look_ahead && !over(); ++i) tick(frame, 1);
    summary(look_ahead);
    for (const std::string& note : frames.notes()) fmt::print("note: {}\n", note);
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
    fmt::print("{:4}  {:4.2f} s  {:<16}  {:11.3f}  {:8.3f} ms\n", step,
               static_cast<double>(step) * kFrameMs / 1000, name(last_.answer), last_.probability,
               ms);
    std::fflush(stdout);
  }

  void summary(int64_t look_ahead) const {
    const auto ticks = static_cast<double>(session_.steps_done());
    const double mean = total_ms_ / ticks;
    if (last_.answer >= 0) {
      fmt::print("{}: {} after step {}, the same answer since step {}\n",
                 decided_ ? "decided" : "answer", name(last_.answer), last_step_, since_);
    }
    fmt::print(
        "latency per frame: {:.3f} ms computed (mean; {:.3f} ms at most) on {} thread{}, {:.0f} ms "
        "until {} frames of look-ahead are there, {:.0f} ms analysis window\nreal time: {:.1f}x\n",
        mean, worst_ms_, threads_, threads_ == 1 ? "" : "s",
        static_cast<double>(look_ahead) * kFrameMs, look_ahead, kWindowMs, kFrameMs / mean);
  }

  StreamOptions options_;
  Session session_;
  NodeId logits_;
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

}  // namespace

int command_stream(const Arguments& arguments) {
  CommandLine line;
  line.usage =
      "spikeloom stream FILE.wav|- --experiment EXPERIMENT.toml [--set key=value]... [--labels "
      "A,B,..] "
      "[--every N] [--decide P]";
  line.about =
      "Feeds a sound, of a file or from standard input as it comes, to the network of an "
      "experiment, one\n"
      "frame of 10 ms after the other, and prints the answer as it forms: the mean over the steps "
      "so far.";
  line.named.add_options()("experiment", options::value<std::string>()->required(),
                           "an experiment of family lmuformer with in_channels = 128")(
      "labels", options::value<std::string>()->default_value(""), "names of the classes, in order")(
      "every", options::value<int64_t>()->default_value(1), "print every Nth step")(
      "decide", options::value<double>()->default_value(2),
      "stop when the answer has this probability (softmax); above 1: at the end of the sound");
  add_set_option(line);
  line.hidden.add_options()("sound", options::value<std::string>()->required());
  line.words.add("sound", 1);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  Config config = load_experiment((*values)["experiment"].as<std::string>(), *values);
  Experiment experiment = read_experiment(config);
  if (config.has("what_if")) throw config.error_at("what_if", "only spikeloom run asks what if");
  // A step takes microseconds, less than waking a second thread.
  if (!config.has("run.threads")) experiment.run.threads = 1;
  if (!experiment.model.is_lmuformer() || experiment.model.lmuformer.in_channels != kMelBins)
    throw config.error_at("model.family", "stream needs lmuformer with in_channels = 128");
  StreamOptions stream_options{(*values)["every"].as<int64_t>(), (*values)["decide"].as<double>(),
                               words_of((*values)["labels"].as<std::string>())};
  if (stream_options.every < 1) throw Error(ErrorCode::kUsage, "--every must be positive");
  const std::string sound = (*values)["sound"].as<std::string>();
  DatasetInfo frames;
  frames.size = 1;
  frames.channels = kMelBins;
  frames.frames = experiment.model.lmuformer.seq_len;
  const Network network = make_network(experiment, frames);
  Stream stream(experiment, network, stream_options);
  const bool piped = sound == "-";
  const auto file = piped ? nullptr : std::make_shared<const InputFile>(sound);  // names itself
  try {
    stream.run(Frames(piped ? WavReader::standard_input() : WavReader(file)));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kData) throw;
    throw error.in(piped ? "standard input" : sound);
  }
  return interrupted() ? exit_code(ErrorCode::kInterrupted) : 0;
}

}  // namespace spikeloom
