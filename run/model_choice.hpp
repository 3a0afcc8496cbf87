#pragma once
// [model] of an experiment: a family and the values of its keys.

#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "core/io/config.hpp"
#include "datasets/dataset.hpp"
#include "models/families.hpp"

namespace spikeloom {

struct ModelChoice {
  const Family* family = nullptr;
  std::string preset;  // "": none, or the family's usual one
  ModelSpec spec;

  ModelShape shape() const { return family->shape(spec); }
  Graph build(const DataShape& data) const { return family->build(spec, data); }
  // Nothing where the network has none.
  std::optional<Graph> twin(const DataShape& data) const;
};

// A family by name with the values of a preset, "": its usual ones. Throws Error(kUsage) for names
// that there are not.
ModelChoice choose_model(std::string_view family, std::string_view preset = "");

// `model.family`. Throws Error(kUsage) naming them all.
const Family& read_family(Config& config);
// The keys of the family. Throws Error(kUsage) with the place of the key, also where two do not go
// together; not that, nor whether one is missing, where the network is not to run.
ModelChoice read_model(Config& config, bool runs = true);

// A key of the family, or of one of its tables, as the experiment file has it: "model.dt", but
// "layer" and "layer.0.tau".
std::string key_in_file(const ModelChoice& model, const std::string& key);

// A key by way of a command-line option. Throws Error(kUsage) naming the option where the family
// has no such key, or the value is none for it.
void set_key(ModelChoice& model, std::string_view key, const char* option,
             std::variant<bool, int64_t, double> value);

DataShape shape_of(const DatasetInfo& data);
// Makes the error of a key of the experiment.
using ErrorAt = std::function<Error(const std::string& key, const std::string& message)>;
// Throws what `error_at` makes of the key that does not fit the samples.
void check_fits(const ModelChoice& model, const DatasetInfo& data, const ErrorAt& error_at);

}  // namespace spikeloom
