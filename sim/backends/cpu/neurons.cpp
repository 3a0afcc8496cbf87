#include "sim/backends/cpu/neurons.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/neurons.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {
namespace {

// The lane type of neurons/lanes.hpp: one vector.
struct Lane {
  V v;

  Lane() = default;
  explicit HWY_INLINE Lane(V vector) : v(vector) {}
  explicit HWY_INLINE Lane(float value) : v(hn::Set(kD, value)) {}

  friend HWY_INLINE Lane operator+(Lane a, Lane b) { return Lane(hn::Add(a.v, b.v)); }
  friend HWY_INLINE Lane operator-(Lane a, Lane b) { return Lane(hn::Sub(a.v, b.v)); }
  friend HWY_INLINE Lane operator*(Lane a, Lane b) { return Lane(hn::Mul(a.v, b.v)); }
  friend HWY_INLINE Lane operator/(Lane a, Lane b) { return Lane(hn::Div(a.v, b.v)); }
  friend HWY_INLINE auto operator<(Lane a, Lane b) { return hn::Lt(a.v, b.v); }
  friend HWY_INLINE auto operator>(Lane a, Lane b) { return hn::Gt(a.v, b.v); }
  friend HWY_INLINE auto operator>=(Lane a, Lane b) { return hn::Ge(a.v, b.v); }
  friend HWY_INLINE Lane select(hn::Mask<Floats> mask, Lane a, Lane b) {
    return Lane(hn::IfThenElse(mask, a.v, b.v));
  }
  friend HWY_INLINE Lane lane_exp(Lane x) { return Lane(ordered_exp<SimdLanes>(x.v)); }
  friend HWY_INLINE Lane lane_trunc(Lane x) { return Lane(hn::Trunc(x.v)); }
};

#include "neurons/models-inl.hpp"

constexpr int64_t kBlock = 256;  // channels that one thread takes at a time

// The neurons [first, first + width) of a row.
struct NeuronBlock {
  int64_t row, first, width;
};

// A layer of one model.
template <class Model>
class NeuronLayer {
 public:
  NeuronLayer(const PackedNeuron& p, const PackedEpilogue& packed, const UnitIo& io)
      : packed_(p),
        rules_(p.spec.rules),
        io_(io),
        epilogue_(packed, io),
        slots_(static_cast<int64_t>(states_of(p.spec).size())),
        channels_(packed.channels),
        floats_(padded(packed.channels)) {}

  void run(const NeuronBlock& block) const {
    HWY_ALIGN float out[kBlock];
    for (int64_t t = 0; t < io_.steps; ++t) {
      const bool begins = io_.steps_before + t == 0 || (io_.brief && t == 0);
      for (int64_t i = 0; i < block.width; i += kLanes)
        step_vector(block.row, block.first + i, t, begins, out + i);
      if (io_.spikes.bits != nullptr) {
        store_spikes(block, t, out);
      } else {
        if (block.first + block.width == floats_)
          std::fill(out + channels_ - block.first, out + block.width, 0.0f);
        finish(epilogue_, out, 0, t, block.row, 1, 1, block.first, block.width);
      }
    }
  }

 private:
  HWY_INLINE Lane coefficient(int k, int64_t row, int64_t c) const {
    const NeuronCoefficients& from = packed_.coefficients;
    const float* values = from.values.data();
    if (from.rows == 0) return Lane(values[k]);
    const int64_t at = (k * from.rows + (from.rows == 1 ? 0 : row)) * from.stride + c;
    return Lane(hn::LoadU(kD, values + at));
  }

  HWY_INLINE void step_vector(int64_t row, int64_t c, int64_t t, bool begins, float* out) const {
    constexpr int kStates = static_cast<int>(std::size(Model::kStates));
    Lane k[Model::kCoefficients], x[Model::kInputs], s[kStates];
    for (int i = 0; i < Model::kCoefficients; ++i) k[i] = coefficient(i, row, c);
    for (int i = 0; i < Model::kInputs; ++i)
      x[i] = Lane(hn::LoadU(kD, io_.in[i].real_at(t) + row * floats_ + c));
    float* state = io_.state + row * floats_ + c;
    const int64_t slot = io_.in[0].rows * floats_;
    for (int i = 0; i < kStates; ++i)
      s[i] = i < slots_ ? Lane(hn::LoadU(kD, state + i * slot)) : Lane(0.0f);
    if (begins) Model::begin(rules_, k, s);
    hn::StoreU(Model::step(rules_, k, x, s).v, kD, out);
    for (int i = 0; i < slots_; ++i) hn::StoreU(s[i].v, kD, state + i * slot);
  }

  void store_spikes(const NeuronBlock& block, int64_t t, const float* out) const {
    uint64_t* spikes = io_.spikes.bits_at(t).row(block.row);
    for (int64_t i = 0; i < block.width; i += 16) {
      uint32_t fired = 0;
      for (int lane = 0; lane < 16; lane += kLanes) {
        const V z = hn::LoadU(kD, out + i + lane);
        fired |= mask_bits(hn::Gt(z, hn::Zero(kD))) << lane;
      }
      store_bits16(spikes, block.first + i, fired);
    }
    if (block.first + block.width < floats_) return;
    const uint32_t last_part = 0xffffu >> (floats_ - channels_);
    store_bits16(spikes, floats_ - 16, load_bits16(spikes, floats_ - 16) & last_part);
    for (int64_t c = floats_; c < 64 * words_for(channels_); c += 16) store_bits16(spikes, c, 0);
  }

  const PackedNeuron& packed_;
  const NeuronRules rules_;
  const UnitIo& io_;
  const Epilogue epilogue_;
  const int64_t slots_, channels_, floats_;
};

void run_neurons(const PackedNeuron& p, const PackedEpilogue& e, const UnitIo& io) {
  const int64_t floats = padded(e.channels), blocks = (floats + kBlock - 1) / kBlock;
  with_model(p.spec.model, [&]<class Model>() {
    const NeuronLayer<Model> layer(p, e, io);
    parallel_for(io.in[0].rows * blocks, 8, io.threads, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i % blocks * kBlock;
        layer.run({i / blocks, first, std::min(kBlock, floats - first)});
      }
    });
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

NeuronKernel neuron_for(int64_t target) {
  SPIKELOOM_PICK(target, run_neurons);
}

}  // namespace spikeloom::cpu
#endif
