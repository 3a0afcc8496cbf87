#pragma once
// oneDNN, the competitor of `spikeloom bench kernels`: the same layer, dense, in the memory formats
// it prefers and with its weights reordered beforehand. Nothing but `bench` needs it, so it is a
// module that is loaded when one of these functions is called for the first time.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bench/bench_layers.hpp"
#include "core/weights.hpp"

namespace spikeloom {

enum class DenseType { kF32, kBf16, kInt8 };

// "2.6.3"; empty where there is no module beside the program.
std::string onednn_version();

struct OneDnnRun {
  std::function<void()> run;
  // Sums of the last run as EngineLayer::sums() gives them, dequantised.
  std::function<Tensor()> sums;
};

// nullopt where oneDNN has no such layer or is not there. bf16: inputs and weights rounded,
// sums fp32. int8: inputs 0 and 1 unsigned, weights signed with a scale per output channel, sums
// int32 scaled to fp32. The Legendre memory is a product with a Toeplitz matrix of its inputs,
// whose making is not counted.
std::optional<OneDnnRun> onednn_layer(const BenchLayer& layer, const LayerData& data,
                                      const Weights& weights, DenseType type, int threads);

}  // namespace spikeloom
