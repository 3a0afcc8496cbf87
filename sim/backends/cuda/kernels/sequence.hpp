#pragma once
// What carries state from step to step.

#include "sim/backends/cuda/kernels/pass.hpp"

namespace spikeloom::cuda {

// mean 0, sum 1, the largest 2.
struct StepMeanMain {
  struct Params {
    Value in;
    float* sum = nullptr;
    int32_t row = 0;  // floats from a row of it to the next
    int32_t mode = 0;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    const auto steps = static_cast<float>(at.step + 1);
    float* const place = p.sum + static_cast<int64_t>(at.row) * p.row + at.channel;
    float sum = c.read(place);
    const float x = element(c, p.in, at.t, at.row, at.channel);
    if (p.mode == 2) {
      if (steps == 1 || x > sum || x != x) sum = x;
      c.store(place, sum);
      return sum;
    }
    sum += x;
    c.store(place, sum);
    return p.mode == 1 ? sum : sum / steps;
  }
};

struct WkvMain {
  struct Params {
    Value k, v;
    const float *w = nullptr, *u = nullptr;
    float* state = nullptr;  // p, q, o: a slot each
    int64_t slot = 0;
    int32_t row = 0;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& params, const Place& at) {
    const float k = element(c, params.k, at.t, at.row, at.channel),
                v = element(c, params.v, at.t, at.row, at.channel);
    const float w = c.load(params.w + at.channel), u = c.load(params.u + at.channel);
    float* const place = params.state + static_cast<int64_t>(at.row) * params.row + at.channel;
    const float p = c.read(place), q = c.read(place + params.slot),
                o = c.read(place + 2 * params.slot);
    const float e = u + k, n = o <= e ? e : o;
    const float a = ordered_exp(o - n), b = ordered_exp(e - n);
    const float out = std::fma(a, p, b * v) / std::fma(a, q, b);
    const float d = o + w, next = d <= k ? k : d;
    const float decayed = ordered_exp(d - next), added = ordered_exp(k - next);
    c.store(place, std::fma(decayed, p, added * v));
    c.store(place + params.slot, std::fma(decayed, q, added));
    c.store(place + 2 * params.slot, next);
    return out;
  }
};

struct NeuronParams {
  Value in[3];
  NeuronRules rules;
  const float* k = nullptr;  // neurons/neuron.hpp: NeuronCoefficients
  int32_t k_rows = 0, k_stride = 0;
  float* state = nullptr;
  int32_t slots = 0;  // that are kept
  Epilogue e;
  Steps steps;
};

// A layer of one model, with any parameters: a thread has one neuron at all steps.
template <class Model>
struct Neurons {
  static constexpr int max_threads = 256;
  static constexpr int kStates = sizeof(Model::kStates) / sizeof(Model::kStates[0]);
  using Params = NeuronParams;

  template <class Ctx>
  SPIKELOOM_DEVICE static void run(Ctx& c, const Params& p) {
    const Epilogue& e = p.e;
    const auto [row, channel, inside, own] = own_of(c, e);
    const int64_t first = first_step(c, p.steps);
    float* const place = p.state + own;
    const int64_t slot = static_cast<int64_t>(e.rows) * padded_floats(e);
    float k[Model::kCoefficients] = {}, s[kStates] = {}, x[Model::kInputs] = {};
    if (inside) {
      for (int i = 0; i < Model::kCoefficients; ++i) k[i] = coefficient(c, p, i, row, channel);
      for (int i = 0; i < kStates; ++i) {
        if (i < p.slots && !p.steps.begins) s[i] = c.read(place + i * slot);
      }
    }
    EpilogueNeuron none;
    for (int t = 0; t < p.steps.count; ++t) {
      if (inside) {
        for (int i = 0; i < Model::kInputs; ++i) x[i] = element(c, p.in[i], t, row, channel);
      }
      if (first + t == 0 || (p.steps.begins && t == 0)) Model::begin(p.rules, k, s);
      const float out = Model::step(p.rules, k, x, s);
      finish(c, e, none, t, row, channel, inside, false, out);
    }
    for (int i = 0; i < kStates; ++i) {
      if (inside && i < p.slots) c.store(place + i * slot, s[i]);
    }
  }

 private:
  template <class Ctx>
  SPIKELOOM_DEVICE static float coefficient(Ctx& c, const Params& p, int i, int row, int channel) {
    if (p.k_rows == 0) return c.load(p.k + i);
    const int64_t at = static_cast<int64_t>(i) * p.k_rows + (p.k_rows == 1 ? 0 : row);
    return c.load(p.k + at * p.k_stride + channel);
  }
};

}  // namespace spikeloom::cuda
