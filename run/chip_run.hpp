#pragma once
// One chip and one setting of `spikeloom chip`: from the trace to a row of the report.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hw_model/chip/mapper.hpp"
#include "hw_model/report/chip_report.hpp"
#include "run/chip_recording.hpp"

namespace spikeloom {

struct ChipJob {
  // In place of `trace` a network and spikes of other programs.
  std::shared_ptr<const ChipRecording> recording;
  std::filesystem::path trace, mapping, save_mapping, html, timeline, counters;  // empty: none
  std::string title;                                                             // of the page
  std::string chip;
  Mapper mapper = Mapper::kSequential;
  double mapper_budget_s = MapperOptions().budget_s;
  std::vector<std::string> sets;                              // "noc.link_ns_per_flit=0.5"
  std::vector<std::pair<std::string, std::string>> settings;  // of the sweep; on top of `sets`
  Level level = Level::kBottleneck;
  LowerOptions lower;
  bool host = false, check = false, in_turn = false;
  int64_t samples = 0;         // 0: all
  int64_t timeline_steps = 0;  // the first ones
  int threads = 1;
  std::vector<DenseSide> dense;          // what the verdicts compare with
  std::function<void()> before_writing;  // everything is computed; empty: nothing to do

  // Whether it leaves files of its own.
  bool writes() const {
    return !save_mapping.empty() || !html.empty() || !timeline.empty() || !counters.empty();
  }
};

// Reads, lowers, maps, checks capacity, replays and prices. Throws Error as those do; `graph` is
// that of the trace or recording.
ChipRun run_chip_job(const ChipJob& job, const Graph& graph);

// Assignments for load_chip().
std::vector<std::string> chip_sets(const ChipJob& job);

// "loihi2 noc.cast=unicast"
std::string label_of(const ChipJob& job);

}  // namespace spikeloom
