#pragma once
// The nodes of NIR (Pedersen et al., Nature Communications 15, 2024) and what a file holds of each:
// one table for reading, checking and showing them.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "core/tensor.hpp"

namespace spikeloom::nir {

enum class NodeKind : uint8_t {
  kInput,
  kOutput,
  kAffine,
  kLinear,
  kScale,
  kConv1d,
  kConv2d,
  kSumPool2d,
  kAvgPool2d,
  kFlatten,
  kDelay,
  kThreshold,
  kI,
  kIf,
  kLi,
  kLif,
  kCubaLi,
  kCubaLif,
};

enum class FieldKind : uint8_t {
  kNumbers,   // real
  kPerValue,  // real, one per value of the node, or one for all
  kIntegers,  // one or several
  kPadding,   // integers, or "same" or "valid"
};

struct Field {
  std::string_view name;
  FieldKind kind = FieldKind::kNumbers;
  bool required = true;
  bool positive = false;  // every number
};

struct NodeType {
  NodeKind kind;
  std::string_view name;  // in files
  std::span<const Field> fields;
  bool is_neuron = false;  // has a membrane
  bool fires = false;
};

// By kind.
std::span<const NodeType> node_types();
const NodeType& type_of(NodeKind kind);
// nullptr: NIR has no such node.
const NodeType* find_type(std::string_view name);

// Numbers as stored: fp32, anything else fp64. Axes as NIR has them: channels, rows, columns.
struct Array {
  Tensor data;
  const Shape& shape() const { return data.shape(); }
  int64_t size() const { return data.size(); }
  double at(int64_t element) const;
  bool is_uniform() const;  // all alike
};

struct Node {
  std::string name;  // of nested graphs "outer.inner"
  NodeKind kind = NodeKind::kInput;
  std::map<std::string, Array, std::less<>> arrays;  // by field; those that are absent have none
  bool same = false;                                 // padding "same"

  const NodeType& type() const { return type_of(kind); }
  bool has(std::string_view field) const { return arrays.find(field) != arrays.end(); }
  // Throws Error(kInternal) where there is none.
  const Array& operator[](std::string_view field) const;
  // Integers of a field: one stands for all of `count`; absent: `absent` for each. Throws
  // Error(kData) naming the field for another number of them.
  std::vector<int64_t> integers(std::string_view field, size_t count, int64_t absent) const;
};

// "node lif1", printable.
std::string title_of(const Node& node);

}  // namespace spikeloom::nir
