#pragma once
// What the values of a PyTorch pickle mean: storages, tensors, the state dict (formats 3.2). Used
// by pth.cpp.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.hpp"
#include "core/io/pickle.hpp"
#include "core/shape.hpp"

namespace spikeloom {

// A persistent id ("storage", type, key, location, element count[, view]).
struct TorchStorage {
  std::string key;
  std::string type;            // "FloatStorage"
  std::optional<DType> dtype;  // empty when a Tensor cannot hold it
  int64_t element_bytes = 0;   // 0 when unknown
  int64_t count = 0;           // elements of the whole storage
  int64_t view_begin = 0;      // elements; a legacy storage may be a part of another
  int64_t view_count = 0;
};

// A strided view of a storage, or the reason why it cannot be read.
struct TorchTensor {
  std::string name;
  std::string unsupported;  // not empty: the rest is unset
  TorchStorage storage;
  int64_t offset = 0;  // elements
  Shape shape;
  std::vector<int64_t> strides;  // elements
};

// All throw Error(kData) starting with `what`.
TorchStorage read_torch_storage(const Pickle& pickle, const PickleValue& persistent,
                                const std::string& what);

// The tensors of the state dict, names without a common "module." or "_orig_mod.", in the order of
// the file.
std::vector<TorchTensor> find_state_dict(const Pickle& pickle, const std::string& what);

// The symbols that mean nothing to this reader.
std::vector<std::string> opaque_symbols(const Pickle& pickle);

}  // namespace spikeloom
