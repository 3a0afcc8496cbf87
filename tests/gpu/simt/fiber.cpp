#include "tests/gpu/simt/fiber.hpp"

#include <sys/mman.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstdio>
#include <cstdlib>

#ifdef SPIKELOOM_SIMT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SPIKELOOM_SIMT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace {
int reports = 0;
}

#ifdef SPIKELOOM_SIMT_ASAN
extern "C" const char* __asan_default_options() {
  return "halt_on_error=0:detect_leaks=0:detect_stack_use_after_return=0";
}
#endif
#ifdef SPIKELOOM_SIMT_TSAN
extern "C" void __tsan_on_report(void*) {
  ++reports;
}
extern "C" const char* __tsan_default_options() {
  return "exitcode=0:suppress_equal_stacks=0:suppress_equal_addresses=0";
}
#endif

namespace spikeloom::simt {
namespace {

namespace context = boost::context::detail;

#if defined(SPIKELOOM_SIMT_ASAN) || defined(SPIKELOOM_SIMT_TSAN)
constexpr size_t kStack = 256 << 10;
#else
constexpr size_t kStack = 64 << 10;
#endif
constexpr size_t kPage = 4096;

void announce_switch(void** fake, const void* bottom, size_t size) {
#ifdef SPIKELOOM_SIMT_ASAN
  __sanitizer_start_switch_fiber(fake, bottom, size);
#else
  (void)fake, (void)bottom, (void)size;
#endif
}

void finish_switch(void* fake, const void** bottom, size_t* size) {
#ifdef SPIKELOOM_SIMT_ASAN
  __sanitizer_finish_switch_fiber(fake, bottom, size);
#else
  (void)fake, (void)bottom, (void)size;
#endif
}

void switch_detector(void* to) {
#ifdef SPIKELOOM_SIMT_TSAN
  __tsan_switch_to_fiber(to, __tsan_switch_to_fiber_no_sync);
#else
  (void)to;
#endif
}

std::byte* map_stack() {
  void* map = mmap(nullptr, kStack + kPage, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED || mprotect(map, kPage, PROT_NONE) != 0) {
    std::perror("stack of a fiber");
    std::abort();
  }
  return static_cast<std::byte*>(map) + kPage;
}

}  // namespace

struct FiberEntry {
  static void run(context::transfer_t from) {
    Fibers::begin(from.fctx, *static_cast<Fiber*>(from.data));
  }
};

int sanitizer_reports() {
  return reports;
}

Fibers::Fibers() {
#ifdef SPIKELOOM_SIMT_ASAN
  __asan_set_error_report_callback([](const char*) { ++reports; });
#endif
#ifdef SPIKELOOM_SIMT_TSAN
  main_sanitizer_ = __tsan_get_current_fiber();
#endif
}

void Fibers::begin(void* transfer_context, Fiber& fiber) {
  Fibers& all = *fiber.owner;
  all.main_context_ = transfer_context;
  finish_switch(nullptr, &all.main_bottom_, &all.main_size_);
  fiber.body(fiber.argument);
  std::abort();
}

void Fibers::start(Fiber& fiber, void (*body)(void*), void* argument) {
  if (fiber.stack == nullptr) fiber.stack = map_stack();
#ifdef SPIKELOOM_SIMT_ASAN
  __asan_unpoison_memory_region(fiber.stack, kStack);
#endif
#ifdef SPIKELOOM_SIMT_TSAN
  if (fiber.sanitizer != nullptr) __tsan_destroy_fiber(fiber.sanitizer);
  fiber.sanitizer = __tsan_create_fiber(0);
#endif
  fiber.owner = this;
  fiber.body = body;
  fiber.argument = argument;
  fiber.context = context::make_fcontext(fiber.stack + kStack, kStack, &FiberEntry::run);
}

void Fibers::free(Fiber& fiber) {
  if (fiber.stack == nullptr) return;
#ifdef SPIKELOOM_SIMT_TSAN
  __tsan_destroy_fiber(fiber.sanitizer);
#endif
#ifdef SPIKELOOM_SIMT_ASAN
  __asan_unpoison_memory_region(fiber.stack, kStack);
#endif
  munmap(fiber.stack - kPage, kStack + kPage);
  fiber = Fiber{};
}

void Fibers::enter(Fiber& fiber) {
  announce_switch(&main_fake_, fiber.stack, kStack);
  switch_detector(fiber.sanitizer);
  fiber.context = context::jump_fcontext(fiber.context, &fiber).fctx;
  finish_switch(main_fake_, nullptr, nullptr);
}

void Fibers::leave(Fiber& fiber) {
  announce_switch(&fiber.fake_stack, main_bottom_, main_size_);
  switch_detector(main_sanitizer_);
  main_context_ = context::jump_fcontext(main_context_, nullptr).fctx;
  finish_switch(fiber.fake_stack, &main_bottom_, &main_size_);
}

void sanitizer_release(void* where) {
#ifdef SPIKELOOM_SIMT_TSAN
  __tsan_release(where);
#else
  (void)where;
#endif
}

void sanitizer_acquire(void* where) {
#ifdef SPIKELOOM_SIMT_TSAN
  __tsan_acquire(where);
#else
  (void)where;
#endif
}

void sanitizer_hide(std::byte* at, size_t bytes) {
#ifdef SPIKELOOM_SIMT_ASAN
  __asan_poison_memory_region(at, bytes);
#else
  (void)at, (void)bytes;
#endif
}

void sanitizer_show(std::byte* at, size_t bytes) {
#ifdef SPIKELOOM_SIMT_ASAN
  __asan_unpoison_memory_region(at, bytes);
#else
  (void)at, (void)bytes;
#endif
}

}  // namespace spikeloom::simt
