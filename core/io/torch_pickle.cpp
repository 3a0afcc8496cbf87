#include "core/io/torch_pickle.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"
#include "core/io/utf8.hpp"
#include "core/weight_names.hpp"

namespace spikeloom {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::kData, what + ": " + why);
}

struct NamedType {
  std::string_view name;
  ElementType element;
};
constexpr std::array<NamedType, 17> kStorageTypes = {{{"DoubleStorage", {DType::kF64, 8}},
                                                      {"FloatStorage", {DType::kF32, 4}},
                                                      {"HalfStorage", {DType::kF16, 2}},
                                                      {"BFloat16Storage", {DType::kBF16, 2}},
                                                      {"LongStorage", {DType::kI64, 8}},
                                                      {"IntStorage", {DType::kI32, 4}},
                                                      {"ShortStorage", {DType::kI16, 2}},
                                                      {"CharStorage", {DType::kI8, 1}},
                                                      {"ByteStorage", {DType::kU8, 1}},
                                                      {"BoolStorage", {DType::kBool, 1}},
                                                      {"ComplexFloatStorage", {std::nullopt, 8}},
                                                      {"ComplexDoubleStorage", {std::nullopt, 16}},
                                                      {"QInt8Storage", {std::nullopt, 1}},
                                                      {"QUInt8Storage", {std::nullopt, 1}},
                                                      {"QInt32Storage", {std::nullopt, 4}},
                                                      {"UntypedStorage", {std::nullopt, 1}},
                                                      {"_UntypedStorage", {std::nullopt, 1}}}};

// Element types of tensors over untyped storages (_rebuild_tensor_v3).
constexpr std::array<NamedType, 18> kTorchTypes = {
    {{"float16", {DType::kF16, 2}},
     {"bfloat16", {DType::kBF16, 2}},
     {"float32", {DType::kF32, 4}},
     {"float64", {DType::kF64, 8}},
     {"int8", {DType::kI8, 1}},
     {"int16", {DType::kI16, 2}},
     {"int32", {DType::kI32, 4}},
     {"int64", {DType::kI64, 8}},
     {"uint8", {DType::kU8, 1}},
     {"bool", {DType::kBool, 1}},
     {"uint16", {DType::kI32, 2, Widening::kU16}},
     {"uint32", {DType::kI64, 4, Widening::kU32}},
     {"float8_e4m3fn", {DType::kF16, 1, Widening::kE4M3}},
     {"float8_e5m2", {DType::kF16, 1, Widening::kE5M2}},
     {"uint64", {std::nullopt, 8}},
     {"float8_e4m3fnuz", {std::nullopt, 1}},
     {"float8_e5m2fnuz", {std::nullopt, 1}},
     {"float8_e8m0fnu", {std::nullopt, 1}}}};
constexpr std::array<std::string_view, 8> kOtherTypes = {
    "half", "float", "double", "complex32", "complex64", "complex128", "qint8", "quint8"};

constexpr size_t kMostDicts = 64;      // of tensors
constexpr size_t kMostVisited = 4096;  // dicts looked into
constexpr size_t kLongestKey = 256;    // of a storage

constexpr std::string_view kRebuild = "torch._utils._rebuild_";

bool is_storage_symbol(std::string_view symbol) {
  return symbol.starts_with("torch.") && symbol.ends_with("Storage");
}

bool is_rebuild_symbol(std::string_view symbol) {
  return symbol.starts_with(kRebuild) || symbol == "torch._tensor._rebuild_from_type_v2";
}

const ElementType* torch_type(std::string_view name) {
  for (const NamedType& type : kTorchTypes) {
    if (type.name == name) return &type.element;
  }
  return nullptr;
}

bool has_meaning(std::string_view symbol) {
  if (is_storage_symbol(symbol) || is_rebuild_symbol(symbol)) return true;
  for (const std::string_view known :
       {"collections.OrderedDict", "torch.Size", "torch.device", "torch.serialization._get_layout",
        "torch.nn.parameter.Parameter"}) {
    if (symbol == known) return true;
  }
  constexpr std::string_view kTorch = "torch.";
  return symbol.starts_with(kTorch) &&
         (torch_type(symbol.substr(kTorch.size())) != nullptr ||
          std::find(kOtherTypes.begin(), kOtherTypes.end(), symbol.substr(kTorch.size())) !=
              kOtherTypes.end());
}

