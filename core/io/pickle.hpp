#pragma once
// A pickle (protocols 2 to 5) decoded to plain values. Nothing is imported, called or executed: a
// symbol is a name, a call of any symbol is a value that records the call (safe
// evaluation).

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

enum class PickleKind : uint8_t {
  kNone,
  kBool,        // integer
  kInt,         // integer
  kBigInt,      // more than 8 bytes; the value is dropped
  kFloat,       // real
  kString,      // text
  kTuple,       // items
  kList,        // items
  kDict,        // items: key, value, key, value, ... (also collections.OrderedDict)
  kBytes,       // the value is dropped
  kSet,         // its items are dropped
  kSymbol,      // text: "module.name"
  kPersistent,  // items[0]: the persistent id
  kCall,        // items: callable, arguments; never carried out
};

// Index into Pickle::values. Values are shared and may form cycles: never walk them without a
// bound.
using PickleRef = uint32_t;

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<PickleRef> items;
};

struct Pickle {
  std::deque<PickleValue> values;  // grows without a second copy
  PickleRef root = 0;
  size_t consumed = 0;                // bytes up to and including STOP
  std::vector<std::string> symbols;   // every symbol named, sorted, once each
  std::vector<PickleRef> persistent;  // every persistent id met

  const PickleValue& at(PickleRef ref) const { return values[ref]; }
  // The value of a string key of a dict, or nullptr.
  const PickleValue* find(const PickleValue& dict, std::string_view key) const;
};

// Decodes one pickle at the start of the bytes. Limits: 256 MiB of bytes, 4x10^6 stack entries,
// marks, memo entries and values, 16x10^6 container items, 1 MiB per string, 1 KiB per symbol and
// 16 MiB for all of them, memo index 2^24.
// Throws Error(kData) starting with `what` on damage, a limit, another protocol or an opcode
// outside the subset. Thread-safe.
Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& what);

}  // namespace spikeloom
