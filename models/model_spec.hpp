#pragma once
// What an experiment says about a network: the keys of a family, and the values they have.
//
// A key is bound to the field of the family's own config struct that it sets: what the field holds
// when the key is asked for is its default (of the preset), what it may hold stands beside it.
// Readers of experiment files, `spikeloom list` and the tests of docs/experiment.md all walk the
// same list.

#include <any>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/levels.hpp"
#include "core/shape.hpp"
#include "core/table_row.hpp"

namespace spikeloom {

struct IntegerField {
  int64_t* value;
  int64_t min, max;
};
// As many as the span holds.
struct IntegersField {
  std::span<int64_t> value;
  int64_t min, max;
};
// NaN and infinity are no values.
struct RealField {
  std::variant<float*, double*> value;
  double min, max;
};
// A file, relative to the experiment's.
struct PathField {
  std::filesystem::path* value;
};
// An array of `least` to `most` integers.
struct ShapeField {
  Shape* value;
  size_t least, most;
  int64_t min, max;
};
// Tables of the file that are named like the key and stand outside of [model]: [[layer]]. The family
// checks them; keys of a fault are "layer.3.kernel".
struct TablesField {
  std::vector<TableRow>* value;
};
struct FlagField {
  bool* value;
};
// A flag whose default is decided by something else than the preset.
struct OptionalFlagField {
  std::optional<bool>* value;
};
// An enum whose values 0, 1, ... have these names.
struct ChoiceField {
  std::vector<std::string> words;
  void* value;
  size_t (*get)(const void* value);
  void (*set)(void* value, size_t index);
};

struct ModelKey {
  std::string_view name;  // of [model]
  std::variant<IntegerField, IntegersField, RealField, PathField, ShapeField, TablesField,
               FlagField, OptionalFlagField, ChoiceField>
      field;
};

// Blocks of a network: more than any published one has, and few enough that a typing error is
// refused before anything is built.
constexpr int64_t kMostLayers = 1024;

template <typename Enum>
ModelKey choice_key(std::string_view name, Enum& value, std::vector<std::string> words) {
  return {name,
          ChoiceField{
              std::move(words), &value,
              [](const void* at) { return static_cast<size_t>(*static_cast<const Enum*>(at)); },
              [](void* at, size_t index) { *static_cast<Enum*>(at) = static_cast<Enum>(index); }}};
}

// "integer, 1..1024", "4 integers, 1..65536", "real, 1e-6..1e6", "flag", "text": the type as
// docs/experiment.md has it.
std::string type_of(const ModelKey& key);

// A value that a network cannot have; by itself, or together with another.
struct KeyFault {
  std::vector<std::string> keys;  // that have a part in it, the likeliest first: "num_heads"
  std::string message;
};
// The first key whose field lies outside its range.
std::optional<KeyFault> range_fault(const std::vector<ModelKey>& keys);
// Channels, the value of `key`, that do not divide into heads, that of `heads_key`.
std::optional<KeyFault> heads_fault(const std::string& key, int64_t channels,
                                    const std::string& heads_key, int64_t heads);
// Throws Error(kUsage) "model.<first key>: <message>".
void require(const std::optional<KeyFault>& no_fault);

// The values of a family's keys: its config struct.
class ModelSpec {
 public:
  ModelSpec() = default;
  template <typename Config>
  static ModelSpec of(Config config) {
    ModelSpec spec;
    spec.config_ = std::move(config);
    return spec;
  }
  template <typename Config>
  const Config& as() const {
    return *std::any_cast<Config>(&config_);
  }
  template <typename Config>
  Config& as() {
    return *std::any_cast<Config>(&config_);
  }

 private:
  std::any config_;
};

// What the samples of a data set are.
struct DataShape {
  int64_t frames = 1;             // of a sample; tokens: of the longest window, 0: unknown
  int64_t height = 0, width = 0;  // 0: no images
  int64_t channels = 0;
  // Whole numbers of events: 0 and 1 spikes, more levels; none: real values.
  std::optional<LevelRange> events{};
  // False: numbers that only a large table tells, such as the taps of a Legendre memory, may be 1:
  // enough for the parameters of a network, at once.
  bool tables = true;
};

// What a network reads and answers.
struct ModelShape {
  int64_t steps = 1;     // of a sample; tokens: 1; 0: as many as it has frames
  int64_t length = 0;    // values along the sequence of a sample; 0: images, tokens
  int64_t channels = 0;  // of a value; 0: tokens
  int64_t classes = 0;   // logits: classes, or tokens of the vocabulary
  bool whole = false;    // only whole samples can run, never a part of one
  Shape frame{};         // SampleKind::kFrames: of a step, channels last
};

// A family's `fit` where config.time_steps = 0 asks for as many steps as a sample has frames.
template <typename Config>
ModelSpec with_steps_of(const ModelSpec& spec, const DataShape& data) {
  ModelSpec fitted = spec;
  int64_t& steps = fitted.as<Config>().time_steps;
  if (steps == 0) steps = data.frames;
  return fitted;
}

}  // namespace spikeloom
