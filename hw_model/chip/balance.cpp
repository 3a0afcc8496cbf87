#include <algorithm>
#include <cmath>
#include <optional>

#include "core/error.hpp"
#include "hw_model/chip/cut.hpp"
#include "hw_model/chip/mapper.hpp"

namespace spikeloom {
namespace {

// Deliveries and core-steps replayed in what counts as a second: a unit of work, so that no clock
// decides.
constexpr double kWorkPerSecond = 2e7;
// Replays of its sample that a budget should suffice for: to search by, and to judge by.
constexpr double kReplays = 1000, kJudged = 16;
// A norm close to the largest of its numbers that still falls with every one of them.
constexpr double kNorm = 8;

ReplayOptions replay_options(const MapperOptions& options) {
  ReplayOptions replay;
  replay.threads = options.threads;
  replay.keep_core_traffic = true;
  return replay;
}

// `count` samples at equal distances, as a record of their own.
ChipSpikes some_samples(const ChipSpikes& spikes, int64_t count) {
  const auto all = static_cast<int64_t>(spikes.sample_starts.size());
  ChipSpikes out;
  out.populations.resize(spikes.populations.size());
  for (ChipSpikes::Population& population : out.populations) population.first = {0};
  for (int64_t i = 0; i < count; ++i) {
    const auto s = static_cast<size_t>(i * all / count);
    const int64_t begin = spikes.sample_starts[s];
    const int64_t end =
        s + 1 < spikes.sample_starts.size() ? spikes.sample_starts[s + 1] : spikes.steps;
    out.sample_starts.push_back(out.steps);
    for (size_t p = 0; p < out.populations.size(); ++p) {
      ChipSpikes::Population& to = out.populations[p];
      const std::vector<int64_t>& updated = spikes.populations[p].updated;
      for (int64_t step = begin; step < end; ++step) {
        const auto fired = spikes.at(p, step);
        to.neurons.insert(to.neurons.end(), fired.begin(), fired.end());
        to.first.push_back(static_cast<int64_t>(to.neurons.size()));
        if (!updated.empty()) to.updated.push_back(updated[static_cast<size_t>(step)]);
      }
    }
    out.steps += end - begin;
  }
  return out;
}

// A cut, and how busy it keeps the cores.
struct Trial {
  std::vector<BlockShape> shapes;
  Mapping mapping;
  double load_ns = 0;            // of all steps; the norm over the cores
  std::vector<double> share_ns;  // by core: its part in that
};

void measure_load(const ReplayResult& result, Trial& trial) {
  const auto cores = static_cast<size_t>(result.cores);
  trial.share_ns.resize(cores);
  std::vector<double> part(cores);
  for (size_t step = 0; step < result.steps.size(); ++step) {
    const StepCore* row = result.step_cores.data() + step * cores;
    double most = 0, sum = 0;
    for (size_t c = 0; c < cores; ++c)
      most = std::max({most, row[c].generate_ns, row[c].receive_ns});
    if (most == 0) continue;
    for (size_t c = 0; c < cores; ++c) {
      part[c] = std::pow(std::max(row[c].generate_ns, row[c].receive_ns) / most, kNorm);
      sum += part[c];
    }
    const double norm = most * std::pow(sum, 1 / kNorm);
    for (size_t c = 0; c < cores; ++c) trial.share_ns[c] += norm * part[c] / sum;
    trial.load_ns += norm;
  }
}

class Spreading {
 public:
  Spreading(const ChipNetwork& network, const ChipSpec& chip, const ChipSpikes& spikes,
            const MapperOptions& options)
      : network_(network),
        chip_(chip),
        spikes_(spikes),
        most_work_(options.budget_s * kWorkPerSecond),
        usable_(chip.usable_cores.value_or(chip.cores_per_chip()) * chip.chips()) {}

