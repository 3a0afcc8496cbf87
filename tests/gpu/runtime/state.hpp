#pragma once
// The stand-in CUDA runtime: defines the functions of cudart that the product and nvcc's host code
// call, and runs kernels by interpreting the PTX in their fat binaries. The product's objects are
// linked with it, unchanged, in place of cudart.
//
// Streams are lazy: nothing runs before somebody waits for it, which is the latest time a GPU may do
// it. Sources of copies are read then, targets filled with junk meanwhile. Device addresses are none
// that a processor takes (not canonical on x86-64): the bytes are elsewhere, and host code that follows
// one traps.

#include <cuda_runtime_api.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/gpu/ptx/interpreter.hpp"
#include "tests/gpu/runtime/config.hpp"

namespace spikeloom::standin {

using Work = std::function<cudaError_t()>;

inline constexpr uintptr_t kDeviceBase = uintptr_t{0xDE} << 48;
inline constexpr size_t kDeviceRange = size_t{1} << 40;

struct FatBinary {
  const void* wrapper = nullptr;
  bool parsed = false;
  std::vector<std::unique_ptr<ptx::Module>> modules;  // one per PTX in it
};

struct Function {
  FatBinary* binary = nullptr;
  std::string name;
};

struct State {
  State();

  std::recursive_mutex mutex;
  Config config;
  simt::Memory memory;
  ptx::Interpreter interpreter{memory};
  size_t range_used = 0, allocated = 0, numbered = 0;
  std::map<uintptr_t, std::unique_ptr<std::byte[]>> storage;  // by device address
  std::map<void*, std::unique_ptr<std::byte[]>> pinned;
  std::set<cudaStream_t> streams;
  CUstream_st* null_stream = nullptr;
  std::vector<std::unique_ptr<FatBinary>> binaries;
  std::map<const void*, Function> functions;
  std::map<std::string, int64_t> calls;
  cudaError_t sticky = cudaSuccess;  // of a broken context: for ever
  // Host memory that queued work will still read: it may not be filled with junk.
  std::multimap<const std::byte*, size_t> pending_reads;
  int pending_graphs = 0;
  uint64_t launches = 0, blocks = 0;
};

State& state();

// Begins every call: what it has to return instead of doing anything.
cudaError_t enter(const char* call);
// Of a kernel or a copy that went wrong: all later calls return it, too.
cudaError_t break_context(cudaError_t error, const std::string& why);
// Keeps an error for cudaGetLastError and returns it.
cudaError_t give(cudaError_t error);

CUstream_st* stream_of(cudaStream_t stream);  // null if there is none such
cudaError_t enqueue(CUstream_st& stream, Work work);
cudaError_t drain(CUstream_st& stream);
cudaError_t drain_all();

// The bytes behind a device range; null if it is none.
std::byte* device_bytes(const void* address, size_t bytes);
bool is_device(const void* address);

}  // namespace spikeloom::standin

struct CUstream_st {
  std::deque<spikeloom::standin::Work> queue;
  bool blocking = true;  // waits for the null stream
  bool capturing = false;
  bool capture_broken = false;
  std::vector<spikeloom::standin::Work> captured;
};
struct CUgraph_st {
  std::vector<spikeloom::standin::Work> work;
};
struct CUgraphExec_st {
  std::vector<spikeloom::standin::Work> work;
};
struct CUevent_st {
  CUstream_st* stream = nullptr;
  uint64_t recorded = 0, reached = 0;
};