// The symbol that is called, or "" when the value is not the call of a symbol.
std::string_view called_symbol(const Pickle& pickle, const PickleValue& value) {
  if (value.kind != PickleKind::kCall) return {};
  const PickleValue& callable = pickle.at(value.items[0]);
  return callable.kind == PickleKind::kSymbol ? std::string_view(callable.text)
                                              : std::string_view();
}

bool is_tensor(const Pickle& pickle, const PickleValue& value) {
  return is_rebuild_symbol(called_symbol(pickle, value));
}

bool holds_tensor(const Pickle& pickle, const PickleValue& value) {
  if (value.kind != PickleKind::kDict) return false;
  for (size_t i = 1; i < value.items.size(); i += 2) {
    if (is_tensor(pickle, pickle.at(value.items[i]))) return true;
  }
  return false;
}

int64_t integer_of(const PickleValue& value, const std::string& where) {
  if (value.kind != PickleKind::kInt || value.integer < 0) fail(where, "expected an integer >= 0");
  return value.integer;
}

// A tuple of integers; torch.Size((...)) counts as one.
std::vector<int64_t> integers_of(const Pickle& pickle, PickleRef ref, const std::string& where) {
  const PickleValue* value = &pickle.at(ref);
  if (called_symbol(pickle, *value) == "torch.Size") {
    const PickleValue& arguments = pickle.at(value->items[1]);
    if (arguments.items.size() != 1) fail(where, "torch.Size with other than one argument");
    value = &pickle.at(arguments.items[0]);
  }
  if (value->kind != PickleKind::kTuple) fail(where, "expected a tuple of integers");
  if (value->items.size() > kMaxRank) fail(where, "has more than 64 dimensions");
  std::vector<int64_t> result;
  for (const PickleRef item : value->items) result.push_back(integer_of(pickle.at(item), where));
  return result;
}

// A call that makes a tensor, by its symbol and its arguments.
struct Rebuild {
  std::string_view symbol;
  const PickleValue* arguments;
};

// Follows _rebuild_parameter(tensor, ...) and _rebuild_from_type_v2(function, type, arguments,
// state) to the call that makes the tensor.
Rebuild find_rebuild(const Pickle& pickle, const PickleValue& value, const std::string& where) {
  constexpr int kDeepest = 8;
  const PickleValue* call = &value;
  for (int depth = 0; depth < kDeepest; ++depth) {
    const std::string_view symbol = called_symbol(pickle, *call);
    if (!is_rebuild_symbol(symbol)) fail(where, "is a parameter without a tensor");
    const PickleValue& arguments = pickle.at(call->items[1]);
    if (symbol == "torch._tensor._rebuild_from_type_v2" && arguments.items.size() == 4) {
      const PickleValue& function = pickle.at(arguments.items[0]);
      const PickleValue& inner = pickle.at(arguments.items[2]);
      if (function.kind == PickleKind::kSymbol && inner.kind == PickleKind::kTuple) {
        return {function.text, &inner};
      }
    }
    if (!symbol.starts_with("torch._utils._rebuild_parameter")) return {symbol, &arguments};
    if (arguments.items.empty()) fail(where, "is a parameter without a tensor");
    call = &pickle.at(arguments.items[0]);
  }
  fail(where, "is a parameter of a parameter of a parameter");
}

// Storages by the persistent id that describes them: tensors share them.
using Storages = std::unordered_map<PickleRef, std::shared_ptr<const TorchStorage>>;

std::shared_ptr<const TorchStorage> storage_of(const Pickle& pickle, PickleRef ref,
                                               Storages& storages, const std::string& where) {
  std::shared_ptr<const TorchStorage>& storage = storages[ref];
  if (!storage) {
    storage =
        std::make_shared<const TorchStorage>(read_torch_storage(pickle, pickle.at(ref), where));
  }
  return storage;
}

// The element type that _rebuild_tensor_v3 names.
void read_type(const PickleValue& symbol, TorchTensor& tensor) {
  constexpr std::string_view kTorch = "torch.";
  tensor.type = symbol.kind == PickleKind::kSymbol ? symbol.text : "unknown type";
  tensor.element = {};
  if (symbol.kind != PickleKind::kSymbol || !symbol.text.starts_with(kTorch)) return;
  const ElementType* known = torch_type(std::string_view(symbol.text).substr(kTorch.size()));
  if (known != nullptr) tensor.element = *known;
}

