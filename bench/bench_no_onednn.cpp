// What bench_onednn.hpp promises where oneDNN is not installed.

#include "bench/bench_onednn.hpp"

namespace spikeloom {

std::string onednn_version() {
  return "";
}

std::optional<DenseRun> onednn_layer(const BenchLayer&, const LayerData&, const Weights&, DenseType,
                                     int) {
  return std::nullopt;
}

}  // namespace spikeloom
