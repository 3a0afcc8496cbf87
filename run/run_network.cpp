#include "run/run_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/io/npy.hpp"
#include "datasets/declared_events.hpp"
#include "run/feature_writers.hpp"
#include "run/inputs.hpp"
#include "run/recording.hpp"
#include "run/sample_loop.hpp"
#include "sim/counts/finite_watch.hpp"
#include "sim/counts/neurobench.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/plan/prepare_units.hpp"
#include "sim/trace/recorder.hpp"
#include "sim/trace/replay.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

void count_notes(std::vector<CountedNote>& counted, const Sample& sample, int64_t index) {
  for (const std::string& text : sample.notes) {
    const auto same = [&](const CountedNote& note) { return note.text == text; };
    auto found = std::find_if(counted.begin(), counted.end(), same);
    if (found == counted.end()) {
      const std::string name = sample.name.empty() ? fmt::format("sample {}", index) : sample.name;
      found = counted.insert(found, {text, 0, printable(name, 100)});
    }
    ++found->samples;
  }
}

std::unique_ptr<Recorder> make_recorder(const RunSetup& setup, const Network& network) {
  if (!setup.experiment.trace.enabled) return nullptr;
  const int64_t steps =
      setup.source.steps > 0 ? setup.source.steps : setup.experiment.tokens.window;
  return std::make_unique<Recorder>(
      network.model.graph,
      recorder_options(setup.experiment, network.model.graph, network.model.weights,
                       setup.config_json, network.weights_hash, steps));
}

// Arrays with a row for a sample and its steps, or for every step; logits.npy of a sample's last
// step is none of them.
std::vector<WatchedArray> arrays_of(const RunSetup& setup, const Graph& graph) {
  const Experiment::Output& output = setup.experiment.output;
  auto arrays = watched_arrays(graph, output.features, output.membranes, output.dir);
  const NodeId logits = *graph.find_output("logits");
  const Shape row{element_count(graph.node(logits).shape)};
  if (setup.source.windows != nullptr && output.logits)
    arrays.push_back({logits, false, output.dir / "logits.npy", row});
  if (output.per_step) arrays.push_back({logits, false, step_logits_rows(output.dir), row});
  return arrays;
}

// What a spiking run writes and counts.
class SpikingRun {
 public:
  SpikingRun(const RunSetup& setup, Network& network, RunState& state)
      : setup_(setup),
        source_(setup.source),
        state_(state),
        graph_(network.model.graph),
        logits_node_(*graph_.find_output("logits")),
        populations_(populations_of(graph_)),
        arrays_(arrays_of(setup, graph_)),
        earlier_trace_(state.done > 0 && setup.experiment.trace.enabled
                           ? earlier_output(dir() / "trace.h5", state)
                           : ClaimedFile()),
        recorder_(make_recorder(setup, network)),
        features_(arrays_, source_.steps, state.done > 0 ? &state : nullptr),
        counter_(graph_),
        signature_(graph_),
        watches_(network.watches_values()) {
    if (source_.windows == nullptr) {
      if (state.done > 0) earlier_logits_ = earlier_output(dir() / "logits.npy", state);
      logits_.emplace(dir() / "logits.npy", Shape{network.classes});
    }
    if (setup.experiment.neurobench) neurobench_.emplace(graph_, network.model.weights);
    if (state.done > 0) resume();
  }

  LoopCallbacks callbacks() {
    LoopCallbacks calls;
    calls.begin = [this](int64_t index, const Sample& sample) { begin(index, sample); };
    calls.chunk = [this](const Session& session, const Sample& sample) {
      Observed part;
      observe(session, sample, logits_node_, arrays_, false, part);
      hand_on(session.last_chunk(), part);
      if (neurobench_) neurobench_->chunk(session, setup_.experiment.run.threads);
      if (watches_ && not_finite_.empty()) not_finite_ = FiniteWatch::find(session);
    };
    calls.end = [this](int64_t index, const Sample& sample) { end(index, sample); };
    // Whoever looks into sessions sees samples one after the other.
    if (!neurobench_ && (source_.windows != nullptr || !watches_)) {
      keep_aside(calls, logits_node_, populations_, arrays_,
                 [this](const SpikeChunk& chunk, Observed& kept) { hand_on(chunk, kept); });
    }
    if (!source_.info().separate_files) return calls;
    calls.broken = [this](int64_t index, const std::string& reason) {
      logits_->append(std::vector<float>(logits_size(), std::numeric_limits<float>::quiet_NaN()));
      features_.broken_sample();
      state_.broken.push_back({index, reason});
      sample_done(index);
    };
    return calls;
  }

  const std::vector<WatchedArray>& arrays() const noexcept { return arrays_; }

