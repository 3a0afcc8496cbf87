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
  constexpr YX operator+(const YX& more) const { return {y + more.y, x + more.x}; }
  constexpr YX operator-(const YX& less) const { return {y - less.y, x - less.x}; }
};

// "3", or "3x5".
std::string to_string(YX of);

// One axis: output o reads the inputs o*stride - before + tap*dilation of all taps; those outside
// are zeros, `before` of them in front of the map and `after` behind it.
struct WindowAxis {
  int64_t kernel = 1, stride = 1, before = 0, after = 0, dilation = 1;
  constexpr bool operator==(const WindowAxis&) const = default;

  // Inputs from the first tap to the last.
  int64_t span() const { return dilation * (kernel - 1) + 1; }
  // Outputs along `inputs` positions; 0: the window does not fit.
  int64_t outputs(int64_t inputs) const;
  // Does input i lie under that tap of one of so many outputs?
  bool lands(int64_t i, int64_t tap, int64_t outputs) const;
  // Of `outputs`, those that read input i.
  int64_t readers(int64_t i, int64_t outputs) const;
  // Inputs that all outputs read, those outside left out.
  int64_t reads(int64_t inputs) const;
};

}  // namespace spikeloom
