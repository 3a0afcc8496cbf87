#pragma once
// Values, steps and what follows a sum: the pieces of all kernels.

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/device.hpp"
#include "core/ordered_math.hpp"
#include "neurons/lanes.hpp"
#include "neurons/rules.hpp"

namespace spikeloom::cuda {

// The models, with functions of this namespace: what runs on a device is inlined here.
namespace models {
#include "neurons/models-inl.hpp"
}  // namespace models

constexpr unsigned kAll = 0xffffffffu;

// Number of the lowest bit set in a word that is not 0; how many are set.
SPIKELOOM_DEVICE inline int lowest_bit(uint32_t word) {
#if defined(__CUDA_ARCH__)
  return __ffs(static_cast<int>(word)) - 1;
#else
  return std::countr_zero(word);
#endif
}
SPIKELOOM_DEVICE inline int count_bits(uint32_t word) {
#if defined(__CUDA_ARCH__)
  return __popc(word);
#else
  return std::popcount(word);
#endif
}

// A value of one sample over some steps: exactly one of `real` and `bits`, or neither. Bits are
// words of 32 channels, the lowest channel first; rows end with whole words of 64.
struct Value {
  float* real = nullptr;
  uint32_t* bits = nullptr;
  int64_t step = 0;  // floats or words from a step to the next; 0: equal at all
  int32_t rows = 0, channels = 0;
  int32_t row = 0;  // floats or words from a row to the next

  SPIKELOOM_DEVICE bool exists() const { return real != nullptr || bits != nullptr; }
  SPIKELOOM_DEVICE int64_t at(int64_t t, int r) const {
    return t * step + static_cast<int64_t>(r) * row;
  }
};

// Element of either kind as a number.
template <class Ctx>
SPIKELOOM_DEVICE float element(Ctx& c, const Value& v, int64_t t, int row, int channel) {
  const int64_t at = v.at(t, row);
  if (v.bits != nullptr)
    return (c.load(v.bits + at + (channel >> 5)) >> (channel & 31)) & 1 ? 1.0f : 0.0f;
  return c.load(v.real + at + channel);
}

// Which steps run: `steps` of them, `after` behind those the session had done when the chunk began.
struct Steps {
  const int64_t* done = nullptr;
  int64_t after = 0;
  int32_t count = 1;
  bool begins = false;  // the state of neurons holds nothing yet
};

// The number of the first step within the sample.
template <class Ctx>
SPIKELOOM_DEVICE int64_t first_step(Ctx& c, const Steps& steps) {
  return c.load(steps.done) + steps.after;
}

// What follows the main operator, in this order, where it is there: the bias is the operator's own;
// scale and shift in two roundings; the other addend; the value is written; a neuron of uniform
// parameters steps and fires.
struct Epilogue {
  const float *scale = nullptr, *shift = nullptr;
  Value other;
  bool adds = false;
  Value real, spikes;
  int32_t model = -1;  // of neurons/models-inl.hpp
  NeuronRules rules;
  float k[6] = {};
  float* state = nullptr;  // [slots, rows, row of a real value]
  int32_t rows = 0, channels = 0;
  int32_t width = 0;  // threads of a row: whole warps for all channels and words
};

constexpr int kMostEpilogueCoefficients = 6, kMostEpilogueStates = 2;

// Whether a neuron can step in an epilogue: one input, small, it fires.
template <class Model>
constexpr bool kFitsEpilogue =
    Model::kInputs == 1 && Model::kCoefficients <= kMostEpilogueCoefficients &&
    sizeof(Model::kStates) / sizeof(Model::kStates[0]) <= kMostEpilogueStates&& Model::kOutput
        == NeuronOutput::kSpikes;

// One neuron of an epilogue: its first slot is the membrane, the only one that it keeps.
struct EpilogueNeuron {
  float s[kMostEpilogueStates] = {};

  template <class Model>
  SPIKELOOM_DEVICE float step_as(const Epilogue& e, bool begins, float x) {
    if constexpr (kFitsEpilogue<Model>) {
      constexpr int kStates = sizeof(Model::kStates) / sizeof(Model::kStates[0]);
      float k[Model::kCoefficients], in[1] = {x}, state[kStates] = {};
      for (int i = 0; i < Model::kCoefficients; ++i) k[i] = e.k[i];
      state[0] = s[0];
      if (begins) Model::begin(e.rules, k, state);
      const float out = Model::step(e.rules, k, in, state);
      s[0] = state[0];
      return out;
    }
    return 0;
  }
  template <class... Model>
  SPIKELOOM_DEVICE float step_of(models::ModelList<Model...>, const Epilogue& e, bool begins,
                                 float x) {
    int at = 0;
    float out = 0;
    ((at++ == e.model ? (out = step_as<Model>(e, begins, x), 0) : 0), ...);
    return out;
  }
  SPIKELOOM_DEVICE float step(const Epilogue& e, bool begins, float x) {
    return step_of(models::NeuronModels{}, e, begins, x);
  }
};

// A lane's bit into the spikes of a row: all lanes of a warp call it, lanes on 32 channels.
template <class Ctx>
SPIKELOOM_DEVICE void store_bits(Ctx& c, const Value& to, int64_t t, int row, int channel,
                                 bool fired) {
  const unsigned word = c.ballot(kAll, fired);
  if (c.lane() == 0 && (channel >> 5) < to.row)
    c.store(to.bits + to.at(t, row) + (channel >> 5), word);
}

// What becomes of the main operator's value y of a channel; `inside`: row and channel exist. All
// lanes of a warp call it.
template <class Ctx>
SPIKELOOM_DEVICE void finish(Ctx& c, const Epilogue& e, EpilogueNeuron& neuron, int64_t t, int row,
                             int channel, bool inside, bool begins, float y) {
  if (inside) {
    if (e.scale != nullptr) y = y * c.load(e.scale + channel) + c.load(e.shift + channel);
    if (e.adds) y = y + element(c, e.other, t, row, channel);
  }
  if (e.real.real != nullptr && row < e.rows && channel < e.real.row)
    c.store(e.real.real + e.real.at(t, row) + channel, inside ? y : 0.0f);
  if (e.spikes.bits == nullptr) return;
  bool fired = inside && y != 0.0f;  // of operators whose value are spikes
  if (e.model >= 0) fired = neuron.step(e, begins, y) != 0.0f && inside;
  if (row < e.rows) store_bits(c, e.spikes, t, row, channel, fired);
}

}  // namespace spikeloom::cuda
