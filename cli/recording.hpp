#pragma once
// Recordings of event cameras on the command line.

#include <string>

#include "cli/options.hpp"

namespace spikeloom {

// What is in it. --set: keys of [dataset] that say how it is to be read.
int inspect_recording(const std::string& path, const options::variables_map& values);
// Arrays t (int64, microseconds), x, y (uint16), p (uint8), in the order of the file.
int convert_recording(const std::string& path, const std::string& output,
                      const options::variables_map& values);

}  // namespace spikeloom
