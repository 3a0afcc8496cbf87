// Arithmetic of whole numbers and bits, predicates, selection, moves.

#include <algorithm>
#include <bit>
#include <type_traits>

#include "tests/gpu/ptx/integers.hpp"

namespace spikeloom::ptx {
namespace {

using integers::Add;
using integers::Max;
using integers::Min;

using Int128 = __int128;
template <class T>
using Twice = std::conditional_t<
    sizeof(T) == 8, std::conditional_t<std::is_signed_v<T>, Int128, unsigned __int128>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>>>;

template <class T>
void multiply_wide(Warp& w, const Instruction& i, uint32_t lanes) {
  const auto* const a = row<T>(w, i.in[0]);
  const auto* const b = row<T>(w, i.in[1]);
  using Wide = Twice<T>;
  assign(row<Wide>(w, i.out[0]), lanes,
         [=](int l) { return to_slot<Wide>(Wide{from_slot<T>(a[l])} * from_slot<T>(b[l])); });
}
template <class T>
void multiply_add_wide(Warp& w, const Instruction& i, uint32_t lanes) {
  const auto* const a = row<T>(w, i.in[0]);
  const auto* const b = row<T>(w, i.in[1]);
  using Wide = Twice<T>;
  const auto* const c = row<Wide>(w, i.in[2]);
  assign(row<Wide>(w, i.out[0]), lanes, [=](int l) {
    return to_slot<Wide>(static_cast<Wide>(bits(Wide{from_slot<T>(a[l])} * from_slot<T>(b[l])) +
                                           bits(from_slot<Wide>(c[l]))));
  });
}

struct Sub {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(bits(a) - bits(b));
  }
};
struct Mul {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(bits(a) * bits(b));
  }
};
struct MulHigh {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(Twice<T>{a} * b >> (8 * sizeof(T)));
  }
};
struct Mad {
  template <class T>
  static T of(T a, T b, T c) {
    return static_cast<T>(bits(a) * bits(b) + bits(c));
  }
};
// By zero: machine-specific in PTX; here all ones. The one quotient that overflows wraps.
struct Div {
  template <class T>
  static T of(T a, T b) {
    if (b == 0) return static_cast<T>(-1);
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return static_cast<T>(0 - bits(a));
    return static_cast<T>(a / b);
  }
};
struct Rem {
  template <class T>
  static T of(T a, T b) {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
    return static_cast<T>(a % b);
  }
};
struct Neg {
  template <class T>
  static T of(T a) {
    return static_cast<T>(0 - bits(a));
  }
};
struct Abs {
  template <class T>
  static T of(T a) {
    return a < 0 ? static_cast<T>(0 - bits(a)) : a;
  }
};

template <class T>
void add_comparisons(Table& t, const std::string& type) {
  const char* const operands = sizeof(T) == 8 ? "pdd" : "pww";
  t["setp.eq." + type] = {compare<T, Eq>, operands};
  t["setp.ne." + type] = {compare<T, Ne>, operands};
  for (const auto& [name, run] : {std::pair<const char*, Exec>{"lt", compare<T, Lt>},
                                  {"le", compare<T, Le>},
                                  {"gt", compare<T, Gt>},
                                  {"ge", compare<T, Ge>}})
    t["setp." + std::string(name) + "." + type] = {run, operands};
  if (std::is_signed_v<T>) return;
  for (const auto& [name, run] : {std::pair<const char*, Exec>{"lo", compare<T, Lt>},
                                  {"ls", compare<T, Le>},
                                  {"hi", compare<T, Gt>},
                                  {"hs", compare<T, Ge>}})
    t["setp." + std::string(name) + "." + type] = {run, operands};
}

template <class T>
void add_arithmetic(Table& t, const std::string& type) {
  t["add." + type] = {binary<T, Add>, shape<T>(3)};
  t["sub." + type] = {binary<T, Sub>, shape<T>(3)};
  t["mul.lo." + type] = {binary<T, Mul>, shape<T>(3)};
  t["mul.hi." + type] = {binary<T, MulHigh>, shape<T>(3)};
  t["mad.lo." + type] = {ternary<T, Mad>, shape<T>(4)};
  t["min." + type] = {binary<T, Min>, shape<T>(3)};
  t["max." + type] = {binary<T, Max>, shape<T>(3)};
  t["div." + type] = {binary<T, Div>, shape<T>(3)};
  t["rem." + type] = {binary<T, Rem>, shape<T>(3)};
  t["shr." + type] = {shift<T, ShiftRight>, sizeof(T) == 8 ? "ddw" : "www"};
  t["mov." + type] = {unary<T, Move>, shape<T>(2)};
  t["selp." + type] = {select<T>, sizeof(T) == 8 ? "dddp" : "wwwp"};
  add_comparisons<T>(t, type);
  if constexpr (std::is_signed_v<T>) {
    t["neg." + type] = {unary<T, Neg>, shape<T>(2)};
    t["abs." + type] = {unary<T, Abs>, shape<T>(2)};
  }
  if constexpr (sizeof(T) < 8) {
    t["mul.wide." + type] = {multiply_wide<T>, sizeof(T) == 4 ? "dww" : "www"};
    t["mad.wide." + type] = {multiply_add_wide<T>, sizeof(T) == 4 ? "dwwd" : "wwww"};
  }
}

}  // namespace

void add_integer_operations(Table& t) {
  add_arithmetic<uint16_t>(t, "u16");
  add_arithmetic<int16_t>(t, "s16");
  add_arithmetic<uint32_t>(t, "u32");
  add_arithmetic<int32_t>(t, "s32");
  add_arithmetic<uint64_t>(t, "u64");
  add_arithmetic<int64_t>(t, "s64");
  for (const char* const space : {"global", "shared", "param"}) {
    // Generic addresses are those of the spaces.
    t["cvta.to." + std::string(space) + ".u64"] = {unary<uint64_t, Move>, "dd"};
    t["cvta." + std::string(space) + ".u64"] = {unary<uint64_t, Move>, "dd"};
  }
}

}  // namespace spikeloom::ptx
