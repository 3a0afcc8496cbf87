#pragma once
// Operations of one lane made into instructions: what integer, bit and float operations share.

#include <type_traits>

#include "tests/gpu/ptx/operations.hpp"

namespace spikeloom::ptx {

// Unsigned, and wide enough that products do not overflow a promoted int.
template <class T>
using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
template <class T>
Bits<T> bits(T value) {
  return static_cast<Bits<T>>(value);
}
template <class T, class F>
void unary(Warp& w, const Instruction& i, uint32_t lanes) {
  const auto* const a = row<T>(w, i.in[0]);
  assign(row<T>(w, i.out[0]), lanes, [=](int l) { return to_slot<T>(F::of(from_slot<T>(a[l]))); });
}
template <class T, class F>
void binary(Warp& w, const Instruction& i, uint32_t lanes) {
  const auto* const a = row<T>(w, i.in[0]);
  const auto* const b = row<T>(w, i.in[1]);
  assign(row<T>(w, i.out[0]), lanes,
         [=](int l) { return to_slot<T>(F::of(from_slot<T>(a[l]), from_slot<T>(b[l]))); });
}
template <class T, class F>
void ternary(Warp& w, const Instruction& i, uint32_t lanes) {
  const auto* const a = row<T>(w, i.in[0]);
  const auto* const b = row<T>(w, i.in[1]);
  const auto* const c = row<T>(w, i.in[2]);
  assign(row<T>(w, i.out[0]), lanes, [=](int l) {
    return to_slot<T>(F::of(from_slot<T>(a[l]), from_slot<T>(b[l]), from_slot<T>(c[l])));
  });
}
// Shifts: the second operand is always a u32.
template <class T, class F>
void shift(Warp& w, const Instruction& i, uint32_t lanes) {
  const auto* const a = row<T>(w, i.in[0]);
  const uint32_t* const b = w.words(i.in[1]);
  assign(row<T>(w, i.out[0]), lanes,
         [=](int l) { return to_slot<T>(F::of(from_slot<T>(a[l]), b[l])); });
}
template <class T, class F>
void compare(Warp& w, const Instruction& i, uint32_t lanes) {
  const auto* const a = row<T>(w, i.in[0]);
  const auto* const b = row<T>(w, i.in[1]);
  uint32_t yes = 0;
  for (int l = 0; l < simt::kWarp; ++l)
    yes |= static_cast<uint32_t>(F::of(from_slot<T>(a[l]), from_slot<T>(b[l]))) << l;
  set_predicate(w, i.out[0], lanes, yes);
}

template <class S>
void select(Warp& w, const Instruction& i, uint32_t lanes) {
  const auto* const a = row<S>(w, i.in[0]);
  const auto* const b = row<S>(w, i.in[1]);
  const uint32_t p = w.predicates[i.in[2]];
  assign(row<S>(w, i.out[0]), lanes, [=](int l) { return (p >> l & 1) != 0 ? a[l] : b[l]; });
}

template <class T>
const char* shape(int operands) {
  static constexpr const char* kWords[] = {"", "w", "ww", "www", "wwww"};
  static constexpr const char* kLongs[] = {"", "d", "dd", "ddd", "dddd"};
  return sizeof(T) == 8 ? kLongs[operands] : kWords[operands];
}

struct Move {
  template <class T>
  static T of(T a) {
    return a;
  }
};
// Amounts of the width and more clamp to it.
struct ShiftLeft {
  template <class T>
  static T of(T a, uint32_t by) {
    return by >= 8 * sizeof(T) ? T{0} : static_cast<T>(bits(a) << by);
  }
};
struct ShiftRight {
  template <class T>
  static T of(T a, uint32_t by) {
    constexpr uint32_t kMost = 8 * sizeof(T) - 1;
    if (by > kMost) return std::is_signed_v<T> ? static_cast<T>(a >> kMost) : T{0};
    return static_cast<T>(a >> by);
  }
};

struct Eq {
  template <class T>
  static bool of(T a, T b) {
    return a == b;
  }
};
struct Ne {
  template <class T>
  static bool of(T a, T b) {
    return a != b;
  }
};
struct Lt {
  template <class T>
  static bool of(T a, T b) {
    return a < b;
  }
};
struct Le {
  template <class T>
  static bool of(T a, T b) {
    return a <= b;
  }
};
struct Gt {
  template <class T>
  static bool of(T a, T b) {
    return a > b;
  }
};
struct Ge {
  template <class T>
  static bool of(T a, T b) {
    return a >= b;
  }
};

}  // namespace spikeloom::ptx
