#pragma once
// What instructions between registers and atomic ones do to integers alike; sums wrap.

#include "tests/gpu/ptx/lanewise.hpp"

namespace spikeloom::ptx::integers {

struct Add {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(bits(a) + bits(b));
  }
};
struct Min {
  template <class T>
  static T of(T a, T b) {
    return a < b ? a : b;
  }
};
struct Max {
  template <class T>
  static T of(T a, T b) {
    return a > b ? a : b;
  }
};
struct And {
  template <class T>
  static T of(T a, T b) {
    return a & b;
  }
};
struct Or {
  template <class T>
  static T of(T a, T b) {
    return a | b;
  }
};
struct Xor {
  template <class T>
  static T of(T a, T b) {
    return a ^ b;
  }
};

}  // namespace spikeloom::ptx::integers
