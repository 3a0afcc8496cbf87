#pragma once
// Memory of an emulated GPU: a table of allocations, which bytes have been written, and who touched
// them last. Every access of a kernel is checked against it: inside an allocation, aligned, written
// before it is read, ordered against what other threads did.
//
// Two accesses are ordered if they belong to different launches, to the same thread, to the same
// block with a block barrier between them, or to the same warp with a __syncwarp between them.
// Ballots and shuffles order nothing. A cell remembers its last write and two reads of it, so a race
// is found whichever schedule ran; what is forgotten (a third reader) can hide one, never invent one.
// Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/gpu/simt/finding.hpp"

namespace spikeloom::simt {

enum class Use : uint8_t { kRead, kReadOnly, kWrite, kAtomic };
const char* use_name(Use use);

// One access by one thread. `launch` tells launches apart (for shared memory: blocks of launches);
// 0 is no access. `place` is a source line, in the numbering of whoever runs the kernel.
struct Touch {
  uint32_t launch = 0, block = 0;
  uint32_t barriers = 0;    // block barriers the thread has passed
  uint32_t warp_syncs = 0;  // __syncwarps
  uint32_t place = 0;
  uint16_t thread = 0;
  Use use = Use::kRead;
};
bool ordered(const Touch& earlier, const Touch& later);

// A finding of a cell, before it is put into words.
struct Clash {
  Fault fault = Fault::kRace;
  Touch other;
};

// Last accesses to each cell of a range. Cells are words until somebody touches less than a word.
class Shadow {
 public:
  explicit Shadow(size_t bytes) : bytes_(bytes) {}
  // The access must lie in the range.
  std::optional<Clash> touch(size_t offset, size_t size, const Touch& now);

 private:
  struct Cell {
    Touch write, read[2];
  };
  std::optional<Clash> touch_cell(Cell& cell, const Touch& now);
  void split();

  size_t bytes_;
  size_t grain_ = 4;
  std::vector<Cell> cells_;  // empty until the first access
};

// One bit per byte: has it been written?
class Written {
 public:
  explicit Written(size_t bytes) : bits_((bytes + 63) / 64, 0) {}
  void set(size_t offset, size_t size);
  void clear() { bits_.assign(bits_.size(), 0); }
  bool all(size_t offset, size_t size) const;

 private:
  std::vector<uint64_t> bits_;
};

struct Allocation {
  uintptr_t base = 0;  // the address kernels use
  size_t size = 0;
  std::byte* storage = nullptr;  // where the bytes are; equals base where host and device share it
  std::string name;
  Written written{0};
  Shadow shadow{0};
  bool complete = false;  // every byte has been written: `written` need not be asked

  void mark(size_t offset, size_t bytes) {
    if (complete) return;
    written.set(offset, bytes);
    complete = bytes == size;
  }

  bool holds(uintptr_t address, size_t bytes) const {
    return address >= base && address - base <= size && bytes <= size - (address - base);
  }
};

class Memory {
 public:
  Allocation& add(uintptr_t base, size_t size, std::byte* storage, std::string name);
  // False if nothing starts there.
  bool remove(uintptr_t base);
  // The allocation that holds all the bytes, or null.
  Allocation* find(uintptr_t address, size_t bytes);
  // "12 bytes past the end of weights (400 bytes)", for an address nothing holds.
  std::string describe(uintptr_t address) const;
  size_t allocations() const { return table_.size(); }

 private:
  std::map<uintptr_t, std::unique_ptr<Allocation>> table_;
  Allocation* last_ = nullptr;
};

// Allocations of the process that runs kernels on host addresses (Buffer of host_context.hpp).
Memory& host_memory();

}  // namespace spikeloom::simt
