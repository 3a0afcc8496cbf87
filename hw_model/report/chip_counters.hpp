#pragma once
// The counters of one run on a chip by step, core, link and layer, as HDF5 (docs/chip.md).
//
// Steps are replayed once more in blocks and at level counts, which counts as every level does, so
// that memory stays bounded however long the run is.

#include <filesystem>

#include "hw_model/chip/mapping.hpp"
#include "hw_model/report/chip_report.hpp"

namespace spikeloom {

struct CountersInput {
  const LoweredNetwork& lowered;
  const ChipSpec& chip;
  const Mapping& mapping;
  const ChipSpikes& spikes;
  const ReplayResult& result;                  // of these four
  const ChipRun& run;                          // priced from it
  std::string chip_text, signature, settings;  // description, trace, what was set on top
  int threads = 1;
};

// Throws Error(kRuntime) naming the file when it cannot be written.
void write_chip_counters(const std::filesystem::path& path, const CountersInput& input);

}  // namespace spikeloom
