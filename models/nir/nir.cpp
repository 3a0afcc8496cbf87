#include "models/nir/nir.hpp"

#include <fmt/format.h>

#include <iterator>
#include <mutex>

#include "core/error.hpp"
#include "models/dense_twin.hpp"
#include "models/families.hpp"
#include "nir/content.hpp"
#include "nir/describe.hpp"
#include "nir/lower.hpp"
#include "nir/values.hpp"

namespace spikeloom {

class NirMemo {
 public:
  std::shared_ptr<const nir::File> file(const std::filesystem::path& path) {
    const std::scoped_lock lock(mutex_);
    if (file_ == nullptr || path != path_) {
      file_ = std::make_shared<const nir::File>(nir::load(path));
      path_ = path;
    }
    return file_;
  }

 private:
  std::mutex mutex_;
  std::filesystem::path path_;
  std::shared_ptr<const nir::File> file_;
};

namespace {

template <size_t N>
std::vector<std::string> words(const char* const (&names)[N]) {
  return {std::begin(names), std::end(names)};
}

std::vector<ModelKey> nir_keys(NirConfig& c) {
  nir::Choices& of = c.choices;
  return {{"path", PathField{&c.path}},
          {"dt", RealField{&of.dt, 0.0, 1e6}},
          choice_key("form", of.form, words(nir::kFormWords)),
          choice_key("fire", of.fire, words(nir::kFireWords)),
          choice_key("reset", of.reset, words(kResetWords)),
          choice_key("if_gain", of.if_gain, words(nir::kIfGainWords)),
          choice_key("recurrent_start", of.recurrent_start, words(nir::kRecurrentStartWords)),
          choice_key("readout", of.readout, words(nir::kReadoutWords)),
          {"tau_scale", RealField{&of.tau_scale, 1e-6, 1e6}},
          {"time_steps", IntegerField{&c.time_steps, 0, 65536}}};
}

std::shared_ptr<const nir::File> file_of(const NirConfig& config) {
  return config.memo->file(config.path);
}

ModelSpec start_nir(std::string_view origin) {
  for (size_t i = 0; i < std::size(nir::kOriginWords); ++i) {
    if (origin != nir::kOriginWords[i]) continue;
    NirConfig config;
    config.choices = nir::choices_of(static_cast<nir::Origin>(i));
    config.memo = std::make_shared<NirMemo>();
    return ModelSpec::of(config);
  }
  throw Error(ErrorCode::kUsage, fmt::format("no origin '{}'; there are {}", origin,
                                             fmt::join(std::begin(nir::kOriginWords),
                                                       std::end(nir::kOriginWords), ", ")));
}

std::optional<KeyFault> check_nir(const ModelSpec& spec) {
  const auto& config = spec.as<NirConfig>();
  if (config.path.empty()) return KeyFault{{"path"}, "is not given: the NIR file of the network"};
  if (config.choices.dt == 0)
    return KeyFault{{"dt"}, "is not given, s: a NIR file does not say how long a step is"};
  file_of(config);
  return std::nullopt;
}

// What leaves the first Output.
int64_t outputs_of(const nir::File& file) {
  for (size_t node = 0; node < file.network.nodes.size(); ++node) {
    if (file.network.nodes[node].kind == nir::NodeKind::kOutput)
      return element_count(file.wiring.out[node]);
  }
  return 0;
}

Shape frame_of(const nir::File& file) {
  for (size_t node = 0; node < file.network.nodes.size(); ++node) {
    if (file.network.nodes[node].kind == nir::NodeKind::kInput)
      return nir::channels_last(file.wiring.out[node]);
  }
  return {};
}

ModelShape shape_of_nir(const ModelSpec& spec) {
  const auto& config = spec.as<NirConfig>();
  if (config.path.empty()) return {.steps = config.time_steps};
  const auto file = file_of(config);
  ModelShape shape{.steps = config.time_steps, .classes = outputs_of(*file)};
  shape.frame = frame_of(*file);
  shape.channels = shape.frame.back();
  return shape;
}

nir::Frames frames_of(const DataShape& data) {
  nir::Frames frames{{data.height, data.width, data.channels}, data.frames == 1, data.events};
  if (data.height == 0) frames.shape = {data.channels};
  return frames;
}

GivenNetwork network_of(const ModelSpec& spec, const DataShape& data) {
  const auto& config = spec.as<NirConfig>();
  NirConfig copy = config;
  require(range_fault(nir_keys(copy)));
  require(check_nir(spec));
  const auto file = file_of(config);
  try {
    nir::Lowered lowered = nir::lower(file->network, file->wiring, config.choices, frames_of(data));
    GivenNetwork given{std::move(lowered.graph), std::move(lowered.weights), {}, ""};
    given.source = config.path.filename().string();
    given.notes = file->network.warnings;
    for (const std::string& line : file->wiring.warnings) given.notes.push_back(line);
    for (const std::string& line : lowered.notes) given.notes.push_back(line);
    return given;
  } catch (const Error& error) {
    throw error.in_file(config.path);
  }
}

std::optional<Graph> twin_of(const ModelSpec& spec, const DataShape& data) {
  return dense_twin_of_still(network_of(spec, data).graph, data);
}

std::string settings_of(const ModelSpec& spec) {
  const nir::Choices& c = spec.as<NirConfig>().choices;
  const auto word = [](const auto& names, auto value) { return names[static_cast<size_t>(value)]; };
  return fmt::format(
      "what the NIR file leaves open was taken as origin {}: dt {} s, form {}, fire {}, reset {}, "
      "if_gain {}, recurrent_start {}, readout {}, tau_scale {}; membranes start at v_leak, those "
      "of IF at v_reset or 0, currents at 0",
      word(nir::kOriginWords, c.origin), c.dt, word(nir::kFormWords, c.form),
      word(nir::kFireWords, c.fire), name_of(c.reset), word(nir::kIfGainWords, c.if_gain),
      word(nir::kRecurrentStartWords, c.recurrent_start), word(nir::kReadoutWords, c.readout),
      c.tau_scale);
}

NetworkFacts facts_of(const ModelSpec& spec) {
  const auto& config = spec.as<NirConfig>();
  const auto file = file_of(config);
  const nir::Facts own = nir::describe(*file, config.choices);
  NetworkFacts facts;
  facts.title = fmt::format("NIR {}, {} nodes", file->network.version, own.nodes.size());
  facts.header = {"node", "type", "shape", "reads", "dt/tau", "gain", "becomes", "parameters"};
  for (const nir::NodeFacts& node : own.nodes) {
    facts.rows.push_back({node.name, node.type, to_string(node.shape),
                          fmt::format("{}", fmt::join(node.reads, ", ")), node.leak, node.gain,
                          node.form, fmt::format("{}", fmt::join(node.parameters, "; "))});
  }
  facts.warnings = own.warnings;
  if (config.choices.dt == 0) {
    facts.warnings.emplace_back(
        "no step was chosen (model.dt, or an origin that has one): what neurons compute is open");
    return facts;
  }
  facts.settings = settings_of(spec);
  try {
    nir::Lowered lowered = nir::lower(file->network, file->wiring, config.choices, {});
    for (const std::string& note : lowered.notes) facts.warnings.push_back(note);
    facts.graph = std::move(lowered.graph);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kData) throw error.in_file(config.path);
    facts.warnings.emplace_back(error.what());
  }
  return facts;
}

}  // namespace

