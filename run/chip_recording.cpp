#include "run/chip_recording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "run/network_file.hpp"
#include "run/sonata_network.hpp"
#include "run/spike_file.hpp"
#include "sim/trace/graph_json.hpp"

namespace spikeloom {
namespace {

// Of the spikes of an input anything a level can be is taken.
constexpr LevelRange kAnyLevels{-kMostLevel, kMostLevel};

std::vector<WantedSpikes> wanted_of(const Graph& graph, bool channels_first, bool any_input) {
  std::vector<WantedSpikes> wanted;
  for (const Population& population : populations_of(graph)) {
    WantedSpikes& w = wanted.emplace_back(
        WantedSpikes{population.name, population.shape, population.levels, channels_first});
    if (any_input && population.is_input) w.levels = kAnyLevels;
  }
  return wanted;
}

LevelRange levels_of(const SpikeRecord::Population& population) {
  LevelRange range;
  for (const SpikeRecord::Event& event : population.events) {
    range.low = std::min<int64_t>(range.low, event.level);
    range.high = std::max<int64_t>(range.high, event.level);
  }
  return range;
}

// The step of a graph's neurons, s; 0: they count steps.
double dt_of(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    const auto* neuron = std::get_if<Neuron>(&node.op);
    if (neuron == nullptr || !neuron->spec.has("dt")) continue;
    const double dt = neuron->spec["dt"].value;
    if (dt != 1) return dt;
  }
  return 0;
}

// A network that is a file of its own, with what --set and the spikes say.
class FileRecording {
 public:
  FileRecording(const Family& family, const RecordingFiles& files, const SpikeFile& spikes)
      : files_(files), spikes_(spikes) {
    std::vector<std::string> sets = files.sets;
    const double told = files.dt > 0 ? files.dt : spikes.dt.value_or(0);
    if (told > 0) sets.push_back(fmt::format("model.dt={}", told));
    model_ = choose_file(family, path(), sets);
    if (const auto fault = family.check(model_.spec)) {
      const bool dt = fault->keys[0] == "dt";
      throw Error(ErrorCode::kUsage, printable(path().string()) + ": model." + fault->keys[0] +
                                         ": " + fault->message + (dt ? " (--dt SECONDS)" : ""));
    }
  }

  std::shared_ptr<ChipRecording> read() {
    auto recording = std::make_shared<ChipRecording>();
    GivenNetwork network = given({});
    // Of spikes in steps the length of a step is not asked for.
    const double dt = files_.dt > 0 ? files_.dt : spikes_.dt.value_or(dt_of(network.graph));
    recording->record = record_of(spikes_, wanted_of(network.graph, true, true), dt, files_.steps);
    for (const Population& population : populations_of(network.graph)) {
      if (!population.is_input) continue;
      const auto found = recording->record.populations.find(population.name);
      if (found == recording->record.populations.end()) continue;
      const LevelRange levels = levels_of(found->second);
      if (levels != LevelRange()) network = given(levels);
    }
    recording->graph = std::move(network.graph);
    recording->weights = std::move(network.weights);
    recording->dt = dt;
    recording->notes = std::move(network.notes);
    if (model_.family->settings != nullptr)
      recording->notes.push_back(model_.family->settings(model_.spec));
    return recording;
  }

 private:
  const std::filesystem::path& path() const { return files_.network[0]; }

  // Every step has a frame of its own, of spikes or levels.
  GivenNetwork given(LevelRange input) const {
    constexpr int64_t kSeveral = 2;
    const Shape frame = model_.shape().frame;
    DataShape data = frame.size() == 1 ? DataShape{kSeveral, 0, 0, frame[0]}
                                       : DataShape{kSeveral, frame[0], frame[1], frame[2]};
    data.events = input;
    return model_.family->given(model_.spec, data);
  }

  const RecordingFiles& files_;
  const SpikeFile& spikes_;
  ModelChoice model_;
};

std::shared_ptr<ChipRecording> of_graph(ChipRecording network, double network_dt,
                                        const RecordingFiles& files, const SpikeFile& spikes) {
  auto recording = std::make_shared<ChipRecording>(std::move(network));
  const double dt = files.dt > 0 ? files.dt : spikes.dt.value_or(network_dt);
  recording->record = record_of(spikes, wanted_of(recording->graph, false, false), dt, files.steps);
  recording->dt = dt;
  return recording;
}

void refuse_model_keys(const RecordingFiles& files) {
  for (const std::string& set : files.sets) {
    throw Error(ErrorCode::kUsage, "--set " + printable(set) + ": only a NIR file has such keys, " +
                                       printable(files.network[0].string()) + " is none");
  }
}

std::shared_ptr<ChipRecording> read_network(const RecordingFiles& files, const SpikeFile& spikes) {
  const std::vector<std::filesystem::path>& names = files.network;
  const std::string name = names.at(0).string();
  for (const std::filesystem::path& path : names)
    const InputFile there(path);  // says what is wrong with it
  if (names.size() == 1) {
    if (const Family* family = family_of_file(names[0]))
      return FileRecording(*family, files, spikes).read();
  }
  refuse_model_keys(files);
  const bool is_json = names.size() == 1 && names[0].extension() == ".json";
  if (is_json) {
    const std::vector<std::byte> bytes = read_file(names[0]);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!is_sonata(parse_json(text, name))) {
      ChipRecording network;
      network.graph = graph_from_json(text, name);
      const double dt = dt_of(network.graph);
      return of_graph(std::move(network), dt, files, spikes);
    }
  }
  const double told = files.dt > 0 ? files.dt : spikes.dt.value_or(0);
  SonataNetwork sonata =
      is_json ? read_sonata_config(names[0], told) : read_sonata_files(names, told);
  ChipRecording network;
  network.graph = std::move(sonata.graph);
  network.sparse = std::move(sonata.synapses);
  network.unpriced = std::move(sonata.notes);
  network.named = std::move(sonata.files);
  return of_graph(std::move(network), sonata.dt, files, spikes);
}

}  // namespace

std::shared_ptr<const ChipRecording> read_recording(const RecordingFiles& files) {
  const SpikeFile spikes = load_spike_file(files.spikes);
  std::shared_ptr<ChipRecording> recording = read_network(files, spikes);
  derive_populations(recording->graph, recording->weights, recording->record);
  return recording;
}

}  // namespace spikeloom
