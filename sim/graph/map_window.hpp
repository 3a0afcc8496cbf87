#pragma once
// Windows that slide over maps: what convolutions and pools share.

#include <cstdint>
#include <string>
#include <vector>

#include "core/shape.hpp"

namespace spikeloom {

// The same of height and width; one number stands for both.
struct YX {
  int64_t y = 0, x = 0;
  constexpr YX() = default;
  constexpr YX(int64_t both) : y(both), x(both) {}  // NOLINT(google-explicit-constructor)
  constexpr YX(int64_t of_y, int64_t of_x) : y(of_y), x(of_x) {}
  constexpr bool operator==(const YX&) const = default;
  constexpr int64_t area() const { return y * x; }
};

// "3", or "3x5".
std::string to_string(YX of);

// One axis: output o reads the inputs o*stride - padding + [0, kernel); those outside are zeros.
struct WindowAxis {
  int64_t kernel = 1, stride = 1, padding = 0;

  // Outputs along `inputs` positions; 0: the kernel does not fit.
  int64_t outputs(int64_t inputs) const;
  // Of `outputs`, those that read input i.
  int64_t readers(int64_t i, int64_t outputs) const;
  // Inputs that all outputs read, those outside left out.
  int64_t reads(int64_t inputs) const;
};

}  // namespace spikeloom
