#include "run/chip_run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/file.hpp"
#include "hw_model/chip/mapper.hpp"
#include "hw_model/chip/mapping_file.hpp"
#include "hw_model/report/chip_counters.hpp"
#include "hw_model/report/chip_timeline.hpp"
#include "hw_model/report/page_chip.hpp"

namespace spikeloom {
namespace {

ReplayOptions replay_options(const ChipJob& job) {
  ReplayOptions options;
  options.level = job.level;
  options.threads = job.threads;
  options.keep_core_traffic = job.check;
  return options;
}

// The mapping, and what a placement gained.
Placement map_job(const ChipJob& job, const ChipNetwork& network, const ChipSpec& chip,
                  const ChipSpikes& spikes) {
  if (job.mapping.empty())
    return map_network(network, chip, spikes, {job.mapper, job.mapper_budget_s, job.threads});
  Placement placed{load_mapping(job.mapping, network, chip), -1, -1};
  check_capacity(network, chip, placed.mapping);
  return placed;
}

// Replays the first steps once more: keeping every core of every step of a long run takes too much.
void write_timeline(const ChipJob& job, const ChipNetwork& network, const ChipSpec& chip,
                    const Mapping& mapping, const ChipSpikes& spikes) {
  const ChipSpikes first = slice_of(spikes, {0, std::min(spikes.steps, job.timeline_steps)});
  ReplayOptions options = replay_options(job);
  options.keep_step_cores = true;
  write_text_file(job.timeline,
                  chip_timeline(chip, replay(network, chip, mapping, first, options)));
}

}  // namespace

std::vector<std::string> chip_sets(const ChipJob& job) {
  std::vector<std::string> sets = job.sets;
  for (const auto& [key, value] : job.settings) {
    if (key != "mapper") sets.push_back(key + "=" + value);
  }
  return sets;
}

std::string label_of(const ChipJob& job) {
  std::string label = job.chip;
  for (const auto& [key, value] : job.settings) label += " " + key + "=" + value;
  return label;
}

namespace {

// Not mapped as a whole: every turn has a mapping of its own.
ChipRun run_in_turn(const ChipJob& job, const LoweredNetwork& lowered, const ChipSpec& chip,
                    const ChipSpikes& spikes, const std::vector<int64_t>& sample_steps) {
  InTurnOptions options;
  options.replay = replay_options(job);
  options.check = job.check;
  const InTurnResult turns = replay_in_turn(lowered.network, chip, spikes, options);
  ChipRun run = price_turns(lowered, chip, turns, sample_steps, job.dense);
  std::string mappings;
  for (const Turn& turn : turns.turns)
    mappings += mapping_json(turn.mapping, turn.network, turns.chip);
  run.mapping_sha256 = sha256_hex(mappings);
  run.label = label_of(job);
  run.settings = job.settings;
  run.mapper = name_of(job.mapper);
  run.weight_bits = job.lower.weight_bits;
  return run;
}

}  // namespace

namespace {

// What is replayed.
struct Replayed {
  ChipSpikes spikes;
  std::vector<int64_t> sample_steps;
  std::string signature;
};

Replayed from_trace(const ChipJob& job, const LoweredNetwork& lowered) {
  const TraceFile trace(job.trace);
  const int64_t samples =
      job.samples > 0 ? job.samples : static_cast<int64_t>(trace.samples().size());
  Replayed replayed{spikes_of(lowered, trace, samples), {}, trace.header().signature};
  for (int64_t s = 0; s < samples; ++s)
    replayed.sample_steps.push_back(trace.samples()[static_cast<size_t>(s)].steps);
  return replayed;
}

Replayed from_recording(const ChipJob& job, const Graph& graph, const LoweredNetwork& lowered) {
  const SpikeRecord& record = job.recording->record;
  const auto all = static_cast<int64_t>(record.sample_steps.size());
  const int64_t samples = job.samples > 0 ? job.samples : all;
  Replayed replayed{spikes_of(lowered, record, samples), {}, signature_of(graph, record)};
  replayed.sample_steps.assign(record.sample_steps.begin(), record.sample_steps.begin() + samples);
  return replayed;
}

// What the network has beside its graph, and what the recording lacks.
void complete(const ChipRecording& recording, LoweredNetwork& lowered) {
  for (size_t q = 0; q < lowered.network.projections.size(); ++q) {
    const auto found = recording.sparse.find(lowered.graph.node(lowered.layers[q]).name);
    if (found != recording.sparse.end()) lowered.network.projections[q].synapses = found->second;
  }
  check_network(lowered.network);
  for (const std::string& name : missing_populations(lowered, recording.record))
    lowered.unpriced.push_back("spikes of " + name + ": the recording has none");
  lowered.unpriced.insert(lowered.unpriced.end(), recording.unpriced.begin(),
                          recording.unpriced.end());
}

}  // namespace

ChipRun run_chip_job(const ChipJob& job, const Graph& graph) {
  const ChipSpec chip = load_chip(job.chip, chip_sets(job));
  LoweredNetwork lowered = lower(graph, chip, job.lower);
  if (job.recording) complete(*job.recording, lowered);
  if (!job.host) refuse_host(lowered, chip);
  const Replayed replayed =
      job.recording ? from_recording(job, graph, lowered) : from_trace(job, lowered);
  const ChipSpikes& spikes = replayed.spikes;
  const std::vector<int64_t>& sample_steps = replayed.sample_steps;
  if (job.in_turn) return run_in_turn(job, lowered, chip, spikes, sample_steps);
  const Placement placed = map_job(job, lowered.network, chip, spikes);
  const ReplayResult result =
      replay(lowered.network, chip, placed.mapping, spikes, replay_options(job));
  if (!job.timeline.empty()) write_timeline(job, lowered.network, chip, placed.mapping, spikes);
  if (job.check) check_result(lowered.network, chip, spikes, result);
  ChipRun run = price_run(lowered, chip, result, sample_steps, job.dense);
  const std::string text = mapping_json(placed.mapping, lowered.network, chip);
  if (job.writes() && job.before_writing) job.before_writing();
  if (!job.save_mapping.empty()) write_text_file(job.save_mapping, text);
  run.label = label_of(job);
  run.settings = job.settings;
  run.mapper = job.mapping.empty() ? name_of(job.mapper) : job.mapping.filename().string();
  run.mapping_sha256 = sha256_hex(text);
  run.packet_hops_before = placed.hops_before;
  run.packet_hops_after = placed.hops_after;
  run.weight_bits = job.lower.weight_bits;
  if (!job.counters.empty()) {
    const std::vector<std::string> sets = chip_sets(job);
    write_chip_counters(
        job.counters, {lowered, chip, placed.mapping, spikes, result, run, chip_text(job.chip),
                       replayed.signature, fmt::format("{}", fmt::join(sets, ", ")), job.threads});
  }
  if (!job.html.empty()) {
    write_text_file(job.html, chip_page(job.title, run, chip, result));
  }
  return run;
}

}  // namespace spikeloom