  // Gives the files their names.
  void finish() {
    collect();
    if (recorder_) {
      recorder_->set_signature(signature_.text());
      recorder_->set_inputs(digest_text(source_.samples->digests(state_.done)));
      recorder_->close();
    }
    if (logits_) logits_->finish();
    state_.unnamed.clear();
    features_.finish(source_.leading(state_.done), state_.done < source_.info().size);
  }

 private:
  fs::path dir() const { return setup_.experiment.output.dir; }
  size_t logits_size() const {
    return static_cast<size_t>(element_count(graph_.node(logits_node_).shape));
  }

  std::vector<TraceSink*> sinks() {
    std::vector<TraceSink*> all{&counter_, &signature_};
    if (recorder_) all.push_back(recorder_.get());
    if (setup_.chip != nullptr) all.push_back(setup_.chip);
    return all;
  }

  void begin(int64_t index, const Sample& sample) {
    for (TraceSink* sink : sinks())
      sink->begin_sample({index, sample.label, source_.steps_before(index)});
    if (neurobench_) neurobench_->begin_sample();
    not_finite_.clear();
    // Only while all were: the others need no look.
    const bool all =
        source_.windows == nullptr && !source_.info().events && state_.binary == state_.ended();
    if (!all || populations_.empty() || !all_binary(sample.frames.f32())) return;
    const auto values = sample.frames.f32();
    ++state_.binary;
    state_.lit += std::find(values.begin(), values.end(), 1.0F) != values.end();
  }

  void hand_on(const SpikeChunk& chunk, Observed& part) {
    for (TraceSink* sink : sinks()) sink->chunk(chunk);
    features_.add(part.rows);
    state_.score.add(part.surprises);
    last_logits_ = std::move(part.logits);
    steps_ += chunk.steps;
  }

  void end(int64_t index, const Sample& sample) {
    int64_t prediction = -1;
    if (logits_) {
      prediction = state_.score.add(index, sample.label, last_logits_, not_finite_);
      logits_->append(last_logits_);
    }
    for (TraceSink* sink : sinks()) sink->end_sample({steps_, prediction});
    steps_ = 0;
    features_.end_sample();
    count_notes(state_.notes, sample, index);
    sample_done(index);
  }

  // Everything found out so far, into the state.
  void collect() {
    state_.statistics = counter_.statistics();
    state_.signature = signature_.hashes();
    state_.inputs =
        source_.samples->digests(std::max(state_.done, setup_.experiment.calibration_samples()));
    if (neurobench_) state_.neurobench = neurobench_->counts();
    state_.seconds =
        earlier_seconds_ + std::chrono::duration<double>(Clock::now() - start_).count();
  }

  void sample_done(int64_t index) {
    state_.done = index + 1;
    setup_.observer.report({"run", state_.done, source_.info().size,
                            progress_note(state_.score.accuracy, state_.broken.size())});
    if (pace_.due()) pace_.run([this] { checkpoint(); });
  }

  // First what it tells of, then the checkpoint.
  void checkpoint() {
    collect();
    if (recorder_) recorder_->flush();
    if (logits_) logits_->flush();
    features_.flush();
    state_.unnamed = features_.unnamed();
    if (logits_) add_unnamed(state_.unnamed, logits_->file().path(), logits_->file().temporary());
    if (recorder_) add_unnamed(state_.unnamed, dir() / "trace.h5", recorder_->temporary());
    save_checkpoint(*setup_.folder, setup_.identity, state_);
    if (recorder_) recorder_->keep_partial();
    if (logits_) logits_->keep_partial();
    features_.keep_partial();
  }

  // Takes over what an earlier process wrote. Until the new files hold all of it, the old ones
  // stay where they are.
  void resume() {
    counter_.restore(state_.statistics);
    signature_.restore(state_.signature);
    if (neurobench_ && state_.neurobench) neurobench_->restore(*state_.neurobench);
    if (logits_) logits_->copy_rows(earlier_logits_.path(), state_.done);
    features_.resume(source_.windows != nullptr ? source_.steps_before(state_.done) : state_.done);
    if (recorder_) replay(TraceFile(earlier_trace_.path()), graph_, state_.ended(), *recorder_);
    if (setup_.chip != nullptr)
      replay(TraceFile(earlier_trace_.path()), graph_, state_.ended(), *setup_.chip);
    checkpoint();
    earlier_logits_ = ClaimedFile();
    earlier_trace_ = ClaimedFile();
    features_.release();
    remove_leftovers(dir());
  }

