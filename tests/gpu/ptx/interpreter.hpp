#pragma once
// Runs kernels of a PTX module on a CPU, with the checks of simt::Options: addresses, alignment, races,
// unwritten memory, barriers, masks. Warps run in lockstep, one block at a time, in the order asked for;
// shuffled schedules also stop warps after any instruction. Not for several threads at once.

#include <cstddef>
#include <span>

#include "tests/gpu/ptx/kernel.hpp"
#include "tests/gpu/ptx/warp.hpp"
#include "tests/gpu/simt/engine.hpp"

namespace spikeloom::ptx {

// A launch under way.
struct Run {
  const Module* module = nullptr;
  const Kernel* kernel = nullptr;
  simt::Memory* memory = nullptr;
  simt::Options options;
  simt::Report* report = nullptr;
  simt::Allocation params;
  std::vector<simt::Allocation> shared;
  std::vector<std::byte> shared_bytes;
  unsigned bid = 0, bdim = 0, gdim = 0;
  uint32_t launch = 0, block_serial = 0, barriers = 0;
  bool stopped = false;
  uint64_t instructions = 0;  // of warps, so far
  std::vector<uint64_t> told;

  void found(simt::Fault fault, uint32_t line, uint32_t other, const std::string& text);
  void stop(const Warp& warp, const Instruction& i, int lane, simt::Fault fault,
            const std::string& text);
  std::string at(const Warp& warp, const Instruction& i, int lane) const;
};

class Interpreter {
 public:
  explicit Interpreter(simt::Memory& memory) : memory_(memory) {}
  // `params`: one pointer per parameter of the kernel, as cudaLaunchKernel takes them.
  simt::Report launch(const Module& module, const Kernel& kernel, unsigned grid, unsigned block,
                      std::span<const void* const> params, size_t dynamic_shared,
                      const simt::Options& options);
  uint64_t instructions() const { return instructions_; }  // of warps, over all launches

 private:
  void prepare_warps(Run& run, unsigned count);
  void run_block(Run& run);
  void begin_block(Run& run);

  simt::Memory& memory_;
  std::vector<Warp> warps_;
  std::vector<std::byte> rows_;
  uint64_t prepared_for_ = 0;
  unsigned prepared_warps_ = 0;
  uint64_t instructions_ = 0;
  uint32_t launches_ = 0, blocks_ = 0;
  simt::Dice dice_{1};
};

// Runs a warp until it waits for others, ends, or has run `most` instructions.
void run_warp(Warp& warp, uint64_t most);
// A warp-wide instruction reached by `lanes`: those that go on now.
uint32_t collective(Warp& warp, const Instruction& i, uint32_t pc, uint32_t lanes);

// Warp-wide instructions by name ("vote.sync.ballot.b32"); `mask_operand`: which input is the mask.
struct CollectiveOperation {
  Exec run = nullptr;
  const char* operands = "";
  int mask_operand = 0;
};
const CollectiveOperation* find_collective(const std::string& name);

}  // namespace spikeloom::ptx
