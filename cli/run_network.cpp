#include "cli/run_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "cli/feature_writers.hpp"
#include "cli/inputs.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "cli/recording.hpp"
#include "cli/sample_loop.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/hint.hpp"
#include "core/io/npy.hpp"
#include "core/io/weights_file.hpp"
#include "core/parallel.hpp"
#include "datasets/declared_events.hpp"
#include "sim/counts/finite_watch.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/graph/step_window.hpp"
#include "sim/trace/recorder.hpp"
#include "sim/trace/replay.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// The class with the largest logit; -1: some are no numbers, so there is no answer.
int64_t prediction_of(std::span<const float> logits) {
  if (!all_finite(logits)) return -1;
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

void count_prediction(Accuracy& accuracy, int64_t label, int64_t prediction) {
  if (label < 0) return;
  accuracy.known = true;
  ++accuracy.total;
  accuracy.correct += label == prediction;  // no answer is a wrong one
}

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

std::string progress_note(const Accuracy& accuracy, size_t broken) {
  std::string note =
      accuracy.known ? fmt::format("accuracy {:.2f} %", 100 * accuracy.fraction()) : "";
  if (broken > 0) note += fmt::format("{}{} broken", note.empty() ? "" : ", ", broken);
  return note;
}

std::unique_ptr<Recorder> make_recorder(const RunSetup& setup, const Network& network) {
  if (!setup.experiment.trace.enabled) return nullptr;
  const RecorderOptions options =
      recorder_options(setup.experiment, network.model.graph, network.model.weights,
                       setup.config_json, network.weights_hash, setup.steps);
  return std::make_unique<Recorder>(network.model.graph, options);
}

// What a spiking run writes and counts.
class SpikingRun {
 public:
  SpikingRun(const RunSetup& setup, Network& network, RunState& state)
      : setup_(setup),
        state_(state),
        graph_(network.model.graph),
        arrays_(watched_arrays(graph_, setup.experiment.output.features,
                               setup.experiment.output.membranes, dir())),
        earlier_logits_(state.done > 0 ? earlier_output(dir() / "logits.npy", state)
                                       : ClaimedFile()),
        earlier_trace_(state.done > 0 && setup.experiment.trace.enabled
                           ? earlier_output(dir() / "trace.h5", state)
                           : ClaimedFile()),
        recorder_(make_recorder(setup, network)),
        features_(
            graph_, arrays_, dir(),
            {setup.steps, state.done > 0 ? &state : nullptr, setup.experiment.output.per_step}),
        logits_(dir() / "logits.npy", {setup.experiment.model.shape().classes}),
        counter_(graph_),
        signature_(graph_),
        watches_(network.watches_values()),
        has_neurons_(!populations_of(graph_).empty()) {
    if (setup.experiment.neurobench) neurobench_.emplace(graph_, network.model.weights);
    if (state.done > 0) resume();
  }

  LoopCallbacks callbacks(Progress& progress) {
    const NodeId output = *graph_.find_output("logits");
    LoopCallbacks calls;
    calls.begin = [this](int64_t index, const Sample& sample) {
      for (TraceSink* sink : sinks()) {
        sink->begin_sample({index, sample.label, index * setup_.steps});
      }
      if (neurobench_) neurobench_->begin_sample();
      not_finite_.clear();
      // Only while all were: the others need no look.
      const bool all = !setup_.dataset.info().events && state_.binary == state_.ended();
      if (all && has_neurons_ && all_binary(sample.frames.f32())) {
        const auto values = sample.frames.f32();
        ++state_.binary;
        state_.lit += std::find(values.begin(), values.end(), 1.0F) != values.end();
      }
    };
    calls.chunk = [this](const Session& session) {
      for (TraceSink* sink : sinks()) sink->chunk(session.last_chunk());
      if (neurobench_) neurobench_->chunk(session, setup_.experiment.run.threads);
      features_.chunk(session);
      if (watches_ && not_finite_.empty()) not_finite_ = FiniteWatch::find(session);
    };
    calls.end = [this, output, &progress](int64_t index, const Sample& sample,
                                          const Session& session) {
      const Tensor values = session.value(output, session.last_chunk().steps - 1);
      const int64_t answer = prediction_of(values.f32());
      if (answer < 0) not_finite_ = "logits";
      if (!not_finite_.empty()) state_.not_finite.add(index, not_finite_);
      const int64_t prediction = not_finite_.empty() ? answer : -1;
      for (TraceSink* sink : sinks()) sink->end_sample({setup_.steps, prediction});
      logits_.append(values.f32());
      features_.end_sample();
      count_prediction(state_.accuracy, sample.label, prediction);
      count_notes(state_.notes, sample, index);
      sample_done(index, progress);
    };
    if (!setup_.dataset.info().separate_files) return calls;
    calls.broken = [this, &progress](int64_t index, const std::string& reason) {
      const auto classes = static_cast<size_t>(setup_.experiment.model.shape().classes);
      logits_.append(std::vector<float>(classes, std::numeric_limits<float>::quiet_NaN()));
      features_.broken_sample();
      state_.broken.push_back({index, reason});
      sample_done(index, progress);
    };
    return calls;
  }

  const std::vector<WatchedArray>& arrays() const noexcept { return arrays_; }

  // Gives the files their names.
  void finish() {
    collect();
    if (recorder_) {
      recorder_->set_signature(signature_.text());
      recorder_->set_inputs(digest_text(setup_.dataset.digests(state_.done)));
      recorder_->close();
    }
    logits_.finish();
    state_.unnamed.clear();
    features_.finish(state_.done < setup_.dataset.info().size);
  }

 private:
  fs::path dir() const { return setup_.experiment.output.dir; }

  std::vector<TraceSink*> sinks() {
    std::vector<TraceSink*> all{&counter_, &signature_};
    if (recorder_) all.push_back(recorder_.get());
    if (setup_.chip != nullptr) all.push_back(setup_.chip);
    return all;
  }

  // Everything found out so far, into the state.
  void collect() {
    state_.statistics = counter_.statistics();
    state_.signature = signature_.hashes();
    const PrecisionChoice& precision = setup_.experiment.run.precision;
    state_.inputs = setup_.dataset.digests(std::max(state_.done, precision.samples));
    if (neurobench_) state_.neurobench = neurobench_->counts();
    state_.seconds =
        earlier_seconds_ + std::chrono::duration<double>(Clock::now() - start_).count();
  }

  void sample_done(int64_t index, Progress& progress) {
    state_.done = index + 1;
    progress.update(state_.done, progress_note(state_.accuracy, state_.broken.size()));
    if (pace_.due()) pace_.run([this] { checkpoint(); });
  }

  // First what it tells of, then the checkpoint.
  void checkpoint() {
    collect();
    if (recorder_) recorder_->flush();
    logits_.flush();
    features_.flush();
    state_.unnamed = features_.unnamed();
    add_unnamed(state_.unnamed, logits_.file().path(), logits_.file().temporary());
    if (recorder_) add_unnamed(state_.unnamed, dir() / "trace.h5", recorder_->temporary());
    save_checkpoint(*setup_.folder, setup_.identity, state_);
    if (recorder_) recorder_->keep_partial();
    logits_.keep_partial();
    features_.keep_partial();
  }

  // Takes over what an earlier process wrote. Until the new files hold all of it, the old ones
  // stay where they are.
  void resume() {
    counter_.restore(state_.statistics);
    signature_.restore(state_.signature);
    if (neurobench_ && state_.neurobench) neurobench_->restore(*state_.neurobench);
    logits_.copy_rows(earlier_logits_.path(), state_.done);
    features_.resume(state_.done);
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
  RunState& state_;
  const Graph& graph_;
  const double earlier_seconds_ = state_.seconds;
  const Clock::time_point start_ = Clock::now();
  const std::vector<WatchedArray> arrays_;
  ClaimedFile earlier_logits_, earlier_trace_;
  std::unique_ptr<Recorder> recorder_;
  FeatureWriters features_;
  NpyWriter logits_;
  OpCounter counter_;
  Signature signature_;
  const bool watches_, has_neurons_;
  std::string not_finite_;  // the node of this sample that showed it
  std::optional<NeuroBenchCounter> neurobench_;
  CheckpointPace pace_{setup_.experiment.output.checkpoint_s};
};

// The weights in the precision of the run; the network's are gone.
Weights executed_weights(const RunSetup& setup, Network& network) {
  const Experiment::Run& run = setup.experiment.run;
  if (run.precision.precision == Precision::kF32) return std::exchange(network.model.weights, {});
  InputRates rates;
  if (run.precision.precision == Precision::kInt8 && run.precision.samples > 0) {
    rates = measure_input_rates(
        network.model, make_backend(run.device),
        {setup.dataset, run.precision.samples, setup.steps,
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

std::vector<std::string> value_notes(const RunState& state, const DatasetInfo& data) {
  std::vector<std::string> notes;
  const auto note = [&](const NotFinite& found, const char* whose, int64_t samples) {
    if (found.samples == 0) return;
    notes.push_back(
        fmt::format("{}{} of {} of {} samples are not finite (the first: sample {}); "
                    "they have no answer and count as wrong",
                    whose, found.where == "logits" ? "logits" : "values at " + found.where,
                    found.samples, samples, found.first));
  };
  note(state.not_finite, "", state.ended());
  note(state.twin_not_finite, "dense twin: ", state.twin_done);
  if (!data.events && state.lit > 0 && state.binary == state.ended()) {
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
  PlanOptions options = plan_options(setup.experiment, network.model.graph);
  if (network.watches_values()) {
    for (std::string& name : FiniteWatch::watched(network.model.graph))
      options.keep.push_back(std::move(name));
  }
  keep_arrays(network.model.graph, run.arrays(), options);
  const Experiment& experiment = setup.experiment;
  const auto plan = compile(network.model.graph, executed_weights(setup, network),
                            with_what_if(experiment.what_if, network.dead, network.model.graph,
                                         make_backend(experiment.run.device, network.limits)),
                            options);
  Progress progress("run", setup.dataset.info().size, setup.quiet);
  LoopOptions loop{state.done, setup.steps, experiment.run.batch, experiment.run.threads};
  if (!network.watches_values()) loop.largest_input = network.safe_input;
  run_samples(plan, setup.dataset, loop, run.callbacks(progress));
  if (state.ended() == 0 && !state.broken.empty()) {
    throw Error(ErrorCode::kData, fmt::format("none of the {} samples can be read; the first: {}",
                                              state.done, state.broken[0].reason));
  }
  if (!interrupted()) check_again(setup.dataset, state.done, experiment.run.threads);
  run.finish();
}

MemoryPlan twin_memory(const RunSetup& setup, const Graph& twin) {
  MemoryPlan plan = memory_plan(setup.experiment, setup.dataset.info(), twin);
  const int64_t steps = setup.dense_steps;
  plan.options = {
      Schedule::kLayerMajor, steps == 1 ? 1 : plan_options(setup.experiment, twin).chunk_steps, {}};
  plan.keeps = ZeroCounter::watched;
  plan.neurobench = false;
  plan.features.clear();
  plan.membranes.clear();
  plan.precision = Precision::kF32;
  plan.fuses = plan.rounds_weights = plan.records = plan.calibrates = false;
  return plan;
}

TwinInfo run_twin(const RunSetup& setup, const Graph& twin, RunState& state) {
  const Experiment& experiment = setup.experiment;
  TwinInfo info;
  info.description = experiment.model.family->twin.description;
  if (experiment.twin_weights.empty()) return info;
  Weights weights = load_for(twin, experiment.twin_weights,
                             experiment.weights.for_twin(experiment.twin_select), info.notes);
  info.weights_sha256 = weights_hash(weights);
  if (info.weights_sha256 != setup.identity.at("twin.weights"))
    throw Error(ErrorCode::kRuntime, "twin.weights: changed while the run went on");
  const int64_t steps = setup.dense_steps;
  const int64_t chunk = steps == 1 ? 1 : plan_options(experiment, twin).chunk_steps;
  const auto plan = compile(twin, std::move(weights), make_backend(experiment.run.device),
                            {Schedule::kLayerMajor, chunk, ZeroCounter::watched(twin)});
  ZeroCounter zeros(twin);
  zeros.restore(state.twin_zeros);
  const NodeId output = *twin.find_output("logits");
  Progress progress("dense twin", setup.dataset.info().size, setup.quiet);
  CheckpointPace pace(experiment.output.checkpoint_s);
  const auto done = [&](int64_t index) {
    state.twin_done = index + 1;
    state.twin_zeros = zeros.counts();
    progress.update(state.twin_done, progress_note(state.twin_accuracy, 0));
    if (!pace.due()) return;
    pace.run([&] { save_checkpoint(*setup.folder, setup.identity, state); });
  };
  LoopCallbacks callbacks;
  std::string not_finite;  // what shows it, of the sample that runs
  callbacks.begin = [&](int64_t, const Sample&) { not_finite.clear(); };
  callbacks.chunk = [&](const Session& session) {
    zeros.chunk(session, experiment.run.threads);
    if (not_finite.empty()) not_finite = zeros.not_finite();
  };
  callbacks.end = [&](int64_t index, const Sample& sample, const Session& session) {
    const int64_t last = session.last_chunk().steps - 1;
    const int64_t answer = prediction_of(session.value(output, last).f32());
    if (answer < 0) not_finite = "logits";
    if (!not_finite.empty()) state.twin_not_finite.add(index, not_finite);
    const int64_t prediction = not_finite.empty() ? answer : -1;
    count_prediction(state.twin_accuracy, sample.label, prediction);
    done(index);
  };
  if (setup.dataset.info().separate_files) {
    callbacks.broken = [&](int64_t index, const std::string&) { done(index); };
  }
  run_samples(plan, setup.dataset,
              {state.twin_done, steps, experiment.run.batch, experiment.run.threads}, callbacks);
  info.accuracy = state.twin_accuracy;
  info.zeros = state.twin_zeros;
  return info;
}

}  // namespace spikeloom
