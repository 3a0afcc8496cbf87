// spikeloom stream: one sound or sequence, frame by frame, and the decision as it forms.

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "core/error.hpp"
#include "core/io/utf8.hpp"
#include "run/decision_stream.hpp"
#include "run/frame_input.hpp"

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
};

class Stream {
 public:
  Stream(DecisionStream& decisions, StreamOptions options)
      : options_(std::move(options)), decisions_(decisions) {}

  void run(const FrameInput& input) {
    Tensor frame(decisions_.frame_shape());
    if (!options_.json) {
      fmt::print("step  {}answer            probability  computed in\n",
                 options_.sound ? "  time  " : "");
    }
    while (!over() && input.next(frame)) print(decisions_.feed(frame));
    if (decisions_.frames() == 0) throw Error(ErrorCode::kData, input.none);
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

}  // namespace

int command_stream(const Arguments& arguments) {
  CommandLine line{
      "spikeloom stream FILE.wav|FILE.npy|RECORDING|- --experiment EXPERIMENT.toml [--set "
      "key=value]... [--labels A,B,..] [--every N] [--decide P] [--json]",
      "Feeds a sound, of a file or from standard input as it comes, to the network of an "
      "experiment, one\nframe of 10 ms after the other, and prints the answer as it forms: the "
      "mean over the steps so far.\nA .npy array holds frames [T, C] as the network reads them. "
      "With dataset.kind = \"events\", the frames of a\nrecording of an event camera by "
      "dataset.steps, in constant memory."};
  add_options(
      line,
      {{"experiment", text()->required(),
        "an experiment whose network reads sequences; for sounds with in_channels = 128"},
       {"labels", text(""), "names of the classes, in order"},
       {"every", whole(1), "print every Nth step"},
       {"decide", real(2),
        "stop when the answer has this probability (softmax); above 1: at the end of the sound"},
       {"json", nullptr, "print a JSON object a line for every step printed, nothing else"}});
  add_set_option(line);
  add_device_option(line);
  add_word(line, "input");
  const auto values = parse(line, arguments);
  if (!values) return 0;
  if ((*values)["every"].as<int64_t>() < 1) throw usage_error("--every must be positive");
  const std::string path = text_of(*values, "input");
  FrameInput input =
      open_frames(read_experiment(load_experiment(text_of(*values, "experiment"), *values)), path);
  StreamOptions stream{values->count("json") > 0, input.sound, (*values)["every"].as<int64_t>(),
                       input.experiment.run.threads, words_of(text_of(*values, "labels"))};
  if (!stream.json) {
    for (const std::string& note : input.network.notes) fmt::print("{}\n", note);
  }
  DecisionStream decisions(input.experiment, input.network, (*values)["decide"].as<double>(),
                           cpu_options_of_environment());
  Stream(decisions, stream).run(input);
  if (!stream.json) {
    for (const std::string& note : input.notes()) fmt::print("note: {}\n", note);
  }
  return interrupted() ? exit_code(ErrorCode::kInterrupted) : 0;
}

}  // namespace spikeloom
