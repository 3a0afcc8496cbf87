// Kernels: found through nvcc's registration, run as the PTX of their fat binary.

#include <cstdio>
#include <cstring>

#include "tests/gpu/runtime/state.hpp"

namespace spikeloom::standin {
namespace {

// Fat binaries as nvcc 13.0 writes them without compression: a header, then entries, each with a
// header of its own and a payload; that of kind 1 is PTX as text.
constexpr uint32_t kWrapperMagic = 0x466243b1, kDataMagic = 0xBA55ED50;
constexpr uint16_t kPtx = 1;

template <class T>
T read_at(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::vector<std::string> ptx_of(const void* wrapper) {
  const auto* const wrapped = static_cast<const std::byte*>(wrapper);
  if (read_at<uint32_t>(wrapped) != kWrapperMagic)
    throw std::runtime_error("a fat binary of another form");
  const auto* const data = read_at<const std::byte*>(wrapped + 8);
  if (read_at<uint32_t>(data) != kDataMagic)
    throw std::runtime_error("a fat binary of another form");
  const size_t header = read_at<uint16_t>(data + 6), total = read_at<uint64_t>(data + 8);
  std::vector<std::string> texts;
  for (size_t at = header; at + 16 <= header + total;) {
    const size_t entry_header = read_at<uint32_t>(data + at + 4),
                 payload = read_at<uint64_t>(data + at + 8);
    if (read_at<uint16_t>(data + at) == kPtx) {
      const auto* const text = reinterpret_cast<const char*>(data + at + entry_header);
      if (payload < 8 || std::string_view(text, payload).find(".version") == std::string_view::npos)
        throw std::runtime_error("the PTX is compressed: compile with -compress-mode=none");
      texts.emplace_back(text, strnlen(text, payload));
    }
    at += entry_header + payload;
  }
  return texts;
}

void parse_once(FatBinary& binary) {
  if (binary.parsed) return;
  binary.parsed = true;
  for (const std::string& text : ptx_of(binary.wrapper))
    binary.modules.push_back(std::make_unique<ptx::Module>(ptx::parse(text)));
}

// The PTX of the highest target that the pretended card takes.
const ptx::Module* module_for(const FatBinary& binary, const Config& config) {
  const ptx::Module* best = nullptr;
  int best_target = 0;
  for (const auto& module : binary.modules) {
    int target = 0;
    if (std::sscanf(module->target.c_str(), "sm_%d", &target) != 1 ||
        target > config.major * 10 + config.minor)
      continue;
    if (target < best_target) continue;
    best = module.get();
    best_target = target;
  }
  return best;
}

struct Entry {
  const ptx::Module* module = nullptr;
  const ptx::Kernel* kernel = nullptr;
};

cudaError_t find_entry(const void* function, Entry& entry) {
  State& s = state();
  const auto found = s.functions.find(function);
  if (found == s.functions.end()) return cudaErrorInvalidDeviceFunction;
  try {
    parse_once(*found->second.binary);
  } catch (const std::exception& error) {
    return break_context(cudaErrorUnknown, found->second.name + ": " + error.what());
  }
  entry.module = module_for(*found->second.binary, s.config);
  if (entry.module == nullptr) return cudaErrorNoKernelImageForDevice;
  entry.kernel = entry.module->find(found->second.name);
  return entry.kernel == nullptr ? cudaErrorInvalidDeviceFunction : cudaSuccess;
}

cudaError_t code_of(simt::Fault fault) {
  if (fault == simt::Fault::kAddress) return cudaErrorIllegalAddress;
  return fault == simt::Fault::kAlignment ? cudaErrorMisalignedAddress : cudaErrorLaunchFailure;
}

cudaError_t run_kernel(const Entry& entry, unsigned grid, unsigned block,
                       const std::vector<std::vector<std::byte>>& values, size_t shared) {
  State& s = state();
  std::vector<const void*> params;
  for (const auto& value : values) params.push_back(value.data());
  ++s.launches;
  s.blocks += grid;
  const simt::Report report = s.interpreter.launch(*entry.module, *entry.kernel, grid, block,
                                                   params, shared, s.config.options);
  if (report.findings.empty()) return cudaSuccess;
  return break_context(code_of(report.findings[0].fault), report.text());
}

}  // namespace
}  // namespace spikeloom::standin

using namespace spikeloom::standin;
using Lock = std::lock_guard<std::recursive_mutex>;

extern "C" {

// Called while static objects are made: nothing is looked at yet.
void** __cudaRegisterFatBinary(void* wrapper) {
  State& s = state();
  const Lock lock(s.mutex);
  s.binaries.push_back(std::make_unique<FatBinary>());
  s.binaries.back()->wrapper = wrapper;
  return reinterpret_cast<void**>(s.binaries.back().get());
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) {
  return 1;
}

void __cudaRegisterFunction(void** binary, const char* host, char*, const char* name, int, uint3*,
                            uint3*, dim3*, dim3*, int*) {
  State& s = state();
  const Lock lock(s.mutex);
  s.functions[host] = Function{reinterpret_cast<FatBinary*>(binary), name};
}

// For <<<>>>, which goes another way than cudaLaunchKernel.
namespace {
struct CallConfiguration {
  dim3 grid, block;
  size_t shared = 0;
  cudaStream_t stream = nullptr;
};
thread_local std::vector<CallConfiguration> pushed;
}  // namespace

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream) {
  pushed.push_back({grid, block, shared, stream});
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  if (pushed.empty()) return cudaErrorInvalidConfiguration;
  const CallConfiguration top = pushed.back();
  pushed.pop_back();
  *grid = top.grid;
  *block = top.block;
  *shared = top.shared;
  *static_cast<cudaStream_t*>(stream) = top.stream;
  return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** args,
                             size_t shared, cudaStream_t stream) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = enter("cudaLaunchKernel"); error != cudaSuccess) return error;
  CUstream_st* const on = stream_of(stream);
  if (on == nullptr) return give(cudaErrorInvalidResourceHandle);
  Entry entry;
  if (const cudaError_t error = find_entry(function, entry); error != cudaSuccess)
    return give(error);
  const auto& kernel = *entry.kernel;
  const bool flat = grid.y == 1 && grid.z == 1 && block.y == 1 && block.z == 1;
  if (!flat || grid.x == 0 || block.x == 0 || block.x > 1024)
    return give(cudaErrorInvalidConfiguration);
  if (block.x > kernel.max_threads) return give(cudaErrorLaunchOutOfResources);
  // Arguments are taken now, whatever becomes of them later.
  std::vector<std::vector<std::byte>> values;
  for (size_t k = 0; k < kernel.params.size(); ++k) {
    const auto* const at = static_cast<const std::byte*>(args[k]);
    values.emplace_back(at, at + (kernel.param_ends[k] - kernel.params[k]));
  }
  return give(enqueue(*on, [entry, grid = grid.x, block = block.x, values = std::move(values),
                            shared] { return run_kernel(entry, grid, block, values, shared); }));
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** args,
                               size_t shared, cudaStream_t stream) {
  return cudaLaunchKernel(kernel, grid, block, args, shared, stream);
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = enter("cudaFuncGetAttributes"); error != cudaSuccess) return error;
  Entry entry;
  if (const cudaError_t error = find_entry(function, entry); error != cudaSuccess)
    return give(error);
  *attributes = cudaFuncAttributes{};
  attributes->maxThreadsPerBlock = static_cast<int>(entry.kernel->max_threads);
  attributes->sharedSizeBytes = entry.kernel->shared_bytes;
  return cudaSuccess;
}

}  // extern "C"
