// Bits: logic, shifts, fields, permutations; predicates, selection, moves.

#include <algorithm>
#include <bit>

#include "tests/gpu/ptx/integers.hpp"

namespace spikeloom::ptx {
namespace {

using integers::And;
using integers::Or;
using integers::Xor;

struct Not {
  template <class T>
  static T of(T a) {
    return static_cast<T>(~a);
  }
};
// Results of one word from one of another size.
template <class T, class F>
void count_bits(Warp& w, const Instruction& i, uint32_t lanes) {
  const auto* const a = row<T>(w, i.in[0]);
  assign(w.words(i.out[0]), lanes,
         [=](int l) { return static_cast<uint32_t>(F::of(from_slot<T>(a[l]))); });
}
struct Popc {
  template <class T>
  static int of(T a) {
    return std::popcount(a);
  }
};
struct Clz {
  template <class T>
  static int of(T a) {
    return std::countl_zero(a);
  }
};
// The highest bit that differs from the sign; -1 if there is none.
template <bool kShift>
struct Find {
  template <class T>
  static int of(T a) {
    using U = std::make_unsigned_t<T>;
    const U u = std::is_signed_v<T> && a < 0 ? static_cast<U>(~a) : static_cast<U>(a);
    if (u == 0) return -1;
    return kShift ? std::countl_zero(u) : static_cast<int>(8 * sizeof(T)) - 1 - std::countl_zero(u);
  }
};
struct Reverse {
  template <class T>
  static T of(T a) {
    T r = 0;
    for (unsigned k = 0; k < 8 * sizeof(T); ++k)
      r = static_cast<T>(r | (a >> k & 1) << (8 * sizeof(T) - 1 - k));
    return r;
  }
};

template <class T>
void extract(Warp& w, const Instruction& i, uint32_t lanes) {  // bfe
  const auto* const a = row<T>(w, i.in[0]);
  const uint32_t *const b = w.words(i.in[1]), *const c = w.words(i.in[2]);
  assign(row<T>(w, i.out[0]), lanes, [=](int l) -> Slot<T> {
    constexpr uint32_t kWidth = 8 * sizeof(T);
    const uint32_t at = b[l] & 0xff, n = c[l] & 0xff;
    const T value = from_slot<T>(a[l]);
    if (n == 0) return 0;
    const uint32_t top = std::min(at + n - 1, kWidth - 1);
    const bool sign = std::is_signed_v<T> && (bits(value) >> top & 1) != 0;
    Bits<T> r = at >= kWidth ? 0 : bits(value) >> at;
    const uint32_t kept = at >= kWidth ? 0 : std::min(n, kWidth - at);
    const Bits<T> ones = kept >= kWidth ? ~Bits<T>{0} : (Bits<T>{1} << kept) - 1;
    r = sign ? (r & ones) | ~ones : r & ones;
    return r;
  });
}
template <class T>
void insert(Warp& w, const Instruction& i, uint32_t lanes) {  // bfi
  const auto *const a = row<T>(w, i.in[0]), *const b = row<T>(w, i.in[1]);
  const uint32_t *const c = w.words(i.in[2]), *const d = w.words(i.in[3]);
  assign(row<T>(w, i.out[0]), lanes, [=](int l) -> Slot<T> {
    constexpr uint32_t kWidth = 8 * sizeof(T);
    const uint32_t at = c[l] & 0xff, n = d[l] & 0xff;
    if (at >= kWidth) return b[l];
    T ones = n >= kWidth ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << n) - 1);
    ones = static_cast<T>(ones << at);
    return (b[l] & ~ones) | (static_cast<T>(a[l] << at) & ones);
  });
}
void permute(Warp& w, const Instruction& i, uint32_t lanes) {  // prmt
  const uint32_t *const a = w.words(i.in[0]), *const b = w.words(i.in[1]),
                        *const c = w.words(i.in[2]);
  assign(w.words(i.out[0]), lanes, [=](int l) {
    const uint64_t both = uint64_t{b[l]} << 32 | a[l];
    uint32_t r = 0;
    for (int k = 0; k < 4; ++k) {
      const uint32_t which = c[l] >> (4 * k);
      uint32_t byte = static_cast<uint32_t>(both >> (8 * (which & 7))) & 0xff;
      if ((which & 8) != 0) byte = (byte & 0x80) != 0 ? 0xff : 0;
      r |= byte << (8 * k);
    }
    return r;
  });
}
template <bool kLeft, bool kWrap>
void funnel(Warp& w, const Instruction& i, uint32_t lanes) {  // shf
  const uint32_t *const a = w.words(i.in[0]), *const b = w.words(i.in[1]),
                        *const c = w.words(i.in[2]);
  assign(w.words(i.out[0]), lanes, [=](int l) {
    const uint64_t both = uint64_t{b[l]} << 32 | a[l];
    const uint32_t by = kWrap ? c[l] & 31 : std::min(c[l], 32u);
    return static_cast<uint32_t>(kLeft ? both << by >> 32 : both >> by);
  });
}
void lookup(Warp& w, const Instruction& i, uint32_t lanes) {  // lop3, the table in `argument`
  const uint32_t *const a = w.words(i.in[0]), *const b = w.words(i.in[1]),
                        *const c = w.words(i.in[2]);
  assign(w.words(i.out[0]), lanes, [=, table = i.argument](int l) {
    uint32_t r = 0;
    for (unsigned k = 0; k < 8; ++k) {
      if ((table >> k & 1) == 0) continue;
      r |= ((k & 4) != 0 ? a[l] : ~a[l]) & ((k & 2) != 0 ? b[l] : ~b[l]) &
           ((k & 1) != 0 ? c[l] : ~c[l]);
    }
    return r;
  });
}
template <class A, class B>
void dot4(Warp& w, const Instruction& i, uint32_t lanes) {  // dp4a
  const uint32_t *const a = w.words(i.in[0]), *const b = w.words(i.in[1]),
                        *const c = w.words(i.in[2]);
  assign(w.words(i.out[0]), lanes, [=](int l) {
    uint32_t sum = c[l];
    for (int k = 0; k < 32; k += 8)
      sum += static_cast<uint32_t>(int32_t{static_cast<A>(a[l] >> k)} *
                                   int32_t{static_cast<B>(b[l] >> k)});
    return sum;
  });
}