  const RunSetup& setup_;
  const Source& source_;
  RunState& state_;
  const Graph& graph_;
  const double earlier_seconds_ = state_.seconds;
  const Clock::time_point start_ = Clock::now();
  const NodeId logits_node_;
  const std::vector<Population> populations_;
  const std::vector<WatchedArray> arrays_;
  ClaimedFile earlier_logits_, earlier_trace_;
  std::unique_ptr<Recorder> recorder_;
  FeatureWriters features_;
  std::optional<NpyWriter> logits_;  // of the last step; of tokens every step's are among arrays_
  OpCounter counter_;
  Signature signature_;
  const bool watches_;
  std::string not_finite_;  // the node of this sample that showed it
  std::vector<float> last_logits_;
  int64_t steps_ = 0;  // of this sample
  std::optional<NeuroBenchCounter> neurobench_;
  CheckpointPace pace_{setup_.experiment.output.checkpoint_s};
};

// The weights in the precision of the run; the network's are gone.
Weights executed_weights(const RunSetup& setup, Network& network) {
  const Experiment::Run& run = setup.experiment.run;
  if (run.precision.precision == Precision::kF32) return std::exchange(network.model.weights, {});
  InputRates rates;
  if (run.precision.precision == Precision::kInt8 && setup.experiment.calibration_samples() > 0) {
    rates = measure_input_rates(
        network.model, setup.backend,
        {*setup.source.samples, run.precision.samples, setup.source.steps,
         plan_options(setup.experiment, network.model.graph).chunk_steps, run.threads},
        network.calibrated);
  }
  QuantizedWeights quantized =
      in_precision(network.model.graph, std::exchange(network.model.weights, {}),
                   run.precision.precision, rates);
  network.quantized = std::move(quantized.layers);
  return std::move(quantized.weights);
}

}  // namespace

std::string progress_note(const Accuracy& accuracy, size_t broken) {
  std::string note =
      accuracy.known ? fmt::format("accuracy {:.2f} %", 100 * accuracy.fraction()) : "";
  if (broken > 0) note += fmt::format("{}{} broken", note.empty() ? "" : ", ", broken);
  return note;
}

std::vector<std::string> value_notes(const RunState& state, const Source& source) {
  std::vector<std::string> notes;
  const auto note = [&](const Score& score, const char* whose, int64_t samples) {
    const NotFinite& found = score.not_finite;
    if (found.samples == 0) return;
    if (source.windows != nullptr) {
      notes.push_back(
          fmt::format("{}logits of {} of {} predictions are not finite (the first: prediction "
                      "{}); the cross-entropy is that of the others",
                      whose, found.samples, score.predictions, found.first));
      return;
    }
    notes.push_back(
        fmt::format("{}{} of {} of {} samples are not finite (the first: sample {}); "
                    "they have no answer and count as wrong",
                    whose, found.where == "logits" ? "logits" : "values at " + found.where,
                    found.samples, samples, found.first));
  };
  note(state.score, "", state.ended());
  note(state.twin_score, "dense twin: ", state.twin_done);
  if (!source.info().events && state.lit > 0 && state.binary == state.ended()) {
    notes.push_back(
        "all frames hold nothing but 0 and 1, and were priced as real values; if they are events, "
        "dataset.events = true makes them spikes");
  }
  return notes;
}

void note_precision(const RunSetup& setup, Network& network) {
  executed_weights(setup, network);
}

void run_network(const RunSetup& setup, Network& network, RunState& state) {
  SpikingRun run(setup, network, state);
  const Experiment& experiment = setup.experiment;
  const Source& source = setup.source;
  const Graph& graph = network.model.graph;
  PlanOptions options = plan_options(experiment, graph);
  if (network.watches_values()) {
    for (std::string& name : FiniteWatch::watched(graph)) options.keep.push_back(std::move(name));
  }
  keep_arrays(graph, run.arrays(), options);
  const auto plan =
      compile_on(experiment.run.threads, graph, executed_weights(setup, network),
                 with_what_if(experiment.what_if, network.dead, graph,
                              network.limits.empty()
                                  ? setup.backend
                                  : make_backend(experiment.run.device, {}, network.limits)),
                 options);
  LoopOptions loop;
  loop.first = state.done;
  loop.steps = source.steps;
  loop.longest = source.longest();
  loop.batch = experiment.run.batch;
  loop.threads = experiment.run.threads;
  loop.cancel = setup.cancel;
  if (!network.watches_values()) loop.largest_input = network.safe_input;
  run_samples(plan, *source.samples, loop, run.callbacks());
  if (state.ended() == 0 && !state.broken.empty()) {
    throw Error(ErrorCode::kData, fmt::format("none of the {} samples can be read; the first: {}",
                                              state.done, state.broken[0].reason));
  }
  if (!setup.cancel.cancelled()) check_again(*source.samples, state.done, experiment.run.threads);
  run.finish();
}

}  // namespace spikeloom
