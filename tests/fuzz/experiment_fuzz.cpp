// Experiment files: TOML to checked values, and the network they describe.

#include "cli/experiment.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::errors_only([&] {
    Config config = Config::parse(fuzz::text(data, size), "a.toml");
    SpikeformerConfig net = read_experiment(config).model.spikeformer;
    constexpr int64_t kDeepest = 16;  // legal, but slow to build
    for (int64_t& depth : net.depths) depth = std::min(depth, kDeepest);
    net.height = net.width = 32;
    build_spikeformer(net);
  });
}
