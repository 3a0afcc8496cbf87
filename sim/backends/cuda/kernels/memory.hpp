#pragma once
// Memory of sessions.

#include "sim/backends/cuda/kernels/values.hpp"

namespace spikeloom::cuda {

// Rows of one number, the padding behind them zero.
struct FillRows {
  static constexpr int max_threads = 256;
  struct Params {
    float* to = nullptr;
    float value = 0;
    int64_t count = 0;  // floats of all rows
    int32_t channels = 0, row = 0;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static void run(Ctx& c, const Params& p) {
    const auto at = static_cast<int64_t>(c.bid()) * c.bdim() + c.tid();
    if (at < p.count) c.store(p.to + at, at % p.row < p.channels ? p.value : 0.0f);
  }
};

// Nothing: whether there is code for a device.
struct Probe {
  static constexpr int max_threads = 32;
  struct Params {
    int32_t* to = nullptr;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static void run(Ctx& c, const Params& p) {
    if (c.tid() == 0 && p.to != nullptr) c.store(p.to, 1);
  }
};

}  // namespace spikeloom::cuda
