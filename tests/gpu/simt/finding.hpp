#pragma once
// What the checkers of emulated GPU code report, and how kernels are scheduled. Shared by the engine
// (kernel source on fibers), the PTX interpreter and the stand-in runtime.

#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom::simt {

enum class Fault {
  kAddress,        // outside every allocation, shared array or parameter
  kAlignment,      // not at a multiple of the access's size
  kRace,           // two accesses in no order, one of them a write
  kReadOnly,       // read through the read-only path, written by the same launch
  kUninitialised,  // read before anything was written
  kBarrier,        // threads that wait for each other for ever, or a barrier not all reach
  kWarp,           // a lane outside its own mask, a shuffle from outside the mask
  kResource,       // more shared memory, threads or instructions than there are
  kUnsupported,    // the interpreter does not know this instruction
};
const char* fault_name(Fault fault);

struct Finding {
  Fault fault;
  std::string text;  // kernel, places and threads, for people
};

// In which order blocks, and the threads or warps that can run, do run.
enum class Order { kForward, kBackward, kShuffled };

inline constexpr int kWarp = 32;
inline constexpr int kMostThreads = 1024;
inline constexpr uint32_t kAllLanes = 0xffffffffu;

// xorshift: the same schedules on every machine.
struct Dice {
  uint64_t state;
  uint32_t below(uint32_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<uint32_t>((state >> 16) % n);
  }
};

// 0..n-1 in the order asked for.
void arrange(std::vector<uint32_t>& out, uint32_t n, Order order, Dice& dice);

}  // namespace spikeloom::simt
