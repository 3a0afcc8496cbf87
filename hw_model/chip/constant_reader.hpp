#pragma once
// Reads the scalars of a description file: a number, or {value, mark, scope, source}; keeps a list
// of them in the order they were read.

#include <optional>
#include <string>
#include <vector>

#include "hw_model/chip/chip_spec.hpp"

namespace spikeloom {

class ConstantReader {
 public:
  // `mark` and `source` are those of bare numbers; they may still change until the first read.
  ConstantReader(Config& config, const char& mark, const std::string& source,
                 std::vector<ChipSpec::Evidence>& list)
      : config_(config), mark_(mark), source_(source), list_(list) {}

  // Nothing when the key is absent. Throws Error(kUsage) with place, key and allowed range.
  MaybeConstant constant(const std::string& key, double min, double max);
  std::optional<int64_t> count(const std::string& key, int64_t min, int64_t max);

 private:
  std::string value_key(const std::string& key);
  Constant evidence(const std::string& key);

  Config& config_;
  const char& mark_;
  const std::string& source_;
  std::vector<ChipSpec::Evidence>& list_;
};

}  // namespace spikeloom
