#include "core/parallel.hpp"

#include <sched.h>

#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>

namespace spikeloom {
namespace {

thread_local bool inside_parallel_for = false;

// Helpers that claim blocks of the job at hand. Whoever posts a job takes part in it and waits only
// for blocks that were claimed: a helper that the system does not run right now holds up nobody, as
// it would at a barrier. Token models post a hundred jobs for each token.
class Pool {
 public:
  // Runs block(0) ... block(blocks - 1). False, having done nothing, while another thread's job
  // runs.
  bool run(int64_t blocks, int helpers, const std::function<void(int64_t)>& block) {
    const std::unique_lock lock(owner_, std::try_to_lock);
    if (!lock.owns_lock()) return false;
    start(helpers);
    const uint64_t job = (next_.load(std::memory_order_relaxed) >> kIndexBits) + 1;
    next_.store(job << kIndexBits | kIndexMask);  // closed, while its fields change
    block_.store(&block);
    blocks_.store(blocks);
    helpers_.store(helpers);
    done_.store(0);
    next_.store(job << kIndexBits);
    posted_.fetch_add(1);
    posted_.notify_all();
    work(-1);
    wait_until(done_, [&](int64_t done) { return done == blocks; });
    return true;
  }

  static constexpr int kIndexBits = 24;
  static constexpr uint64_t kIndexMask = (uint64_t{1} << kIndexBits) - 1;

 private:
  static constexpr int kYields = 200;  // before a thread sleeps: longer than operators lie apart

  template <typename T, typename Ready>
  static void wait_until(const std::atomic<T>& value, Ready&& ready) {
    for (int yields = 0; !ready(value.load()); ++yields) {
      if (yields < kYields) {
        std::this_thread::yield();
      } else if (const T seen = value.load(); !ready(seen)) {
        value.wait(seen);
      }
    }
  }

  void start(int helpers) {
    try {
      for (; started_ < helpers; ++started_) {
        std::thread([this, id = started_] { help(id); }).detach();
      }
    } catch (const std::system_error&) {  // no more threads: those that are there do the work
    }
  }

  void help(int id) {
    inside_parallel_for = true;
    for (uint32_t seen = 0;;) {
      wait_until(posted_, [&](uint32_t posted) { return posted != seen; });
      seen = posted_.load();
      work(id);
    }
  }

  // Claims blocks until none is left. A claim succeeds only while `next_` is what it was before the
  // job's fields were read, so they are of that job.
  void work(int id) {
    for (;;) {
      uint64_t next = next_.load();
      const auto index = static_cast<int64_t>(next & kIndexMask);
      const std::function<void(int64_t)>* block = block_.load();
      if (index >= blocks_.load() || id >= helpers_.load()) return;
      if (!next_.compare_exchange_weak(next, next + 1)) continue;
      (*block)(index);
      done_.fetch_add(1);
      done_.notify_one();
    }
  }

  std::mutex owner_;
  int started_ = 0;
  std::atomic<uint64_t> next_{kIndexMask};  // number of the job, index of its next block
  std::atomic<const std::function<void(int64_t)>*> block_{nullptr};
  std::atomic<int64_t> blocks_{0}, done_{0};
  std::atomic<int> helpers_{0};
  std::atomic<uint32_t> posted_{0};
};

// Never destroyed: its threads wait until the process ends.
Pool& pool() {
  static Pool& instance = *new Pool;
  return instance;
}

}  // namespace

void parallel_ranges(int64_t count, int64_t grain, int threads,
                     const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  grain *= 1 + count / grain / static_cast<int64_t>(Pool::kIndexMask);  // few enough to be numbered
  const int64_t blocks = (count + grain - 1) / grain;
  const auto workers = static_cast<int>(std::min<int64_t>(threads, blocks));
  if (workers > 1 && !inside_parallel_for) {
    inside_parallel_for = true;
    const auto run_block = [&](int64_t block) {
      body(block * grain, std::min(count, (block + 1) * grain));
    };
    const bool ran = pool().run(blocks, workers - 1, std::ref(run_block));
    inside_parallel_for = false;
    if (ran) return;
  }
  body(0, count);
}

void parallel_samples(int64_t count, int threads, const std::function<void(int64_t)>& body) {
  parallel_for(count, 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

int available_threads() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace spikeloom
