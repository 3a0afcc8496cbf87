#include "hw_model/chip/step_time.hpp"

#include <algorithm>

namespace spikeloom {
namespace {

double value_or_zero(const MaybeConstant& constant) {
  return constant ? constant->value : 0;
}

// Time of the busiest link and which it is. All links of one side of a chip share the way out.
double busiest_link(const Placed& placed, const StepCounter& counter, int32_t& at) {
  const Geometry& geometry = placed.geometry;
  const double link_ns = value_or_zero(placed.chip.noc.link_ns_per_flit);
  const double interchip_ns = value_or_zero(placed.chip.noc.interchip_ns_per_flit);
  std::vector<int64_t> sides(static_cast<size_t>(4 * placed.chip.chips()));
  const bool many = placed.chip.chips() > 1;
  double longest = 0;
  at = -1;
  for (int64_t link = 0; link < geometry.links(); ++link) {
    const int64_t flits = (*counter.link_flits)[static_cast<size_t>(link)];
    if (flits == 0) continue;
    double busy = static_cast<double>(flits) * link_ns;
    if (many) {
      const auto direction = static_cast<Direction>(link / geometry.tiles());
      const int64_t tile = link % geometry.tiles();
      const TilePlace place{static_cast<int32_t>(tile % geometry.width),
                            static_cast<int32_t>(tile / geometry.width)};
      if (geometry.leaves_chip(direction, place)) {
        int64_t& side = sides[static_cast<size_t>(4 * geometry.chip_of(place) + direction)];
        side += flits;
        busy = static_cast<double>(side) * interchip_ns;
      }
    }
    if (busy > longest) {
      longest = busy;
      at = static_cast<int32_t>(link);
    }
  }
  return longest;
}

double barrier_ns(const Placed& placed) {
  const SyncSpec& sync = placed.chip.sync;
  const int64_t used = sync.per_chips ? placed.chips_used : placed.tiles_used;
  double barrier = 0;
  for (size_t i = 0; i < sync.barrier_from.size() && i < sync.barrier_ns.size(); ++i) {
    if (sync.barrier_from[i] <= std::max<int64_t>(used, 1)) barrier = sync.barrier_ns[i];
  }
  return barrier;
}

// Cores that send to each core.
std::vector<std::vector<int32_t>> senders_of(const Placed& placed) {
  std::vector<std::vector<int32_t>> senders(placed.tiles.size());
  for (const PlacedProjection& projection : placed.projections) {
    const PlacedPopulation& source = placed.populations[static_cast<size_t>(projection.source)];
    int64_t last_row = -1;
    int32_t last_core = -1;
    for (uint32_t n = 0; n < source.cores.size(); ++n) {
      const int64_t row = projection.fan_out.row_of(n);
      if (row == last_row && source.cores[n] == last_core) continue;
      last_row = row;
      last_core = source.cores[n];
      for (const FanOut::Entry entry : projection.fan_out.row(row)) {
        auto& list = senders[static_cast<size_t>(entry.core)];
        if (list.empty() || list.back() != last_core) list.push_back(last_core);
      }
    }
  }
  for (auto& list : senders) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return senders;
}

// A core generates step t when it has received step t-1, and has received step t when all its
// senders have generated theirs and it has served their packets.
void run_free(const Placed& placed, ReplayResult& result) {
  const std::vector<std::vector<int32_t>> senders = senders_of(placed);
  const size_t cores = placed.tiles.size();
  std::vector<double> generated(cores), received(cores), started(cores);
  double before = 0;
  for (size_t step = 0; step < result.steps.size(); ++step) {
    const StepCore* times = result.step_cores.data() + step * cores;
    for (size_t core = 0; core < cores; ++core) {
      started[core] = std::max(generated[core], received[core]);
      generated[core] = started[core] + times[core].generate_ns;
    }
    double end = before;
    for (size_t core = 0; core < cores; ++core) {
      double first = 0, last = 0;
      for (size_t i = 0; i < senders[core].size(); ++i) {
        const auto sender = static_cast<size_t>(senders[core][i]);
        first = i == 0 ? started[sender] : std::min(first, started[sender]);
        last = std::max(last, generated[sender]);
      }
      received[core] = std::max(last, std::max(received[core], first) + times[core].receive_ns);
      end = std::max({end, received[core], generated[core]});
    }
    result.steps[step].busy_ns = result.steps[step].time_ns = end - before;
    before = end;
  }
}

}  // namespace

double side_ns(const std::vector<PricedOp>& ops, const int64_t* counts, Side side) noexcept {
  double sum = 0;
  for (size_t op = 0; op < ops.size(); ++op) {
    if (ops[op].side == side && ops[op].cost.latency_ns) {
      sum += static_cast<double>(counts[op]) * ops[op].cost.latency_ns->value;
    }
  }
  return sum;
}

bool is_synaptic(const PricedOp& op) noexcept {
  return op.action == Action::kSynaptic;
}

void bottleneck_time(const Placed& placed, const StepCounter& counter, StepResult& step) {
  const std::vector<PricedOp>& ops = placed.ops.ops;
  const double link_ns = value_or_zero(placed.chip.noc.link_ns_per_flit);
  int32_t link = -1, generating = -1, receiving = -1;
  step.link_ns = busiest_link(placed, counter, link);
  for (size_t core = 0; core < placed.tiles.size(); ++core) {
    const int64_t* row = counter.by_core.data() + core * ops.size();
    // A core's port into and out of its router is a link as well.
    const double generate = std::max(side_ns(ops, row, Side::kGenerate),
                                     static_cast<double>(counter.packets_out[core]) * link_ns);
    const double receive = std::max(side_ns(ops, row, Side::kReceive),
                                    static_cast<double>(counter.packets_in[core]) * link_ns);
    if (generate > step.generate_ns) {
      step.generate_ns = generate;
      generating = static_cast<int32_t>(core);
    }
    if (receive > step.receive_ns) {
      step.receive_ns = receive;
      receiving = static_cast<int32_t>(core);
    }
  }
  step.busy_ns = std::max({step.generate_ns, step.receive_ns, step.link_ns});
  if (step.busy_ns == 0) return;
  if (step.busy_ns == step.receive_ns) {
    step.critical = Critical::kReceive;
    step.critical_at = receiving;
  } else if (step.busy_ns == step.generate_ns) {
    step.critical = Critical::kGenerate;
    step.critical_at = generating;
  } else {
    step.critical = Critical::kLink;
    step.critical_at = link;
  }
}

void end_steps(const Placed& placed, ReplayResult& result) {
  const SyncSpec& sync = placed.chip.sync;
  if (sync.mode == SyncMode::kFreeRun) {
    run_free(placed, result);
    return;
  }
  const double barrier = sync.mode == SyncMode::kBarrier ? barrier_ns(placed) : 0;
  for (StepResult& step : result.steps) {
    step.time_ns = sync.mode == SyncMode::kBarrier ? step.busy_ns + barrier
                                                   : std::max(step.busy_ns, sync.tick_ns);
    if (sync.mode == SyncMode::kFixedTick && step.busy_ns > sync.tick_ns) ++result.overruns;
  }
}

}  // namespace spikeloom
