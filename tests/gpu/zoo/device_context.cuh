#pragma once
// The device's side of the context the zoo is written over: one instruction per method.

#include <cstdint>

namespace spikeloom::zoo {

struct DeviceContext {
  __device__ unsigned tid() const { return threadIdx.x; }
  __device__ unsigned bid() const { return blockIdx.x; }
  __device__ unsigned bdim() const { return blockDim.x; }
  __device__ unsigned gdim() const { return gridDim.x; }
  __device__ unsigned lane() const { return threadIdx.x & 31; }
  __device__ unsigned warp() const { return threadIdx.x >> 5; }
  template <class T>
  __device__ T load(const T* p) const { return __ldg(p); }
  template <class T>
  __device__ T read(const T* p) const { return *p; }
  template <class T, class V>
  __device__ void store(T* p, V value) const { *p = static_cast<T>(value); }
  template <class T, class V>
  __device__ T atomic_add(T* p, V value) const { return atomicAdd(p, static_cast<T>(value)); }
  template <class T, int Count, int Slot>
  __device__ T* shared_array() const {
    __shared__ T memory[Count];
    return memory;
  }
  template <class T>
  __device__ T get(const T* p) const { return *p; }
  template <class T, class V>
  __device__ void put(T* p, V value) const { *p = static_cast<T>(value); }
  __device__ void sync() const { __syncthreads(); }
  __device__ void sync_warp(unsigned mask) const { __syncwarp(mask); }
  __device__ unsigned ballot(unsigned mask, bool yes) const { return __ballot_sync(mask, yes); }
  template <class T>
  __device__ T shfl(unsigned mask, T value, int lane) const { return __shfl_sync(mask, value, lane); }
  template <class T>
  __device__ T shfl_xor(unsigned mask, T value, int bits) const { return __shfl_xor_sync(mask, value, bits); }
};

}  // namespace spikeloom::zoo
