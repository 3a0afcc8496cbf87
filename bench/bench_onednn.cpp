#include "bench/bench_onednn.hpp"

#include <dlfcn.h>

#include <cstring>
#include <filesystem>

#include "bench/onednn_module.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

// Beside the program where it was built, in its library folder where it was installed. The module
// stays until the program ends: its threads do.
const OneDnnModule* load() {
  std::error_code none;
  const fs::path folder = fs::read_symlink("/proc/self/exe", none).parent_path();
  for (const fs::path& place : {folder, folder / SPIKELOOM_MODULES}) {
    void* const library = dlopen((place / kOneDnnFile).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) continue;
    const auto* module = static_cast<const OneDnnModule*>(dlsym(library, kOneDnnSymbol));
    if (module != nullptr && std::strcmp(module->build, kOneDnnBuild) == 0) return module;
  }
  return nullptr;
}

const OneDnnModule* module() {
  static const OneDnnModule* const loaded = load();
  return loaded;
}

}  // namespace

std::string onednn_version() {
  return module() != nullptr ? module()->version() : "";
}

std::optional<OneDnnRun> onednn_layer(const BenchLayer& layer, const LayerData& data,
                                      const Weights& weights, DenseType type, int threads) {
  if (module() == nullptr) return std::nullopt;
  return module()->layer(layer, data, weights, type, threads);
}

}  // namespace spikeloom
