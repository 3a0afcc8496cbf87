#include "nir/nodes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/io/hint.hpp"

namespace spikeloom::nir {
namespace {

constexpr FieldKind kPerValue = FieldKind::kPerValue, kIntegers = FieldKind::kIntegers;

constexpr Field kPorts[] = {{"shape", kIntegers, true, true}};
constexpr Field kAffines[] = {{"weight"}, {"bias"}};
constexpr Field kLinears[] = {{"weight"}};
constexpr Field kScales[] = {{"scale", kPerValue}};
constexpr Field kConvs[] = {
    {"input_shape", kIntegers, false, true}, {"weight"},
    {"stride", kIntegers, true, true},       {"padding", FieldKind::kPadding},
    {"dilation", kIntegers, true, true},     {"groups", kIntegers, true, true},
    {"bias", FieldKind::kNumbers, false}};
constexpr Field kPools[] = {{"kernel_size", kIntegers, true, true},
                            {"stride", kIntegers, true, true},
                            {"padding", kIntegers}};
constexpr Field kFlattens[] = {
    {"start_dim", kIntegers}, {"end_dim", kIntegers}, {"input_type", kIntegers, false, true}};
constexpr Field kDelays[] = {{"delay", kPerValue}};
constexpr Field kThresholds[] = {{"threshold", kPerValue}};
constexpr Field kOfI[] = {{"r", kPerValue}};
constexpr Field kOfIf[] = {
    {"r", kPerValue}, {"v_threshold", kPerValue}, {"v_reset", kPerValue, false}};
constexpr Field kOfLi[] = {{"tau", kPerValue, true, true}, {"r", kPerValue}, {"v_leak", kPerValue}};
constexpr Field kOfLif[] = {{"tau", kPerValue, true, true},
                            {"r", kPerValue},
                            {"v_leak", kPerValue},
                            {"v_threshold", kPerValue},
                            {"v_reset", kPerValue, false}};
constexpr Field kOfCubaLi[] = {{"tau_syn", kPerValue, true, true},
                               {"tau_mem", kPerValue, true, true},
                               {"r", kPerValue},
                               {"v_leak", kPerValue},
                               {"w_in", kPerValue, false}};
constexpr Field kOfCubaLif[] = {{"tau_syn", kPerValue, true, true},
                                {"tau_mem", kPerValue, true, true},
                                {"r", kPerValue},
                                {"v_leak", kPerValue},
                                {"v_threshold", kPerValue},
                                {"v_reset", kPerValue, false},
                                {"w_in", kPerValue, false}};

constexpr NodeType kTypes[] = {
    {NodeKind::kInput, "Input", kPorts},
    {NodeKind::kOutput, "Output", kPorts},
    {NodeKind::kAffine, "Affine", kAffines},
    {NodeKind::kLinear, "Linear", kLinears},
    {NodeKind::kScale, "Scale", kScales},
    {NodeKind::kConv1d, "Conv1d", kConvs},
    {NodeKind::kConv2d, "Conv2d", kConvs},
    {NodeKind::kSumPool2d, "SumPool2d", kPools},
    {NodeKind::kAvgPool2d, "AvgPool2d", kPools},
    {NodeKind::kFlatten, "Flatten", kFlattens},
    {NodeKind::kDelay, "Delay", kDelays},
    {NodeKind::kThreshold, "Threshold", kThresholds},
    {NodeKind::kI, "I", kOfI, true},
    {NodeKind::kIf, "IF", kOfIf, true, true},
    {NodeKind::kLi, "LI", kOfLi, true},
    {NodeKind::kLif, "LIF", kOfLif, true, true},
    {NodeKind::kCubaLi, "CubaLI", kOfCubaLi, true},
    {NodeKind::kCubaLif, "CubaLIF", kOfCubaLif, true, true},
};

}  // namespace

std::span<const NodeType> node_types() {
  return kTypes;
}

const NodeType& type_of(NodeKind kind) {
  return kTypes[static_cast<size_t>(kind)];
}

const NodeType* find_type(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const NodeType& type) { return type.name == name; });
  return found == std::end(kTypes) ? nullptr : found;
}

double Array::at(int64_t element) const {
  const auto at = static_cast<size_t>(element);
  return data.dtype() == DType::kF32 ? static_cast<double>(data.f32()[at]) : data.as<double>()[at];
}

bool Array::is_uniform() const {
  for (int64_t i = 1; i < size(); ++i) {
    if (at(i) != at(0)) return false;
  }
  return true;
}

const Array& Node::operator[](std::string_view field) const {
  const auto found = arrays.find(field);
  if (found == arrays.end())
    throw Error(ErrorCode::kInternal, title_of(*this) + " has no " + std::string(field));
  return found->second;
}

std::vector<int64_t> Node::integers(std::string_view field, size_t count, int64_t absent) const {
  if (!has(field)) return std::vector<int64_t>(count, absent);
  const Array& array = (*this)[field];
  if (array.size() != 1 && array.size() != static_cast<int64_t>(count)) {
    throw Error(ErrorCode::kData, fmt::format("{} of {} has {} numbers, not {}", field,
                                              title_of(*this), array.size(), count));
  }
  std::vector<int64_t> values;
  for (size_t i = 0; i < count; ++i)
    values.push_back(static_cast<int64_t>(array.at(array.size() == 1 ? 0 : std::ssize(values))));
  return values;
}

std::string title_of(const Node& node) {
  return "node " + printable(node.name, 100);
}

}  // namespace spikeloom::nir