  Mapping run() {
    std::vector<BlockShape> fewest = fewest_boxes(network_, chip_);
    if (boxes(fewest) > usable_) return map_shapes(network_, chip_, fewest);
    Trial now = trial(std::move(fewest));
    std::vector<bool> stuck(network_.populations.size());
    while (work_ < most_work_) {
      const auto busiest = most_loaded(now, stuck);
      if (!busiest) break;
      if (std::optional<Trial> finer = best_refinement(now, *busiest)) {
        now = std::move(*finer);
        std::fill(stuck.begin(), stuck.end(), false);
      } else {
        stuck[*busiest] = true;
      }
    }
    return now.mapping;
  }

 private:
  int64_t boxes(const std::vector<BlockShape>& shapes) const {
    int64_t sum = 0;
    for (size_t p = 0; p < shapes.size(); ++p)
      if (network_.populations[p].beside < 0) sum += boxes_of(network_.populations[p], shapes[p]);
    return sum;
  }

  Trial trial(std::vector<BlockShape> shapes) {
    Trial out{std::move(shapes), {}, 0, {}};
    out.mapping = map_shapes(network_, chip_, out.shapes);
    ReplayOptions options;
    options.keep_step_cores = true;
    const ReplayResult result = replay(network_, chip_, out.mapping, spikes_, options);
    work_ += static_cast<double>(result.total().deliveries + result.cores * spikes_.steps);
    measure_load(result, out);
    return out;
  }

  // The population of the most loaded core that is not stuck.
  std::optional<size_t> most_loaded(const Trial& now, const std::vector<bool>& stuck) const {
    std::optional<size_t> found;
    double most = 0;
    for (const Box& box : now.mapping.boxes) {
      const auto p = static_cast<size_t>(box.population);
      const double share = now.share_ns[static_cast<size_t>(box.core)];
      if (network_.populations[p].beside >= 0 || stuck[p] || share <= most) continue;
      most = share;
      found = p;
    }
    return found;
  }

  // Cuts of a population that are finer along one axis: by one part, and twice as many.
  std::vector<BlockShape> finer_than(size_t p, const BlockShape& shape) const {
    const ChipPopulation& population = network_.populations[p];
    const int axes = keeps_tokens_together(network_, p) ? 1 : 3;
    const int64_t extents[] = {population.channels, population.height, population.width};
    int64_t BlockShape::*const sides[] = {&BlockShape::channels, &BlockShape::height,
                                          &BlockShape::width};
    std::vector<BlockShape> finer;
    for (int axis = 0; axis < axes; ++axis) {
      const int64_t extent = extents[axis], block = shape.*sides[axis];
      if (block == 1) continue;
      const int64_t parts = (extent + block - 1) / block;
      int64_t last = block;
      for (const int64_t wanted : {parts + 1, 2 * parts}) {
        BlockShape cut = shape;
        cut.*sides[axis] = std::min(block - 1, (extent + wanted - 1) / wanted);
        if (cut.*sides[axis] != last) finer.push_back(cut);
        last = cut.*sides[axis];
      }
    }
    return finer;
  }

  // The one that takes off most load for each core; nothing: none does.
  std::optional<Trial> best_refinement(const Trial& now, size_t p) {
    const int64_t held = boxes(now.shapes);
    std::optional<Trial> best;
    double best_gain = 0;
    for (const BlockShape& shape : finer_than(p, now.shapes[p])) {
      std::vector<BlockShape> shapes = now.shapes;
      shapes[p] = shape;
      const int64_t more = boxes(shapes) - held;
      if (held + more > usable_) continue;
      Trial next = trial(std::move(shapes));
      const double gain = (now.load_ns - next.load_ns) / static_cast<double>(more);
      if (gain <= best_gain) continue;
      best_gain = gain;
      best = std::move(next);
    }
    return best;
  }

