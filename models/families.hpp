#pragma once
// The one table of network families: what tells one from another is a field of its row, and nothing
// else in the program asks which family it has. A family is a folder and a row. Thread-safe.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/weights.hpp"
#include "models/model_spec.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

enum class SampleKind {
  kImage,          // shown at every step, or a frame a step
  kSequence,       // one position a step
  kWholeSequence,  // all positions in one step
  kTokens,         // one token id a step
  kFrames,         // frames of the network's own shape, one a step or one for all
};

struct FamilyPreset {
  std::string name, text, note;  // "15M", its dimensions in words, where they come from
};

// A network of the same task that a report counts beside the one that ran.
struct Baseline {
  std::string scheme, description;  // "dense_kwt1"
  Graph graph;
};

// The dense network that stands for a spiking one.
struct DenseTwin {
  std::string_view title;        // "RWKV-4"; of those without a name "the dense twin"
  std::string_view description;  // what runs, for reports
  // Nothing where this network has none. Null: the family has none.
  std::optional<Graph> (*build)(const ModelSpec&, const DataShape&) = nullptr;
};

// Families whose dimensions a checkpoint tells: keys at 0 are read off it.
struct CheckpointRules {
  // Names of arrays that every network of the family has, to find them in a file by.
  NameSet (*landmarks)() = nullptr;
  // `spec` with what the tensors (null: random weights) or the data decide. Throws Error(kData) for
  // tensors of another kind of network, Error(kUsage) where a key differs from them.
  ModelSpec (*complete)(const ModelSpec& spec, const Weights* stored, const DataShape&) = nullptr;
};

// Networks whose keys name the arrays they are made of: only a checkpoint says how large they are.
struct ArrayRules {
  NameSet (*names)(const ModelSpec&) = nullptr;
  // `spec` with what the arrays decide, for build(). What is a number of the network and no array
  // leaves `stored`, others take the network's shape. Throws Error(kData) for arrays that are not
  // there or do not fit.
  ModelSpec (*take)(const ModelSpec& spec, Weights& stored) = nullptr;
};

// A network that comes as a whole, weights included.
struct GivenNetwork {
  Graph graph;
  Weights weights;
  std::vector<std::string> notes;  // what was decided or left out on the way, a sentence each
  std::string source;              // "net.nir"
};

// What a network file holds and what becomes of it, for `spikeloom inspect`.
struct NetworkFacts {
  std::string title;     // "NIR 1.0.8, 8 nodes"
  std::string settings;  // what was chosen where the file is open; "": nothing yet
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // a node each, in the order of running
  std::vector<std::string> warnings;
  std::optional<Graph> graph;  // where it could be built
};

// What a publication says of how many times less energy its network needs than the same dense one,
// by the arithmetic of sim/counts/residual_stream.hpp: prices of a MAC and an addition, the
// firing rate and width it assumes.
struct EnergyClaim {
  double mac_pJ, ac_pJ, rate;
  int64_t width;
};

struct Family {
  std::string_view name = {};   // model.family
  std::string_view title = {};  // "SpikeGPT"
  std::string_view about = {};  // "SpikeGPT", in words for `spikeloom list`
  SampleKind sample = SampleKind::kImage;
  bool spikes = true;  // false: a dense network to stand beside spiking ones
  // That says how many steps, or positions, a sample has; "": tokens, or one step.
  std::string_view length_key = {};
  std::string_view preset_key = "preset";  // of [model], that chooses one
  std::vector<FamilyPreset> presets = {};  // none: there is no such key
  std::string_view default_preset = {};    // "": none
  std::string_view instead = {};           // the key to give where no preset is; "": none needed
  WeightHints hints = {};                  // which key decides which extent of which array
  std::string_view remark = {};            // what a reader of its reports has to know; "": nothing

  // The values of a preset, "": those without one. Throws Error(kUsage) listing the presets.
  ModelSpec (*start)(std::string_view preset) = nullptr;
  std::vector<ModelKey> (*keys)(ModelSpec&) = nullptr;  // bound to the fields of `spec`
  std::optional<KeyFault> (*check)(const ModelSpec&) = nullptr;
  ModelShape (*shape)(const ModelSpec&) = nullptr;
  // Throws Error(kUsage) for what check() refuses, and where the data do not fit.
  Graph (*build)(const ModelSpec&, const DataShape&) = nullptr;

  ArrayRules arrays = {};  // null: dimensions are keys

  // Where a key of [model] names the network, not only its dimensions: there is no weights.path then,
  // and build() gives the same graph. Null: weights are a file of their own, or random.
  GivenNetwork (*given)(const ModelSpec&, const DataShape&) = nullptr;
  // Whether a file is such a network, whatever its name; and what is in it. Null: no file is.
  bool (*is_file)(const std::filesystem::path&) = nullptr;
  NetworkFacts (*facts)(const ModelSpec&) = nullptr;
  // `spec` with what the samples decide; null: nothing.
  ModelSpec (*fit)(const ModelSpec&, const DataShape&) = nullptr;

  DenseTwin twin = {};
  std::vector<Baseline> (*baselines)(const ModelSpec&, const DataShape&) = nullptr;  // null: none
  std::string (*settings)(const ModelSpec&) = nullptr;  // worth a line in reports; null: none
  CheckpointRules checkpoint = {};
  // Of a network whose spikes are only added to a real residual stream; nothing: no such claim.
  std::optional<EnergyClaim> claim = {};
};

// All of them, by name.
const std::vector<Family>& families();
// The row of that name; null: none.
const Family* find_family(std::string_view name);
// "a, b, c": the names of the families that read such samples.
std::string family_names(SampleKind sample);
// The family of a checkpoint of tokens that comes without an experiment: the first that spikes.
const Family& usual_token_family();

}  // namespace spikeloom
