#include "hw_model/chip/replay.hpp"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <optional>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "hw_model/chip/event.hpp"
#include "hw_model/chip/placed.hpp"
#include "hw_model/chip/step_counter.hpp"
#include "hw_model/chip/step_time.hpp"

namespace spikeloom {
namespace {

void add_to(std::vector<int64_t>& sums, const std::vector<int64_t>& more) {
  for (size_t i = 0; i < sums.size(); ++i) sums[i] += more[i];
}

// Counts of a range of steps; merged into the result under a lock. Integers: any order will do.
struct Sums {
  std::vector<int64_t> by_core, by_layer, events, deliveries, link_flits;

  explicit Sums(const ReplayResult& shape)
      : by_core(shape.by_core.size()),
        by_layer(shape.by_layer.size()),
        events(shape.events.size()),
        deliveries(shape.deliveries.size()),
        link_flits(shape.link_flits.size()) {}

  void add(const StepCounter& step) {
    add_to(by_core, step.by_core);
    add_to(by_layer, step.by_layer);
    add_to(events, step.events);
    add_to(deliveries, step.deliveries);
    add_to(link_flits, *step.link_flits);
  }

  void add_into(ReplayResult& result) const {
    add_to(result.by_core, by_core);
    add_to(result.by_layer, by_layer);
    add_to(result.events, events);
    add_to(result.deliveries, deliveries);
    add_to(result.link_flits, link_flits);
  }
};

ReplayResult empty_result(const Placed& placed, int64_t step_count, const ReplayOptions& options) {
  ReplayResult result;
  result.level = options.level;
  result.ops = placed.ops.ops;
  result.steps.resize(static_cast<size_t>(step_count));
  result.cores = placed.chip.cores();
  result.populations = static_cast<int64_t>(placed.populations.size());
  result.links = placed.geometry.links();
  result.cores_used = placed.cores_used;
  result.tiles_used = placed.tiles_used;
  result.chips_used = placed.chips_used;
  const auto steps = static_cast<size_t>(step_count), cores = placed.tiles.size();
  const auto links = static_cast<size_t>(result.links);
  result.by_core.resize(cores * result.ops.size());
  result.by_layer.resize(placed.populations.size() * result.ops.size());
  result.events.resize(placed.projections.size());
  result.deliveries.resize(placed.projections.size());
  result.link_flits.resize(links);
  const bool free_run = placed.chip.sync.mode == SyncMode::kFreeRun;
  if (options.keep_step_cores || (free_run && options.level != Level::kCounts)) {
    result.step_cores.resize(steps * cores);
  }
  if (options.keep_step_links) result.step_links.resize(steps * links);
  return result;
}

void keep_step(const StepCounter& counter, const OpTable& ops, int64_t step, ReplayResult& result) {
  const auto cores = static_cast<size_t>(result.cores);
  for (size_t core = 0; core < cores && !result.step_cores.empty(); ++core) {
    const int64_t* row = counter.by_core.data() + core * result.ops.size();
    StepCore& out = result.step_cores[static_cast<size_t>(step) * cores + core];
    out.generate_ns = side_ns(result.ops, row, Side::kGenerate);
    out.receive_ns = side_ns(result.ops, row, Side::kReceive);
    out.packets_in = static_cast<int32_t>(row[ops.axon_in]);
    out.packets_out = static_cast<int32_t>(row[ops.axon_out]);
    for (size_t op = 0; op < result.ops.size(); ++op) {
      if (is_synaptic(result.ops[op])) out.events += static_cast<int32_t>(row[op]);
      if (result.ops[op].action == Action::kFire) out.fired += static_cast<int32_t>(row[op]);
      if (result.ops[op].action == Action::kUpdate) out.updated += static_cast<int32_t>(row[op]);
    }
  }
  if (!result.step_links.empty()) {
    std::copy(counter.link_flits->begin(), counter.link_flits->end(),
              result.step_links.begin() + step * result.links);
  }
}

// `lost`: packets and hops the event level did not see. Errors wait until all threads are done.
void run_steps(const Placed& placed, const ChipSpikes& spikes, const ReplayOptions& options,
               int64_t begin, int64_t end, std::mutex& lock, ReplayResult& result, int64_t& lost) {
  StepCounter counter(placed, spikes, options);
  std::optional<EventModel> events;
  if (options.level == Level::kEvent) events.emplace(placed, spikes);
  Sums sums(result);
  int64_t lost_here = 0;
  for (int64_t step = begin; step < end; ++step) {
    counter.count(step);
    StepResult& out = result.steps[static_cast<size_t>(step)];
    out = counter.result;
    if (options.level != Level::kCounts) bottleneck_time(placed, counter, out);
    if (events) {
      const EventOutcome outcome = events->run(step, counter, out.busy_ns);
      out.busy_ns = outcome.busy_ns;
      out.blocked_ns = outcome.blocked_ns;
      out.latency_ns = outcome.latency_ns;
      lost_here += std::abs(outcome.delivered - out.deliveries) + std::abs(outcome.hops - out.hops);
    }
    keep_step(counter, placed.ops, step, result);
    sums.add(counter);
  }
  const std::scoped_lock guard(lock);
  sums.add_into(result);
  lost += lost_here;
  for (const auto& [pair, packets] : counter.traffic) {
    result.traffic.push_back({static_cast<int32_t>(pair / result.cores),
                              static_cast<int32_t>(pair % result.cores), packets});
  }
}

// Parts of several threads become one list by (from, to).
void merge_traffic(std::vector<Traffic>& traffic) {
  std::sort(traffic.begin(), traffic.end(), [](const Traffic& a, const Traffic& b) {
    return a.from != b.from ? a.from < b.from : a.to < b.to;
  });
  size_t kept = 0;
  for (size_t i = 0; i < traffic.size(); ++i) {
    if (kept > 0 && traffic[kept - 1].from == traffic[i].from &&
        traffic[kept - 1].to == traffic[i].to) {
      traffic[kept - 1].packets += traffic[i].packets;
    } else {
      traffic[kept++] = traffic[i];
    }
  }
  traffic.resize(kept);
}

Placed place_for(const ChipNetwork& network, const ChipSpec& chip, const Mapping& mapping,
                 const ReplayOptions& options) {
  if (chip.sync.mode == SyncMode::kFreeRun && options.level == Level::kEvent) {
    throw Error(ErrorCode::kUsage, "sync.mode free_run is there at level bottleneck only");
  }
  Placed placed = place(network, chip, mapping);
  if (options.level == Level::kEvent) rank_neurons(placed);
  return placed;
}

ReplayResult replay_placed(const Placed& placed, const ChipSpikes& spikes,
                           const ReplayOptions& options) {
  check_spikes(placed.network, spikes);
  ReplayResult result = empty_result(placed, spikes.steps, options);
  std::mutex lock;
  int64_t lost = 0;
  // A few blocks per thread even out their loads without making many counters.
  const int64_t blocks = options.threads > 1 ? int64_t{4} * options.threads : 1;
  parallel_for(spikes.steps, (spikes.steps + blocks - 1) / blocks, options.threads,
               [&](int64_t begin, int64_t end) {
                 run_steps(placed, spikes, options, begin, end, lock, result, lost);
               });
  if (lost != 0) {
    throw Error(ErrorCode::kInternal, "chip replay: the network on chip lost " +
                                          std::to_string(lost) + " packets or hops");
  }
  merge_traffic(result.traffic);
  if (options.level != Level::kCounts) end_steps(placed, result);
  if (!options.keep_step_cores) result.step_cores = {};
  return result;
}

}  // namespace

ReplayResult replay(const ChipNetwork& network, const ChipSpec& chip, const Mapping& mapping,
                    const ChipSpikes& spikes, const ReplayOptions& options) {
  return replay_placed(place_for(network, chip, mapping, options), spikes, options);
}

Replayer::Replayer(const ChipNetwork& network, const ChipSpec& chip, const Mapping& mapping,
                   const ReplayOptions& options)
    : placed_(std::make_unique<const Placed>(place_for(network, chip, mapping, options))),
      options_(options),
      result_(empty_result(*placed_, 0, options)) {
  if (chip.sync.mode == SyncMode::kFreeRun) {
    throw Error(ErrorCode::kUsage,
                "sync.mode free_run lets samples overlap: it takes a whole trace at once");
  }
}

Replayer::~Replayer() = default;

void Replayer::add(const ChipSpikes& spikes) {
  const ReplayResult part = replay_placed(*placed_, spikes, options_);
  for (const StepResult& step : part.steps) result_.earlier.add(step);
  add_to(result_.by_core, part.by_core);
  add_to(result_.by_layer, part.by_layer);
  add_to(result_.events, part.events);
  add_to(result_.deliveries, part.deliveries);
  add_to(result_.link_flits, part.link_flits);
  result_.overruns += part.overruns;
}

void StepSums::add(const StepResult& step) {
  ++steps;
  total.fired += step.fired;
  total.updated += step.updated;
  total.messages += step.messages;
  total.deliveries += step.deliveries;
  total.hops += step.hops;
  total.events += step.events;
  total.busy_ns += step.busy_ns;
  total.time_ns += step.time_ns;
  total.generate_ns += step.generate_ns;
  total.receive_ns += step.receive_ns;
  total.link_ns += step.link_ns;
  total.blocked_ns += step.blocked_ns;
  total.latency_ns += step.latency_ns;
  if (step.critical == Critical::kNone) return;
  Share& share = critical[{step.critical, step.critical_at}];
  share.busy_ns += step.busy_ns;
  ++share.steps;
  critical_ns += step.busy_ns;
}

StepSums ReplayResult::sums() const {
  StepSums sums = earlier;
  for (const StepResult& step : steps) sums.add(step);
  return sums;
}

int64_t ReplayResult::count(size_t op) const {
  int64_t sum = 0;
  for (size_t row = op; row < by_core.size(); row += ops.size()) sum += by_core[row];
  return sum;
}

}  // namespace spikeloom
