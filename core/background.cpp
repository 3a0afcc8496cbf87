#include "core/background.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace spikeloom {
struct BackgroundQueue::Impl {
  enum class Stage { kWaits, kRuns, kDone };

  struct Job {
    size_t bytes;
    std::function<void()> work, then;
    Stage stage = Stage::kWaits;
    std::exception_ptr failure;
  };

  explicit Impl(size_t most) : most_bytes(most) {
    try {
      thread = std::thread([this] { run(); });
    } catch (const std::system_error&) {  // no more threads: the caller's does the work
    }
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      ended = true;
    }
    posted.notify_all();
    if (thread.joinable()) thread.join();
  }

  using Lock = std::unique_lock<std::mutex>;

  // Runs the first job that waits, the lock open meanwhile; false when none does.
  bool work_on_one(Lock& lock) {
    const auto waits = [](const Job& job) { return job.stage == Stage::kWaits; };
    const auto found = std::find_if(jobs.begin(), jobs.end(), waits);
    if (found == jobs.end()) return false;
    Job& job = *found;  // stays where it is while others are added and taken
    job.stage = Stage::kRuns;
    lock.unlock();
    std::exception_ptr failure;
    try {
      job.work();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    job.failure = std::move(failure);
    job.stage = Stage::kDone;
    return true;
  }

  void run() {
    Lock lock(mutex);
    while (!ended) {
      if (work_on_one(lock)) {
        done.notify_one();
      } else {
        posted.wait(lock);
      }
    }
  }

  // Takes what is done from the front, until the rest holds at most so many bytes.
  void take(size_t most) {
    Lock lock(mutex);
    while (!jobs.empty()) {
      if (jobs.front().stage == Stage::kDone) {
        Job job = std::move(jobs.front());
        jobs.pop_front();
        held -= job.bytes;
        lock.unlock();
        if (job.failure) std::rethrow_exception(job.failure);
        job.then();
        lock.lock();
      } else if (held <= most) {
        return;
      } else if (!work_on_one(lock)) {
        done.wait(lock, [&] { return jobs.front().stage == Stage::kDone; });
      }
    }
  }

  const size_t most_bytes;
  std::mutex mutex;
  std::condition_variable posted, done;
  std::deque<Job> jobs;
  size_t held = 0;
  bool ended = false;
  std::thread thread;
};

BackgroundQueue::BackgroundQueue(size_t most_bytes) : impl_(std::make_unique<Impl>(most_bytes)) {}

BackgroundQueue::~BackgroundQueue() = default;

void BackgroundQueue::add(size_t bytes, std::function<void()> work, std::function<void()> then) {
  Impl& it = *impl_;
  {
    const std::lock_guard lock(it.mutex);
    it.jobs.push_back({bytes, std::move(work), std::move(then), Impl::Stage::kWaits, nullptr});
    it.held += bytes;
  }
  it.posted.notify_one();
  it.take(it.most_bytes);
}

void BackgroundQueue::finish() {
  impl_->take(0);
}

}  // namespace spikeloom
