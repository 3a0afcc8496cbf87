#pragma once
// The kernel of every operator whose outputs do not depend on each other: a thread makes one
// channel of one row at all steps, one after the other, with what follows the operator.
//
// Main is the operator:
//   struct Params
//   template <class Ctx> static float value(Ctx& c, const Params& p, const Place& at)

#include "sim/backends/cuda/kernels/values.hpp"

namespace spikeloom::cuda {

struct Place {
  int64_t t = 0;     // step of this launch
  int64_t step = 0;  // of the sample
  int row = 0, channel = 0;
  int rows = 0;
};

// Of a row of state.
SPIKELOOM_DEVICE inline int padded_floats(const Epilogue& e) {
  return (e.channels + 15) / 16 * 16;
}

// What a thread makes: a channel of a row. Warps lie within a row, so all lanes have the same one.
struct Own {
  int row = 0, channel = 0;
  bool inside = false;  // others are behind the last channel
  int64_t at = 0;       // of its state, rows padded
};
template <class Ctx>
SPIKELOOM_DEVICE Own own_of(Ctx& c, const Epilogue& e) {
  const auto thread = static_cast<int64_t>(c.bid()) * c.bdim() + c.tid();
  const auto row = static_cast<int>(thread / e.width), channel = static_cast<int>(thread % e.width);
  return {row, channel, row < e.rows && channel < e.channels,
          static_cast<int64_t>(row) * padded_floats(e) + channel};
}

template <class Main>
struct Pass {
  static constexpr int max_threads = 256;
  struct Params {
    typename Main::Params main;
    Epilogue e;
    Steps steps;
  };

  template <class Ctx>
  SPIKELOOM_DEVICE static void run(Ctx& c, const Params& p) {
    const Epilogue& e = p.e;
    const auto [row, channel, inside, own] = own_of(c, e);
    const int64_t first = first_step(c, p.steps);
    const bool keeps = e.model >= 0 && inside;
    float* const v = e.state + own;
    EpilogueNeuron neuron;
    if (keeps && !p.steps.begins) neuron.s[0] = c.read(v);
    for (int t = 0; t < p.steps.count; ++t) {
      const Place at{t, first + t, row, channel, e.rows};
      const float y = inside ? Main::value(c, p.main, at) : 0.0f;
      const bool begins = at.step == 0 || (p.steps.begins && t == 0);
      finish(c, e, neuron, t, row, channel, inside, begins, y);
    }
    if (keeps) c.store(v, neuron.s[0]);
  }
};

}  // namespace spikeloom::cuda
