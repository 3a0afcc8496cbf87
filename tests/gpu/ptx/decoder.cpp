#include "tests/gpu/ptx/decoder.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "tests/gpu/ptx/scanner.hpp"

namespace spikeloom::ptx {
namespace {

// {a, b} as a and b, [..] as its inside.
std::string inside(const std::string& text) {
  return trimmed(std::string_view(text).substr(1, text.size() - 2));
}

bool is_list(const std::string& text) {
  return text.size() >= 2 && text.front() == '{' && text.back() == '}';
}

template <class S, class Half>
void pack_row(Warp& w, const Instruction& i, uint32_t lanes) {
  const uint32_t *const low = w.words(i.in[0]), *const high = w.words(i.in[1]);
  assign(row<S>(w, i.out[0]), lanes, [=](int l) -> S {
    return static_cast<S>(S{static_cast<Half>(high[l])} << (8 * sizeof(Half)) |
                          static_cast<Half>(low[l]));
  });
}
template <class S, class Half>
void unpack_row(Warp& w, const Instruction& i, uint32_t lanes) {
  const S* const from = row<S>(w, i.in[0]);
  uint32_t *const low = w.words(i.out[0]), *const high = w.words(i.out[1]);
  for (int l = 0; l < simt::kWarp; ++l) {
    if ((lanes >> l & 1) == 0) continue;
    const S value = from[l];
    low[l] = static_cast<Half>(value);
    high[l] = static_cast<Half>(value >> (8 * sizeof(Half)));
  }
}

}  // namespace

Decoder::Decoder(Kernel& kernel, const std::vector<Array>& module_arrays)
    : kernel_(kernel), module_arrays_(module_arrays) {
  kernel_.row_bytes = 128;  // row 0 means none
}

void Decoder::parameter(const std::string& name, size_t align, size_t bytes) {
  const size_t at = (kernel_.param_bytes + align - 1) / align * align;
  kernel_.params.push_back(at);
  kernel_.param_ends.push_back(at + bytes);
  kernel_.param_bytes = at + bytes;
  symbols_[name] = kParamBase + at;
}

uint32_t Decoder::new_row(bool wide) {
  const auto at = static_cast<uint32_t>(kernel_.row_bytes);
  kernel_.row_bytes += wide ? 8 * simt::kWarp : 4 * simt::kWarp;
  return at;
}

void Decoder::registers(uint32_t line, const std::string& declaration) {
  const size_t space = declaration.find_first_of(" \t");
  if (space == std::string::npos) fail(line, "registers without a name");
  const std::string type = declaration.substr(0, space);
  static const std::map<std::string, char> kKinds = {
      {".pred", 'p'}, {".b16", 'w'}, {".u16", 'w'}, {".s16", 'w'}, {".b32", 'w'}, {".u32", 'w'},
      {".s32", 'w'},  {".f32", 'w'}, {".b64", 'd'}, {".u64", 'd'}, {".s64", 'd'}, {".f64", 'd'}};
  const auto kind = kKinds.find(type);
  if (kind == kKinds.end()) fail(line, "registers of type " + type);
  const auto add = [&](const std::string& name) {
    const uint32_t at = kind->second == 'p' ? kernel_.predicates++ : new_row(kind->second == 'd');
    scopes_.back()[name] = {kind->second, at};
  };
  for (const std::string& name : split(declaration.substr(space), ',')) {
    const size_t many = name.find('<');
    if (many == std::string::npos) {
      add(name);
      continue;
    }
    const int n = std::atoi(name.c_str() + many + 1);
    for (int k = 0; k < n; ++k) add(name.substr(0, many) + std::to_string(k));
  }
}

void Decoder::shared_array(const Array& array, size_t align) {
  Array placed = array;
  // Apart, so that what runs past an end is noticed.
  const size_t at = (kernel_.shared_bytes + align - 1) / align * align;
  placed.address = kSharedBase + (at + 63) / 64 * 64;
  kernel_.shared_bytes = placed.address - kSharedBase + array.bytes + (array.bytes == 0 ? 0 : 64);
  kernel_.shared.push_back(placed);
  symbols_[array.name] = placed.address;
}

void Decoder::label(const std::string& name) {
  labels_[name] = static_cast<uint32_t>(kernel_.code.size());
}

Decoder::Register Decoder::find_register(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = scope->find(name);
    if (found != scope->end()) return found->second;
  }
  fail(line_, "unknown operand " + name);
}