// A view whose numbers are not those of its storage says so behind its other arguments; "" for all
// others.
std::string bits_of_view(const Pickle& pickle, const std::vector<PickleRef>& arguments,
                         size_t usual) {
  if (arguments.size() <= usual) return "";
  const PickleValue& metadata = pickle.at(arguments[usual]);
  for (size_t i = 0; i + 1 < metadata.items.size() && metadata.kind == PickleKind::kDict; i += 2) {
    const PickleValue& set = pickle.at(metadata.items[i + 1]);
    const std::string& bit = pickle.at(metadata.items[i]).text;
    if (set.kind == PickleKind::kBool && set.integer == 0) continue;
    if (bit == "neg") return "of numbers negated by a bit (resolve_neg() settles it)";
    if (bit == "conj") return "of numbers conjugated by a bit (resolve_conj() settles it)";
  }
  return "";
}

TorchTensor read_tensor(const Pickle& pickle, const PickleValue& value, std::string name,
                        Storages& storages, const std::string& what) {
  const std::string where = what + ": tensor '" + printable(name, 80) + "'";
  TorchTensor tensor;
  tensor.name = std::move(name);
  const Rebuild rebuild = find_rebuild(pickle, value, where);
  const bool typed = rebuild.symbol == "torch._utils._rebuild_tensor_v3";
  const bool with_grad = typed || rebuild.symbol == "torch._utils._rebuild_tensor_v2";
  if (!with_grad && rebuild.symbol != "torch._utils._rebuild_tensor") {
    tensor.type = rebuild.symbol;
    return tensor;
  }
  const std::vector<PickleRef>& arguments = rebuild.arguments->items;
  const size_t usual = typed ? 7 : with_grad ? 6 : 4;
  if (arguments.size() < usual) fail(where, "is built from too few values");
  if (std::string view = bits_of_view(pickle, arguments, usual); !view.empty()) {
    tensor.type = std::move(view);
    return tensor;
  }
  tensor.storage = storage_of(pickle, arguments[0], storages, where);
  tensor.type = tensor.storage->type;
  tensor.element = tensor.storage->element;
  if (typed) read_type(pickle.at(arguments[6]), tensor);
  if (!tensor.element.dtype) return tensor;
  tensor.readable = true;
  tensor.offset = integer_of(pickle.at(arguments[1]), where);
  tensor.shape = integers_of(pickle, arguments[2], where);
  tensor.strides = integers_of(pickle, arguments[3], where);
  if (tensor.shape.size() != tensor.strides.size()) fail(where, "has fewer strides than sizes");
  return tensor;
}

struct FoundDict {
  std::string path;
  PickleRef ref;
};

// The dicts of tensors, breadth first; one that stands under several keys under its first.
std::vector<FoundDict> find_dicts(const Pickle& pickle) {
  constexpr size_t kDeepest = 2;
  std::vector<FoundDict> level = {{"", pickle.root}}, result;
  std::unordered_set<PickleRef> seen = {pickle.root};
  for (size_t depth = 0; depth <= kDeepest && !level.empty(); ++depth) {
    std::vector<FoundDict> next;
    for (FoundDict& dict : level) {
      const PickleValue& value = pickle.at(dict.ref);
      if (value.kind != PickleKind::kDict) continue;
      for (size_t i = 0; depth < kDeepest && i + 1 < value.items.size(); i += 2) {
        const PickleValue& key = pickle.at(value.items[i]);
        const PickleRef inner = value.items[i + 1];
        if (key.kind != PickleKind::kString || key.text.size() > kLongestKey ||
            !is_utf8(key.text) || pickle.at(inner).kind != PickleKind::kDict ||
            seen.size() == kMostVisited || !seen.insert(inner).second) {
          continue;
        }
        next.push_back({dict.path.empty() ? key.text : dict.path + "." + key.text, inner});
      }
      if (holds_tensor(pickle, value)) result.push_back(std::move(dict));
    }
    level = std::move(next);
  }
  std::stable_sort(result.begin(), result.end(), [](const FoundDict& a, const FoundDict& b) {
    return rank_of_path(a.path) < rank_of_path(b.path);
  });
  if (result.size() > kMostDicts) result.resize(kMostDicts);
  return result;
}

TorchDict read_dict(const Pickle& pickle, const FoundDict& found, Storages& storages,
                    const std::string& what) {
  const PickleValue& dict = pickle.at(found.ref);
  TorchDict result;
  result.path = found.path;
  std::unordered_map<std::string_view, PickleRef> last;
  std::vector<std::string_view> order;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue& key = pickle.at(dict.items[i]);
    if (key.kind != PickleKind::kString || !is_tensor(pickle, pickle.at(dict.items[i + 1])))
      continue;
    if (last.insert_or_assign(key.text, dict.items[i + 1]).second) order.push_back(key.text);
  }
  for (const std::string_view name : order) {
    check_name(name, what);
    result.tensors.push_back(
        read_tensor(pickle, pickle.at(last.at(name)), std::string(name), storages, what));
  }
  return result;
}

