#include "hw_model/chip/constant_reader.hpp"

namespace spikeloom {

MaybeConstant ConstantReader::constant(const std::string& key, double min, double max) {
  if (!config_.has(key)) return std::nullopt;
  Constant constant = evidence(key);
  constant.value = config_.require_real(value_key(key), min, max);
  list_.push_back({key, constant});
  return constant;
}

std::optional<int64_t> ConstantReader::count(const std::string& key, int64_t min, int64_t max) {
  if (!config_.has(key)) return std::nullopt;
  Constant constant = evidence(key);
  const int64_t value = config_.require_integer(value_key(key), min, max);
  constant.value = static_cast<double>(value);
  list_.push_back({key, constant});
  return value;
}

std::string ConstantReader::value_key(const std::string& key) {
  return config_.is_table(key) ? key + ".value" : key;
}

Constant ConstantReader::evidence(const std::string& key) {
  Constant constant;
  constant.mark = mark_;
  constant.source = source_;
  if (!config_.is_table(key)) return constant;
  constant.mark =
      config_.choice(key + ".mark", std::string(1, mark_), {"S", "P", "F", "D", "A", "R", "E"})[0];
  constant.scope = config_.choice(key + ".scope", "per_op", {"per_op", "all_in"});
  constant.source = config_.text(key + ".source", source_);
  return constant;
}

}  // namespace spikeloom
