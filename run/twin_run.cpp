#include "run/twin_run.hpp"

#include <optional>

#include "core/error.hpp"
#include "core/io/weights_file.hpp"
#include "run/sample_loop.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/counts/zero_counter.hpp"

namespace spikeloom {
namespace {

// A twin of tokens reads what the network reads, step by step; of an image it runs once.
PlanOptions twin_options(const Experiment& experiment, int64_t dense_steps, const Graph& twin) {
  PlanOptions options = plan_options(experiment, twin);
  if (experiment.reads_tokens()) return options;
  return {Schedule::kLayerMajor, dense_steps == 1 ? 1 : options.chunk_steps, {}};
}

// What a dense twin counts: the zeros its layers read; of tokens the zeros of its activations,
// which its operators report as a population does, and how well it predicted.
class TwinRun {
 public:
  TwinRun(const RunSetup& setup, RunState& state)
      : setup_(setup),
        state_(state),
        graph_(*setup.twin),
        logits_(*graph_.find_output("logits")),
        populations_(populations_of(graph_)) {
    if (setup.source.windows != nullptr) {
      counter_.emplace(graph_);
      counter_->restore(*state.twin_statistics);
    } else {
      zeros_.emplace(graph_);
      zeros_->restore(state.twin_zeros);
    }
  }

  LoopCallbacks callbacks() {
    LoopCallbacks calls;
    calls.begin = [this](int64_t index, const Sample& sample) {
      not_finite_.clear();
      if (counter_) counter_->begin_sample({index, sample.label, 0});
    };
    calls.chunk = [this](const Session& session, const Sample& sample) {
      Observed part;
      observe(session, sample, logits_, {}, false, part);
      hand_on(session.last_chunk(), part);
      if (!zeros_) return;
      zeros_->chunk(session, setup_.experiment.run.threads);
      if (not_finite_.empty()) not_finite_ = zeros_->not_finite();
    };
    calls.end = [this](int64_t index, const Sample& sample) {
      if (zeros_) state_.twin_score.add(index, sample.label, last_logits_, not_finite_);
      done(index);
    };
    if (counter_) {
      keep_aside(calls, logits_, populations_, no_arrays_,
                 [this](const SpikeChunk& chunk, Observed& kept) { hand_on(chunk, kept); });
    }
    if (setup_.source.info().separate_files)
      calls.broken = [this](int64_t index, const std::string&) { done(index); };
    return calls;
  }

  void collect() {
    if (zeros_) state_.twin_zeros = zeros_->counts();
    if (counter_) state_.twin_statistics = counter_->statistics();
  }

 private:
  void hand_on(const SpikeChunk& chunk, Observed& part) {
    if (counter_) counter_->chunk(chunk);
    state_.twin_score.add(part.surprises);
    last_logits_ = std::move(part.logits);
  }

  void done(int64_t index) {
    state_.twin_done = index + 1;
    setup_.observer.report({"dense twin", state_.twin_done, setup_.source.info().size,
                            progress_note(state_.twin_score.accuracy, 0)});
    if (!pace_.due()) return;
    collect();
    pace_.run([&] { save_checkpoint(*setup_.folder, setup_.identity, state_); });
  }

  const RunSetup& setup_;
  RunState& state_;
  const Graph& graph_;
  const NodeId logits_;
  const std::vector<Population> populations_;
  const std::vector<WatchedArray> no_arrays_;
  std::optional<ZeroCounter> zeros_;
  std::optional<OpCounter> counter_;
  std::string not_finite_;  // what shows it, of the sample that runs
  std::vector<float> last_logits_;
  CheckpointPace pace_{setup_.experiment.output.checkpoint_s};
};

}  // namespace

MemoryPlan twin_memory(const Experiment& experiment, const Source& source, int64_t dense_steps,
                       const Graph& twin) {
  MemoryPlan plan = memory_plan(experiment, source.info(), twin);
  plan.options = twin_options(experiment, dense_steps, twin);
  if (source.windows == nullptr) plan.keeps = ZeroCounter::watched;
  if (plan.aside) plan.batch = 1, plan.aside = false;  // one after the other
  plan.neurobench = false;
  plan.features.clear();
  plan.membranes.clear();
  plan.precision = Precision::kF32;
  plan.fuses = plan.rounds_weights = plan.records = plan.calibrates = false;
  return plan;
}

std::string twin_hash_of(const Experiment& experiment, const std::optional<Graph>& twin) {
  if (experiment.twin_weights.empty()) return "";
  if (!twin) return weights_hash(load_weights(experiment.twin_weights), experiment.run.threads);
  std::vector<std::string> notes;
  return weights_hash(
      load_for(*twin, experiment.twin_weights, experiment.weights.for_twin(experiment.twin_select),
               notes, experiment.run.threads),
      experiment.run.threads);
}

void start_twin(const RunSetup& setup, RunState& state) {
  if (setup.experiment.twin_weights.empty() || !setup.twin) return;
  if (setup.source.windows != nullptr) {
    state.twin_statistics = OpCounter(*setup.twin).statistics();
  } else {
    state.twin_zeros = ZeroCounter(*setup.twin).counts();
  }
}

TwinInfo run_twin(const RunSetup& setup, RunState& state) {
  const Experiment& experiment = setup.experiment;
  const Source& source = setup.source;
  TwinInfo info;
  info.description = experiment.model.family->twin.description;
  if (experiment.twin_weights.empty() || setup.cancel.cancelled()) return info;
  const Graph& twin = *setup.twin;
  Weights weights =
      load_for(twin, experiment.twin_weights, experiment.weights.for_twin(experiment.twin_select),
               info.notes, experiment.run.threads);
  info.weights_sha256 = weights_hash(weights, experiment.run.threads);
  if (info.weights_sha256 != setup.identity.at("twin.weights"))
    throw Error(ErrorCode::kRuntime, "twin.weights: changed while the run went on");
  PlanOptions options = twin_options(experiment, setup.dense_steps, twin);
  if (source.windows == nullptr) options.keep = ZeroCounter::watched(twin);
  const auto plan = compile(twin, std::move(weights), setup.backend, options);
  TwinRun run(setup, state);
  LoopOptions loop;
  loop.first = state.twin_done;
  loop.steps = source.windows != nullptr ? 0 : setup.dense_steps;
  loop.longest = source.windows != nullptr ? source.longest() : setup.dense_steps;
  loop.batch = experiment.run.batch;
  loop.threads = experiment.run.threads;
  loop.cancel = setup.cancel;
  run_samples(plan, *source.samples, loop, run.callbacks());
  run.collect();
  info.accuracy = state.twin_score.accuracy;
  info.zeros = state.twin_zeros;
  return info;
}

}  // namespace spikeloom
