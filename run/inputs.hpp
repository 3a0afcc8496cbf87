#pragma once
// Whether the samples of a run are still what they were when they were read first.

#include "datasets/watched.hpp"
#include "run/checkpoint.hpp"

namespace spikeloom {

// Reads again what an unfinished run read. Throws Error(kUsage) naming the first sample that is
// another one, Error(kInterrupted) when it is cancelled.
void check_inputs(WatchedDataset& dataset, const RunState& earlier, int threads,
                  const Observer& observer, const CancelToken& cancel);

// A data set that was replaced while the run went on shows in some of its samples: reads a few of
// the first `done` again. Throws Error(kRuntime) naming one that changed.
void check_again(const WatchedDataset& dataset, int64_t done, int threads);

}  // namespace spikeloom
