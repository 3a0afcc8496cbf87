#pragma once
// A kernel of a PTX text, decoded: what the interpreter runs.
//
// A register is a row of 32 lanes, of 4 or 8 bytes each; a predicate is a word with a bit per lane.
// Constants and special registers are rows as well, so that an instruction is one loop over lanes,
// whatever its operands are.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/gpu/simt/memory.hpp"

namespace spikeloom::ptx {

struct Warp;
struct Instruction;
// Runs an instruction for the lanes of a mask, which is not empty.
using Exec = void (*)(Warp&, const Instruction&, uint32_t lanes);

enum class Step : uint8_t { kPlain, kBranch, kReturn, kBarrier, kCollective };
enum class Space : uint8_t { kGeneric, kGlobal, kShared, kParam };

struct Instruction {
  Exec run = nullptr;
  Step step = Step::kPlain;
  bool unless = false;  // the guard's value that lets it run: @!%p
  int32_t guard = -1;   // predicate
  // Byte offsets of rows, or numbers of predicates.
  std::array<uint32_t, 4> out{};
  std::array<uint32_t, 10> in{};
  uint8_t count = 1;      // elements of a vector access
  uint8_t argument = 0;   // a table (lop3), a mode (shuffle, product)
  uint8_t in_stride = 0;  // bytes per lane, where both sizes are allowed
  uint8_t out_stride = 0;
  Space space = Space::kGeneric;
  simt::Use use = simt::Use::kRead;
  int64_t offset = 0;                        // of an address
  uint32_t target = 0;                       // of a branch
  uint32_t line = 0;                         // of the text
  mutable simt::Allocation* last = nullptr;  // where the last access went
};

struct Array {  // of shared memory
  std::string name;
  uint64_t address = 0;
  size_t bytes = 0;  // 0: as many as the launch says
};

struct Constant {
  uint32_t row = 0;
  bool wide = false;
  uint64_t value = 0;
};

// Lines of the C++ source, for messages.
struct Source {
  uint32_t ptx_line = 0;
  uint32_t file = 0, line = 0;                  // innermost
  uint32_t inlined_file = 0, inlined_line = 0;  // where that was inlined; 0: nowhere
};

enum class Special : uint8_t {
  kTid,
  kCtaid,
  kNtid,
  kNctaid,
  kLane,
  kWarp,
  kMaskEq,
  kMaskLt,
  kMaskLe,
  kMaskGt,
  kMaskGe,
  kSpecials
};

struct Kernel {
  std::string name;
  uint64_t id = 0;  // of this decoding, in the process
  size_t param_bytes = 0;
  std::vector<size_t> params, param_ends;  // offsets of each
  std::vector<Array> shared;
  size_t shared_bytes = 0;
  unsigned max_threads = simt::kMostThreads;
  std::vector<Instruction> code;
  std::vector<std::string> opcodes;  // distinct, sorted
  size_t row_bytes = 0;              // all rows of a warp
  uint32_t predicates = 0;
  std::array<int32_t, 2> constant_predicates{-1, -1};  // false and true, if they are operands
  std::vector<Constant> constants;
  std::array<uint32_t, static_cast<size_t>(Special::kSpecials)> specials{};  // rows; 0: not used
  std::vector<Source> sources;                                               // ascending PTX lines
};

struct Module {
  std::string version, target;
  std::vector<Kernel> kernels;
  std::map<uint32_t, std::string> files;
  const Kernel* find(std::string_view name) const;
  // "scale at PTX line 31 (context.hpp:35, inlined in scale.hpp:12)"
  std::string place(const Kernel& kernel, uint32_t line) const;
};

// Addresses of spaces that have no memory of their own. Nothing of a process lies there, so that
// generic addresses are these as well.
inline constexpr uint64_t kParamBase = 0x10000;
inline constexpr uint64_t kSharedBase = 0x100000;

// Throws std::runtime_error with the line for everything it does not know: directives, opcodes,
// types, spaces, operands.
Module parse(std::string_view text);

}  // namespace spikeloom::ptx
