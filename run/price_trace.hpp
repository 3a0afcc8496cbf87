#pragma once
// Prices a trace, or a network with spikes of other programs, on chips: for every chip and setting the spikes are lowered, mapped,
// replayed and priced, beside dense accelerators. What `spikeloom chip` does, as one function.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "run/chip_run.hpp"
#include "run/observer.hpp"

namespace spikeloom {

struct TracePricing {
  ChipJob job;  // what all runs have in common: trace, level, mapping, ...; `chip` is set for each
  std::optional<RecordingFiles> recording;  // read in place of a trace, job.trace stays empty
  std::vector<std::string> chips;           // presets or TOML files
  // Values tried for a key of the chip, or "mapper": all combinations, chips outermost, the last
  // key fastest.
  std::vector<std::pair<std::string, std::vector<std::string>>> sweep;
  std::vector<std::string> dense;  // accelerators beside the chips: presets or TOML files
  Observer observer;               // told of runs that ended, from one thread at a time

  size_t combinations() const;
};
constexpr size_t kMostChipRuns = 10000;

// A folder stands for the trace.h5 in it.
std::filesystem::path trace_in(const std::filesystem::path& path);

struct PricedTrace {
  ChipReport report;
  std::vector<std::string> warnings;  // about the trace or recording
};

// Runs side by side on job.threads where there are several. A chip that refuses the network is a
// row of the report; any other error ends the call, as does a refusal where nothing else is left.
// Files that a job asks for are written when it is computed. Throws Error as load_chip, lower,
// load_mapping and check_capacity do, Error(kUsage) for more than kMostChipRuns combinations.
PricedTrace price_trace(const TracePricing& pricing);

}  // namespace spikeloom
