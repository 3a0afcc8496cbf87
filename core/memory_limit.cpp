#include "core/memory_limit.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>

namespace spikeloom {
namespace {

namespace fs = std::filesystem;
constexpr double kNone = std::numeric_limits<double>::infinity();
constexpr double kMost = 0x1p60;  // version 1 writes "no limit" as a number near 2^63

// The number in a file; nothing where there is none ("max").
std::optional<double> number_in(const fs::path& path) {
  std::ifstream file(path);
  double value = 0;
  if (!(file >> value) || value < 0 || value > kMost) return std::nullopt;
  return value;
}

// The value of a key in a file of lines "key value".
double value_of(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  std::string name;
  for (double value = 0; file >> name >> value;) {
    if (name == key) return value;
  }
  return 0;
}

// Names of one version's files.
struct GroupFiles {
  const char *limits[2], *usage, *reclaimable;
};
constexpr GroupFiles kFiles[] = {
    {{"memory.limit_in_bytes", nullptr}, "memory.usage_in_bytes", "total_inactive_file"},
    {{"memory.max", "memory.high"}, "memory.current", "inactive_file"}};

void take_least(MemoryLimit& least, const fs::path& group, const GroupFiles& files) {
  for (const char* name : files.limits) {
    if (name == nullptr) continue;
    const auto limit = number_in(group / name);
    if (!limit) continue;
    const double used = number_in(group / files.usage).value_or(0) -
                        value_of(group / "memory.stat", files.reclaimable);
    const double left = std::max(0.0, *limit - std::max(0.0, used));
    if (left < least.left) least = {left, *limit, "the control group's " + std::string(name)};
  }
}

// This group and its ancestors up to `root`.
void take_least_up(MemoryLimit& least, const fs::path& root, const std::string& path,
                   const GroupFiles& files) {
  fs::path group = fs::path(path).lexically_normal().relative_path();
  for (;; group = group.parent_path()) {
    // A name space shows paths of the host that are not there: what is, holds.
    take_least(least, root / group, files);
    if (group.empty()) return;
  }
}

void take_resource(MemoryLimit& least, int resource, double used, const char* what) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0 ||
      limit.rlim_cur == RLIM_INFINITY)
    return;
  const auto set = static_cast<double>(limit.rlim_cur);
  const double left = std::max(0.0, set - used);
  if (left < least.left) least = {left, set, what};
}

}  // namespace

MemoryLimit group_memory_limit(const fs::path& membership, const fs::path& root) {
  MemoryLimit least{kNone, kNone, ""};
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {  // "4:memory:/path", "0::/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1),
                      path = line.substr(second + 1);
    if (controllers.empty()) {
      take_least_up(least, root, path, kFiles[1]);
      take_least_up(least, root / "unified", path, kFiles[1]);
    } else if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      take_least_up(least, root / "memory", path, kFiles[0]);
    }
  }
  return least;
}

MemoryLimit memory_limit() {
  const auto page = static_cast<double>(sysconf(_SC_PAGE_SIZE));
  double mapped = 0, resident = 0, shared = 0, text = 0, library = 0, data = 0;
  std::ifstream("/proc/self/statm") >> mapped >> resident >> shared >> text >> library >> data;
  const double present = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * page;
  MemoryLimit least{std::max(0.0, present - resident * page), present, "the machine's memory"};
  take_resource(least, RLIMIT_AS, mapped * page, "the limit of the address space (ulimit -v)");
  take_resource(least, RLIMIT_DATA, data * page, "the limit of data (ulimit -d)");
  const MemoryLimit group = group_memory_limit("/proc/self/cgroup", "/sys/fs/cgroup");
  return group.left < least.left ? group : least;
}

}  // namespace spikeloom
