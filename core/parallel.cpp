#include "core/parallel.hpp"

#ifdef SPIKELOOM_STD_THREADS
#include <atomic>
#include <thread>
#include <vector>
#else
#include <omp.h>
#endif
#include <sched.h>

namespace spikeloom {
namespace {

thread_local bool inside_parallel_for = false;

}  // namespace

void parallel_for(int64_t count, int64_t grain, int threads,
                  const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t blocks = (count + grain - 1) / grain;
  const int workers = static_cast<int>(std::min<int64_t>(threads, blocks));
  if (workers <= 1 || inside_parallel_for) {
    body(0, count);
    return;
  }
  const auto run_block = [&](int64_t block) {
    body(block * grain, std::min(count, (block + 1) * grain));
  };
#ifdef SPIKELOOM_STD_THREADS
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    inside_parallel_for = true;
    for (int64_t block = next++; block < blocks; block = next++) run_block(block);
    inside_parallel_for = false;
  };
  std::vector<std::jthread> pool;
  for (int i = 1; i < workers; ++i) pool.emplace_back(work);
  work();
#else
#pragma omp parallel num_threads(workers)
  {
    inside_parallel_for = true;
#pragma omp for schedule(dynamic, 1)
    for (int64_t block = 0; block < blocks; ++block) run_block(block);
    inside_parallel_for = false;
  }
#endif
}

int available_threads() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace spikeloom
