#include "models/layers/rows.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "core/error.hpp"

namespace spikeloom {
namespace {

struct LayerType {
  std::string_view name;
  LayerKind kind;
};
constexpr LayerType kTypes[] = {
    {"linear", LayerKind::kLinear},     {"conv1d", LayerKind::kConv1d},
    {"conv2d", LayerKind::kConv2d},     {"batchnorm", LayerKind::kBatchNorm},
    {"avgpool2d", LayerKind::kAvgPool}, {"sumpool2d", LayerKind::kSumPool},
    {"maxpool2d", LayerKind::kMaxPool}, {"spatial_mean", LayerKind::kMean},
    {"flatten", LayerKind::kFlatten},   {"add", LayerKind::kAdd},
};

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Neurons of one input, by their names in the table; "cuba" is CubaLIF.
std::string_view model_named(std::string_view type) {
  if (type == "cuba") type = "cubalif";
  for (const NeuronRow& row : neuron_table()) {
    if (row.inputs == 1 && lower_case(row.name) == type) return row.name;
  }
  return {};
}

std::string type_names() {
  std::vector<std::string> names;
  for (const LayerType& type : kTypes) names.emplace_back(type.name);
  for (const NeuronRow& row : neuron_table()) {
    if (row.inputs == 1) names.push_back(lower_case(row.name));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

class Reader {
 public:
  Reader(const TableRow& row, size_t index) : row_(row), index_(index) {}

  [[noreturn]] void fail(std::string_view key, std::string message) const {
    throw LayerFault{{{fmt::format("layer.{}.{}", index_, key)}, std::move(message)}};
  }

  bool has(std::string_view key) {
    read_.insert(std::string(key));
    return row_.find(key) != row_.end();
  }
  bool is_text(std::string_view key) {
    return has(key) && std::holds_alternative<std::string>(row_.find(key)->second);
  }

  std::string text(std::string_view key) {
    return has(key) ? get<std::string>(key, "a text") : std::string();
  }
  std::string needed(std::string_view key, const std::string& what) {
    if (!has(key)) fail(key, fmt::format("is not given: {}", what));
    return text(key);
  }
  bool flag(std::string_view key, bool fallback) {
    return has(key) ? get<bool>(key, "true or false") : fallback;
  }
  double real(std::string_view key, double fallback) {
    if (!has(key)) return fallback;
    if (const auto* whole = std::get_if<int64_t>(&row_.find(key)->second))
      return static_cast<double>(*whole);
    return get<double>(key, "a number");
  }
  int64_t integer(std::string_view key, int64_t fallback, int64_t least, int64_t most) {
    if (!has(key)) return fallback;
    return in_range(key, static_cast<double>(get<int64_t>(key, "an integer")), least, most);
  }
  // Rows and columns, or one number for both.
  YX pair(std::string_view key, YX fallback, int64_t least, int64_t most) {
    if (!has(key)) return fallback;
    const auto* both = std::get_if<std::vector<double>>(&row_.find(key)->second);
    if (both == nullptr) return integer(key, 0, least, most);
    if (both->size() != 2) fail(key, "expected an integer, or two: rows and columns");
    return {in_range(key, (*both)[0], least, most), in_range(key, (*both)[1], least, most)};
  }
  template <size_t N>
  size_t word(std::string_view key, const char* const (&words)[N], size_t fallback) {
    if (!has(key)) return fallback;
    const std::string given = text(key);
    const auto found = std::find(std::begin(words), std::end(words), given);
    if (found == std::end(words)) {
      fail(key, fmt::format("expected {}, found \"{}\"",
                            fmt::join(std::begin(words), std::end(words), ", "), given));
    }
    return static_cast<size_t>(found - std::begin(words));
  }

  void finish(std::string_view type) const {
    for (const auto& [key, value] : row_) {
      if (read_.find(key) == read_.end())
        fail(key, fmt::format("{} has no such key; there are {}", type, fmt::join(read_, ", ")));
    }
  }

 private:
  template <typename T>
  T get(std::string_view key, const char* what) const {
    const auto* value = std::get_if<T>(&row_.find(key)->second);
    if (value == nullptr) fail(key, fmt::format("expected {}", what));
    return *value;
  }
  int64_t in_range(std::string_view key, double value, int64_t least, int64_t most) const {
    if (!(value >= static_cast<double>(least) && value <= static_cast<double>(most)) ||
        value != std::floor(value))
      fail(key, fmt::format("expected an integer from {} to {}", least, most));
    return static_cast<int64_t>(value);
  }

  const TableRow& row_;
  size_t index_;
  std::set<std::string, std::less<>> read_;
};

constexpr int64_t kMostExtent = 65535;

void read_window(Reader& row, bool pads_same, LayerRow& layer) {
  layer.stride = row.pair("stride", 1, 1, kMostExtent);
  layer.dilation = row.pair("dilation", 1, 1, kMostExtent);
  layer.groups = row.integer("groups", 1, 1, kMostExtent);
  constexpr const char* kWords[] = {"valid", "same"};
  if (pads_same && row.is_text("padding")) {
    layer.same = row.word("padding", kWords, 0) == 1;
  } else {
    layer.padding = row.pair("padding", 0, 0, kMostExtent);
  }
}

void read_arrays(Reader& row, LayerRow& layer) {
  layer.weight = row.needed("weight", "the array of weights");
  layer.bias = row.text("bias");
}

void read_pool(Reader& row, LayerRow& layer) {
  if (!row.has("kernel")) row.fail("kernel", "is not given: the extent of the window");
  layer.kernel = row.pair("kernel", 1, 1, kMostExtent);
  layer.stride = row.pair("stride", layer.kernel, 1, kMostExtent);
  layer.padding = row.pair("padding", 0, 0, kMostExtent);
}

// The leak of LIF, PLIF and LI as two libraries say it.
void read_leak(Reader& row, NeuronSpec& spec, LayerRow& layer) {
  const auto forms = spec.row().forms;
  const auto knows = [&](NeuronForm form) {
    return std::find(forms.begin(), forms.end(), form) != forms.end();
  };
  if (knows(NeuronForm::kPlain) && !row.flag("decay_input", true))
    spec.rules.form = NeuronForm::kPlain;
  if (!knows(NeuronForm::kBeta) || !spec.has("tau") || !row.has("beta")) return;
  for (const char* other : {"tau", "decay_input", "form"}) {
    if (row.has(other)) row.fail("beta", fmt::format("stands for {0}: remove beta or {0}", other));
  }
  spec.rules.form = NeuronForm::kBeta;
  if (row.is_text("beta")) {
    layer.arrays["beta"] = row.text("beta");
    return;
  }
  const double beta = row.real("beta", 0);
  if (!(beta >= 0 && beta <= 1)) row.fail("beta", "expected a number from 0 to 1");
  spec["tau"].value = beta < 1 ? spec["dt"].value / (1 - beta) : kAny;
}

// Numbers with which a neuron would fire for ever or overshoot; those of arrays come later.
void check_neuron(const Reader& row, const LayerRow& layer) {
  const NeuronSpec& spec = layer.neuron;
  const auto is_number = [&](const char* parameter) {
    return spec.has(parameter) && layer.arrays.count(parameter) == 0;
  };
  if (layer.resets_to_value() && is_number("v_threshold") && is_number("v_reset") &&
      !(spec["v_threshold"].value > spec["v_reset"].value))
    row.fail("v_threshold", "must lie above v_reset");
  for (const char* tau : {"tau", "tau_mem", "tau_syn"}) {
    if (layer.needs_whole_steps() && is_number(tau) && spec[tau].value < spec["dt"].value)
      row.fail(tau, fmt::format("is shorter than a step, model.dt = {}", spec["dt"].value));
  }
}

void read_neuron(Reader& row, const LayersConfig& config, std::string_view model, LayerRow& layer) {
  NeuronSpec& spec = layer.neuron = neuron(model);
  if (spec.has("dt")) spec["dt"].value = config.dt;
  for (const ParameterRule& rule : spec.row().parameters) {
    if (rule.name == "dt") continue;
    if (row.is_text(rule.name)) {
      layer.arrays[std::string(rule.name)] = row.text(rule.name);
    } else {
      spec[rule.name].value = row.real(rule.name, spec[rule.name].value);
    }
  }
  read_leak(row, spec, layer);
  // A neuron that is reset leaks to where it is reset to, unless told otherwise.
  if (spec.has("v_leak") && spec.has("v_reset") && !row.has("v_leak")) {
    spec["v_leak"] = spec["v_reset"];
    const auto reset = layer.arrays.find("v_reset");
    if (reset != layer.arrays.end()) layer.arrays["v_leak"] = reset->second;
  }
  if (row.has("form")) spec.rules.form = static_cast<NeuronForm>(row.word("form", kFormWords, 0));
  if (spec.fires()) {
    const auto fire = static_cast<size_t>(config.fire);
    spec.rules.fire = row.word("fire", nir::kFireWords, fire) == 1 ? FireRule::kAtThreshold
                                                                   : FireRule::kAboveThreshold;
    const auto resets = spec.row().resets;
    if (row.has("reset") || std::find(resets.begin(), resets.end(), config.reset) != resets.end())
      spec.rules.reset =
          static_cast<Reset>(row.word("reset", kResetWords, static_cast<size_t>(config.reset)));
  }
  check_neuron(row, layer);
  layer.recurrent = row.text("recurrent");
  layer.recurrent_bias = row.text("recurrent_bias");
  if (layer.recurrent.empty() && row.has("recurrent_bias"))
    row.fail("recurrent_bias", "goes with recurrent, which is not given");
  try {
    check(spec);
  } catch (const Error& error) {
    row.fail("type", error.what());
  }
}

LayerRow layer_of(Reader& row, const LayersConfig& config, size_t index) {
  LayerRow layer;
  const std::string type = row.needed("type", "one of " + type_names());
  layer.name = row.text("name");
  if (layer.name.empty()) layer.name = fmt::format("{}_{}", index, type);
  const bool writable = layer.name.size() <= 200 && layer.name != "." && layer.name != ".." &&
                        std::none_of(layer.name.begin(), layer.name.end(), [](char c) {
                          return c == '/' || (c >= 0 && c < 0x20) || c == 0x7f;
                        });
  if (!writable)
    row.fail("name", "is a name in files: at most 200 bytes, no / and no control character");
  layer.add = row.text("add");
  const auto found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const LayerType& known) { return known.name == type; });
  const std::string_view model = model_named(type);
  if (found != std::end(kTypes)) {
    layer.kind = found->kind;
  } else if (model.empty()) {
    row.fail("type", fmt::format("expected one of {}, found \"{}\"", type_names(), type));
  }
  switch (layer.kind) {
    case LayerKind::kConv1d:
    case LayerKind::kConv2d:
      read_arrays(row, layer);
      read_window(row, true, layer);
      break;
    case LayerKind::kLinear: read_arrays(row, layer); break;
    case LayerKind::kBatchNorm:
      layer.prefix =
          row.needed("prefix", "\"bn1\" of bn1.weight, .bias, .running_mean, .running_var");
      layer.eps = row.real("eps", layer.eps);
      break;
    case LayerKind::kAvgPool:
    case LayerKind::kSumPool:
    case LayerKind::kMaxPool: read_pool(row, layer); break;
    case LayerKind::kNeuron: read_neuron(row, config, model, layer); break;
    case LayerKind::kAdd:
      if (layer.add.empty()) row.fail("add", "is not given: the name of the layer to add");
      break;
    case LayerKind::kMean:
    case LayerKind::kFlatten: break;
  }
  row.finish(type);
  return layer;
}

}  // namespace

std::vector<LayerRow> layer_rows(const LayersConfig& config) {
  std::vector<LayerRow> layers;
  std::set<std::string> names = {"input", "logits"};
  for (size_t i = 0; i < config.rows.size(); ++i) {
    Reader row(config.rows[i], i);
    LayerRow layer = layer_of(row, config, i);
    const auto is_before = [&](const LayerRow& other) { return other.name == layer.add; };
    if (!layer.add.empty() && layer.add != "input" &&
        std::none_of(layers.begin(), layers.end(), is_before))
      row.fail("add", fmt::format("no layer before this one has the name \"{}\"", layer.add));
    if (!names.insert(layer.name).second)
      row.fail("name", fmt::format("\"{}\" is the name of another layer", layer.name));
    layers.push_back(std::move(layer));
  }
  return layers;
}

bool LayerRow::resets_to_value() const {
  const Reset reset = neuron.rules.reset;
  return neuron.fires() && (reset == Reset::kHard || reset == Reset::kValueNext);
}

bool LayerRow::needs_whole_steps() const {
  const NeuronForm form = neuron.rules.form;
  return form == NeuronForm::kEuler || form == NeuronForm::kPlain;
}

std::vector<std::string> arrays_of(const LayerRow& row) {
  std::vector<std::string> names;
  for (const std::string& name : {row.weight, row.bias, row.recurrent, row.recurrent_bias}) {
    if (!name.empty()) names.push_back(name);
  }
  if (!row.prefix.empty()) {
    for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"})
      names.push_back(row.prefix + part);
  }
  for (const auto& [parameter, array] : row.arrays) names.push_back(array);
  return names;
}

}  // namespace spikeloom
