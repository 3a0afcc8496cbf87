#pragma once
// The only place that starts threads.

#include <algorithm>
#include <cstdint>
#include <functional>

namespace spikeloom {

void parallel_ranges(int64_t count, int64_t grain, int threads,
                     const std::function<void(int64_t, int64_t)>& body);

// For loops inside an operator, a hundred of them a token: threads of a pool claim blocks, and
// nobody waits for a thread that the system does not run (docs/adr/0003-threads.md). Calls
// body(begin, end) on disjoint ranges that cover [0, count), on at most `threads` threads; each
// range but the last is a multiple of `grain` long. Returns when all are done. The body must not
// throw and its results must not depend on how the range is cut: thread count never changes a
// result. Nested calls run on the calling thread. Allocates nothing.
template <typename Body>
void parallel_for(int64_t count, int64_t grain, int threads, Body&& body) {
  parallel_ranges(count, grain, threads, std::ref(body));
}

// Calls body(i) for every i in [0, count), one by one as threads become free: jobs as coarse as a
// sample or a file. The rules are those of parallel_for.
void parallel_samples(int64_t count, int threads, const std::function<void(int64_t)>& body);

// Cores this process may use, at least 1.
int available_threads() noexcept;

}  // namespace spikeloom
