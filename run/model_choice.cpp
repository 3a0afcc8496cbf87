#include "run/model_choice.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

std::string dotted(std::string_view key) {
  return "model." + std::string(key);
}

// "layer" of "model.layer": tables stand outside of [model].
std::string outside(const std::string& key) {
  return key.substr(key.find('.') + 1);
}

// Reads a key into the field that it is bound to.
struct FieldReader {
  Config& config;
  std::string key;

  void operator()(const IntegerField& f) const {
    *f.value = config.integer(key, *f.value, f.min, f.max);
  }
  void operator()(const IntegersField& f) const {
    const auto values = config.integers(key, {f.value.begin(), f.value.end()}, f.min, f.max);
    if (values.size() != f.value.size()) {
      throw config.error_at(key,
                            fmt::format("needs {} values, got {}", f.value.size(), values.size()));
    }
    std::copy(values.begin(), values.end(), f.value.begin());
  }
  void operator()(const RealField& f) const {
    const auto read = [&](auto* value) {
      *value = static_cast<std::remove_pointer_t<decltype(value)>>(
          config.real(key, static_cast<double>(*value), f.min, f.max));
    };
    std::visit(read, f.value);
  }
  void operator()(const PathField& f) const { *f.value = config.path_of(key, ""); }
  void operator()(const ShapeField& f) const {
    *f.value = config.integers(key, *f.value, f.min, f.max);
    if (!f.value->empty() && (f.value->size() < f.least || f.value->size() > f.most))
      throw config.error_at(
          key, fmt::format("needs {} to {} integers, found {}", f.least, f.most, f.value->size()));
  }
  void operator()(const TablesField& f) const { *f.value = config.tables(outside(key)); }
  void operator()(const FlagField& f) const { *f.value = config.flag(key, *f.value); }
  void operator()(const OptionalFlagField& f) const {
    if (config.has(key)) *f.value = config.flag(key, false);
  }
  void operator()(const ChoiceField& f) const {
    const std::string word = config.choice(key, f.words[f.get(f.value)], f.words);
    f.set(f.value,
          static_cast<size_t>(std::find(f.words.begin(), f.words.end(), word) - f.words.begin()));
  }
};

// Where the file says something that has a part in it.
Error error_of(Config& config, const ModelChoice& model, const KeyFault& fault) {
  if (const std::string key = key_in_file(model, fault.keys[0]); key != dotted(fault.keys[0]))
    return config.error_at(key, fault.message);
  const auto given = [&](const std::string& key) { return config.has(dotted(key)); };
  const auto found = std::find_if(fault.keys.begin(), fault.keys.end(), given);
  return config.error_at(dotted(found == fault.keys.end() ? fault.keys[0] : *found), fault.message);
}

ModelSpec start(Config& config, const Family& family, std::string& preset) {
  const bool own = family.preset_key != "preset";
  if (!family.presets.empty())
    preset = config.text(dotted(family.preset_key), own ? std::string(family.default_preset) : "");
  const bool none = preset.empty() && family.default_preset.empty();
  if (none && !family.instead.empty() && !config.has(dotted(family.instead))) {
    throw config.error_at("model.family", fmt::format("give model.{} or model.{}",
                                                      family.preset_key, family.instead));
  }
  try {
    return family.start(preset.empty() ? family.default_preset : std::string_view(preset));
  } catch (const Error& error) {
    throw config.error_at(dotted(family.preset_key), error.what());
  }
}

}  // namespace

std::string key_in_file(const ModelChoice& model, const std::string& key) {
  ModelSpec spec = model.spec;
  const std::vector<ModelKey> keys = model.family->keys(spec);
  const bool outside = key.find('.') != std::string::npos ||
                       std::any_of(keys.begin(), keys.end(), [&](const ModelKey& k) {
                         return k.name == key && std::holds_alternative<TablesField>(k.field);
                       });
  return outside ? key : "model." + key;
}

std::optional<Graph> ModelChoice::twin(const DataShape& data) const {
  if (family->twin.build == nullptr) return std::nullopt;
  return family->twin.build(spec, data);
}

ModelChoice choose_model(std::string_view family, std::string_view preset) {
  ModelChoice model;
  model.family = find_family(family);
  if (model.family == nullptr) {
    std::vector<std::string_view> names;
    for (const Family& known : families()) names.push_back(known.name);
    throw Error(ErrorCode::kUsage,
                fmt::format("no family {}; there are {}", in_quotes(std::string(family)),
                            fmt::join(names, ", ")));
  }
  model.preset = preset;
  model.spec = model.family->start(preset.empty() ? model.family->default_preset : preset);
  return model;
}

const Family& read_family(Config& config) {
  std::vector<std::string> names;
  for (const Family& family : families()) names.emplace_back(family.name);
  return *find_family(config.require_choice("model.family", names));
}

