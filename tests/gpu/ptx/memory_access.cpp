// Loads, stores and atomics of a warp: every lane's address is checked, then all bytes move.

#include <algorithm>
#include <type_traits>

#include "tests/gpu/ptx/integers.hpp"
#include "tests/gpu/ptx/interpreter.hpp"
#include "tests/gpu/ptx/operations.hpp"

namespace spikeloom::ptx {
namespace {

using integers::Add;
using integers::And;
using integers::Max;
using integers::Min;
using integers::Or;
using integers::Xor;

using simt::Allocation;
using simt::Fault;
using simt::Use;

const char* space_name(Space space) {
  static constexpr const char* kNames[] = {"generic", "global", "shared", "parameter"};
  return kNames[static_cast<size_t>(space)];
}

Allocation* find_in(Run& run, Space space, uint64_t address, size_t bytes) {
  if (space == Space::kParam || space == Space::kGeneric)
    if (run.params.holds(address, bytes)) return &run.params;
  if (space == Space::kShared || space == Space::kGeneric)
    for (Allocation& array : run.shared)
      if (array.holds(address, bytes)) return &array;
  if (space == Space::kGlobal || space == Space::kGeneric) return run.memory->find(address, bytes);
  return nullptr;
}

void check_lane(Warp& w, const Instruction& i, int lane, Allocation& in, uint64_t address,
                size_t bytes) {
  Run& run = *w.run;
  if (&in == &run.params) return;
  const size_t offset = address - in.base;
  const bool is_shared = address < kSharedBase + (1u << 20);
  if (run.options.init && i.use != Use::kWrite && !in.complete && !in.written.all(offset, bytes))
    run.found(Fault::kUninitialised, i.line, 0,
              run.at(w, i, lane) + " reads " + in.name + " + " + std::to_string(offset) +
                  " bytes, which nothing has written");
  if (i.use == Use::kWrite || i.use == Use::kAtomic) in.mark(offset, bytes);
  if (!run.options.races) return;
  const simt::Touch now{is_shared ? run.block_serial : run.launch,
                        run.bid,
                        run.barriers,
                        w.warp_syncs[static_cast<size_t>(lane)],
                        i.line,
                        static_cast<uint16_t>(w.index * simt::kWarp + static_cast<uint32_t>(lane)),
                        i.use};
  const auto clash = in.shadow.touch(offset, bytes, now);
  if (!clash) return;
  const simt::Touch& other = clash->other;
  run.found(clash->fault, i.line, other.place,
            std::string(simt::use_name(i.use)) + " of " + in.name + " by " + run.at(w, i, lane) +
                "; " + simt::use_name(other.use) + " by thread " + std::to_string(other.thread) +
                " of block " + std::to_string(other.block) + " at " +
                run.module->place(*run.kernel, other.place));
}

// Where each lane's bytes are. False if the launch is over.
bool resolve(Warp& w, const Instruction& i, uint32_t lanes, size_t element,
             std::byte* (&at)[simt::kWarp]) {
  Run& run = *w.run;
  const size_t bytes = element * i.count;
  uint64_t address[simt::kWarp];
  if (i.in_stride == 8)
    for (int l = 0; l < simt::kWarp; ++l)
      address[l] = w.longs(i.in[0])[l] + static_cast<uint64_t>(i.offset);
  else
    for (int l = 0; l < simt::kWarp; ++l)
      address[l] = w.words(i.in[0])[l] + static_cast<uint64_t>(i.offset);
  uint64_t low = ~uint64_t{0}, high = 0, all = 0;
  for (int l = 0; l < simt::kWarp; ++l) {
    const bool on = (lanes >> l & 1) != 0;
    low = std::min(low, on ? address[l] : ~uint64_t{0});
    high = std::max(high, on ? address[l] : 0);
    all |= on ? address[l] : 0;
  }
  if ((all & (bytes - 1)) == 0) {
    Allocation* in = i.last;
    if (in == nullptr || low < in->base || high + bytes > in->base + in->size)
      in = find_in(run, i.space, low, bytes);
    if (in != nullptr && high + bytes <= in->base + in->size) {
      i.last = in;
      for (int l = 0; l < simt::kWarp; ++l) at[l] = in->storage + (address[l] - in->base);
      const bool writes = i.use == Use::kWrite || i.use == Use::kAtomic;
      if (in == &run.params || (!run.options.races && in->complete)) return true;
      if (!run.options.races && !run.options.init && !writes) return true;
      for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
        const int l = __builtin_ctz(rest);
        check_lane(w, i, l, *in, address[l], bytes);
      }
      return !run.stopped;
    }
  }
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const int l = __builtin_ctz(rest);
    const std::string what = std::string(simt::use_name(i.use)) + " of " + std::to_string(bytes) +
                             " bytes in " + space_name(i.space) + " memory";
    Allocation* const in = find_in(run, i.space, address[l], bytes);
    if (in == nullptr) {
      run.stop(w, i, l, Fault::kAddress,
               what + ", " +
                   (i.space == Space::kGlobal ? run.memory->describe(address[l])
                                              : "outside every array"));
      return false;
    }
    if (address[l] % bytes != 0) {
      run.stop(w, i, l, Fault::kAlignment, what + " at an address that is no multiple of it");
      return false;
    }
    check_lane(w, i, l, *in, address[l], bytes);
    at[l] = in->storage + (address[l] - in->base);
  }
  return !run.stopped;
}

