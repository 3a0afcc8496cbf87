#include "cli/environment.hpp"

#include <cstdlib>
#include <string_view>

namespace spikeloom {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

// "": no folder is named.
std::filesystem::path cache_folder() {
  const std::string_view cache = variable("XDG_CACHE_HOME"), home = variable("HOME");
  if (cache.starts_with('/')) return std::filesystem::path(cache) / "spikeloom";
  if (home.starts_with('/')) return std::filesystem::path(home) / ".cache" / "spikeloom";
  return {};
}

}  // namespace

CpuOptions cpu_options_of_environment() {
  return {std::string(variable("SPIKELOOM_SIMD")), std::string(variable("SPIKELOOM_SUMS")),
          cache_folder(), std::string(variable("SPIKELOOM_CUDA"))};
}

}  // namespace spikeloom