ModelChoice read_model(Config& config, bool runs) {
  ModelChoice model;
  model.family = &read_family(config);
  model.spec = start(config, *model.family, model.preset);
  for (const ModelKey& key : model.family->keys(model.spec))
    std::visit(FieldReader{config, dotted(key.name)}, key.field);
  if (!runs) return model;
  if (const auto fault = model.family->check(model.spec)) throw error_of(config, model, *fault);
  return model;
}

void set_key(ModelChoice& model, std::string_view key, const char* option,
             std::variant<bool, int64_t, double> value) {
  const std::vector<ModelKey> keys = model.family->keys(model.spec);
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const ModelKey& k) { return k.name == key; });
  if (found == keys.end()) {
    throw Error(ErrorCode::kUsage,
                fmt::format("{}: {} has no key model.{}", option, model.family->name, key));
  }
  const auto as = [&](auto* to) { *to = std::get<std::remove_pointer_t<decltype(to)>>(value); };
  if (const auto* integer = std::get_if<IntegerField>(&found->field)) {
    as(integer->value);
  } else if (const auto* real = std::get_if<RealField>(&found->field)) {
    const double number = std::get<double>(value);
    std::visit([&](auto* to) { *to = static_cast<std::remove_pointer_t<decltype(to)>>(number); },
               real->value);
  } else if (const auto* flag = std::get_if<OptionalFlagField>(&found->field)) {
    *flag->value = std::get<bool>(value);
  } else {
    as(std::get<FlagField>(found->field).value);
  }
  if (const auto fault = range_fault(std::vector<ModelKey>(found, found + 1))) {
    const auto text = [](auto v) { return fmt::format("{}", v); };
    throw Error(ErrorCode::kUsage,
                fmt::format("{} is {}: {}", option, std::visit(text, value), fault->message));
  }
}

DataShape shape_of(const DatasetInfo& data) {
  return {data.frames, data.height, data.width, data.channels, data.events};
}

namespace {

// Frames of the network's own shape, or images of as many values as its vector has.
void check_frames(const ModelChoice& model, const DatasetInfo& data, const ErrorAt& error_at) {
  const ModelShape shape = model.shape();
  const std::string length_key = dotted(model.family->length_key);
  Shape frame{data.height, data.width, data.channels};
  if (data.height == 0) frame = {data.channels};
  const bool flattens = shape.frame.size() == 1 && element_count(frame) == shape.frame[0];
  if (frame != shape.frame && !flattens) {
    throw error_at("model.family", fmt::format("the network takes {}, channels last, but frames of "
                                               "the dataset are {}",
                                               to_string(shape.frame), to_string(frame)));
  }
  if (data.frames == 1 && shape.steps == 0) {
    throw error_at(length_key,
                   data.any_frames
                       ? "is not given, and dataset.steps makes as many frames as a recording is "
                         "long: how many does the network read?"
                       : "is not given, and a sample is one frame: how many steps see it?");
  }
}

}  // namespace

void check_fits(const ModelChoice& model, const DatasetInfo& data, const ErrorAt& error_at) {
  const Family& family = *model.family;
  const ModelShape shape = model.shape();
  const std::string length_key = dotted(family.length_key);
  if (data.frames > 1 && family.length_key.empty()) {
    throw error_at("dataset.path", fmt::format("{} reads one frame, but every sample has {}",
                                               family.name, data.frames));
  }
  if (data.frames > 1 && shape.steps != 0 && data.frames != shape.steps) {
    throw error_at(length_key,
                   fmt::format("is {}, but every sample has {} frames", shape.steps, data.frames));
  }
  if (family.sample == SampleKind::kFrames) return check_frames(model, data, error_at);
  const bool images = family.sample == SampleKind::kImage;
  if (images != (data.height != 0) && family.sample != SampleKind::kWholeSequence) {
    throw error_at("model.family",
                   fmt::format("{} reads {}, but the dataset holds {}", family.name,
                               images ? "images" : "sequences", images ? "sequences" : "images"));
  }
  if (images && shape.channels != data.channels) {
    throw error_at("model.in_channels", fmt::format("is {}, but the dataset has {} channels",
                                                    shape.channels, data.channels));
  }
  const bool whole = family.sample == SampleKind::kWholeSequence;
  const int64_t length = whole ? data.height : data.frames;
  const bool any_length = shape.length == 0 && family.fit != nullptr;
  if (!images && ((!any_length && shape.length != length) || shape.channels != data.channels)) {
    ModelSpec spec = model.spec;
    const auto keys = family.keys(spec);
    const bool has_key = std::any_of(keys.begin(), keys.end(),
                                     [](const ModelKey& key) { return key.name == "in_channels"; });
    if (shape.channels != data.channels && !has_key) {
      throw error_at(
          "dataset.path",
          fmt::format("{} reads {} value a step, but the dataset's sequences are {} x {}",
                      family.name, shape.channels, length, data.channels));
    }
    throw error_at(
        shape.channels != data.channels ? "model.in_channels" : length_key,
        fmt::format("{} x in_channels is {} x {}, but the dataset's sequences are {} x {}",
                    family.length_key, shape.length, shape.channels, length, data.channels));
  }
}

}  // namespace spikeloom
