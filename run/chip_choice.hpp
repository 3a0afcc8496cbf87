#pragma once
// The [chip] table of an experiment: which chip prices the spikes while the run goes on.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/io/config.hpp"
#include "hw_model/chip/lower.hpp"
#include "hw_model/chip/replay.hpp"

namespace spikeloom {

struct ChipChoice {
  std::string name;               // preset, or path of a TOML file
  std::vector<std::string> sets;  // "noc.link_ns_per_flit=0.5"
  std::filesystem::path mapping;  // "": in the order of the layers
  Level level = Level::kBottleneck;
  LowerOptions lower;
  bool host = false;
};

// Reads the table where there is one. Throws Error(kUsage).
std::optional<ChipChoice> read_chip_choice(Config& config);

}  // namespace spikeloom