Family nir_family() {
  Family row{.name = "nir",
             .title = "the NIR network",
             .about = "networks of other programs, from NIR files",
             .sample = SampleKind::kFrames,
             .length_key = "time_steps",
             .preset_key = "origin",
             .default_preset = "nir"};
  row.presets = {
      {"nir", "dt required, euler, gt, reset value, recurrent_start bias", "the text of NIR"},
      {"snntorch", "dt 1e-4, euler, gt, reset subtract_next, recurrent_start bias",
       "snnTorch's defaults"},
      {"spikingjelly", "dt 1e-4, euler, ge, reset value, if_gain ode, recurrent_start zero", ""},
      {"norse", "dt 1e-3, euler, gt, reset value, if_gain unit, recurrent_start zero", ""},
      {"sinabs", "dt 1, sinabs, ge, reset multi, if_gain unit", "as Sinabs reads it"},
      {"exact", "dt required, exact, gt, reset value, if_gain ode", ""}};
  row.start = start_nir;
  row.keys = [](ModelSpec& spec) { return nir_keys(spec.as<NirConfig>()); };
  row.check = check_nir;
  row.shape = shape_of_nir;
  row.given = network_of;
  row.build = [](const ModelSpec& spec, const DataShape& data) {
    return network_of(spec, data).graph;
  };
  row.fit = with_steps_of<NirConfig>;
  row.settings = settings_of;
  row.twin = {"the dense twin", "same topology, ReLU for neurons, one pass", twin_of};
  row.is_file = nir::may_be_nir;
  row.facts = facts_of;
  return row;
}

}  // namespace spikeloom