uint32_t Decoder::constant(bool wide, uint64_t value) {
  if (!wide) value &= 0xffffffffu;
  const auto [place, is_new] = constants_.try_emplace({wide, value}, 0);
  if (is_new) {
    place->second = new_row(wide);
    kernel_.constants.push_back({place->second, wide, value});
  }
  return place->second;
}

uint64_t Decoder::literal(const std::string& text) const {
  const char* const digits = text.c_str();
  char* end = nullptr;
  uint64_t value = 0;
  if (text.size() > 2 && text[0] == '0' &&
      (text[1] == 'f' || text[1] == 'F' || text[1] == 'd' || text[1] == 'D')) {
    value = std::strtoull(digits + 2, &end, 16);
  } else {
    value = text[0] == '-' ? static_cast<uint64_t>(std::strtoll(digits, &end, 0))
                           : std::strtoull(digits, &end, 0);
  }
  if (end == digits || (*end != '\0' && std::string(end) != "U"))
    fail(line_, "unknown operand " + text);
  return value;
}

bool Decoder::symbol(const std::string& text, uint64_t& value) {
  const size_t plus = text.find('+');
  const std::string name = trimmed(text.substr(0, plus));
  if (symbols_.count(name) == 0) {
    for (const Array& array : module_arrays_)
      if (array.name == name) shared_array(array, 16);
  }
  const auto found = symbols_.find(name);
  if (found == symbols_.end()) return false;
  value = found->second + (plus == std::string::npos ? 0 : literal(trimmed(text.substr(plus + 1))));
  return true;
}

uint32_t Decoder::special(const std::string& name) {
  static const std::map<std::string, Special> kNames = {
      {"%tid.x", Special::kTid},          {"%ctaid.x", Special::kCtaid},
      {"%ntid.x", Special::kNtid},        {"%nctaid.x", Special::kNctaid},
      {"%laneid", Special::kLane},        {"%lanemask_eq", Special::kMaskEq},
      {"%lanemask_lt", Special::kMaskLt}, {"%lanemask_le", Special::kMaskLe},
      {"%lanemask_gt", Special::kMaskGt}, {"%lanemask_ge", Special::kMaskGe}};
  if (name == "%tid.y" || name == "%tid.z" || name == "%ctaid.y" || name == "%ctaid.z")
    return constant(false, 0);
  if (name == "%ntid.y" || name == "%ntid.z" || name == "%nctaid.y" || name == "%nctaid.z")
    return constant(false, 1);
  const auto found = kNames.find(name);
  if (found == kNames.end()) return 0;
  uint32_t& at = kernel_.specials[static_cast<size_t>(found->second)];
  if (at == 0) at = new_row(false);
  return at;
}

uint32_t Decoder::source(const std::string& text, char kind) {
  if (text.empty()) fail(line_, "an operand is missing");
  uint64_t value = 0;
  if (kind == 'p' &&
      std::isdigit(static_cast<unsigned char>(text[0] == '-' ? '0' : text[0])) != 0) {
    int32_t& at = kernel_.constant_predicates[literal(text) != 0 ? 1 : 0];
    if (at < 0) at = static_cast<int32_t>(kernel_.predicates++);
    return static_cast<uint32_t>(at);
  }
  if (kind != 'p' && symbol(text, value)) return constant(kind == 'd', value);
  if (kind != 'p' && (std::isdigit(static_cast<unsigned char>(text[0])) != 0 || text[0] == '-'))
    return constant(kind == 'd', literal(text));
  if (const uint32_t at = special(text); at != 0) {
    if (kind != 'w') fail(line_, text + " where another size is needed");
    return at;
  }
  const Register found = find_register(text);
  if (found.kind != kind) fail(line_, "operand " + text + " has another size than the instruction");
  return found.at;
}

