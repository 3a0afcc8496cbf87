#pragma once
// An owning, dense, row-major tensor of any stored element type. Memory is 64-byte aligned; from 2
// MiB on it starts on, and asks the system for, huge pages.

#include <cstddef>
#include <memory>
#include <span>

#include "core/dtype.hpp"
#include "core/shape.hpp"

namespace spikeloom {

class Tensor {
 public:
  Tensor() = default;
  // Allocates zeros. Throws Error(kData) on an overflowing shape.
  explicit Tensor(Shape shape, DType dtype = DType::kF32);

  const Shape& shape() const noexcept { return shape_; }
  DType dtype() const noexcept { return dtype_; }
  int64_t size() const noexcept { return count_; }
  int64_t bytes() const noexcept { return count_ * size_of(dtype_); }

  // Typed views; T must match dtype (checked, Error(kInternal)).
  template <typename T>
  std::span<T> as();
  template <typename T>
  std::span<const T> as() const;
  std::span<float> f32() { return as<float>(); }
  std::span<const float> f32() const { return as<float>(); }

  std::byte* data() noexcept { return data_.get(); }
  const std::byte* data() const noexcept { return data_.get(); }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };
  Shape shape_;
  DType dtype_ = DType::kF32;
  int64_t count_ = 0;
  std::unique_ptr<std::byte[], Free> data_;
};

// A deep copy.
Tensor clone(const Tensor& tensor);
// A copy of [first, first + count) of the first axis, which must lie inside.
Tensor part_of(const Tensor& tensor, int64_t first, int64_t count);

bool all_finite(std::span<const float> values) noexcept;
bool all_binary(std::span<const float> values) noexcept;  // 0 or 1

// The values as fp32 (identity copy for fp32; bool and integers by value).
Tensor to_f32(const Tensor& tensor);

// The values rounded to fp16 (round to nearest even); the input must be a float type.
Tensor to_f16(const Tensor& tensor);

}  // namespace spikeloom
