#include "core/io/pickle.hpp"

#include <bit>
#include <set>
#include <unordered_map>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/utf8.hpp"

namespace spikeloom {
namespace {

constexpr size_t kMaxBytes = size_t{256} << 20;
constexpr size_t kMaxDepth = 4'000'000;
constexpr size_t kMaxItems = 16'000'000;
constexpr size_t kMaxString = 1 << 20;
constexpr size_t kMaxSymbol = 1024;
// Symbols are put together from two texts, which may be named again and again.
constexpr size_t kMaxSymbolBytes = 16 << 20;
constexpr uint32_t kMaxMemoIndex = 1 << 24;
// Values that every pickle shares.
constexpr PickleRef kNoneRef = 0;
constexpr PickleRef kFalseRef = 1;
constexpr PickleRef kTrueRef = 2;
constexpr PickleRef kEmptyTupleRef = 3;

struct OpcodeName {
  uint8_t opcode;
  std::string_view name;
};
// What protocols 0 to 5 have besides the accepted subset, by the names of Python's pickletools:
// text forms of protocol 0, extensions of the interpreter, buffers outside of the pickle.
constexpr OpcodeName kRefused[] = {{'I', "INT"},
                                   {'L', "LONG"},
                                   {'S', "STRING"},
                                   {0x97, "NEXT_BUFFER"},
                                   {0x98, "READONLY_BUFFER"},
                                   {'V', "UNICODE"},
                                   {'F', "FLOAT"},
                                   {'l', "LIST"},
                                   {'d', "DICT"},
                                   {'2', "DUP"},
                                   {'g', "GET"},
                                   {'p', "PUT"},
                                   {0x82, "EXT1"},
                                   {0x83, "EXT2"},
                                   {0x84, "EXT4"},
                                   {'i', "INST"},
                                   {'o', "OBJ"},
                                   {'P', "PERSID"},
                                   {0x80, "PROTO"}};

std::string opcode_text(uint8_t opcode) {
  for (const OpcodeName& known : kRefused) {
    if (known.opcode == opcode)
      return std::to_string(opcode) + " (" + std::string(known.name) + ")";
  }
  return std::to_string(opcode);
}

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& what) : bytes_(bytes), what_(what) {
    result_.values.resize(4);
    result_.values[kFalseRef].kind = PickleKind::kBool;
    result_.values[kTrueRef].kind = PickleKind::kBool;
    result_.values[kTrueRef].integer = 1;
    result_.values[kEmptyTupleRef].kind = PickleKind::kTuple;
  }

  Pickle run() {
    const std::string_view start = as_text(bytes_).substr(0, 2);
    if (start.size() < 2 || start[0] != '\x80') fail("not a pickle of protocol 2 to 5");
    if (start[1] < 2 || start[1] > 5) {
      fail("pickle protocol " + std::to_string(static_cast<uint8_t>(start[1])) +
           "; protocols 2 to 5 are read");
    }
    at_ = 2;
    while (true) {
      const auto opcode = take<uint8_t>();
      if (opcode == '.') break;
      if (!push_constant(opcode) && !build_container(opcode) && !other(opcode)) {
        fail("opcode " + opcode_text(opcode) + " is not accepted");
      }
    }
    result_.root = pop();
    result_.consumed = at_;
    result_.symbols.assign(symbols_.begin(), symbols_.end());
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(ErrorCode::kData, what_ + ": pickle byte " + std::to_string(at_) + ": " + why);
  }

