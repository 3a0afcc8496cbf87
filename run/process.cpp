#include "run/process.hpp"

#include <cstdlib>
#include <fstream>
#include <limits>

namespace spikeloom {

std::string proc_line(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const size_t colon = line.find(':');
    const size_t from = colon == line.npos ? line.npos : line.find_first_not_of(" \t", colon + 1);
    return from == line.npos ? "" : line.substr(from);
  }
  return "";
}

std::string processor_name() {
  const std::string name = proc_line("/proc/cpuinfo", "model name");
  return name.empty() ? "unknown processor" : name;
}

double load_average() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : std::numeric_limits<double>::quiet_NaN();
}

void reset_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

// getrusage() would count what the process that started this one had in memory, too.
int64_t peak_bytes() {
  return 1024 * std::strtoll(proc_line("/proc/self/status", "VmHWM").c_str(), nullptr, 10);
}

}  // namespace spikeloom
