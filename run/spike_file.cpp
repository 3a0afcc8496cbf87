#include "run/spike_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hdf5/foreign_file.hpp"
#include "core/io/hint.hpp"
#include "core/io/npz.hpp"
#include "core/io/zip_archive.hpp"
#include "sim/trace/trace_file.hpp"

namespace spikeloom {
namespace {

using hdf5::ForeignFile;
using hdf5::Object;
using hdf5::ObjectKind;
using hdf5::ValueKind;

[[noreturn]] void refuse_file(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

SpikeFile from_npz(const std::filesystem::path& path) {
  SpikeFile file;
  std::vector<std::string> left_out;
  Weights arrays = load_npz(path, &left_out);
  if (!left_out.empty())
    refuse_file(fmt::format("{}: population {} is no array of numbers", printable(path.string()),
                            printable(left_out[0], 60)));
  for (const std::string& name : arrays.names()) {
    FileSpikes spikes;
    spikes.name = name;
    spikes.grid = clone(arrays.at(name).data);
    if (spikes.grid.shape().size() < 2)
      refuse_file(fmt::format("{}: population {} is {}, not [steps, neurons]",
                              printable(path.string()), printable(name, 60),
                              to_string(spikes.grid.shape())));
    arrays.erase(name);
    file.populations.push_back(std::move(spikes));
  }
  return file;
}

SpikeFile from_trace(const std::filesystem::path& path) {
  const TraceFile trace(path);
  if (trace.is_partial())
    refuse_file(path.string() + ": holds a selection of the steps; a chip needs all of them");
  SpikeFile file;
  int64_t steps = 0;
  int64_t left = most_spikes_of(static_cast<int64_t>(std::filesystem::file_size(path)));
  for (const TraceSample& sample : trace.samples()) {
    file.sample_steps.push_back(sample.steps);
    steps += sample.steps;
  }
  file.samples = static_cast<int64_t>(file.sample_steps.size());
  for (size_t p = 0; p < trace.populations().size(); ++p) {
    const TracePopulation& population = trace.populations()[p];
    if (!population.fault.empty())
      refuse_file(fmt::format("{}: population {}: {}", printable(path.string()),
                              printable(population.name, 60), population.fault));
    if (population.rows != steps)
      refuse_file(fmt::format("{}: population {} has {} rows, the samples {} steps",
                              printable(path.string()), printable(population.name, 60),
                              population.rows, steps));
    file.dt = population.dt_ms / 1000;
    FileSpikes spikes;
    spikes.name = population.layer;
    spikes.in_steps = spikes.last_first = true;
    spikes.neurons = population.neurons;
    int64_t row = 0;
    for (size_t s = 0; s < file.sample_steps.size(); ++s) {
      for (int64_t t = 0; t < file.sample_steps[s]; ++t, ++row) {
        for_each_level(
            trace.bits(p, row), population.neurons, population.levels,
            [&](int64_t neuron, int64_t level) {
              if (left-- == 0)
                refuse_file(printable(path.string()) +
                            ": more spikes than a file of its size holds");
              spikes.events.push_back({static_cast<int64_t>(s), neuron, static_cast<double>(t),
                                       static_cast<double>(level)});
            });
      }
    }
    file.populations.push_back(std::move(spikes));
  }
  return file;
}

// What the HDF5 of other programs has in common.
class Hdf5Spikes {
 public:
  explicit Hdf5Spikes(const std::filesystem::path& path) : file_(path), path_(path) {}

  SpikeFile read() {
    result_.path = path_;
    const Object* root = file_.find("/");
    if (root != nullptr && text_of(*root, "__type__") == "NIRGraphData") {
      read_graph_data("", "");
    } else if (file_.find("/spikes") != nullptr) {
      read_sonata();
    } else {
      refuse_file(
          "holds no spikes: neither a group spikes (SONATA) nor NIRData, nor is it a trace");
    }
    return std::move(result_);
  }
  bool is_trace() const {
    const Object* root = file_.find("/");
    return root != nullptr && attribute(*root, "spikeloom_trace_version") != nullptr;
  }

 private:
  static const hdf5::Attribute* attribute(const Object& object, std::string_view name) {
    for (const hdf5::Attribute& a : object.attributes) {
      if (a.name == name) return &a;
    }
    return nullptr;
  }
  static std::string text_of(const Object& object, std::string_view name) {
    const hdf5::Attribute* found = attribute(object, name);
    const auto* texts =
        found == nullptr ? nullptr : std::get_if<std::vector<std::string>>(&found->values);
    return texts == nullptr || texts->size() != 1 ? "" : texts->front();
  }
  static std::optional<double> number_of(const Object& object, std::string_view name) {
    const hdf5::Attribute* found = attribute(object, name);
    if (found == nullptr) return std::nullopt;
    if (const auto* reals = std::get_if<std::vector<double>>(&found->values);
        reals && reals->size() == 1)
      return reals->front();
    if (const auto* whole = std::get_if<std::vector<int64_t>>(&found->values);
        whole && whole->size() == 1)
      return static_cast<double>(whole->front());
    if (const auto* whole = std::get_if<std::vector<uint64_t>>(&found->values);
        whole && whole->size() == 1)
      return static_cast<double>(whole->front());
    return std::nullopt;
  }

  // A dataset of numbers.
  const Object& need(const std::string& path, size_t rank) const {
    const Object* object = file_.find(path);
    if (object == nullptr) refuse_file(printable(path) + " is missing");
    const bool numbers =
        object->kind == ObjectKind::kDataset && object->type.bytes > 0 &&
        (object->type.kind == ValueKind::kInteger || object->type.kind == ValueKind::kUnsigned ||
         object->type.kind == ValueKind::kReal);
    if (!numbers) refuse_file(printable(path) + " is no array of numbers");
    if (object->shape.size() != rank)
      refuse_file(fmt::format("{} is {}, expected {} axes", printable(path),
                              to_string(object->shape), rank));
    return *object;
  }
  template <typename T>
  std::vector<T> values(const std::string& path, size_t rank) const {
    return file_.read_all<T>(need(path, rank));
  }
  std::vector<int64_t> whole(const std::string& path, size_t rank) const {
    if (need(path, rank).type.kind == ValueKind::kReal)
      refuse_file(printable(path) + " holds no whole numbers");
    return values<int64_t>(path, rank);
  }
  // Names of what lies in a group.
  std::vector<std::string> children(const std::string& group) const {
    std::vector<std::string> names;
    for (const Object& object : file_.objects()) {
      if (!object.path.starts_with(group + "/")) continue;
      std::string name = object.path.substr(group.size() + 1);
      if (name.find('/') == name.npos) names.push_back(std::move(name));
    }
    return names;
  }

  void read_sonata() {
    if (file_.find("/spikes/timestamps") != nullptr) {  // files of 2018 have no populations
      read_list("/spikes", "", file_.find("/spikes/gids") != nullptr ? "gids" : "node_ids");
      return;
    }
    for (const std::string& name : children("/spikes"))
      read_list("/spikes/" + name, name, "node_ids");
  }

  void read_list(const std::string& group, const std::string& name, const std::string& ids) {
    FileSpikes spikes;
    spikes.name = name;
    const std::string times_at = group + "/timestamps";
    const std::vector<double> times = values<double>(times_at, 1);
    const std::vector<int64_t> nodes = whole(group + "/" + ids, 1);
    if (times.size() != nodes.size())
      refuse_file(fmt::format("population {}: {} timestamps of {} neurons", printable(name, 60),
                              times.size(), nodes.size()));
    const std::string units = text_of(need(times_at, 1), "units");
    const bool seconds = units == "s" || units == "seconds" || units == "second";
    if (!seconds && !units.empty() && !units.starts_with("milli") && units != "ms")
      refuse_file(fmt::format("population {}: times in {}, expected ms or s", printable(name, 60),
                              in_quotes(units)));
    file_.claim(need(times_at, 1), sizeof(FileSpikes::Event));
    spikes.events.reserve(times.size());
    for (size_t i = 0; i < times.size(); ++i)
      spikes.events.push_back({0, nodes[i], seconds ? times[i] : times[i] / 1000, 1});
    result_.populations.push_back(std::move(spikes));
  }

  void read_graph_data(const std::string& group, const std::string& prefix) {
    for (const std::string& name : children(group + "/nodes")) {
      const std::string at = group + "/nodes/" + name;
      if (text_of(*file_.find(at), "__type__") == "NIRGraphData") {
        read_graph_data(at, prefix + name + ".");
      } else {
        read_node_data(at + "/observables", prefix + name);
      }
    }
  }

  // The spikes among what was observed of a node: by their name, or the only thing that can be.
  void read_node_data(const std::string& group, const std::string& name) {
    std::string chosen;
    std::vector<std::string> could;
    for (const std::string& observable : children(group)) {
      const Object& object = *file_.find(group + "/" + observable);
      if (observable == "spikes" || observable == "spike" || observable == "z") chosen = observable;
      const Object* data = file_.find(object.path + "/data");
      const bool real = data != nullptr && data->type.kind == ValueKind::kReal;
      if (!real) could.push_back(observable);
    }
    if (chosen.empty() && could.size() == 1) chosen = could[0];
    if (chosen.empty()) return;  // membranes and the like alone
    const std::string at = group + "/" + chosen;
    const std::string type = text_of(*file_.find(at), "__type__");
    if (type == "TimeGriddedData") {
      read_gridded(at, name);
    } else if (type == "EventData" || type == "ValuedEventData") {
      read_events(at, name, type == "ValuedEventData");
    } else {
      refuse_file("population " + printable(name, 60) + ": data of type " + in_quotes(type));
    }
  }

  Tensor read_grid(const Object& stored) const {
    file_.claim(stored, sizeof(float));
    Tensor grid(stored.shape);
    const Shape origin(stored.shape.size(), 0);
    if (stored.type.kind == ValueKind::kReal) {
      file_.read(stored, origin, stored.shape, grid.f32());
      return grid;
    }
    // Truth values among them; sample by sample.
    Shape start = origin, count = stored.shape;
    count[0] = 1;
    std::vector<int32_t> values(static_cast<size_t>(element_count(count)));
    float* out = grid.f32().data();
    for (; start[0] < stored.shape[0]; ++start[0]) {
      file_.read(stored, start, count, std::span(values));
      for (const int32_t value : values) *out++ = static_cast<float>(value);
    }
    return grid;
  }

  void read_gridded(const std::string& at, const std::string& name) {
    FileSpikes spikes;
    spikes.name = name;
    const Object& stored = need(at + "/data", 3);
    spikes.has_samples = true;
    if (element_count(stored.shape) == 0)
      refuse_file(fmt::format("population {} is {}", printable(name, 60), to_string(stored.shape)));
    spikes.grid = read_grid(stored);
    if (const auto dt = number_of(*file_.find(at), "dt")) {
      if (!(*dt > 0)) refuse_file(fmt::format("population {}: dt is {}", printable(name, 60), *dt));
      result_.dt = *dt;
    }
    result_.populations.push_back(std::move(spikes));
  }

  void read_events(const std::string& at, const std::string& name, bool valued) {
    FileSpikes spikes;
    spikes.name = name;
    const std::vector<int64_t> nodes = whole(at + "/idx", 2);
    const std::vector<double> times = values<double>(at + "/time", 2);
    const Shape shape = need(at + "/idx", 2).shape;
    std::vector<double> levels(nodes.size(), 1);
    if (valued) levels = values<double>(at + "/value", 2);
    if (times.size() != nodes.size() || levels.size() != nodes.size())
      refuse_file("population " + printable(name, 60) + ": idx, time and value differ in extent");
    if (shape[0] < 1 || (samples_ && *samples_ != shape[0]))
      refuse_file(fmt::format("population {}: {} samples{}", printable(name, 60), shape[0],
                              samples_ ? fmt::format(", others have {}", *samples_) : ""));
    samples_ = result_.samples = shape[0];
    if (const auto neurons = number_of(*file_.find(at), "n_neurons"))
      spikes.neurons = static_cast<int64_t>(std::clamp(*neurons, -1.0, 1e15));
    if (const auto end = number_of(*file_.find(at), "t_max")) spikes.end = *end;
    file_.claim(need(at + "/idx", 2), sizeof(FileSpikes::Event));
    spikes.events.reserve(nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i] == -1) continue;  // no event
      spikes.events.push_back({static_cast<int64_t>(i) / std::max<int64_t>(shape[1], 1), nodes[i],
                               times[i], levels[i]});
    }
    result_.populations.push_back(std::move(spikes));
  }

  ForeignFile file_;
  const std::filesystem::path path_;
  SpikeFile result_;
  std::optional<int64_t> samples_;  // as event lists tell
};

bool starts_as_zip(const std::filesystem::path& path) {
  const InputFile file(path);
  std::vector<std::byte> start(static_cast<size_t>(std::min<uint64_t>(file.size(), 4)));
  file.read_at(0, start);
  return is_zip(start) || path.extension() == ".npz";
}

}  // namespace

int64_t most_spikes_of(int64_t bytes) noexcept {
  constexpr int64_t kFree = 3'000'000, kOfByte = 4;
  return std::max(kFree, std::min(bytes, INT64_MAX / kOfByte) * kOfByte);
}

SpikeFile load_spike_file(const std::filesystem::path& path) {
  SpikeFile file;
  if (starts_as_zip(path)) {
    file = from_npz(path);
  } else {
    try {
      Hdf5Spikes hdf5(path);
      if (!hdf5.is_trace()) file = hdf5.read();
    } catch (const Error& error) {
      throw error.in_file(path);
    }
    if (file.path.empty()) file = from_trace(path);
  }
  file.path = path;
  file.bytes = static_cast<int64_t>(std::filesystem::file_size(path));
  return file;
}

}  // namespace spikeloom
