#pragma once
// The door of the module with oneDNN: the one symbol that it exports.

#include <optional>
#include <string>

#include "bench/bench_onednn.hpp"

namespace spikeloom {

struct OneDnnModule {
  const char* build;  // kOneDnnBuild of the module: what it shares with the program are C++ types
  std::string (*version)();
  std::optional<OneDnnRun> (*layer)(const BenchLayer& layer, const LayerData& data,
                                    const Weights& weights, DenseType type, int threads);
};

constexpr const char* kOneDnnFile = "libspikeloom_onednn.so";
constexpr const char* kOneDnnSymbol = "spikeloom_onednn_module";
constexpr const char* kOneDnnBuild = SPIKELOOM_BUILD;

}  // namespace spikeloom
