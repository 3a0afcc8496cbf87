// Arithmetic of floats, rounded to nearest; conversions. Approximate instructions (ex2.approx, ...)
// have no exact definition and are left out on purpose: a kernel that uses one is refused.

#include <cmath>
#include <limits>
#include <type_traits>

#include "tests/gpu/ptx/lanewise.hpp"

namespace spikeloom::ptx {
namespace {

template <class T>
void fused(Warp& w, const Instruction& i, uint32_t lanes) {
  const auto* const a = row<T>(w, i.in[0]);
  const auto* const b = row<T>(w, i.in[1]);
  const auto* const c = row<T>(w, i.in[2]);
  assign(row<T>(w, i.out[0]), lanes, [=](int l) {
    return to_slot<T>(std::fma(from_slot<T>(a[l]), from_slot<T>(b[l]), from_slot<T>(c[l])));
  });
}

struct Add {
  template <class T>
  static T of(T a, T b) {
    return a + b;
  }
};
struct Sub {
  template <class T>
  static T of(T a, T b) {
    return a - b;
  }
};
struct Mul {
  template <class T>
  static T of(T a, T b) {
    return a * b;
  }
};
struct Div {
  template <class T>
  static T of(T a, T b) {
    return a / b;
  }
};
struct Sqrt {
  template <class T>
  static T of(T a) {
    return std::sqrt(a);
  }
};
struct Rcp {
  template <class T>
  static T of(T a) {
    return T{1} / a;
  }
};
struct Neg {
  template <class T>
  static T of(T a) {
    return -a;
  }
};
struct Abs {
  template <class T>
  static T of(T a) {
    return std::fabs(a);
  }
};
struct CopySign {
  template <class T>
  static T of(T a, T b) {
    return std::copysign(b, a);
  }
};
// A number if there is one; -0 is less than +0.
struct Min {
  template <class T>
  static T of(T a, T b) {
    if (a != a) return b;
    if (a == b) return std::signbit(a) ? a : b;
    return b < a ? b : a;
  }
};
struct Max {
  template <class T>
  static T of(T a, T b) {
    if (a != a) return b;
    if (a == b) return std::signbit(a) ? b : a;
    return b > a ? b : a;
  }
};

struct Ne {
  template <class T>
  static bool of(T a, T b) {
    return a < b || a > b;
  }
};
struct Num {
  template <class T>
  static bool of(T a, T b) {
    return a == a && b == b;
  }
};
template <class F>  // true also if one is no number: the opposite of the opposite
struct Un {
  template <class T>
  static bool of(T a, T b) {
    return !F::of(a, b);
  }
};

template <class T>
void add_floats(Table& t, const std::string& type) {
  const bool wide = sizeof(T) == 8;
  const char *const two = wide ? "dd" : "ww", *const three = wide ? "ddd" : "www";
  for (const char* const rounding : {"", "rn."}) {
    t[std::string("add.") + rounding + type] = {binary<T, Add>, three};
    t[std::string("sub.") + rounding + type] = {binary<T, Sub>, three};
    t[std::string("mul.") + rounding + type] = {binary<T, Mul>, three};
  }
  t["fma.rn." + type] = {fused<T>, wide ? "dddd" : "wwww"};
  t["div.rn." + type] = {binary<T, Div>, three};
  t["sqrt.rn." + type] = {unary<T, Sqrt>, two};
  t["rcp.rn." + type] = {unary<T, Rcp>, two};
  t["neg." + type] = {unary<T, Neg>, two};
  t["abs." + type] = {unary<T, Abs>, two};
  t["copysign." + type] = {binary<T, CopySign>, three};
  t["min." + type] = {binary<T, Min>, three};
  t["max." + type] = {binary<T, Max>, three};
  const char* const operands = wide ? "pdd" : "pww";
  const std::pair<const char*, Exec> comparisons[] = {
      {"eq", compare<T, Eq>},      {"ne", compare<T, Ne>},      {"lt", compare<T, Lt>},
      {"le", compare<T, Le>},      {"gt", compare<T, Gt>},      {"ge", compare<T, Ge>},
      {"num", compare<T, Num>},    {"equ", compare<T, Un<Ne>>}, {"neu", compare<T, Un<Eq>>},
      {"ltu", compare<T, Un<Ge>>}, {"leu", compare<T, Un<Gt>>}, {"gtu", compare<T, Un<Le>>},
      {"geu", compare<T, Un<Lt>>}, {"nan", compare<T, Un<Num>>}};
  for (const auto& [name, run] : comparisons)
    t["setp." + std::string(name) + "." + type] = {run, operands};
}

enum class Round { kNearest, kZero, kDown, kUp };
template <Round kRound, class T>
T whole(T a) {
  if constexpr (kRound == Round::kNearest)
    return std::nearbyint(a);
  else if constexpr (kRound == Round::kZero)
    return std::trunc(a);
  else if constexpr (kRound == Round::kDown)
    return std::floor(a);
  else
    return std::ceil(a);
}

template <class D, class A, Round kRound>
D convert(A a) {
  if constexpr (std::is_floating_point_v<A> && std::is_integral_v<D>) {
    const A r = whole<kRound>(a);
    if (r != r) return 0;
    constexpr A kEnd = static_cast<A>(std::numeric_limits<D>::max() / 2 + 1) * 2;
    if (r >= kEnd) return std::numeric_limits<D>::max();
    if (r <= static_cast<A>(std::numeric_limits<D>::min())) return std::numeric_limits<D>::min();
    return static_cast<D>(r);
  } else if constexpr (std::is_same_v<D, A> && std::is_floating_point_v<A>) {
    return whole<kRound>(a);
  } else {
    return static_cast<D>(a);
  }
}

template <class D, class A, Round kRound>
void converted(Warp& w, const Instruction& i, uint32_t lanes) {
  const auto* const a = row<A>(w, i.in[0]);
  assign(row<D>(w, i.out[0]), lanes,
         [=](int l) { return to_slot<D>(convert<D, A, kRound>(from_slot<A>(a[l]))); });
}
// Rows of other sizes than the types': the low bytes of a source, a result extended by its sign.
template <class D, class A, Round kRound>
void converted_apart(Warp& w, const Instruction& i, uint32_t lanes) {
  for (int l = 0; l < simt::kWarp; ++l) {
    if ((lanes >> l & 1) == 0) continue;
    A a;
    std::memcpy(&a, w.rows + i.in[0] + l * i.in_stride, sizeof a);
    const D d = convert<D, A, kRound>(a);
    if (i.out_stride == 8) {
      const uint64_t wide =
          std::is_integral_v<D> ? static_cast<uint64_t>(static_cast<int64_t>(d)) : to_slot<D>(d);
      std::memcpy(w.rows + i.out[0] + l * 8, &wide, 8);
    } else {
      const auto slot = static_cast<uint32_t>(to_slot<D>(d));
      std::memcpy(w.rows + i.out[0] + l * 4, &slot, 4);
    }
  }
}

using Conversions = std::unordered_map<std::string, Exec>;

template <class D, class A, Round kRound>
void add_conversion(Table& t, Conversions& apart, const std::string& name) {
  static constexpr const char* kShapes[] = {"ww", "wd", "dw", "dd"};
  t[name] = {converted<D, A, kRound>, kShapes[(sizeof(D) == 8) * 2 + (sizeof(A) == 8)]};
  apart[name] = converted_apart<D, A, kRound>;
}

template <class A>
void add_to_whole(Table& t, Conversions& apart, const std::string& a) {
  const std::string from = "." + a;
  if constexpr (std::is_integral_v<A>) {
    add_conversion<uint8_t, A, Round::kZero>(t, apart, "cvt.u8" + from);
    add_conversion<int8_t, A, Round::kZero>(t, apart, "cvt.s8" + from);
    add_conversion<uint16_t, A, Round::kZero>(t, apart, "cvt.u16" + from);
    add_conversion<int16_t, A, Round::kZero>(t, apart, "cvt.s16" + from);
    add_conversion<uint32_t, A, Round::kZero>(t, apart, "cvt.u32" + from);
    add_conversion<int32_t, A, Round::kZero>(t, apart, "cvt.s32" + from);
    add_conversion<uint64_t, A, Round::kZero>(t, apart, "cvt.u64" + from);
    add_conversion<int64_t, A, Round::kZero>(t, apart, "cvt.s64" + from);
    add_conversion<float, A, Round::kNearest>(t, apart, "cvt.rn.f32" + from);
    add_conversion<double, A, Round::kNearest>(t, apart, "cvt.rn.f64" + from);
  }
}

template <class A, Round kRound>
void add_rounded(Table& t, Conversions& apart, const std::string& mode, const std::string& a) {
  const std::string cvt = "cvt." + mode + ".", from = "." + a;
  add_conversion<uint8_t, A, kRound>(t, apart, cvt + "u8" + from);
  add_conversion<int8_t, A, kRound>(t, apart, cvt + "s8" + from);
  add_conversion<uint16_t, A, kRound>(t, apart, cvt + "u16" + from);
  add_conversion<int16_t, A, kRound>(t, apart, cvt + "s16" + from);
  add_conversion<uint32_t, A, kRound>(t, apart, cvt + "u32" + from);
  add_conversion<int32_t, A, kRound>(t, apart, cvt + "s32" + from);
  add_conversion<uint64_t, A, kRound>(t, apart, cvt + "u64" + from);
  add_conversion<int64_t, A, kRound>(t, apart, cvt + "s64" + from);
  add_conversion<A, A, kRound>(t, apart, cvt + a + from);
}

Conversions& conversions_apart() {
  static Conversions all;
  return all;
}

}  // namespace

void add_float_operations(Table& t) {
  add_floats<float>(t, "f32");
  add_floats<double>(t, "f64");
}

void add_conversions(Table& t) {
  Conversions& apart = conversions_apart();
  add_to_whole<uint8_t>(t, apart, "u8");
  add_to_whole<int8_t>(t, apart, "s8");
  add_to_whole<uint16_t>(t, apart, "u16");
  add_to_whole<int16_t>(t, apart, "s16");
  add_to_whole<uint32_t>(t, apart, "u32");
  add_to_whole<int32_t>(t, apart, "s32");
  add_to_whole<uint64_t>(t, apart, "u64");
  add_to_whole<int64_t>(t, apart, "s64");
  add_rounded<float, Round::kNearest>(t, apart, "rni", "f32");
  add_rounded<float, Round::kZero>(t, apart, "rzi", "f32");
  add_rounded<float, Round::kDown>(t, apart, "rmi", "f32");
  add_rounded<float, Round::kUp>(t, apart, "rpi", "f32");
  add_rounded<double, Round::kNearest>(t, apart, "rni", "f64");
  add_rounded<double, Round::kZero>(t, apart, "rzi", "f64");
  add_rounded<double, Round::kDown>(t, apart, "rmi", "f64");
  add_rounded<double, Round::kUp>(t, apart, "rpi", "f64");
  add_conversion<double, float, Round::kNearest>(t, apart, "cvt.f64.f32");
  add_conversion<float, double, Round::kNearest>(t, apart, "cvt.rn.f32.f64");
}

Exec find_conversion(const std::string& name) {
  const auto found = conversions_apart().find(name);
  return found == conversions_apart().end() ? nullptr : found->second;
}

const Operation* find_operation(const std::string& name) {
  static const Table table = [] {
    Table t;
    add_integer_operations(t);
    add_bit_operations(t);
    add_float_operations(t);
    add_conversions(t);
    return t;
  }();
  const auto found = table.find(name);
  return found == table.end() ? nullptr : &found->second;
}

}  // namespace spikeloom::ptx