  const ChipNetwork& network_;
  const ChipSpec& chip_;
  const ChipSpikes& spikes_;
  const double most_work_;
  const int64_t usable_;
  double work_ = 0;
};

double cost_of(Mapper aim, const ChipSpec& chip, const ReplayResult& result) {
  const StepResult total = result.total();
  if (aim == Mapper::kTraffic) return static_cast<double>(total.hops);
  if (aim == Mapper::kTime) return total.time_ns;
  const double joules = energy_of(chip, result).total_j();
  return aim == Mapper::kEnergy ? joules : joules * total.time_ns;
}

bool fits(const ChipNetwork& network, const ChipSpec& chip, const Mapping& mapping) {
  try {
    check_capacity(network, chip, mapping);
    return true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCapacity) throw;
    return false;
  }
}

// The cheapest of the mappings it was offered, the first of equals.
struct Cheapest {
  const ChipNetwork& network;
  const ChipSpec& chip;
  const ChipSpikes& spikes;
  const MapperOptions& options;
  std::optional<double> cost{};
  Mapping mapping{};
  std::vector<Traffic> traffic{};

  void offer(const Mapping& offered) {
    ReplayResult result = replay(network, chip, offered, spikes, replay_options(options));
    const double offered_cost = cost_of(options.kind, chip, result);
    if (cost && offered_cost >= *cost) return;
    cost = offered_cost;
    mapping = offered;
    traffic = std::move(result.traffic);
  }

  // What placing makes of the first that was offered. A core's contents move as a whole: what it
  // holds is what it held, what it sends may not be.
  void place(Mapping offered) {
    const std::vector<Traffic> said = traffic;
    for (const Placement& placed :
         {place_greedy(chip, offered, said), place_annealed(chip, offered, said, {})}) {
      if (fits(network, chip, placed.mapping)) offer(placed.mapping);
    }
  }
};

// As many samples as replays of them all may take `seconds`, by the spikes of an average one.
ChipSpikes sample_for(const ChipSpikes& spikes, double seconds, double replays) {
  const auto samples = static_cast<int64_t>(spikes.sample_starts.size());
  double fired = 0;
  for (const ChipSpikes::Population& population : spikes.populations)
    fired += static_cast<double>(population.neurons.size());
  const double of_one = std::max(1.0, fired / static_cast<double>(samples));
  const auto count = static_cast<int64_t>(seconds * kWorkPerSecond / replays / of_one);
  return some_samples(spikes, std::clamp<int64_t>(count, 1, samples));
}

Placement map_cheapest(const ChipNetwork& network, const ChipSpec& chip, const ChipSpikes& all,
                       const MapperOptions& options) {
  const Mapping sequential = map_sequential(network, chip);
  check_capacity(network, chip, sequential);
  const ChipSpikes judged = sample_for(all, options.budget_s, kJudged);
  Cheapest cheapest{network, chip, judged, options};
  cheapest.offer(sequential);
  cheapest.place(sequential);
  // More cores send more packets: never the way to fewer hops.
  if (options.kind != Mapper::kTraffic) {
    const ChipSpikes sample = sample_for(all, options.budget_s, kReplays);
    Cheapest finer{network, chip, sample, options};
    finer.offer(Spreading(network, chip, sample, options).run());
    finer.place(finer.mapping);
    if (fits(network, chip, finer.mapping)) cheapest.offer(finer.mapping);
  }
  return {std::move(cheapest.mapping), -1, -1};
}

// The order of the layers, then moved by what the cores say to each other.
Placement map_and_place(const ChipNetwork& network, const ChipSpec& chip, const ChipSpikes& spikes,
                        const MapperOptions& options) {
  Placement placed{map_sequential(network, chip), -1, -1};
  check_capacity(network, chip, placed.mapping);
  if (options.kind == Mapper::kSequential) return placed;
  ReplayOptions counts = replay_options(options);
  counts.level = Level::kCounts;
  const std::vector<Traffic> traffic =
      replay(network, chip, placed.mapping, spikes, counts).traffic;
  placed = place(options.kind, chip, placed.mapping, traffic);
  check_capacity(network, chip, placed.mapping);
  return placed;
}

}  // namespace

Placement map_network(const ChipNetwork& network, const ChipSpec& chip, const ChipSpikes& spikes,
                      const MapperOptions& options) {
  const bool moves_only = options.kind < Mapper::kTime;
  if (moves_only || spikes.sample_starts.empty())
    return map_and_place(network, chip, spikes, options);
  return map_cheapest(network, chip, spikes, options);
}

}  // namespace spikeloom