uint32_t Decoder::target(const std::string& text, char kind) {
  if (text == "_") return new_row(kind == 'd');
  const Register found = find_register(text);
  if (found.kind != kind) fail(line_, "operand " + text + " has another size than the instruction");
  return found.at;
}

// [register + offset], [name + offset], [number].
void Decoder::address(Instruction& i, const std::string& text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']')
    fail(line_, "no address: " + text);
  const std::string what = inside(text);
  uint64_t value = 0;
  i.in_stride = 8;
  if (symbol(what, value)) {
    i.in[0] = constant(true, value);
    return;
  }
  const size_t plus = what.find('+');
  if (plus != std::string::npos)
    i.offset = static_cast<int64_t>(literal(trimmed(what.substr(plus + 1))));
  const Register base = find_register(trimmed(what.substr(0, plus)));
  i.in[0] = base.at;
  i.in_stride = base.kind == 'd' ? 8 : 4;
}

void Decoder::plain(Instruction& i, const std::string& opcode, const Operands& operands) {
  if (opcode == "lop3.b32") {
    if (operands.size() != 5) fail(line_, "lop3 takes five operands");
    i.argument = static_cast<uint8_t>(literal(operands[4]));
  }
  const size_t given = operands.size() - (opcode == "lop3.b32" ? 1 : 0);
  const Operation* const operation = find_operation(opcode);
  if (operation == nullptr) fail(line_, "unknown instruction " + opcode);
  const std::string kinds = operation->operands;
  if (given != kinds.size())
    fail(line_, opcode + " takes " + std::to_string(kinds.size()) + " operands");
  i.run = operation->run;
  i.out[0] = target(operands[0], kinds[0]);
  for (size_t k = 1; k < kinds.size(); ++k) i.in[k - 1] = source(operands[k], kinds[k]);
}

// Registers may be larger than the types.
void Decoder::conversion(Instruction& i, const std::string& opcode, const Operands& operands) {
  const Operation* const operation = find_operation(opcode);
  if (operation == nullptr || operands.size() != 2) fail(line_, "unknown instruction " + opcode);
  const Register to = find_register(operands[0]);
  const bool is_register = operands[1][0] == '%' && special(operands[1]) == 0;
  const char from = is_register ? find_register(operands[1]).kind : operation->operands[1];
  if (to.kind == operation->operands[0] && from == operation->operands[1])
    return plain(i, opcode, operands);
  i.run = find_conversion(opcode);
  i.out[0] = to.at;
  i.in[0] = source(operands[1], from);
  i.out_stride = to.kind == 'd' ? 8 : 4;
  i.in_stride = from == 'd' ? 8 : 4;
  if (to.kind == 'p' || from == 'p') fail(line_, "a conversion of predicates");
}

// mov of a pair to or from one register of twice the size.
bool Decoder::pack(Instruction& i, const std::string& opcode, const Operands& operands) {
  if (operands.size() != 2 || (!is_list(operands[0]) && !is_list(operands[1]))) return false;
  const bool wide = opcode == "mov.b64";
  if (!wide && opcode != "mov.b32") fail(line_, opcode + " of a list");
  const bool unpacks = is_list(operands[0]);
  const Operands parts = split(inside(operands[unpacks ? 0 : 1]), ',');
  if (parts.size() != 2) fail(line_, "a list of " + std::to_string(parts.size()));
  for (size_t k = 0; k < 2; ++k)
    (unpacks ? i.out[k] : i.in[k]) = unpacks ? target(parts[k], 'w') : source(parts[k], 'w');
  if (unpacks) {
    i.in[0] = source(operands[1], wide ? 'd' : 'w');
    i.run = wide ? unpack_row<uint64_t, uint32_t> : unpack_row<uint32_t, uint16_t>;
  } else {
    i.out[0] = target(operands[0], wide ? 'd' : 'w');
    i.run = wide ? pack_row<uint64_t, uint32_t> : pack_row<uint32_t, uint16_t>;
  }
  return true;
}

