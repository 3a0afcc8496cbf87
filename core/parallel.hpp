#pragma once
// The only place that starts threads.

#include <algorithm>
#include <cstdint>
#include <functional>

namespace spikeloom {

// Calls body(begin, end) on disjoint ranges that cover [0, count), on at most `threads` threads;
// each range but the last is a multiple of `grain` long. Returns when all are done. The body must
// not throw and its results must not depend on how the range is cut: thread count never changes a
// result (design 4). Nested calls run on the calling thread.
void parallel_for(int64_t count, int64_t grain, int threads,
                  const std::function<void(int64_t, int64_t)>& body);

// Cores this process may use, at least 1.
int available_threads() noexcept;

}  // namespace spikeloom
