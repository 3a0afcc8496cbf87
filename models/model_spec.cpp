#include "models/model_spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace spikeloom {
namespace {

// Large powers of two as such.
std::string number(int64_t value) {
  for (int bits = 17; bits < 63; ++bits) {
    if (value == int64_t{1} << bits) return fmt::format("2^{}", bits);
  }
  return fmt::format("{}", value);
}

std::string number(double value) {
  if (value == 1e-6) return "1e-6";
  if (value == 1e6) return "1e6";
  const auto whole = static_cast<int64_t>(value);
  return static_cast<double>(whole) == value ? number(whole) : fmt::format("{}", value);
}

template <typename Field>
std::string range(const Field& field) {
  return number(field.min) + ".." + number(field.max);
}

template <typename Value>
bool is_outside(Value value, Value min, Value max) {
  return !(value >= min && value <= max);  // NaN is nowhere
}

bool is_outside(const ModelKey& key) {
  struct {
    bool operator()(const IntegerField& f) const { return is_outside(*f.value, f.min, f.max); }
    bool operator()(const IntegersField& f) const {
      return std::any_of(f.value.begin(), f.value.end(),
                         [&](int64_t value) { return is_outside(value, f.min, f.max); });
    }
    bool operator()(const RealField& f) const {
      const auto value = [](auto* at) { return static_cast<double>(*at); };
      return is_outside(std::visit(value, f.value), f.min, f.max);
    }
    bool operator()(const PathField&) const { return false; }
    bool operator()(const ShapeField& f) const {
      const size_t size = f.value->size();
      return size != 0 && (size < f.least || size > f.most ||
                           std::any_of(f.value->begin(), f.value->end(), [&](int64_t value) {
                             return is_outside(value, f.min, f.max);
                           }));
    }
    bool operator()(const TablesField&) const { return false; }
    bool operator()(const FlagField&) const { return false; }
    bool operator()(const OptionalFlagField&) const { return false; }
    bool operator()(const ChoiceField& f) const { return f.get(f.value) >= f.words.size(); }
  } const outside;
  return std::visit(outside, key.field);
}

}  // namespace

std::optional<KeyFault> range_fault(const std::vector<ModelKey>& keys) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [](const ModelKey& key) { return is_outside(key); });
  if (found == keys.end()) return std::nullopt;
  return KeyFault{{std::string(found->name)}, "expected " + type_of(*found)};
}

std::optional<KeyFault> heads_fault(const std::string& key, int64_t channels,
                                    const std::string& heads_key, int64_t heads) {
  if (channels % heads == 0) return std::nullopt;
  return KeyFault{{heads_key, key},
                  fmt::format("{} = {} does not divide into {} heads", key, channels, heads)};
}

void require(const std::optional<KeyFault>& no_fault) {
  if (no_fault)
    throw Error(ErrorCode::kUsage, "model." + no_fault->keys[0] + ": " + no_fault->message);
}

std::string type_of(const ModelKey& key) {
  struct {
    std::string operator()(const IntegerField& field) const { return "integer, " + range(field); }
    std::string operator()(const IntegersField& field) const {
      return fmt::format("{} integers, {}", field.value.size(), range(field));
    }
    std::string operator()(const RealField& field) const { return "real, " + range(field); }
    std::string operator()(const PathField&) const { return "path"; }
    std::string operator()(const ShapeField& field) const {
      return fmt::format("{} to {} integers, {}", field.least, field.most, range(field));
    }
    std::string operator()(const TablesField&) const { return "tables"; }
    std::string operator()(const FlagField&) const { return "flag"; }
    std::string operator()(const OptionalFlagField&) const { return "flag"; }
    std::string operator()(const ChoiceField&) const { return "text"; }
  } const type;
  return std::visit(type, key.field);
}

}  // namespace spikeloom
