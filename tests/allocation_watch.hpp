#pragma once
// Watches what is allocated: the largest piece, to see that hostile headers cost nothing, and how
// many pieces a thread asks for, to see that a loop asks for none. Sanitizers bring their own
// operators, which must not be mixed with these: the other builds watch. To be included by one
// source of a test program only.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

inline std::atomic<size_t> largest_allocation{0};
inline thread_local int64_t allocations_of_thread = 0;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations_of_thread;
  size_t seen = largest_allocation.load();
  while (size > seen && !largest_allocation.compare_exchange_weak(seen, size)) {
  }
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
#endif