  // --- input
  std::string_view take_bytes(size_t count) {
    if (count > bytes_.size() - at_) fail("ends early");
    const std::string_view text = as_text(bytes_.subspan(at_, count));
    at_ += count;
    return text;
  }
  template <typename T>
  T take() {
    return load_le<T>(std::as_bytes(std::span(take_bytes(sizeof(T)))), 0);
  }
  std::string_view take_line() {
    constexpr size_t kLongest = 4096;
    const std::string_view rest = as_text(bytes_).substr(at_, kLongest + 1);
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) fail("symbol name without end");
    return take_bytes(end + 1).substr(0, end);
  }
  std::string take_text(size_t length) {
    if (length > kMaxString) fail("string of " + std::to_string(length) + " bytes");
    return std::string(take_bytes(length));
  }

  // --- values, stack and marks
  PickleRef make(PickleKind kind) {
    if (result_.values.size() == kMaxDepth) fail("more than 4000000 values");
    result_.values.emplace_back().kind = kind;
    return static_cast<PickleRef>(result_.values.size() - 1);
  }
  PickleValue& value(PickleRef ref) { return result_.values[ref]; }
  void push(PickleRef ref) {
    if (stack_.size() == kMaxDepth) fail("more than 4000000 stack entries");
    stack_.push_back(ref);
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleRef top() const {
    if (stack_.size() <= floor()) fail("stack is empty");
    return stack_.back();
  }
  PickleRef pop() {
    const PickleRef ref = top();
    stack_.pop_back();
    return ref;
  }
  // Removes the topmost `count` entries and returns them in order.
  std::vector<PickleRef> pop_many(size_t count) {
    if (stack_.size() - floor() < count) fail("stack is empty");
    items_ += count;
    if (items_ > kMaxItems) fail("more than 16000000 container items");
    const auto first = stack_.end() - static_cast<ptrdiff_t>(count);
    std::vector<PickleRef> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    return items;
  }
  std::vector<PickleRef> pop_to_mark() {
    if (marks_.empty()) fail("no mark");
    std::vector<PickleRef> items = pop_many(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }
  void push_items(PickleKind kind, std::vector<PickleRef> items) {
    const PickleRef ref = make(kind);
    value(ref).items = std::move(items);
    push(ref);
  }
  void push_integer(int64_t number) {
    const PickleRef ref = make(PickleKind::kInt);
    value(ref).integer = number;
    push(ref);
  }
  void push_text(PickleKind kind, std::string text) {
    const PickleRef ref = make(kind);
    value(ref).text = std::move(text);
    push(ref);
  }

  // --- opcodes
  bool push_constant(uint8_t opcode) {
    switch (opcode) {
      case 'N': push(kNoneRef); return true;
      case 0x88: push(kTrueRef); return true;
      case 0x89: push(kFalseRef); return true;
      case 'K': push_integer(take<uint8_t>()); return true;
      case 'M': push_integer(take<uint16_t>()); return true;
      case 'J': push_integer(take<int32_t>()); return true;
      case 0x8a: push_long(take_bytes(take<uint8_t>())); return true;
      case 'G': push_float(); return true;
      case 'X': push_unicode(take<uint32_t>()); return true;
      case 0x8c: push_unicode(take<uint8_t>()); return true;
      case 0x8d: push_unicode(take<uint64_t>()); return true;
      case 'C': push_bytes(take<uint8_t>()); return true;
      case 'B': push_bytes(take<uint32_t>()); return true;
      case 0x8e:
      case 0x96: push_bytes(take<uint64_t>()); return true;
      case 0x8b: push_long(take_bytes(take<uint32_t>())); return true;
      case 'U': push_text(PickleKind::kString, take_text(take<uint8_t>())); return true;
      case 'T': push_text(PickleKind::kString, take_text(take<uint32_t>())); return true;
      case 'c': push_symbol(); return true;
      default: return false;
    }
  }

  bool build_container(uint8_t opcode) {
    switch (opcode) {
      case '(':
        if (marks_.size() == kMaxDepth) fail("more than 4000000 marks");
        marks_.push_back(stack_.size());
        return true;
      case ')': push(kEmptyTupleRef); return true;
      case ']': push(make(PickleKind::kList)); return true;
      case '}': push(make(PickleKind::kDict)); return true;
      case 0x8f: push(make(PickleKind::kSet)); return true;
      case 't': push_items(PickleKind::kTuple, pop_to_mark()); return true;
      case 0x85: push_items(PickleKind::kTuple, pop_many(1)); return true;
      case 0x86: push_items(PickleKind::kTuple, pop_many(2)); return true;
      case 0x87: push_items(PickleKind::kTuple, pop_many(3)); return true;
      case 'a': extend(PickleKind::kList, pop_many(1)); return true;
      case 'e': extend(PickleKind::kList, pop_to_mark()); return true;
      case 's': extend(PickleKind::kDict, pop_many(2)); return true;
      case 'u': extend(PickleKind::kDict, pop_to_mark()); return true;
      case 0x90: extend(PickleKind::kSet, pop_to_mark()); return true;
      case 0x91:
        pop_to_mark();
        push(make(PickleKind::kSet));
        return true;
      default: return false;
    }
  }

  bool other(uint8_t opcode) {
    switch (opcode) {
      case 'R':
      case 0x81: call(); return true;
      case 0x92:  // keyword arguments mean nothing to a call that is never made
        pop();
        call();
        return true;
      case 0x93: push_stack_symbol(); return true;
      case 0x94: remember(static_cast<uint32_t>(memo_.size())); return true;
      case 0x95: take<uint64_t>(); return true;  // FRAME: its length helps to read ahead
      case '0': discard(); return true;
      case '1': pop_to_mark(); return true;
      case 'b': build(); return true;
      case 'Q': {
        push_items(PickleKind::kPersistent, pop_many(1));
        result_.persistent.push_back(top());
        return true;
      }
      case 'q': remember(take<uint8_t>()); return true;
      case 'r': remember(take<uint32_t>()); return true;
      case 'h': recall(take<uint8_t>()); return true;
      case 'j': recall(take<uint32_t>()); return true;
      default: return false;
    }
  }

  // Two's complement, any length.
  void push_long(std::string_view bytes) {
    if (bytes.size() > 8) return push(make(PickleKind::kBigInt));
    uint64_t bits = !bytes.empty() && (bytes.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
    for (size_t i = bytes.size(); i-- > 0;) bits = bits << 8 | static_cast<uint8_t>(bytes[i]);
    push_integer(static_cast<int64_t>(bits));
  }

  void push_float() {
    const PickleRef ref = make(PickleKind::kFloat);
    value(ref).real = std::bit_cast<double>(__builtin_bswap64(take<uint64_t>()));
    push(ref);
  }

  void push_unicode(uint64_t length) {
    std::string text = take_text(length);
    if (!is_utf8(text)) fail("string is not UTF-8");
    push_text(PickleKind::kString, std::move(text));
  }

  // Bytes are data of other objects: arrays, numbers, states of generators.
  void push_bytes(uint64_t length) {
    take_bytes(length);
    push(make(PickleKind::kBytes));
  }

  void push_symbol() {
    const std::string_view module = take_line();
    add_symbol(module, take_line());
  }

  void push_stack_symbol() {
    const PickleRef name = pop(), module = pop();
    if (value(name).kind != PickleKind::kString || value(module).kind != PickleKind::kString) {
      fail("a symbol of something that is not two texts");
    }
    add_symbol(value(module).text, value(name).text);
  }

  void add_symbol(std::string_view module, std::string_view name) {
    if (module.size() + name.size() >= kMaxSymbol) fail("symbol of more than 1024 bytes");
    std::string symbol(module);
    symbol.append(".").append(name);
    check_name(symbol, what_);
    symbol_bytes_ += symbol.size();
    if (symbol_bytes_ > kMaxSymbolBytes) fail("symbols of more than 16 MiB");
    symbols_.insert(symbol);
    push_text(PickleKind::kSymbol, std::move(symbol));
  }

  // POP, which also takes a mark away.
  void discard() {
    if (!marks_.empty() && marks_.back() == stack_.size()) {
      marks_.pop_back();
    } else {
      pop();
    }
  }

  // APPEND(S) and SETITEM(S). A call stays opaque: what is stored into its result is dropped.
  void extend(PickleKind kind, std::vector<PickleRef> items) {
    PickleValue& target = value(top());
    if (target.kind == PickleKind::kCall || (target.kind == kind && kind == PickleKind::kSet))
      return;
    if (target.kind != kind) fail("items for something that is neither list nor dict");
    if (kind == PickleKind::kDict && items.size() % 2 != 0) fail("dict key without value");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  // REDUCE and NEWOBJ.
  void call() {
    std::vector<PickleRef> parts = pop_many(2);
    const PickleValue& callable = value(parts[0]);
    if (value(parts[1]).kind != PickleKind::kTuple) fail("arguments are not a tuple");
    if (callable.kind != PickleKind::kSymbol && callable.kind != PickleKind::kCall) {
      fail("call of something that is not a symbol");
    }
    if (callable.text == "collections.OrderedDict") return push(ordered_dict(parts[1]));
    push_items(PickleKind::kCall, std::move(parts));
  }

  // OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]).
  PickleRef ordered_dict(PickleRef arguments) {
    const PickleRef dict = make(PickleKind::kDict);
    const std::vector<PickleRef>& list = value(arguments).items;
    if (list.empty()) return dict;
    if (list.size() != 1 || value(list[0]).kind != PickleKind::kList) {
      fail("unexpected arguments of OrderedDict");
    }
    items_ += 2 * value(list[0]).items.size();
    if (items_ > kMaxItems) fail("more than 16000000 container items");
    for (const PickleRef pair : value(list[0]).items) {
      if (value(pair).items.size() != 2) fail("unexpected arguments of OrderedDict");
      value(dict).items.push_back(value(pair).items[0]);
      value(dict).items.push_back(value(pair).items[1]);
    }
    return dict;
  }

  // The state of an object is dropped: of dicts it holds only bookkeeping, calls are opaque anyway.
  void build() {
    pop();
    const PickleKind kind = value(top()).kind;
    if (kind != PickleKind::kDict && kind != PickleKind::kCall) fail("state for a plain value");
  }

  void remember(uint32_t index) {
    if (index > kMaxMemoIndex) fail("memo index " + std::to_string(index));
    if (memo_.size() == kMaxDepth) fail("more than 4000000 memo entries");
    memo_[index] = top();
  }
  void recall(uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) fail("memo " + std::to_string(index) + " was never set");
    push(found->second);
  }

  std::span<const std::byte> bytes_;
  const std::string& what_;
  size_t at_ = 0;
  size_t items_ = 0;
  size_t symbol_bytes_ = 0;
  Pickle result_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, PickleRef> memo_;
  std::set<std::string> symbols_;
};

}  // namespace

const PickleValue* Pickle::find(const PickleValue& dict, std::string_view key) const {
  if (dict.kind != PickleKind::kDict) return nullptr;
  // The last assignment of a key wins, as in Python.
  for (size_t i = dict.items.size(); i >= 2; i -= 2) {
    const PickleValue& candidate = at(dict.items[i - 2]);
    if (candidate.kind == PickleKind::kString && candidate.text == key) {
      return &at(dict.items[i - 1]);
    }
  }
  return nullptr;
}

Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& what) {
  return Machine(bytes.first(std::min(bytes.size(), kMaxBytes)), what).run();
}

}  // namespace spikeloom