template <class T>
void load(Warp& w, const Instruction& i, uint32_t lanes) {
  std::byte* at[simt::kWarp];
  if (!resolve(w, i, lanes, sizeof(T), at)) return;
  for (unsigned k = 0; k < i.count; ++k) {
    uint32_t* const words = w.words(i.out[k]);
    uint64_t* const longs = w.longs(i.out[k]);
    for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
      const int l = __builtin_ctz(rest);
      T value;
      std::memcpy(&value, at[l] + k * sizeof(T), sizeof(T));
      if (i.out_stride == 8)
        longs[l] = static_cast<uint64_t>(
            static_cast<std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>(value));
      else
        words[l] = static_cast<uint32_t>(
            static_cast<std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>(value));
    }
  }
}

template <class T>
void store(Warp& w, const Instruction& i, uint32_t lanes) {
  std::byte* at[simt::kWarp];
  if (!resolve(w, i, lanes, sizeof(T), at)) return;
  for (unsigned k = 0; k < i.count; ++k) {
    const std::byte* const values = w.rows + i.in[1 + k];  // the low bytes of a lane
    for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
      const int l = __builtin_ctz(rest);
      std::memcpy(at[l] + k * sizeof(T), values + l * i.out_stride, sizeof(T));
    }
  }
}

struct Exchange {
  template <class T>
  static T of(T, T b) {
    return b;
  }
};

template <class T, class F, bool kReturns>
void atomic(Warp& w, const Instruction& i, uint32_t lanes) {
  std::byte* at[simt::kWarp];
  if (!resolve(w, i, lanes, sizeof(T), at)) return;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const int l = __builtin_ctz(rest);
    T old;
    std::memcpy(&old, at[l], sizeof(T));
    const T value = F::of(old, from_slot<T>(row<T>(w, i.in[1])[l]));
    std::memcpy(at[l], &value, sizeof(T));
    if constexpr (kReturns) row<T>(w, i.out[0])[l] = to_slot<T>(old);
  }
}

template <bool kReturns>
Exec atomic_named(const std::string& name) {
  static const std::unordered_map<std::string, Exec> all = {
      {"add.u32", atomic<uint32_t, Add, kReturns>},
      {"add.s32", atomic<int32_t, Add, kReturns>},
      {"add.u64", atomic<uint64_t, Add, kReturns>},
      {"min.u32", atomic<uint32_t, Min, kReturns>},
      {"min.s32", atomic<int32_t, Min, kReturns>},
      {"max.u32", atomic<uint32_t, Max, kReturns>},
      {"max.s32", atomic<int32_t, Max, kReturns>},
      {"and.b32", atomic<uint32_t, And, kReturns>},
      {"or.b32", atomic<uint32_t, Or, kReturns>},
      {"xor.b32", atomic<uint32_t, Xor, kReturns>},
      {"exch.b32", atomic<uint32_t, Exchange, kReturns>}};
  const auto found = all.find(name);
  return found == all.end() ? nullptr : found->second;
}

}  // namespace

Exec find_atomic(const std::string& operation, bool returns) {
  return returns ? atomic_named<true>(operation) : atomic_named<false>(operation);
}

Exec find_load(const std::string& type) {
  static const std::unordered_map<std::string, Exec> all = {
      {"u8", load<uint8_t>},   {"s8", load<int8_t>},    {"b8", load<uint8_t>},
      {"u16", load<uint16_t>}, {"s16", load<int16_t>},  {"b16", load<uint16_t>},
      {"u32", load<uint32_t>}, {"s32", load<int32_t>},  {"b32", load<uint32_t>},
      {"f32", load<uint32_t>}, {"u64", load<uint64_t>}, {"s64", load<int64_t>},
      {"b64", load<uint64_t>}, {"f64", load<uint64_t>}};
  const auto found = all.find(type);
  return found == all.end() ? nullptr : found->second;
}

Exec find_store(const std::string& type) {
  static const std::unordered_map<std::string, Exec> all = {
      {"u8", store<uint8_t>},   {"s8", store<uint8_t>},   {"b8", store<uint8_t>},
      {"u16", store<uint16_t>}, {"s16", store<uint16_t>}, {"b16", store<uint16_t>},
      {"u32", store<uint32_t>}, {"s32", store<uint32_t>}, {"b32", store<uint32_t>},
      {"f32", store<uint32_t>}, {"u64", store<uint64_t>}, {"s64", store<uint64_t>},
      {"b64", store<uint64_t>}, {"f64", store<uint64_t>}};
  const auto found = all.find(type);
  return found == all.end() ? nullptr : found->second;
}

}  // namespace spikeloom::ptx