Space Decoder::space_of(std::vector<std::string>& parts) {
  static const std::map<std::string, Space> kSpaces = {
      {"global", Space::kGlobal}, {"shared", Space::kShared}, {"param", Space::kParam}};
  if (parts.empty()) return Space::kGeneric;
  const auto found = kSpaces.find(parts.front());
  if (found == kSpaces.end()) return Space::kGeneric;
  parts.erase(parts.begin());
  return found->second;
}

void Decoder::load_store(Instruction& i, const std::string& opcode, const Operands& operands) {
  std::vector<std::string> parts = split(opcode, '.');
  const bool loads = parts[0] == "ld";
  parts.erase(parts.begin());
  i.space = space_of(parts);
  i.use = loads ? simt::Use::kRead : simt::Use::kWrite;
  if (loads && !parts.empty() && parts[0] == "nc") {
    i.use = simt::Use::kReadOnly;
    parts.erase(parts.begin());
  }
  if (!parts.empty() && (parts[0] == "v2" || parts[0] == "v4")) {
    i.count = parts[0] == "v2" ? 2 : 4;
    parts.erase(parts.begin());
  }
  i.run = parts.size() != 1 ? nullptr : loads ? find_load(parts[0]) : find_store(parts[0]);
  if (i.run == nullptr || operands.size() != 2) fail(line_, "unknown instruction " + opcode);
  address(i, operands[loads ? 1 : 0]);
  const std::string& values = operands[loads ? 0 : 1];
  const Operands list = i.count == 1 ? Operands{values} : split(inside(values), ',');
  if (list.size() != i.count) fail(line_, "another number of elements");
  const bool wide_type = parts[0].size() == 3 && parts[0].substr(1) == "64";
  for (size_t k = 0; k < list.size(); ++k) {
    const bool is_register = list[k][0] == '%' && special(list[k]) == 0;
    const char kind = is_register ? find_register(list[k]).kind : wide_type ? 'd' : 'w';
    if (kind == 'p' || (wide_type && kind != 'd'))
      fail(line_, "operand " + list[k] + " is too small");
    const auto stride = static_cast<uint8_t>(kind == 'd' ? 8 : 4);
    if (k > 0 && stride != i.out_stride) fail(line_, "elements of different sizes");
    i.out_stride = stride;
    if (loads)
      i.out[k] = target(list[k], kind);
    else
      i.in[1 + k] = source(list[k], kind);
  }
}

void Decoder::atomic(Instruction& i, const std::string& opcode, const Operands& operands) {
  std::vector<std::string> parts = split(opcode, '.');
  const bool returns = parts[0] == "atom";
  parts.erase(parts.begin());
  // Order and scope: everything is in order here.
  for (const char* const modifier : {"relaxed", "cta", "gpu", "sys"})
    if (!parts.empty() && parts[0] == modifier) parts.erase(parts.begin());
  i.space = space_of(parts);
  i.use = simt::Use::kAtomic;
  if (parts.size() == 2) i.run = find_atomic(parts[0] + "." + parts[1], returns);
  if (i.run == nullptr || operands.size() != (returns ? 3u : 2u))
    fail(line_, "unknown instruction " + opcode);
  const char kind = parts[1].substr(1) == "64" ? 'd' : 'w';
  if (returns) i.out[0] = target(operands[0], kind);
  address(i, operands[returns ? 1 : 0]);
  i.in[1] = source(operands.back(), kind);
}

