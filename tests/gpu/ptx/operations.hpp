#pragma once
// Instructions by their full name ("setp.lt.f32"): what runs them and what operands they take.

#include <optional>
#include <string>
#include <unordered_map>

#include "tests/gpu/ptx/warp.hpp"

namespace spikeloom::ptx {

struct Operation {
  Exec run = nullptr;
  // One letter per operand, the result first: w a row of 4 bytes, d of 8, p a predicate.
  const char* operands = "";
};
using Table = std::unordered_map<std::string, Operation>;

void add_integer_operations(Table& table);
void add_bit_operations(Table& table);
void add_float_operations(Table& table);
void add_conversions(Table& table);

// Without modifiers that change nothing here. Null if there is none.
const Operation* find_operation(const std::string& name);
// cvt.<...> between rows of other sizes than the types' (strides in the instruction).
Exec find_conversion(const std::string& name);

struct Access {
  Exec run = nullptr;
  unsigned bytes = 0;
};
// Loads and stores of one type ("u8", "f32"), atomics of an operation and type ("add.u32").
Exec find_load(const std::string& type);
Exec find_store(const std::string& type);
Exec find_atomic(const std::string& operation, bool returns);

}  // namespace spikeloom::ptx