void refuse_object(const Pickle& pickle, const std::string& what) {
  const PickleValue& root = pickle.at(pickle.root);
  if (root.kind != PickleKind::kCall && root.kind != PickleKind::kPersistent) return;
  const std::string symbol = printable(called_symbol(pickle, root), 80);
  fail(what, "holds one object (" + symbol + "), no state dict; save model.state_dict() instead");
}

// The keys of the root whose values are objects: a model that was pickled whole.
std::string objects_of(const Pickle& pickle) {
  const PickleValue& root = pickle.at(pickle.root);
  if (root.kind != PickleKind::kDict) return {};
  for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const PickleValue& key = pickle.at(root.items[i]);
    if (key.kind != PickleKind::kString || rank_of_path(key.text).kind > PathClass::kAverage)
      continue;
    const std::string_view symbol = called_symbol(pickle, pickle.at(root.items[i + 1]));
    if (symbol.empty()) continue;
    return "; " + in_quotes(key.text) + " is one object (" + printable(symbol, 80) +
           "), save its state_dict() instead";
  }
  return {};
}

}  // namespace

TorchStorage read_torch_storage(const Pickle& pickle, const PickleValue& persistent,
                                const std::string& what) {
  if (persistent.kind != PickleKind::kPersistent) fail(what, "has no storage");
  const PickleValue& id = pickle.at(persistent.items[0]);
  if (id.kind != PickleKind::kTuple || id.items.empty()) fail(what, "storage id is not a tuple");
  if (pickle.at(id.items[0]).text == "module") {
    fail(what, "holds a whole pickled module; save model.state_dict() instead");
  }
  if (pickle.at(id.items[0]).text != "storage" || (id.items.size() != 5 && id.items.size() != 6)) {
    fail(what, "storage id is not understood");
  }
  TorchStorage storage;
  const PickleValue& type = pickle.at(id.items[1]);
  if (type.kind != PickleKind::kSymbol || !is_storage_symbol(type.text)) {
    fail(what, "storage type is not understood");
  }
  storage.type = type.text.substr(type.text.rfind('.') + 1);
  for (const NamedType& known : kStorageTypes) {
    if (known.name == storage.type) storage.element = known.element;
  }
  const PickleValue& key = pickle.at(id.items[2]);
  if (key.kind != PickleKind::kString) fail(what, "storage key is not a string");
  check_name(key.text, what);
  if (key.text.size() > kLongestKey) fail(what, "storage key of more than 256 bytes");
  storage.key = key.text;
  storage.count = integer_of(pickle.at(id.items[4]), what + ": storage size");
  storage.view_count = storage.count;
  if (id.items.size() == 6 && pickle.at(id.items[5]).kind != PickleKind::kNone) {
    const std::vector<PickleRef>& view = pickle.at(id.items[5]).items;
    if (view.size() != 3) fail(what, "storage view is not understood");
    storage.view_begin = integer_of(pickle.at(view[1]), what + ": storage view");
    storage.view_count = integer_of(pickle.at(view[2]), what + ": storage view");
    if (storage.view_begin > storage.count ||
        storage.view_count > storage.count - storage.view_begin) {
      fail(what, "storage view exceeds its storage");
    }
  }
  return storage;
}

std::vector<TorchDict> find_state_dicts(const Pickle& pickle, const std::string& what) {
  refuse_object(pickle, what);
  const std::vector<FoundDict> found = find_dicts(pickle);
  std::vector<TorchDict> result;
  Storages storages;
  for (const FoundDict& dict : found) {
    try {
      result.push_back(read_dict(pickle, dict, storages, what));
    } catch (const Error&) {
      // An optimizer's state, say, may be beyond us; what would be run may not.
      if (rank_of_path(dict.path).kind != PathClass::kUnknown || found.size() == 1) throw;
    }
  }
  if (result.empty()) {
    fail(what,
         "holds no state dict: neither its root nor any dict up to two keys below it holds "
         "tensors" +
             objects_of(pickle));
  }
  return result;
}

std::vector<std::string> opaque_symbols(const Pickle& pickle) {
  std::vector<std::string> result;
  for (const std::string& symbol : pickle.symbols) {
    if (!has_meaning(symbol)) result.push_back(symbol);
  }
  return result;
}

}  // namespace spikeloom