void Decoder::warp_wide(Instruction& i, const std::string& opcode, Operands operands) {
  const CollectiveOperation* const operation = find_collective(opcode);
  if (operation == nullptr) fail(line_, "unknown instruction " + opcode);
  i.step = Step::kCollective;
  i.run = operation->run;
  i.argument = operation->mask_operand < 0 ? 255 : static_cast<uint8_t>(operation->mask_operand);
  i.out[1] = ~0u;
  if (opcode.rfind("shfl", 0) == 0) {
    if (const size_t bar = operands[0].find('|'); bar != std::string::npos) {
      i.out[1] = target(trimmed(operands[0].substr(bar + 1)), 'p');
      operands[0] = trimmed(operands[0].substr(0, bar));
    }
  }
  Operands flat;
  for (const std::string& operand : operands) {
    if (!is_list(operand))
      flat.push_back(operand);
    else
      for (const std::string& part : split(inside(operand), ',')) flat.push_back(part);
  }
  const std::string kinds = operation->operands;
  if (flat.size() != kinds.size())
    fail(line_, opcode + " takes " + std::to_string(kinds.size()) + " operands");
  const size_t outs = opcode.rfind("mma", 0) == 0 ? split(inside(operands[0]), ',').size()
                      : opcode == "bar.warp.sync" ? 0
                                                  : 1;
  for (size_t k = 0; k < flat.size(); ++k) {
    if (k < outs)
      i.out[k] = target(flat[k], kinds[k]);
    else
      i.in[k - outs] = source(flat[k], kinds[k]);
  }
}

void Decoder::statement(uint32_t line, const std::string& text) {
  line_ = line;
  Instruction i;
  i.line = line;
  std::string rest = text;
  if (rest[0] == '@') {
    const size_t end = rest.find_first_of(" \t");
    i.unless = rest[1] == '!';
    i.guard = static_cast<int32_t>(
        source(trimmed(rest.substr(i.unless ? 2 : 1, end - (i.unless ? 2 : 1))), 'p'));
    rest = trimmed(rest.substr(end));
  }
  const size_t end = rest.find_first_of(" \t");
  const std::string opcode = rest.substr(0, end);
  const Operands operands = end == std::string::npos ? Operands{} : split(rest.substr(end), ',');
  opcodes_.insert(opcode);
  const std::string name = opcode.substr(0, opcode.find('.'));
  if (opcode == "bra" || opcode == "bra.uni") {
    i.step = Step::kBranch;
    if (operands.size() != 1) fail(line, "a branch without a label");
    jumps_.emplace_back(kernel_.code.size(), operands[0]);
  } else if (opcode == "ret" || opcode == "exit") {
    i.step = Step::kReturn;
  } else if (opcode == "bar.sync" || opcode == "barrier.sync") {
    i.step = Step::kBarrier;
    if (operands != Operands{"0"}) fail(line, "a barrier other than that of the whole block");
  } else if (name == "vote" || name == "shfl" || name == "mma" || opcode == "bar.warp.sync") {
    warp_wide(i, opcode, operands);
  } else if (name == "ld" || name == "st") {
    load_store(i, opcode, operands);
  } else if (name == "atom" || name == "red") {
    atomic(i, opcode, operands);
  } else if (name == "cvt") {
    conversion(i, opcode, operands);
  } else if (!pack(i, opcode, operands)) {
    plain(i, opcode, operands);
  }
  kernel_.code.push_back(i);
}

void Decoder::finish(uint32_t line) {
  Instruction end;
  end.step = Step::kReturn;
  end.line = line;
  kernel_.code.push_back(end);
  for (const auto& [at, name] : jumps_) {
    const auto found = labels_.find(name);
    if (found == labels_.end()) fail(kernel_.code[at].line, "no label " + name);
    kernel_.code[at].target = found->second;
  }
  kernel_.opcodes.assign(opcodes_.begin(), opcodes_.end());
}

}  // namespace spikeloom::ptx
