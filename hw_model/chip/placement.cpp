#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/rng.hpp"
#include "hw_model/chip/mapper.hpp"
#include "hw_model/chip/noc.hpp"

namespace spikeloom {
namespace {

struct Edge {
  int32_t to = 0;  // logical core
  int64_t packets = 0;
};

// What used cores say to each other; logical core i is the i-th used core of the mapping given.
struct TrafficGraph {
  std::vector<int64_t> cores;            // by logical core, ascending
  std::vector<std::vector<Edge>> edges;  // both directions added up; none to itself
};

TrafficGraph graph_of(const Mapping& mapping, const std::vector<Traffic>& traffic) {
  TrafficGraph graph;
  for (const Box& box : mapping.boxes) graph.cores.push_back(box.core);
  for (const auto& cores : mapping.cores) {
    graph.cores.insert(graph.cores.end(), cores.begin(), cores.end());
  }
  std::sort(graph.cores.begin(), graph.cores.end());
  graph.cores.erase(std::unique(graph.cores.begin(), graph.cores.end()), graph.cores.end());
  graph.edges.resize(graph.cores.size());
  const auto logical = [&](int32_t core) {
    return static_cast<size_t>(std::lower_bound(graph.cores.begin(), graph.cores.end(), core) -
                               graph.cores.begin());
  };
  for (const Traffic& pair : traffic) {
    if (pair.from == pair.to) continue;
    const size_t a = logical(pair.from), b = logical(pair.to);
    graph.edges[a].push_back({static_cast<int32_t>(b), pair.packets});
    graph.edges[b].push_back({static_cast<int32_t>(a), pair.packets});
  }
  return graph;
}

class Distances {
 public:
  explicit Distances(const ChipSpec& chip) : geometry_(chip) {
    for (int64_t core = 0; core < chip.cores(); ++core) {
      tiles_.push_back(geometry_.tile_of_core(core));
    }
  }
  int64_t hops(int64_t a, int64_t b) const noexcept {
    const TilePlace by =
        geometry_.offset(tiles_[static_cast<size_t>(a)], tiles_[static_cast<size_t>(b)]);
    return std::abs(by.x) + std::abs(by.y);
  }

 private:
  Geometry geometry_;
  std::vector<TilePlace> tiles_;
};

std::vector<int64_t> usable_cores(const ChipSpec& chip) {
  const int64_t per_chip = chip.usable_cores.value_or(chip.cores_per_chip());
  std::vector<int64_t> cores;
  for (int64_t core = 0; core < chip.cores(); ++core) {
    if (core % chip.cores_per_chip() < per_chip) cores.push_back(core);
  }
  return cores;
}

// `place[i]`: new core of logical core i.
Placement moved(const ChipSpec& chip, const Mapping& mapping, const std::vector<Traffic>& traffic,
                const TrafficGraph& graph, const std::vector<int64_t>& place) {
  std::vector<int64_t> new_core(static_cast<size_t>(chip.cores()));
  for (size_t i = 0; i < place.size(); ++i) {
    new_core[static_cast<size_t>(graph.cores[i])] = place[i];
  }
  Placement out{mapping, packet_hops(chip, traffic), 0};
  std::vector<Traffic> after = traffic;
  for (Traffic& pair : after) {
    pair.from = static_cast<int32_t>(new_core[static_cast<size_t>(pair.from)]);
    pair.to = static_cast<int32_t>(new_core[static_cast<size_t>(pair.to)]);
  }
  out.hops_after = packet_hops(chip, after);
  if (out.hops_after > out.hops_before) {
    out.hops_after = out.hops_before;
    return out;
  }
  for (Box& box : out.mapping.boxes) box.core = new_core[static_cast<size_t>(box.core)];
  for (auto& cores : out.mapping.cores) {
    for (int32_t& core : cores) {
      core = static_cast<int32_t>(new_core[static_cast<size_t>(core)]);
    }
  }
  return out;
}

// Hops of one logical core's packets, were it on `core`. `other` is taken to be on `other_core`.
int64_t cost_at(const TrafficGraph& graph, const Distances& distances,
                const std::vector<int64_t>& place, size_t logical, int64_t core) {
  int64_t cost = 0;
  for (const Edge& edge : graph.edges[logical]) {
    const int64_t there = place[static_cast<size_t>(edge.to)];
    if (there >= 0) cost += edge.packets * distances.hops(core, there);
  }
  return cost;
}

class Annealer {
 public:
  Annealer(const ChipSpec& chip, const TrafficGraph& graph, const AnnealingOptions& options)
      : graph_(graph),
        options_(options),
        distances_(chip),
        cores_(usable_cores(chip)),
        place_(graph.cores),
        holder_(static_cast<size_t>(chip.cores()), -1) {
    for (size_t i = 0; i < place_.size(); ++i) {
      holder_[static_cast<size_t>(place_[i])] = static_cast<int64_t>(i);
    }
  }

  std::vector<int64_t> run() {
    std::vector<int64_t> best = place_;
    if (place_.empty() || cores_.size() < 2) return best;
    const double start = mean_change();
    int64_t gain = 0, best_gain = 0;
    for (int64_t move = 0; move < options_.moves; ++move) {
      const double temperature =
          start * std::pow(1e-3, static_cast<double>(move) / static_cast<double>(options_.moves));
      const auto [logical, core] = pick(move, 0);
      const int64_t change = change_of(logical, core);
      if (change > 0) {
        const double chance =
            temperature > 0 ? std::exp(-static_cast<double>(change) / temperature) : 0;
        if (uniform(move, 2) >= chance) continue;
      }
      swap(logical, core);
      gain -= change;
      if (gain > best_gain) {
        best_gain = gain;
        best = place_;
      }
    }
    return best;
  }

