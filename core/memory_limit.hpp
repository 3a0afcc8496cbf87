#pragma once
// How much memory this process may still take, by the least of what is set: a control group
// (version 1 or 2, any ancestor's), RLIMIT_AS, RLIMIT_DATA, and the memory of the machine.

#include <filesystem>
#include <string>

namespace spikeloom {

struct MemoryLimit {
  double left = 0;   // bytes
  double limit = 0;  // the figure that was set, bytes
  std::string what;  // "the machine's memory", "the limit of the address space (ulimit -v)", ...
};

MemoryLimit memory_limit();

// The least of the groups that `membership` (/proc/self/cgroup) names, under `root`
// (/sys/fs/cgroup), and of their ancestors; left and limit infinite where none is set. Pages of
// files that the kernel would give back count as free.
MemoryLimit group_memory_limit(const std::filesystem::path& membership,
                               const std::filesystem::path& root);

}  // namespace spikeloom
