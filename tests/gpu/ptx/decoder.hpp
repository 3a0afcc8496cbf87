#pragma once
// Statements of one kernel into instructions.

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/gpu/ptx/interpreter.hpp"
#include "tests/gpu/ptx/operations.hpp"

namespace spikeloom::ptx {

class Decoder {
 public:
  Decoder(Kernel& kernel, const std::vector<Array>& module_arrays);

  void open_scope() { scopes_.emplace_back(); }
  void close_scope() { scopes_.pop_back(); }
  void parameter(const std::string& name, size_t align, size_t bytes);
  void registers(uint32_t line, const std::string& declaration);  // "b32 %r<85>"
  void shared_array(const Array& array, size_t align);
  void label(const std::string& name);
  void statement(uint32_t line, const std::string& text);
  void finish(uint32_t line);

 private:
  struct Register {
    char kind = 'w';  // a row of 4 bytes, d: of 8, p: predicate
    uint32_t at = 0;
  };
  using Operands = std::vector<std::string>;

  uint32_t new_row(bool wide);
  Register find_register(const std::string& name) const;
  uint32_t constant(bool wide, uint64_t value);
  uint64_t literal(const std::string& text) const;
  bool symbol(const std::string& text, uint64_t& value);
  uint32_t special(const std::string& name);
  uint32_t source(const std::string& text, char kind);
  uint32_t target(const std::string& text, char kind);
  void address(Instruction& i, const std::string& text);

  void plain(Instruction& i, const std::string& opcode, const Operands& operands);
  void conversion(Instruction& i, const std::string& opcode, const Operands& operands);
  bool pack(Instruction& i, const std::string& opcode, const Operands& operands);
  void load_store(Instruction& i, const std::string& opcode, const Operands& operands);
  void atomic(Instruction& i, const std::string& opcode, const Operands& operands);
  void warp_wide(Instruction& i, const std::string& opcode, Operands operands);
  Space space_of(std::vector<std::string>& parts);

  Kernel& kernel_;
  const std::vector<Array>& module_arrays_;
  uint32_t line_ = 0;
  std::vector<std::map<std::string, Register>> scopes_{1};
  std::map<std::string, uint64_t> symbols_;  // addresses of parameters and shared arrays
  std::map<std::pair<bool, uint64_t>, uint32_t> constants_;
  std::map<std::string, uint32_t> labels_;
  std::vector<std::pair<size_t, std::string>> jumps_;
  std::set<std::string> opcodes_;
};

}  // namespace spikeloom::ptx