 private:
  struct Pick {
    size_t logical;
    int64_t core;
  };

  uint64_t draw(int64_t move, uint64_t which) const {
    return random_bits(options_.seed, which, static_cast<uint64_t>(move));
  }
  double uniform(int64_t move, uint64_t which) const {
    return static_cast<double>(draw(move, which) >> 11) * 0x1p-53;
  }
  // Streams 0 to 2 draw the moves, 3 and 4 those that set the first temperature.
  Pick pick(int64_t move, uint64_t stream) const {
    return {static_cast<size_t>(draw(move, stream) % place_.size()),
            cores_[static_cast<size_t>(draw(move, stream + 1) % cores_.size())]};
  }

  // Of hops, if `logical` and what is on `core` changed places.
  int64_t change_of(size_t logical, int64_t core) {
    const int64_t from = place_[logical];
    if (core == from) return 0;
    const int64_t other = holder_[static_cast<size_t>(core)];
    const auto cost = [&] {
      int64_t sum = cost_at(graph_, distances_, place_, logical, place_[logical]);
      if (other >= 0) {
        const auto o = static_cast<size_t>(other);
        sum += cost_at(graph_, distances_, place_, o, place_[o]);
      }
      return sum;
    };
    const int64_t before = cost();
    swap(logical, core);
    const int64_t after = cost();
    swap(logical, from);
    return after - before;
  }

  void swap(size_t logical, int64_t core) {
    const int64_t from = place_[logical], other = holder_[static_cast<size_t>(core)];
    holder_[static_cast<size_t>(from)] = other;
    if (other >= 0) place_[static_cast<size_t>(other)] = from;
    place_[logical] = core;
    holder_[static_cast<size_t>(core)] = static_cast<int64_t>(logical);
  }

  double mean_change() {
    constexpr int64_t kSamples = 100;
    double sum = 0;
    for (int64_t move = 0; move < kSamples; ++move) {
      const auto [logical, core] = pick(move, 3);
      sum += static_cast<double>(std::abs(change_of(logical, core)));
    }
    return sum / kSamples;
  }

  const TrafficGraph& graph_;
  const AnnealingOptions& options_;
  Distances distances_;
  std::vector<int64_t> cores_;
  std::vector<int64_t> place_;   // core of each logical core
  std::vector<int64_t> holder_;  // logical core on each core; -1: free
};

}  // namespace

int64_t packet_hops(const ChipSpec& chip, const std::vector<Traffic>& traffic) {
  const Distances distances(chip);
  int64_t sum = 0;
  for (const Traffic& pair : traffic) sum += pair.packets * distances.hops(pair.from, pair.to);
  return sum;
}

Placement place_greedy(const ChipSpec& chip, const Mapping& mapping,
                       const std::vector<Traffic>& traffic) {
  const TrafficGraph graph = graph_of(mapping, traffic);
  const Distances distances(chip);
  std::vector<int64_t> free = usable_cores(chip);
  const size_t count = graph.cores.size();
  std::vector<int64_t> place(count, -1), total(count), placed(count);
  for (size_t i = 0; i < count; ++i) {
    for (const Edge& edge : graph.edges[i]) total[i] += edge.packets;
  }
  for (size_t round = 0; round < count; ++round) {
    // Most traffic with those placed, then most traffic at all, then the lowest number.
    size_t next = count;
    for (size_t i = 0; i < count; ++i) {
      if (place[i] >= 0) continue;
      if (next == count || placed[i] > placed[next] ||
          (placed[i] == placed[next] && total[i] > total[next])) {
        next = i;
      }
    }
    // The first one goes to the middle of the list of cores.
    size_t where = round == 0 ? free.size() / 2 : 0;
    int64_t least = -1;
    for (size_t f = 0; round > 0 && f < free.size(); ++f) {
      const int64_t cost = cost_at(graph, distances, place, next, free[f]);
      if (least < 0 || cost < least) {
        least = cost;
        where = f;
      }
    }
    place[next] = free[where];
    free.erase(free.begin() + static_cast<std::ptrdiff_t>(where));
    for (const Edge& edge : graph.edges[next]) placed[static_cast<size_t>(edge.to)] += edge.packets;
  }
  return moved(chip, mapping, traffic, graph, place);
}

Placement place_annealed(const ChipSpec& chip, const Mapping& mapping,
                         const std::vector<Traffic>& traffic, const AnnealingOptions& options) {
  const TrafficGraph graph = graph_of(mapping, traffic);
  return moved(chip, mapping, traffic, graph, Annealer(chip, graph, options).run());
}

Placement place(Mapper mapper, const ChipSpec& chip, const Mapping& mapping,
                const std::vector<Traffic>& traffic) {
  switch (mapper) {
    case Mapper::kSequential:
    case Mapper::kTime:
    case Mapper::kEnergy:
    case Mapper::kEdp:
    case Mapper::kTraffic: break;
    case Mapper::kGreedy: return place_greedy(chip, mapping, traffic);
    case Mapper::kAnneal: return place_annealed(chip, mapping, traffic, {});
  }
  const int64_t hops = packet_hops(chip, traffic);
  return {mapping, hops, hops};
}

Mapper mapper_named(std::string_view name, std::string_view what) {
  std::string message = std::string(what) + ": expected ";
  std::vector<std::string> known;
  for (const char* mapper : kMapperNames) {
    if (name == mapper) return static_cast<Mapper>(known.size());
    message += (known.empty() ? "" : ", ") + std::string(mapper);
    known.emplace_back(mapper);
  }
  message += ", found " + in_quotes(name);
  const std::string near = nearest(name, known);
  if (!near.empty()) message += "; did you mean " + near + "?";
  throw Error(ErrorCode::kUsage, message);
}

}  // namespace spikeloom
