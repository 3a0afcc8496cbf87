#pragma once
// Stacks that take turns on one OS thread, and what the sanitizers have to know of it.
//
// Switches are Boost.Context's (a few ns). The thread sanitizer sees every fiber as a thread; switches
// carry no order, so it finds races between fibers although they never run at once. For that the
// sources beside this one are compiled without -fsanitize=thread and with SPIKELOOM_SIMT_TSAN.

#include <cstddef>

namespace spikeloom::simt {

class Fibers;

struct Fiber {
  Fibers* owner = nullptr;
  void* context = nullptr;     // where it stands; null before the first turn
  std::byte* stack = nullptr;  // lowest usable byte; a page below traps
  void* sanitizer = nullptr;   // the thread sanitizer's idea of it
  void* fake_stack = nullptr;  // the address sanitizer's
  void (*body)(void*) = nullptr;
  void* argument = nullptr;
};

class Fibers {
 public:
  Fibers();
  // A fiber that will run `body(argument)`, which must not return. On one that has run: forgets where
  // it stood; what lives on its stack is not destroyed.
  void start(Fiber& fiber, void (*body)(void*), void* argument);
  void free(Fiber& fiber);
  void enter(Fiber& fiber);  // until it leaves
  void leave(Fiber& fiber);  // until it is entered again

 private:
  static void begin(void* transfer_context, Fiber& fiber);
  friend struct FiberEntry;

  void* main_context_ = nullptr;
  void* main_sanitizer_ = nullptr;
  void* main_fake_ = nullptr;
  const void* main_bottom_ = nullptr;
  size_t main_size_ = 0;
};

// Order between fibers that the thread sanitizer is told of; nothing without it.
void sanitizer_release(void* where);
void sanitizer_acquire(void* where);
// Bytes that nobody may touch, for the address sanitizer.
void sanitizer_hide(std::byte* at, size_t bytes);
void sanitizer_show(std::byte* at, size_t bytes);
// Reports of the address or thread sanitizer so far; always 0 without one. Programs linked with this
// go on after a report: their tests have to look.
int sanitizer_reports();
inline constexpr bool kSeesRaces =
#ifdef SPIKELOOM_SIMT_TSAN
    true;
#else
    false;
#endif

}  // namespace spikeloom::simt
