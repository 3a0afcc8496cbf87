#pragma once
// Recordings of event cameras on the command line.

#include <optional>
#include <string>

#include "cli/options.hpp"
#include "core/error.hpp"

namespace spikeloom {

// The file is one, told by its content; also standard input, "-", and one of which --set has to say more.
bool is_recording(const std::string& path);

// Of a file that begins as recordings do and is none that can be read: why.
std::optional<Error> why_no_recording(const std::string& path);

// What is in it. --set: keys of [dataset] that say how it is to be read.
int inspect_recording(const std::string& path, const options::variables_map& values);
// Arrays t (int64, microseconds), x, y (uint16), p (uint8), in the order of the file.
int convert_recording(const std::string& path, const std::string& output,
                      const options::variables_map& values);

}  // namespace spikeloom
