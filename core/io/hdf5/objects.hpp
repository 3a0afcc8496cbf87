#pragma once
// What an HDF5 file holds, as plain values: no HDF5 in sight.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/shape.hpp"

namespace spikeloom::hdf5 {

enum class ObjectKind : uint8_t {
  kGroup,
  kDataset,
  kType,      // a named type
  kSoftLink,  // another name of something; it is not followed
};

// kOther: what is not read here (compounds, references, lists of variable length, bit fields, ...).
enum class ValueKind : uint8_t { kInteger, kUnsigned, kReal, kText, kOther };

// An enumeration counts as its integers. `bytes` of a number: 1 to 8; of a text or other: 0.
struct ValueType {
  ValueKind kind = ValueKind::kOther;
  uint8_t bytes = 0;
  bool operator==(const ValueType&) const = default;
};

// In C order; monostate: of kind kOther, or too many to be handed over.
using Values = std::variant<std::monostate, std::vector<int64_t>, std::vector<uint64_t>,
                            std::vector<double>, std::vector<std::string>>;

struct Attribute {
  std::string name;
  ValueType type;
  Shape shape;  // empty: a scalar
  Values values;
};

struct Object {
  std::string path;  // "/group/name"; "/" is the root
  ObjectKind kind = ObjectKind::kGroup;
  ValueType type;  // of a dataset
  ValueType item;  // of a dataset of lists of variable length (type: kOther); kOther: it is none
  Shape shape;     // of a dataset; empty: a scalar
  std::vector<Attribute> attributes;
};

}  // namespace spikeloom::hdf5
