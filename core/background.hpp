#pragma once
// Work on a thread beside the caller's, its results taken in order by the caller.

#include <cstddef>
#include <functional>
#include <memory>

namespace spikeloom {

// A queue of jobs with one thread of its own. A job's `work` runs on that thread, or on the caller's
// when the queue is full or waited for; `then` follows on the caller's, in the order of add(). So
// `work` may touch nothing but what belongs to its job, and `then` anything of the caller's.
//
// What `work` throws comes out of add() or finish() in its turn, as does what `then` throws; the
// jobs behind it stay. Calls come from one thread at a time. Where no thread can be started
// everything runs on the caller's.
class BackgroundQueue {
 public:
  // Jobs that wait or run hold at most about `most_bytes`, as they say themselves, or are one.
  explicit BackgroundQueue(size_t most_bytes);
  // Drops the jobs that are left; waits for the one that runs.
  ~BackgroundQueue();
  BackgroundQueue(const BackgroundQueue&) = delete;
  BackgroundQueue& operator=(const BackgroundQueue&) = delete;

  void add(size_t bytes, std::function<void()> work, std::function<void()> then);
  // Until no job is left.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spikeloom
