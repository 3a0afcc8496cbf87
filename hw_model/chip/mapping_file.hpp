#pragma once
// Mappings as JSON files:
//
//   {"schema_version": 1, "chip": "loihi1", "populations": {
//     "conv1": [{"channels": [0, 16], "y": [0, 8], "x": [0, 15], "chip": 0, "tile": 3, "slot": 1}],
//     "fc":    [{"neurons": [0, 64], "tile": 5}],
//     "head":  "head_cores.npy",
//     "tail":  [0, 0, 1, 1]}}
//
// Ranges are half-open and whole when absent, places 0 when absent. A population is a list of
// boxes, a list of ranges of neuron numbers, or a core number per neuron: written out, or in an
// .npy file of integers beside the JSON file. Untrusted: sizes are bounded by the network.

#include <filesystem>
#include <string>
#include <string_view>

#include "hw_model/chip/mapping.hpp"

namespace spikeloom {

// Throws Error(kUsage) "file:line:column: ..." for syntax, unknown or missing populations and keys,
// ranges, places and core numbers that are not there, mixed entries, another chip's name;
// Error(kData) for a damaged .npy file.
Mapping load_mapping(const std::filesystem::path& path, const ChipNetwork& network,
                     const ChipSpec& chip);
// `path` names the text in errors and the folder of .npy files.
Mapping parse_mapping(std::string_view text, const std::filesystem::path& path,
                      const ChipNetwork& network, const ChipSpec& chip);

// The chip such a file is for. Throws Error(kUsage) when it does not say.
std::string chip_of_mapping(const std::filesystem::path& path);

// The text of such a file. Throws Error(kUsage) when the mapping does not fit the network.
std::string mapping_json(const Mapping& mapping, const ChipNetwork& network, const ChipSpec& chip);

}  // namespace spikeloom
