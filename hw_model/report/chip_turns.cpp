// Networks that run on a chip in turns, as rows of a chip report.

#include "hw_model/report/chip_break_even.hpp"
#include "hw_model/report/chip_json.hpp"

namespace spikeloom {
namespace {

constexpr double kSecondsPerNs = 1e-9;

ChipRun::Turn row_of(const Turn& turn) {
  const size_t running = turn.populations.size() - static_cast<size_t>(turn.stored);
  ChipRun::Turn row;
  row.first = turn.network.populations[0].name;
  row.last = turn.network.populations[running - 1].name;
  row.layers = static_cast<int64_t>(running);
  row.cores = turn.result.cores_used;
  row.weight_bytes = turn.weight_bytes;
  row.read_bytes = turn.read_bytes;
  row.written_bytes = turn.written_bytes;
  row.seconds = turn.result.total().time_ns * kSecondsPerNs;
  return row;
}

void add_time(const InTurnResult& turns, ChipRun& run) {
  const double seconds = turns.time_ns() * kSecondsPerNs;
  if (seconds <= 0) return;
  run.utilisation *= run.totals.time_ns / turns.time_ns();
  run.latency_s = seconds / static_cast<double>(run.samples);
  run.step_s = seconds / static_cast<double>(run.steps);
  run.throughput = static_cast<double>(run.samples) / seconds;
}

}  // namespace

ChipRun price_turns(const LoweredNetwork& lowered, const ChipSpec& chip, const InTurnResult& turns,
                    const std::vector<int64_t>& sample_steps,
                    const std::vector<DenseSide>& baselines) {
  const ReplayResult sum = turns.sum(lowered.network);
  ChipRun run = price_run(lowered, chip, sum, sample_steps);
  const auto samples = static_cast<double>(run.samples);
  run.steps = 0;  // of the run, not of every turn
  for (const int64_t steps : sample_steps) run.steps += steps;
  const ChipEnergy energy = turns.energy();
  run.static_j = energy.static_j / samples;
  run.idle_j = energy.idle_j / samples;
  run.sync_j = energy.sync_j / samples;
  run.reload_j = turns.outside_j.value_or(0) / samples;
  if (run.level != Level::kCounts) {
    run.reload_s = turns.outside_ns.value_or(0) * kSecondsPerNs / samples;
    add_time(turns, run);
  }
  run.total_j = run.dynamic_j + run.static_j + run.idle_j + run.sync_j + run.host_j + run.reload_j;
  run.unpriced.insert(run.unpriced.end(), turns.unpriced.begin(), turns.unpriced.end());
  run.known.reload_j = turns.loads == 0 || turns.outside_j.has_value();
  run.known.reload_s =
      run.level != Level::kCounts && (turns.loads == 0 || turns.outside_ns.has_value());
  run.loads = turns.loads;
  run.loaded_bytes = turns.loaded_bytes;
  run.spike_bytes = turns.spike_bytes;
  for (const Turn& turn : turns.turns) run.turns.push_back(row_of(turn));
  add_break_even(lowered, chip, sum, sample_steps, baselines, run);
  if (turns.loads == 0) return run;
  for (const MaybeConstant* price : {&chip.reload_pj_per_byte, &chip.reload_ns_per_byte}) {
    if (*price) run.weakest = weaker_mark(run.weakest, (*price)->mark);
  }
  return run;
}

nlohmann::json turns_json(const ChipRun& run) {
  nlohmann::json groups = nlohmann::json::array();
  for (const ChipRun::Turn& turn : run.turns) {
    groups.push_back({{"first", turn.first},
                      {"last", turn.last},
                      {"layers", turn.layers},
                      {"cores", turn.cores},
                      {"weight_bytes", turn.weight_bytes},
                      {"read_bytes", turn.read_bytes},
                      {"written_bytes", turn.written_bytes},
                      {"seconds", turn.seconds}});
  }
  return {{"loads", run.loads},
          {"loaded_bytes", run.loaded_bytes},
          {"spike_bytes", run.spike_bytes},
          {"reload_s_per_inference",
           run.known.reload_s ? nlohmann::json(run.reload_s) : nlohmann::json()},
          {"groups", std::move(groups)}};
}

}  // namespace spikeloom
