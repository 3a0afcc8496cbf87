#pragma once
// What a kernel may use of the thread that runs it. A kernel is a template over such a context:
//
//   struct Name {
//     static constexpr int max_threads = 256;          // of a block, a multiple of 32
//     struct Params { ... };                           // trivially copyable
//     template <class Ctx>
//     SPIKELOOM_DEVICE static void run(Ctx& c, const Params& p);
//   };
//
//   tid bid bdim gdim lane warp   place of the thread; blocks and grids have one dimension
//   load(p)  read(p)  store(p, x) global memory: what nobody writes during the launch; what this
//                                 launch writes too; scalars and vectors of up to 16 bytes
//   shared_array<T, Count, Slot>  an array of the block, its elements through get(p), put(p, x)
//   sync  sync_warp(mask)         barriers of the block, of lanes
//   ballot shfl shfl_xor shfl_up shfl_down   of the lanes in `mask`, which all call it
//   mma(m)                        of whole warps: a 16 x 8 product over 32 bytes, as PTX's
//                                 mma.m16n8k32 lays it out; Mma holds a (bytes without a sign), b
//                                 (with), and c, which grows
//   atomic_add(p, x)              integers: sums of floats have an order
//
// Kernels include no header of CUDA, so that every compiler reads them and a CPU can run them, one
// fiber per thread. The context of the device follows; each method is one instruction.

#include <cstdint>

#include "core/device.hpp"

#if defined(__CUDACC__)
namespace spikeloom::cuda {

struct DeviceContext {
  struct Mma {
    uint32_t a[4], b[2];
    int32_t c[4];
  };

  __device__ unsigned tid() const { return threadIdx.x; }
  __device__ unsigned bid() const { return blockIdx.x; }
  __device__ unsigned bdim() const { return blockDim.x; }
  __device__ unsigned gdim() const { return gridDim.x; }
  __device__ unsigned lane() const { return threadIdx.x & 31; }
  __device__ unsigned warp() const { return threadIdx.x >> 5; }

  template <class T>
  __device__ T load(const T* p) const {
    return __ldg(p);
  }
  template <class T>
  __device__ T read(const T* p) const {
    return *p;
  }
  template <class T>
  __device__ void store(T* p, T value) const {
    *p = value;
  }

  template <class T, int Count, int Slot>
  __device__ T* shared_array() const {
    __shared__ T memory[Count];
    return memory;
  }
  template <class T>
  __device__ T get(const T* p) const {
    return *p;
  }
  template <class T>
  __device__ void put(T* p, T value) const {
    *p = value;
  }

  __device__ void sync() const { __syncthreads(); }
  __device__ void sync_warp(unsigned mask) const { __syncwarp(mask); }
  __device__ unsigned ballot(unsigned mask, bool bit) const { return __ballot_sync(mask, bit); }
  template <class T>
  __device__ T shfl(unsigned mask, T value, int from) const {
    return __shfl_sync(mask, value, from);
  }
  template <class T>
  __device__ T shfl_xor(unsigned mask, T value, int with) const {
    return __shfl_xor_sync(mask, value, with);
  }
  template <class T>
  __device__ T shfl_up(unsigned mask, T value, int by) const {
    return __shfl_up_sync(mask, value, by);
  }
  template <class T>
  __device__ T shfl_down(unsigned mask, T value, int by) const {
    return __shfl_down_sync(mask, value, by);
  }
  __device__ void mma(Mma& m) const {
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(m.c[0]), "+r"(m.c[1]), "+r"(m.c[2]), "+r"(m.c[3])
        : "r"(m.a[0]), "r"(m.a[1]), "r"(m.a[2]), "r"(m.a[3]), "r"(m.b[0]), "r"(m.b[1]));
#else
    // Devices before: four inputs at a time, what other lanes hold by shuffles.
    const int lane = static_cast<int>(threadIdx.x & 31);
    const int row = lane & 28, column = (lane & 3) * 8;
    for (int half = 0; half < 2; ++half) {
      for (int j = 0; j < 4; ++j) {
        const auto above = static_cast<int>(shfl(0xffffffffu, m.a[2 * half], row + j)),
                   below = static_cast<int>(shfl(0xffffffffu, m.a[2 * half + 1], row + j));
        const auto left = static_cast<int>(shfl(0xffffffffu, m.b[half], column + j)),
                   right = static_cast<int>(shfl(0xffffffffu, m.b[half], column + 4 + j));
        m.c[0] = product(above, left, m.c[0]);
        m.c[1] = product(above, right, m.c[1]);
        m.c[2] = product(below, left, m.c[2]);
        m.c[3] = product(below, right, m.c[3]);
      }
    }
#endif
  }
  template <class T>
  __device__ T atomic_add(T* p, T value) const {
    return atomicAdd(p, value);
  }

 private:
  // Bytes of a, 0 to 255, times those of b, -128 to 127.
  static __device__ int product(int a, int b, int sum) {
    for (int i = 0; i < 4; ++i)
      sum += ((a >> (8 * i)) & 255) * static_cast<signed char>(b >> (8 * i));
    return sum;
  }
};

}  // namespace spikeloom::cuda
#endif
