// A SpikeGPT with random weights that streams tokens on request, for stream.py:
// bench_stream LAYERS WIDTH VOCABULARY PRECISION, then lines "THREADS TOKENS" on standard input.
// Each is answered by the seconds those tokens took, one by one, and the share of relu^2 that was
// not zero.

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "models/spikegpt/spikegpt.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/graph/quantize.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/session.hpp"

using namespace spikeloom;

namespace {

// Share of set bits in the masks behind relu^2 of the last chunk.
double nonzero_share(const Session& session) {
  const SpikeChunk chunk = session.last_chunk();
  double set = 0, all = 0;
  for (size_t p = 0; p < chunk.populations.size(); ++p) {
    if (!chunk.populations[p].name.ends_with(".nonzero")) continue;
    set += static_cast<double>(chunk.spikes(p, 0).count());
    all += static_cast<double>(channels_of(chunk.populations[p].shape));
  }
  return set / all;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: bench_stream LAYERS WIDTH VOCABULARY PRECISION\n";
    return 2;
  }
  SpikeGptConfig config;
  config.layers = std::atoll(argv[1]);
  config.width = std::atoll(argv[2]);
  config.vocabulary = std::atoll(argv[3]);
  config.binary_embedding = false;
  const Graph graph = build_spikegpt(config);
  const auto weights = quantize(graph, random_weights(graph, 1), precision_named(argv[4])).weights;
  Session session(compile(graph, weights, make_cpu_backend(), {Schedule::kLayerMajor, 1, {}}));
  Tensor token({1, 1});
  int threads = 1;
  for (int64_t tokens = 0, made = 0; std::cin >> threads >> tokens;) {
    const auto start = std::chrono::steady_clock::now();
    for (const int64_t end = made + tokens; made < end; ++made) {
      token.f32()[0] = static_cast<float>(made * 7919 % config.vocabulary);
      session.run_chunk(token, 1, threads);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::cout << seconds.count() << ' ' << nonzero_share(session) << std::endl;
  }
  return 0;
}
