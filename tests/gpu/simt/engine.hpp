#pragma once
// Runs a kernel as a GPU would, thread by thread: every CUDA thread is a fiber that runs until it waits
// for others (a barrier, a ballot, a shuffle). One block at a time on one OS thread, blocks and threads
// in the order asked for; shuffled schedules also stop threads between two accesses.
//
// Stricter than hardware: a block barrier must be reached by every thread of the block at the same
// source line. Sequentially consistent: weak memory order is not emulated.

#include <array>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/gpu/simt/fiber.hpp"
#include "tests/gpu/simt/finding.hpp"
#include "tests/gpu/simt/memory.hpp"

namespace spikeloom::simt {

using Location = std::source_location;

struct Options {
  Order order = Order::kForward;
  uint64_t seed = 1;
  bool addresses = true;  // check every access against allocations and shared arrays
  bool races = true;
  bool init = true;      // reads of what was never written
  bool traffic = false;  // count sectors and bank conflicts: Report::traffic
  size_t shared_bytes = 48 << 10;
};

// What the accesses of one source line cost. A request is one warp's access; global memory moves
// sectors of 32 bytes, shared memory one word per bank and turn.
struct Traffic {
  std::string place;  // "kernels.hpp:55 load"
  bool shared = false;
  uint64_t requests = 0;
  uint64_t moved = 0;  // sectors, or turns
  uint64_t least = 0;  // what the same bytes would take if they lay side by side
  double excess() const {
    return least == 0 ? 1.0 : static_cast<double>(moved) / static_cast<double>(least);
  }
};

struct Report {
  std::vector<Finding> findings;
  std::vector<Traffic> traffic;
  bool has(Fault fault) const;
  std::string text() const;  // one finding per line
};

class HostContext;
using KernelBody = void (*)(HostContext&, const void* params);

// Threads are told apart by what they wait for.
enum class Wait : uint8_t { kNothing, kBarrier, kCollective, kReturned };
enum class Collective : uint8_t {
  kSync,
  kBallot,
  kShuffle,
  kShuffleUp,
  kShuffleDown,
  kShuffleXor,
  kMma
};

// Operands and result of an integer matrix product, m16n8k32 (Engine::mma).
struct Mma {
  std::array<uint32_t, 4> a{};
  std::array<uint32_t, 2> b{};
  std::array<int32_t, 4> c{};
  bool a_signed = false, b_signed = true;
};

struct Request {
  Collective what = Collective::kSync;
  uint32_t mask = 0;
  uint32_t place = 0;
  int argument = 0;
  uint64_t value = 0;  // in, then out
  Mma* mma = nullptr;
};

struct Thread {
  unsigned tid = 0;
  Wait wait = Wait::kNothing;
  uint32_t warp_syncs = 0;
  uint32_t wait_place = 0;
  Request request;
  Fiber fiber;
};

class Engine {
 public:
  ~Engine();
  Report run(KernelBody body, const void* params, unsigned grid, unsigned block,
             const Options& options);

  // For HostContext, on the fiber of `thread`. Both return where the bytes are.
  std::byte* global(Thread& thread, const void* at, size_t size, Use use, const Location& where);
  std::byte* shared(Thread& thread, const void* at, size_t size, Use use, const Location& where);
  void* shared_array(Thread& thread, int slot, size_t bytes, const Location& where);
  void barrier(Thread& thread, const Location& where);
  uint64_t collective(Thread& thread, const Request& request, const Location& where);

  unsigned bid() const { return bid_; }
  unsigned bdim() const { return bdim_; }
  unsigned gdim() const { return gdim_; }

 private:
  struct Slot {
    size_t offset = 0, bytes = 0;
  };
  struct MaskSyncs {  // __syncwarps with one mask
    uint32_t mask = 0, count = 0;
  };
  struct Visits {
    const char* file = nullptr;
    uint32_t line = 0;
    Use use = Use::kRead;
    bool shared = false;
    std::vector<uint32_t> of_thread;  // visits so far
    std::unordered_map<uint64_t, std::vector<std::pair<uint64_t, uint32_t>>>
        requests;  // warp, visit
  };

  static void thread_body(void* thread);
  void run_block();
  bool pass();  // lets everyone run who can; whether anyone could
  bool release_barrier();
  void report_deadlock();
  std::string who_waits() const;
  MaskSyncs& syncs_of(unsigned warp, uint32_t mask);
  std::byte* warp_key(unsigned warp, uint32_t mask);
  void complete(uint32_t lanes, unsigned warp);
  void shuffle(uint32_t lanes, Thread* warp);
  void multiply(Thread* warp);
  template <class Name>
  void touch(Thread& thread, Shadow& shadow, size_t offset, size_t size, Use use, uint32_t place,
             uint32_t launch, const Name& what);
  void count(const Thread& thread, uint64_t at, size_t size, Use use, bool shared,
             const Location& where);
  void add_up_traffic();
  void found(Fault fault, uint32_t place, uint32_t other, std::string text);
  [[noreturn]] void stop(Thread& thread, Fault fault, uint32_t place, std::string text);
  void maybe_yield(Thread& thread);
  uint32_t place_of(const Location& where);
  std::string place_name(uint32_t place) const;
  std::string at(const Thread& thread, uint32_t place) const;
  void prepare_arena(size_t index);

  Fibers fibers_;
  std::vector<Thread>
      sets_[2];  // neighbouring blocks on different fibers, for the thread sanitizer
  std::vector<Thread>* threads_ = nullptr;
  KernelBody body_ = nullptr;
  const void* params_ = nullptr;
  Options options_;
  Report report_;
  unsigned bid_ = 0, bdim_ = 0, gdim_ = 0;
  uint32_t launch_ = 0, block_serial_ = 0, barriers_ = 0;
  std::array<uint32_t, kMostThreads / kWarp> warp_serial_{};
  std::array<std::array<MaskSyncs, 8>, kMostThreads / kWarp> mask_syncs_{};
  bool stopped_ = false;
  Dice dice_{1};
  std::vector<uint32_t> order_;
  std::vector<const char*> files_;
  const char* last_file_ = nullptr;
  uint32_t last_file_place_ = 0;
  std::vector<uint64_t> told_;  // findings are listed once per pair of places
  std::byte* arena_ = nullptr;
  size_t arena_bytes_ = 0, arena_mapped_ = 0, arena_used_ = 0;
  std::byte* arenas_ = nullptr;
  std::array<Slot, 16> slots_{};
  size_t last_slot_ = 0;  // where the last access went
  Written arena_written_{0};
  Shadow arena_shadow_{0};
  std::unordered_map<uint64_t, Visits> visits_;
};

// The process's engine: its stacks are kept between launches.
Engine& engine();

}  // namespace spikeloom::simt
