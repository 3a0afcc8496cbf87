// Pools over maps, and flattening.

#include "tests/catch.hpp"
#include "tests/parity/parity_case.hpp"

namespace spikeloom {
namespace {

const Shape kMaps[] = {{1, 1, 1}, {5, 3, 7}, {4, 9, 16}, {14, 14, 33}, {6, 6, 70}, {3, 2, 130}};

TEST_CASE("pools of any window, of real values and of spikes, equal the reference", "[parity]") {
  const Pool2d windows[] = {{.kernel = 1},
                            {.kernel = 2, .stride = 2},
                            {.kernel = 2, .stride = 1, .padding = 1},
                            {.kernel = 3, .stride = 2, .padding = 1},
                            {.kernel = {3, 2}, .stride = {1, 3}, .padding = {1, 0}},
                            {.kernel = {1, 4}, .stride = {5, 2}, .padding = {0, 2}}};
  uint64_t seed = 1;
  for (const Shape& map : kMaps) {
    for (Pool2d pool : windows) {
      if (pool.along_y().outputs(map[0]) == 0 || pool.along_x().outputs(map[1]) == 0) continue;
      for (const PoolMode mode : {PoolMode::kSum, PoolMode::kAverage, PoolMode::kMax}) {
        pool.mode = mode;
        for (const bool spikes : {false, true}) {
          ParityCase c;
          c.main = pool;
          c.in = map;
          c.spikes = spikes;
          c.density = seed % 3 == 0 ? 0.1 : 0.5;
          c.steps = seed % 2 == 0 ? 1 : 3;
          c.seed = ++seed;
          check_parity(c);
          if (spikes && mode == PoolMode::kMax) continue;  // fires itself
          c.static_input = seed % 4 == 0;
          c.affine = c.residual = true;
          c.neuron = lif(2.0f);
          check_parity(c);
          c.stores_real = false;
          check_parity(c);
        }
      }
    }
  }
}

TEST_CASE("flattened values and spikes equal the reference", "[parity]") {
  uint64_t seed = 1;
  for (const Shape& map : {Shape{1, 1, 1}, {5, 3, 7}, {1, 1, 70}, {3, 2, 130}, {8, 8, 64}, {70}}) {
    for (const bool spikes : {false, true}) {
      for (const int64_t steps : {1, 5}) {
        ParityCase c;
        c.main = Flatten{};
        c.in = map;
        c.spikes = spikes;
        c.density = 0.4;
        c.steps = steps;
        c.seed = ++seed;
        check_parity(c);
        c.static_input = true;
        check_parity(c);
        if (spikes) continue;
        c.affine = c.residual = true;
        c.neuron = lif(2.0f);
        check_parity(c);
      }
    }
  }
}

}  // namespace
}  // namespace spikeloom
