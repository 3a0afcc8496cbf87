#include "run/sonata_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/hdf5/foreign_file.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"

namespace spikeloom {
namespace {

using hdf5::ForeignFile;
using hdf5::Object;
using hdf5::ObjectKind;
using hdf5::ValueKind;

constexpr int64_t kMostNodes = int64_t{1} << 24, kMostEdges = int64_t{1} << 28;
constexpr int64_t kMostPairs = int64_t{1} << 46;
constexpr int64_t kMostRows = int64_t{1} << 25;  // of all matrices
constexpr int64_t kPart = int64_t{1} << 20;
constexpr int64_t kMostDelay = 65535;  // steps

[[noreturn]] void refuse_sonata(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

struct Edges {
  std::string name, source, target;
  std::vector<int64_t> from, to;  // by edge
  double delay_ms = 0;            // the longest
};

// What the files hold, population by population.
class SonataFiles {
 public:
  void read(const std::filesystem::path& path) {
    try {
      const ForeignFile file(path);
      bool any = false;
      for (const std::string& name : children(file, "/nodes")) {
        add_nodes(file, name);
        any = true;
      }
      for (const std::string& name : children(file, "/edges")) {
        add_edges(file, name);
        any = true;
      }
      if (!any) refuse_sonata("holds neither nodes nor edges of SONATA");
    } catch (const Error& error) {
      throw error.in_file(path);
    }
  }

  std::map<std::string, int64_t> nodes;  // how many
  std::vector<Edges> edges;

 private:
  static std::vector<std::string> children(const ForeignFile& file, const std::string& group) {
    std::vector<std::string> names;
    for (const Object& object : file.objects()) {
      if (!object.path.starts_with(group + "/") || object.kind != ObjectKind::kGroup) continue;
      std::string name = object.path.substr(group.size() + 1);
      if (name.find('/') == name.npos) names.push_back(std::move(name));
    }
    return names;
  }

  static const Object* vector_at(const ForeignFile& file, const std::string& path) {
    const Object* object = file.find(path);
    if (object == nullptr) return nullptr;
    const bool number = object->kind == ObjectKind::kDataset && object->type.bytes > 0 &&
                        object->type.kind != ValueKind::kOther &&
                        object->type.kind != ValueKind::kText && object->shape.size() == 1;
    if (!number) refuse_sonata(printable(path) + " is no list of numbers");
    return object;
  }

  // 0, 1, 2, ...; read in parts.
  static bool are_in_order(const ForeignFile& file, const Object& ids) {
    std::vector<int64_t> part;
    for (int64_t first = 0; first < ids.shape[0]; first += kPart) {
      part.resize(static_cast<size_t>(std::min(kPart, ids.shape[0] - first)));
      file.read(ids, {first}, {std::ssize(part)}, std::span(part));
      for (size_t i = 0; i < part.size(); ++i) {
        if (part[i] != first + static_cast<int64_t>(i)) return false;
      }
    }
    return true;
  }

  void add_nodes(const ForeignFile& file, const std::string& name) {
    const std::string group = "/nodes/" + name;
    const Object* types = vector_at(file, group + "/node_type_id");
    const Object* ids = vector_at(file, group + "/node_id");
    const Object* told = types != nullptr ? types : ids;
    if (told == nullptr)
      refuse_sonata("population " + printable(name, 60) + ": node_type_id is missing");
    const int64_t count = told->shape[0];
    if (count < 1 || count > kMostNodes)
      refuse_sonata(
          fmt::format("population {}: {} nodes, from 1 to 2^24", printable(name, 60), count));
    if (ids != nullptr && (ids->shape[0] != count || !are_in_order(file, *ids)))
      refuse_sonata(fmt::format("population {}: its nodes are not numbered 0, 1, 2, ...",
                                printable(name, 60)));
    if (!nodes.emplace(name, count).second)
      refuse_sonata("population " + printable(name, 60) + " is there twice");
  }

  static std::string population_of(const Object& object) {
    for (const hdf5::Attribute& attribute : object.attributes) {
      const auto* texts = std::get_if<std::vector<std::string>>(&attribute.values);
      if (attribute.name == "node_population" && texts != nullptr && texts->size() == 1)
        return texts->front();
    }
    refuse_sonata(printable(object.path) + " has no attribute node_population");
  }

  void add_edges(const ForeignFile& file, const std::string& name) {
    const std::string group = "/edges/" + name;
    Edges added;
    added.name = name;
    const Object* source = vector_at(file, group + "/source_node_id");
    const Object* target = vector_at(file, group + "/target_node_id");
    if (source == nullptr || target == nullptr)
      refuse_sonata("edges " + printable(name, 60) +
                    ": source_node_id or target_node_id is missing");
    if (source->shape != target->shape || source->shape[0] > kMostEdges)
      refuse_sonata(fmt::format("edges {}: {} sources and {} targets, at most 2^28 edges",
                                printable(name, 60), source->shape[0], target->shape[0]));
    added.source = population_of(*source);
    added.target = population_of(*target);
    constexpr int64_t kSynapseBytes = 16;  // and room to sort them
    file.claim(*source, kSynapseBytes);
    added.from = file.read_all<int64_t>(*source);
    added.to = file.read_all<int64_t>(*target);
    for (const Object& object : file.objects()) {
      // /edges/<population>/<group>/delay, ms
      if (!object.path.starts_with(group + "/") || !object.path.ends_with("/delay")) continue;
      for (const double delay : file.read_all<double>(*vector_at(file, object.path))) {
        if (!(delay >= 0)) refuse_sonata(fmt::format("{} holds {}", printable(object.path), delay));
        added.delay_ms = std::max(added.delay_ms, delay);
      }
    }
    for (const Edges& other : edges) {
      if (other.name == name) refuse_sonata("edges " + printable(name, 60) + " are there twice");
    }
    edges.push_back(std::move(added));
  }
};

// Connections by source; of one source in the order of the file.
SparseSynapses synapses_of(const Edges& edges, int64_t sources, int64_t targets) {
  SparseSynapses synapses;
  synapses.first.assign(static_cast<size_t>(sources) + 1, 0);
  for (size_t e = 0; e < edges.from.size(); ++e) {
    const int64_t from = edges.from[e], to = edges.to[e];
    if (from < 0 || from >= sources || to < 0 || to >= targets)
      refuse_sonata(fmt::format("edges {}: edge {} goes from node {} to {}, there are {} and {}",
                                printable(edges.name, 60), e, from, to, sources, targets));
    ++synapses.first[static_cast<size_t>(from) + 1];
  }
  for (size_t s = 0; s < static_cast<size_t>(sources); ++s)
    synapses.first[s + 1] += synapses.first[s];
  std::vector<int64_t> next(synapses.first.begin(), synapses.first.end() - 1);
  synapses.targets.resize(edges.to.size());
  for (size_t e = 0; e < edges.to.size(); ++e) {
    const auto at = static_cast<size_t>(next[static_cast<size_t>(edges.from[e])]++);
    synapses.targets[at] = static_cast<uint32_t>(edges.to[e]);
  }
  return synapses;
}

// Populations and matrices as a graph.
class SonataGraph {
 public:
  SonataGraph(const SonataFiles& files, double dt) : files_(files), dt_(dt) { out_.dt = dt; }

  SonataNetwork build() {
    if (files_.nodes.empty()) refuse_sonata("no population of nodes");
    for (const Edges& edges : files_.edges) {
      for (const std::string& end : {edges.source, edges.target}) {
        if (files_.nodes.count(end)) continue;
        refuse_sonata(fmt::format("edges {}: there is no population {}", printable(edges.name, 60),
                                  in_quotes(end)));
      }
    }
    for (const auto& [name, count] : files_.nodes) {
      if (is_input(name)) out_.graph.add(name, Input{{count}, false, 0, true}, {});
    }
    for (const auto& [name, count] : files_.nodes) {
      if (!is_input(name)) befores_[name] = put(name + ".before", Feedback{{count}, true}, {});
    }
    for (const auto& [name, count] : files_.nodes) {
      if (!is_input(name)) add_neurons(name);
    }
    for (const auto& [name, before] : befores_) out_.graph.close(before, *out_.graph.find(name));
    out_.graph.form = GraphForm::kFused;  // nothing could be merged
    out_.notes.emplace_back("what neurons of SONATA compute: updates are those of LIF neurons");
    return std::move(out_);
  }

 private:
  bool is_input(const std::string& name) const {
    return std::none_of(files_.edges.begin(), files_.edges.end(),
                        [&](const Edges& edges) { return edges.target == name; });
  }
  // Populations keep their names: edges may be called as their nodes are.
  NodeId put(std::string name, Op op, std::vector<NodeId> inputs) {
    while (out_.graph.find(name) || files_.nodes.count(name)) name += "_";
    return out_.graph.add(std::move(name), std::move(op), std::move(inputs));
  }

  // The spikes that edges deliver, one step after they were sent or more.
  NodeId source_of_edges(const Edges& edges) {
    const auto before = befores_.find(edges.source);
    const NodeId source =
        before == befores_.end() ? *out_.graph.find(edges.source) : before->second;
    if (edges.delay_ms == 0) return source;
    if (dt_ <= 0)
      throw Error(ErrorCode::kUsage, fmt::format("edges {} have delays, and the step is not told: "
                                                 "--dt SECONDS",
                                                 printable(edges.name, 60)));
    const double steps = std::rint(edges.delay_ms / 1000 / dt_);
    if (steps > static_cast<double>(kMostDelay))
      refuse_sonata(fmt::format("edges {}: a delay of {} ms is {} steps, at most {}",
                                printable(edges.name, 60), edges.delay_ms, steps, kMostDelay));
    const auto more = static_cast<int64_t>(steps) - 1;  // the first is that of every spike
    return more < 1 ? source : put(edges.name + ".delay", Delay{more, "", {}}, {source});
  }

  void add_neurons(const std::string& name) {
    const int64_t count = files_.nodes.at(name);
    std::vector<NodeId> sums;
    for (const Edges& edges : files_.edges) {
      if (edges.target != name) continue;
      const int64_t sources = files_.nodes.at(edges.source);
      // Dense work is counted, too, and must not overflow a count.
      if (sources > kMostPairs / count)
        refuse_sonata(fmt::format("edges {}: {} x {} nodes are more than 2^46 pairs",
                                  printable(edges.name, 60), sources, count));
      // Their places in the list of connections take memory, however few those are.
      rows_ += sources;
      if (rows_ > kMostRows)
        refuse_sonata(fmt::format("edges {}: with them, more than 2^25 nodes are sources of edges",
                                  printable(edges.name, 60)));
      const NodeId from = source_of_edges(edges);
      const NodeId matrix = put(edges.name, Linear{sources, count, 0, edges.name, ""}, {from});
      out_.synapses.emplace(out_.graph.node(matrix).name, synapses_of(edges, sources, count));
      sums.push_back(sums.empty() ? matrix : put(name + ".sum", Add{}, {sums.back(), matrix}));
    }
    const NodeId made = out_.graph.add(name, Neuron{lif(2.0f)}, {sums.back()});
    out_.graph.output(name, made);
  }

  const SonataFiles& files_;
  const double dt_;
  std::map<std::string, NodeId> befores_;
  int64_t rows_ = 0;  // of all matrices so far
  SonataNetwork out_;
};

// Values of a manifest put in; relative to the folder of the file.
class Manifest {
 public:
  Manifest(const nlohmann::json& json, std::filesystem::path folder) : folder_(std::move(folder)) {
    const auto found = json.find("manifest");
    if (found == json.end() || !found->is_object()) return;
    for (const auto& [name, value] : found->items()) {
      if (value.is_string() && name.starts_with("$")) names_[name] = value.get<std::string>();
    }
  }

  std::filesystem::path path(std::string text) const {
    constexpr int kMostNested = 16;
    for (int i = 0; i < kMostNested && text.find('$') != text.npos; ++i) {
      for (auto name = names_.rbegin(); name != names_.rend(); ++name) {  // longer ones first
        const std::string braced = "${" + name->first.substr(1) + "}";
        for (const std::string& form : {braced, name->first}) {
          const size_t at = text.find(form);
          if (at != text.npos) text.replace(at, form.size(), name->second);
        }
      }
    }
    return folder_ / text;
  }

 private:
  std::filesystem::path folder_;
  std::map<std::string, std::string> names_;
};

void add_files(const nlohmann::json& networks, const char* list, const char* key,
               const Manifest& manifest, std::vector<std::filesystem::path>& files) {
  const auto found = networks.find(list);
  if (found == networks.end()) return;
  for (const nlohmann::json& entry : *found) {
    const auto file = entry.is_object() ? entry.find(key) : entry.end();
    if (!entry.is_object() || file == entry.end() || !file->is_string())
      refuse_sonata(fmt::format("networks.{}: an entry has no {}", list, key));
    files.push_back(manifest.path(file->get<std::string>()));
  }
}

}  // namespace

bool is_sonata(const nlohmann::json& json) {
  return json.is_object() && !json.contains("nodes") &&
         (json.contains("networks") || json.contains("network"));
}

SonataNetwork read_sonata_files(const std::vector<std::filesystem::path>& files, double dt) {
  SonataFiles read;
  for (const std::filesystem::path& path : files) read.read(path);
  return SonataGraph(read, dt).build();
}

SonataNetwork read_sonata_config(const std::filesystem::path& path, double dt) {
  const nlohmann::json json = load_json(path);
  std::vector<std::filesystem::path> files;
  try {
    const Manifest manifest(json, path.parent_path());
    if (const auto run = json.find("run"); run != json.end() && run->is_object()) {
      const auto told = run->find("dt");
      if (dt == 0 && told != run->end() && told->is_number()) dt = told->get<double>() / 1000;
    }
    const auto networks = json.find("networks");
    if (networks == json.end()) {  // of a simulation, which names its circuit
      if (!json["network"].is_string()) refuse_sonata("network is no name of a file");
      const std::filesystem::path circuit = manifest.path(json["network"].get<std::string>());
      if (is_sonata(load_json(circuit)) && load_json(circuit).contains("networks")) {
        SonataNetwork network = read_sonata_config(circuit, dt);
        network.files.push_back(circuit);
        return network;
      }
      refuse_sonata("network " + printable(circuit.string()) + " has no networks");
    }
    if (!networks->is_object()) refuse_sonata("networks is no object");
    add_files(*networks, "nodes", "nodes_file", manifest, files);
    add_files(*networks, "edges", "edges_file", manifest, files);
    if (files.empty()) refuse_sonata("networks names no files");
  } catch (const nlohmann::json::exception& error) {
    refuse_sonata(printable(path.string()) + ": " + error.what());
  } catch (const Error& error) {
    throw error.in_file(path);
  }
  SonataNetwork network = read_sonata_files(files, dt);
  network.files = std::move(files);
  return network;
}

}  // namespace spikeloom
