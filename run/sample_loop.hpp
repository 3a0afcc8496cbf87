#pragma once
// Runs the samples of a data set through a plan.

#include <functional>
#include <limits>
#include <memory>

#include "datasets/dataset.hpp"
#include "run/observed.hpp"
#include "run/observer.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {

struct LoopOptions {
  int64_t first = 0;    // index of the first sample
  int64_t steps = 1;    // per sample; 0: as many as each has frames
  int64_t longest = 1;  // steps of the longest
  int64_t batch = 1;    // samples in flight, each with a session of its own
  int threads = 1;
  // Samples with larger magnitudes cannot be read: sums could leave the range of fp32.
  double largest_input = std::numeric_limits<double>::infinity();
  CancelToken cancel;
};

// Most steps of one chunk; a plan for the loop is compiled with chunk_steps = min(steps, this).
constexpr int64_t kMaxChunkSteps = 32;
// The same for sequences, whose values are small, without the look-ahead that drains with the last
// chunk.
constexpr int64_t kMaxSequenceChunk = 1024;

// Samples of several chunks that run side by side are as many as take no more than this, in
// sessions and in what waits for its turn; at least one.
constexpr int64_t kMostBytesAside = int64_t{256} << 20;

struct LoopCallbacks {
  std::function<void(int64_t index, const Sample&)> begin;
  // After every chunk that brought steps out.
  std::function<void(const Session&, const Sample&)> chunk;
  std::function<void(int64_t index, const Sample&)> end;
  // A sample that cannot be read, in its place; without it, such a sample is an error.
  std::function<void(int64_t index, const std::string& reason)> broken;
  // Where samples of several chunks may run side by side (otherwise they run alone): `keep` adds
  // what a chunk showed, from any thread and without a fault, to what `room` made for the sample's
  // steps; `kept` stands for its chunks when its turn comes. `step_bytes`: what a step keeps.
  struct {
    std::function<int64_t(const Session&)> step_bytes;
    std::function<Observed(const Session&, int64_t steps)> room;
    std::function<void(const Session&, const Sample&, Observed&)> keep;
    std::function<void(Observed&)> kept;  // may take what is in it
  } aside;
};

// Lets samples of several chunks run side by side and wait: what `observe` shows of them, with their
// spikes. `hand_on` takes it when their turn comes; `arrays` outlive the calls.
void keep_aside(LoopCallbacks& calls, NodeId logits, const std::vector<Population>& populations,
                const std::vector<WatchedArray>& arrays,
                std::function<void(const SpikeChunk&, Observed&)> hand_on);

// Calls begin, chunk.., end for every sample in dataset order, from this thread, whatever the
// batch. Samples run side by side when there are enough of them, otherwise one after the other on
// all threads: the results are the same. Stops early, between samples, when it is cancelled, at
// least one sample and all that were computed by then have ended. Returns the index after the last
// sample that ended.
int64_t run_samples(const std::shared_ptr<const Plan>& plan, const Dataset& dataset,
                    const LoopOptions& options, const LoopCallbacks& callbacks);

}  // namespace spikeloom
