#include "core/io/torch_pickle.hpp"

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::kData, what + ": " + why);
}

struct StorageType {
  std::string_view name;
  std::optional<DType> dtype;
  int64_t bytes;
};
constexpr std::array<StorageType, 17> kStorageTypes = {{
    {"DoubleStorage", DType::kF64, 8},
    {"FloatStorage", DType::kF32, 4},
    {"HalfStorage", DType::kF16, 2},
    {"BFloat16Storage", DType::kBF16, 2},
    {"LongStorage", DType::kI64, 8},
    {"IntStorage", DType::kI32, 4},
    {"ShortStorage", DType::kI16, 2},
    {"CharStorage", DType::kI8, 1},
    {"ByteStorage", DType::kU8, 1},
    {"BoolStorage", DType::kBool, 1},
    {"ComplexFloatStorage", std::nullopt, 8},
    {"ComplexDoubleStorage", std::nullopt, 16},
    {"QInt8Storage", std::nullopt, 1},
    {"QUInt8Storage", std::nullopt, 1},
    {"QInt32Storage", std::nullopt, 4},
    {"UntypedStorage", std::nullopt, 1},
    {"_UntypedStorage", std::nullopt, 1},
}};

constexpr std::array<std::string_view, 20> kTorchTypeNames = {
    "float16", "float32", "float64",   "half",       "float", "double", "bfloat16",
    "int8",    "int16",   "int32",     "int64",      "uint8", "uint16", "uint32",
    "uint64",  "bool",    "complex64", "complex128", "qint8", "quint8"};

constexpr std::array<std::string_view, 6> kWrappers = {"model", "state_dict", "model_state_dict",
                                                       "net",   "model_ema",  "module"};

constexpr std::string_view kRebuild = "torch._utils._rebuild_";

bool is_storage_symbol(std::string_view symbol) {
  return symbol.starts_with("torch.") && symbol.ends_with("Storage");
}

bool is_rebuild_symbol(std::string_view symbol) {
  return symbol.starts_with(kRebuild) || symbol == "torch._tensor._rebuild_from_type_v2";
}

bool has_meaning(std::string_view symbol) {
  if (is_storage_symbol(symbol) || is_rebuild_symbol(symbol)) return true;
  for (const std::string_view known : {"collections.OrderedDict", "torch.Size", "torch.device",
                                       "torch.serialization._get_layout"}) {
    if (symbol == known) return true;
  }
  constexpr std::string_view kTorch = "torch.";
  return symbol.starts_with(kTorch) &&
         std::find(kTorchTypeNames.begin(), kTorchTypeNames.end(), symbol.substr(kTorch.size())) !=
             kTorchTypeNames.end();
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

// Follows _rebuild_parameter(tensor, ...) to the call that makes the tensor.
const PickleValue& unwrap_parameter(const Pickle& pickle, const PickleValue& value,
                                    const std::string& where) {
  constexpr int kDeepest = 8;
  const PickleValue* call = &value;
  for (int depth = 0; depth < kDeepest; ++depth) {
    const std::string_view symbol = called_symbol(pickle, *call);
    if (!is_rebuild_symbol(symbol)) fail(where, "is a parameter without a tensor");
    if (!symbol.starts_with("torch._utils._rebuild_parameter")) return *call;
    const PickleValue& arguments = pickle.at(call->items[1]);
    if (arguments.items.empty()) fail(where, "is a parameter without a tensor");
    call = &pickle.at(arguments.items[0]);
  }
  fail(where, "is a parameter of a parameter of a parameter");
}

TorchTensor read_tensor(const Pickle& pickle, const PickleValue& value, const std::string& name,
                        const std::string& what) {
  const std::string where = what + ": tensor '" + name + "'";
  TorchTensor tensor;
  tensor.name = name;
  const PickleValue& call = unwrap_parameter(pickle, value, where);
  const std::string_view symbol = called_symbol(pickle, call);
  const bool with_grad = symbol == "torch._utils._rebuild_tensor_v2";
  if (!with_grad && symbol != "torch._utils._rebuild_tensor") {
    tensor.unsupported = symbol;
    return tensor;
  }
  const std::vector<PickleRef>& arguments = pickle.at(call.items[1]).items;
  if (arguments.size() < (with_grad ? 6 : 4)) fail(where, "is built from too few values");
  tensor.storage = read_torch_storage(pickle, pickle.at(arguments[0]), where);
  if (!tensor.storage.dtype) {
    tensor.unsupported = tensor.storage.type;
    return tensor;
  }
  tensor.offset = integer_of(pickle.at(arguments[1]), where);
  tensor.shape = integers_of(pickle, arguments[2], where);
  tensor.strides = integers_of(pickle, arguments[3], where);
  if (tensor.shape.size() != tensor.strides.size()) fail(where, "has fewer strides than sizes");
  return tensor;
}

const PickleValue& state_dict_of(const Pickle& pickle, const std::string& what) {
  const PickleValue& root = pickle.at(pickle.root);
  if (root.kind == PickleKind::kCall || root.kind == PickleKind::kPersistent) {
    const std::string symbol = printable(called_symbol(pickle, root));
    fail(what, "holds one object (" + symbol + "), no state dict; save model.state_dict() instead");
  }
  for (const std::string_view key : kWrappers) {
    const PickleValue* inner = pickle.find(root, key);
    if (inner != nullptr && holds_tensor(pickle, *inner)) return *inner;
  }
  if (holds_tensor(pickle, root)) return root;
  fail(what,
       "holds no state dict: neither the root nor model, state_dict, model_state_dict, net, "
       "model_ema or module is a dict of tensors");
}

void strip_common_prefixes(std::vector<TorchTensor>& tensors) {
  constexpr std::array<std::string_view, 2> kPrefixes = {"module.", "_orig_mod."};
  for (size_t misses = 0, i = 0; misses < kPrefixes.size(); i = 1 - i) {
    const std::string_view prefix = kPrefixes[i];
    const bool common = std::all_of(tensors.begin(), tensors.end(), [&](const TorchTensor& t) {
      return t.name.size() > prefix.size() && t.name.starts_with(prefix);
    });
    misses = common ? 0 : misses + 1;
    if (!common) continue;
    for (TorchTensor& tensor : tensors) tensor.name.erase(0, prefix.size());
  }
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
  for (const StorageType& known : kStorageTypes) {
    if (known.name != storage.type) continue;
    storage.dtype = known.dtype;
    storage.element_bytes = known.bytes;
  }
  const PickleValue& key = pickle.at(id.items[2]);
  if (key.kind != PickleKind::kString) fail(what, "storage key is not a string");
  check_name(key.text, what);
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

std::vector<TorchTensor> find_state_dict(const Pickle& pickle, const std::string& what) {
  const PickleValue& dict = state_dict_of(pickle, what);
  std::vector<TorchTensor> tensors;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue& key = pickle.at(dict.items[i]);
    const PickleValue& value = pickle.at(dict.items[i + 1]);
    if (key.kind != PickleKind::kString || !is_tensor(pickle, value)) continue;
    check_name(key.text, what);
    tensors.push_back(read_tensor(pickle, value, key.text, what));
  }
  if (tensors.empty()) fail(what, "the state dict has no tensor under a string key");
  strip_common_prefixes(tensors);
  return tensors;
}

std::vector<std::string> opaque_symbols(const Pickle& pickle) {
  std::vector<std::string> result;
  for (const std::string& symbol : pickle.symbols) {
    if (!has_meaning(symbol)) result.push_back(symbol);
  }
  return result;
}

}  // namespace spikeloom
