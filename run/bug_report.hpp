#pragma once
// What somebody who looks into a fault needs to know of a program and its machine, and nothing that
// tells who ran it or on what: no names of users, machines, files or folders, no data.

#include <string>
#include <utility>
#include <vector>

#include "run/experiment.hpp"

namespace spikeloom {

// Version, compiler, libraries, system, processor, memory and devices, a line each. `settings`:
// what else the program goes by, as name and value ("" is left out); printed as they are.
std::string describe_program(const std::vector<std::pair<std::string, std::string>>& settings);

// The keys that were given, one line "model.family = "nir"" each. Numbers, flags and words that
// choose stand as they are; of any other text only what kind of file it names ("a .npz file") or
// that there is one.
std::string describe_keys(const nlohmann::json& config);

}  // namespace spikeloom
