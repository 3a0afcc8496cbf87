#pragma once
// What the values of a PyTorch pickle mean: storages, tensors, the state dict. Used
// by pth.cpp.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/element_types.hpp"
#include "core/io/pickle.hpp"
#include "core/shape.hpp"

namespace spikeloom {

// A persistent id ("storage", type, key, location, element count[, view]).
struct TorchStorage {
  std::string key;
  std::string type;  // "FloatStorage"
  ElementType element;
  int64_t count = 0;       // elements of the whole storage
  int64_t view_begin = 0;  // elements; a legacy storage may be a part of another
  int64_t view_count = 0;
};

// A strided view of a storage, or the reason why it cannot be read.
struct TorchTensor {
  std::string name;
  std::string type;       // of its elements, "FloatStorage"; where it is not readable: what it is
  bool readable = false;  // otherwise the rest is unset
  std::shared_ptr<const TorchStorage> storage;
  ElementType element;  // the storage's, or what the tensor says of an untyped one
  int64_t offset = 0;   // elements
  Shape shape;
  std::vector<int64_t> strides;  // elements
};

// A dict that holds tensors under string keys, in the order of the file, the last of equal keys.
struct TorchDict {
  std::string path;  // of keys from the root
  std::vector<TorchTensor> tensors;
};

// All throw Error(kData) starting with `what`.
TorchStorage read_torch_storage(const Pickle& pickle, const PickleValue& persistent,
                                const std::string& what);

// The dicts of tensors at the root and up to two keys below it, the most usual to run first
// (weight_names.hpp); at most 64. A dict that cannot be understood counts only where its path is a
// usual one.
std::vector<TorchDict> find_state_dicts(const Pickle& pickle, const std::string& what);

// The symbols that mean nothing to this reader.
std::vector<std::string> opaque_symbols(const Pickle& pickle);

}  // namespace spikeloom