template <class F>
void of_predicates(Warp& w, const Instruction& i, uint32_t lanes) {
  set_predicate(w, i.out[0], lanes, F::of(w.predicates[i.in[0]], w.predicates[i.in[1]]));
}
void not_predicate(Warp& w, const Instruction& i, uint32_t lanes) {
  set_predicate(w, i.out[0], lanes, ~w.predicates[i.in[0]]);
}
void move_predicate(Warp& w, const Instruction& i, uint32_t lanes) {
  set_predicate(w, i.out[0], lanes, w.predicates[i.in[0]]);
}

template <class T>
void add_fields(Table& t, const std::string& type) {
  t["bfind." + type] = {count_bits<T, Find<false>>, sizeof(T) == 8 ? "wd" : "ww"};
  t["bfind.shiftamt." + type] = {count_bits<T, Find<true>>, sizeof(T) == 8 ? "wd" : "ww"};
  t["bfe." + type] = {extract<T>, sizeof(T) == 8 ? "ddww" : "wwww"};
}

template <class T>
void add_bits(Table& t, const std::string& type) {
  t["and." + type] = {binary<T, And>, shape<T>(3)};
  t["or." + type] = {binary<T, Or>, shape<T>(3)};
  t["xor." + type] = {binary<T, Xor>, shape<T>(3)};
  t["not." + type] = {unary<T, Not>, shape<T>(2)};
  t["mov." + type] = {unary<T, Move>, shape<T>(2)};
  t["shl." + type] = {shift<T, ShiftLeft>, sizeof(T) == 8 ? "ddw" : "www"};
  t["shr." + type] = {shift<T, ShiftRight>, sizeof(T) == 8 ? "ddw" : "www"};
  t["selp." + type] = {select<T>, sizeof(T) == 8 ? "dddp" : "wwwp"};
  t["setp.eq." + type] = {compare<T, Eq>, sizeof(T) == 8 ? "pdd" : "pww"};
  t["setp.ne." + type] = {compare<T, Ne>, sizeof(T) == 8 ? "pdd" : "pww"};
  if constexpr (sizeof(T) >= 4) {
    t["popc." + type] = {count_bits<T, Popc>, sizeof(T) == 8 ? "wd" : "ww"};
    t["clz." + type] = {count_bits<T, Clz>, sizeof(T) == 8 ? "wd" : "ww"};
    t["brev." + type] = {unary<T, Reverse>, shape<T>(2)};
    t["bfi." + type] = {insert<T>, sizeof(T) == 8 ? "dddww" : "wwwww"};
  }
}

}  // namespace

void add_bit_operations(Table& t) {
  add_bits<uint16_t>(t, "b16");
  add_bits<uint32_t>(t, "b32");
  add_bits<uint64_t>(t, "b64");
  add_fields<uint32_t>(t, "u32");
  add_fields<int32_t>(t, "s32");
  add_fields<uint64_t>(t, "u64");
  add_fields<int64_t>(t, "s64");
  t["mov.f32"] = {unary<uint32_t, Move>, "ww"};
  t["mov.f64"] = {unary<uint64_t, Move>, "dd"};
  t["selp.f32"] = {select<uint32_t>, "wwwp"};
  t["selp.f64"] = {select<uint64_t>, "dddp"};
  t["prmt.b32"] = {permute, "wwww"};
  t["shf.l.wrap.b32"] = {funnel<true, true>, "wwww"};
  t["shf.l.clamp.b32"] = {funnel<true, false>, "wwww"};
  t["shf.r.wrap.b32"] = {funnel<false, true>, "wwww"};
  t["shf.r.clamp.b32"] = {funnel<false, false>, "wwww"};
  t["lop3.b32"] = {lookup, "wwww"};  // and the table, which the parser takes off
  t["dp4a.u32.u32"] = {dot4<uint8_t, uint8_t>, "wwww"};
  t["dp4a.u32.s32"] = {dot4<uint8_t, int8_t>, "wwww"};
  t["dp4a.s32.u32"] = {dot4<int8_t, uint8_t>, "wwww"};
  t["dp4a.s32.s32"] = {dot4<int8_t, int8_t>, "wwww"};
  t["and.pred"] = {of_predicates<And>, "ppp"};
  t["or.pred"] = {of_predicates<Or>, "ppp"};
  t["xor.pred"] = {of_predicates<Xor>, "ppp"};
  t["not.pred"] = {not_predicate, "pp"};
  t["mov.pred"] = {move_predicate, "pp"};
}

}  // namespace spikeloom::ptx
