#include "core/tensor.hpp"

#include <sys/mman.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

#include "core/error.hpp"

namespace spikeloom {
namespace {

constexpr size_t kAlignment = 64, kHugePage = size_t{2} << 20;

// In front of every tensor: what to give back, and how.
struct alignas(kAlignment) Head {
  void* base;
  size_t mapped;  // bytes; 0: from the heap
};

// Zeros as the system gives them: not written before they are used. They start on, and ask the
// system for, huge pages: weights that are read once a step come from memory 5 to 10 % faster.
std::byte* map_zeros(size_t size) {
  const size_t bytes = size + 2 * kHugePage;  // room to start on a page, behind the head
  void* const base =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) throw std::bad_alloc();
  const auto start = reinterpret_cast<uintptr_t>(base) + sizeof(Head);
  auto* const data = reinterpret_cast<std::byte*>((start + kHugePage - 1) / kHugePage * kHugePage);
  madvise(data, size / kHugePage * kHugePage, MADV_HUGEPAGE);
  new (data - sizeof(Head)) Head{base, bytes};
  return data;
}

std::byte* allocate_zeros(size_t size) {
  if (size >= kHugePage) return map_zeros(size);
  void* memory = nullptr;  // std::aligned_alloc takes whole multiples of the alignment only
  if (posix_memalign(&memory, kAlignment, sizeof(Head) + size) != 0) throw std::bad_alloc();
  auto* const data = static_cast<std::byte*>(memory) + sizeof(Head);
  new (memory) Head{memory, 0};
  return static_cast<std::byte*>(std::memset(data, 0, size));
}

template <typename T>
constexpr bool holds(DType type) {
  if constexpr (std::is_same_v<T, float>) return type == DType::kF32;
  if constexpr (std::is_same_v<T, double>) return type == DType::kF64;
  if constexpr (std::is_same_v<T, uint16_t>) return type == DType::kF16 || type == DType::kBF16;
  if constexpr (std::is_same_v<T, int64_t>) return type == DType::kI64;
  if constexpr (std::is_same_v<T, int32_t>) return type == DType::kI32;
  if constexpr (std::is_same_v<T, int16_t>) return type == DType::kI16;
  if constexpr (std::is_same_v<T, int8_t>) return type == DType::kI8;
  if constexpr (std::is_same_v<T, uint8_t>) return type == DType::kU8 || type == DType::kBool;
  return false;
}

template <typename T>
void require(DType type) {
  if (!holds<T>(type)) {
    throw Error(ErrorCode::kInternal,
                "tensor of " + std::string(name_of(type)) + " viewed as another type");
  }
}

template <typename T>
void widen(const Tensor& from, std::span<float> to) {
  const auto values = from.as<T>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(values[i]);
}

}  // namespace

void Tensor::Free::operator()(std::byte* memory) const noexcept {
  const Head head = *reinterpret_cast<const Head*>(memory - sizeof(Head));
  if (head.mapped > 0) {
    munmap(head.base, head.mapped);
  } else {
    std::free(head.base);
  }
}

Tensor::Tensor(Shape shape, DType dtype)
    : shape_(std::move(shape)), dtype_(dtype), count_(element_count(shape_)) {
  if (count_ > (int64_t{1} << 62) / size_of(dtype_)) {
    throw Error(ErrorCode::kData, "tensor " + to_string(shape_) + " is too large");
  }
  if (count_ == 0) return;
  data_.reset(allocate_zeros(static_cast<size_t>(bytes())));
}

template <typename T>
std::span<T> Tensor::as() {
  require<T>(dtype_);
  return {reinterpret_cast<T*>(data_.get()), static_cast<size_t>(count_)};
}

template <typename T>
std::span<const T> Tensor::as() const {
  require<T>(dtype_);
  return {reinterpret_cast<const T*>(data_.get()), static_cast<size_t>(count_)};
}

#define SPIKELOOM_INSTANTIATE(T)         \
  template std::span<T> Tensor::as<T>(); \
  template std::span<const T> Tensor::as<T>() const;
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(double)
SPIKELOOM_INSTANTIATE(uint16_t)
SPIKELOOM_INSTANTIATE(int64_t)
SPIKELOOM_INSTANTIATE(int32_t)
SPIKELOOM_INSTANTIATE(int16_t)
SPIKELOOM_INSTANTIATE(int8_t)
SPIKELOOM_INSTANTIATE(uint8_t)
#undef SPIKELOOM_INSTANTIATE

Tensor clone(const Tensor& tensor) {
  Tensor copy(tensor.shape(), tensor.dtype());
  if (tensor.bytes() > 0)
    std::memcpy(copy.data(), tensor.data(), static_cast<size_t>(tensor.bytes()));
  return copy;
}

Tensor part_of(const Tensor& tensor, int64_t first, int64_t count) {
  Shape shape = tensor.shape();
  const int64_t each = tensor.bytes() / shape[0];
  shape[0] = count;
  Tensor part(std::move(shape), tensor.dtype());
  if (part.bytes() > 0)
    std::memcpy(part.data(), tensor.data() + first * each, static_cast<size_t>(part.bytes()));
  return part;
}

// Bits alone: what loads look at is all of the weights, and this vectorises.
bool all_finite(std::span<const float> values) noexcept {
  constexpr uint32_t kMagnitude = 0x7fffffff, kToTop = 0x00800000;  // an exponent of ones overflows
  uint32_t tops = 0;
  for (const float value : values) tops |= (std::bit_cast<uint32_t>(value) & kMagnitude) + kToTop;
  return tops >> 31 == 0;
}

bool all_binary(std::span<const float> values) noexcept {
  int32_t others = 0;  // no early end, so that the loop becomes vectors
  for (const float value : values) others |= (value != 0.0f) & (value != 1.0f);
  return others == 0;
}

Tensor to_f32(const Tensor& tensor) {
  Tensor result(tensor.shape());
  const auto to = result.f32();
  switch (tensor.dtype()) {
    case DType::kF32: widen<float>(tensor, to); break;
    case DType::kF64: widen<double>(tensor, to); break;
    case DType::kI64: widen<int64_t>(tensor, to); break;
    case DType::kI32: widen<int32_t>(tensor, to); break;
    case DType::kI16: widen<int16_t>(tensor, to); break;
    case DType::kI8: widen<int8_t>(tensor, to); break;
    case DType::kU8:
    case DType::kBool: widen<uint8_t>(tensor, to); break;
    case DType::kF16: {
      const auto values = tensor.as<uint16_t>();
      for (size_t i = 0; i < to.size(); ++i) to[i] = half_to_float(values[i]);
      break;
    }
    case DType::kBF16: {
      const auto values = tensor.as<uint16_t>();
      for (size_t i = 0; i < to.size(); ++i) to[i] = bfloat16_to_float(values[i]);
      break;
    }
  }
  return result;
}

Tensor to_f16(const Tensor& tensor) {
  if (!is_float(tensor.dtype())) {
    throw Error(ErrorCode::kInternal, "only float tensors can be rounded to float16");
  }
  const Tensor wide = to_f32(tensor);
  Tensor result(tensor.shape(), DType::kF16);
  const auto from = wide.f32();
  const auto to = result.as<uint16_t>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = float_to_half(from[i]);
  return result;
}

}  // namespace spikeloom
