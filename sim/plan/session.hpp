#pragma once
// All mutable state of one sample in flight: membranes, running sums, buffers. There is none
// anywhere else. One session is used by one thread at a time; copying is cloning.
//
// Networks that look ahead: node n computes step t once the input has arrived up to step t +
// delays[n]; a run of `n` ticks takes n frames in and gives n steps out, the plan's look_ahead
// behind. After the last frame that many ticks without frames ("drained") bring the rest out:
// beyond the end of a sample, as before its start, every value is zero.

#include <memory>
#include <span>
#include <vector>

#include "core/tensor.hpp"
#include "core/weights.hpp"
#include "sim/plan/plan.hpp"
#include "sim/plan/session_memory.hpp"
#include "sim/plan/trace_sink.hpp"

namespace spikeloom {

class Session {
 public:
  explicit Session(std::shared_ptr<const Plan> plan);
  Session(const Session& other);
  Session& operator=(const Session&) = delete;

  // Back to before the first step of a sample. `sample`: which one, for what draws random numbers;
  // no part of what save() saves.
  void reset(int64_t sample = 0);
  // Steps that came in, drained ones included.
  int64_t steps_done() const noexcept { return steps_done_; }

  // Membranes kept for reading back are no state. State as named fp32 tensors "<node>/<slot>" plus
  // "steps_done"; load() accepts exactly what save() of a session of the same graph gives, else
  // throws Error(kData). Not for plans of whole samples.
  Weights save() const;
  void load(const Weights& saved);

  // The first node one of whose state values is NaN or infinite, ""  when all are numbers. What
  // became of a sum that overflowed stays there: it need not show in any output. Not for plans of
  // whole samples, which keep no state.
  std::string not_finite_state() const;

  // Takes in `steps` further steps, then `drained` <= look_ahead after the end of the sample;
  // together 1..chunk_steps. frames: fp32 [1, H, W, C] (repeated) or [steps, H, W, C]; not looked
  // at when steps is 0. What came out is last_chunk(): steps + drained steps, fewer only at the
  // start of a sample.
  void run_chunk(const Tensor& frames, int64_t steps, int threads, int64_t drained = 0);
  // The same for a network of several inputs: frames of each, in the order of Plan::inputs.
  void run_chunk(std::span<const Tensor* const> frames, int64_t steps, int threads,
                 int64_t drained = 0);

  // Value of an output or kept node at step t of last_chunk(), without padding (spikes as 0/1,
  // counts as such). Throws Error(kUsage) when the plan does not keep it.
  Tensor value(NodeId node, int64_t step) const;
  // Membrane potential of a neuron behind step t of last_chunk(), its reset done; without padding.
  // Throws Error(kUsage) when the plan does not keep it.
  Tensor membrane(NodeId neuron, int64_t step) const;
  // The same as value() without copying, for reading, until the next call.
  ValueRef view(NodeId node, int64_t step) const;
  // The last chunk as a sink sees it; valid until the next call.
  SpikeChunk last_chunk() const;

  const Plan& plan() const noexcept { return *plan_; }

 private:
  // Ticks count the chunk's steps of the input; node n is at step steps_done_ + tick - delays[n]
  // then.
  UnitIo io_of(size_t unit, int64_t tick) const;
  ValueRef ref(NodeId node, int64_t tick, MemorySide side) const;
  ValueRef empty_ref(NodeId node) const;
  void run_unit(size_t unit, int64_t tick, int64_t ticks, int threads);
  void run_steps(size_t unit, int64_t tick, int64_t steps, int threads, bool brief);
  void run_with_membranes(size_t unit, int64_t tick, int64_t steps, int threads);
  void run_statics(int threads);
  void run_units(int64_t ticks, int threads);
  void run_all(int64_t ticks, int64_t drained, int threads);
  void start_state(const StateLayout& state);
  void clear(NodeId node, int64_t tick, int64_t ticks);
  void shift_histories(int64_t ticks);
  void load_input(NodeId input, const Tensor& frames, int64_t ticks);
  void check_chunk(int64_t steps, int64_t drained) const;
  void check_frames(NodeId input, const Tensor& frames, int64_t steps) const;
  void show_chunk();
  // Throws Error(kData) where a population has levels outside its range.
  void pack_planes(size_t population);
  // Tick of the last run at which a node's step lay that is step `step` of last_chunk().
  int64_t tick_of(NodeId node, int64_t step) const;

  std::shared_ptr<const Plan> plan_;
  SessionMemory memory_;
  int64_t steps_done_ = 0;
  int64_t sample_ = 0;
  int64_t length_ = -1;     // of the sample; -1: more frames may come
  int64_t last_ticks_ = 0;  // of the last run
  int64_t chunk_start_ = 0, chunk_steps_ = 0;
  bool statics_valid_ = false;
  std::vector<std::shared_ptr<void>> workspaces_;  // by unit, nullptr where it needs none
  std::vector<const uint64_t*> population_bits_;
  std::vector<int64_t> population_words_;
};

}  // namespace spikeloom
