#include "sim/plan/backend.hpp"

#include <algorithm>
#include <cstring>

#include "core/tensor.hpp"

namespace spikeloom {

std::shared_ptr<std::byte> Backend::allocate(int64_t bytes) const {
  // A little behind the end belongs to it: kernels read whole vectors.
  auto memory = std::make_shared<Tensor>(Shape{bytes + 64}, DType::kU8);
  return {memory, memory->data()};
}

std::shared_ptr<std::byte> Backend::allocate_host(int64_t bytes) const {
  return Backend::allocate(bytes);
}

void Backend::fill(void*, float* to, float value, int64_t rows, int64_t channels) const noexcept {
  for (int64_t row = 0; row < rows; ++row, to += padded(channels)) {
    std::fill(to, to + channels, value);
    std::fill(to + channels, to + padded(channels), 0.0f);
  }
}

void Backend::clear(void*, void* to, int64_t bytes) const noexcept {
  std::fill_n(static_cast<std::byte*>(to), bytes, std::byte{0});
}

void Backend::move(void*, void* to, const void* from, int64_t bytes) const noexcept {
  if (bytes > 0) std::memmove(to, from, static_cast<size_t>(bytes));  // `from` may be null
}

void Backend::copy_in(void*, void* to, const void* from, int64_t bytes) const noexcept {
  Backend::move(nullptr, to, from, bytes);
}

void Backend::copy_out(void*, void* to, const void* from, int64_t bytes) const noexcept {
  Backend::move(nullptr, to, from, bytes);
}

bool Backend::begin_chunk(void*, int64_t, std::span<const int64_t>) const noexcept {
  return false;
}

void Backend::end_chunk(void*) const noexcept {}

void Backend::finish(void*) const {}

}  // namespace spikeloom
