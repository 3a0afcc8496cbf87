#pragma once
// What the system says of this process and the machine.

#include <cstdint>
#include <string>
#include <string_view>

namespace spikeloom {

// The text behind the first line of a /proc file that starts with `key`; "": there is none.
std::string proc_line(const char* path, std::string_view key);

// Name of the processor as the system tells it.
std::string processor_name();
// Load of the machine over the last minute, as the system counts it; NaN where it does not.
double load_average();

// Peak resident memory of this process since its start or reset_peak(), bytes; 0 where the system
// does not say.
void reset_peak();
int64_t peak_bytes();

}  // namespace spikeloom
