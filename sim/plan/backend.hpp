#pragma once
// What executes a plan's units: one of the three virtual interfaces.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/spike_tensor.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

// Floats per row of a real value: rows start on 64 bytes; padded channels hold zeros.
constexpr int64_t padded(int64_t channels) noexcept {
  return (channels + 15) / 16 * 16;
}

// One value of one sample over some steps. Exactly one of `real` and `bits` is set. Real rows are
// padded(channels) floats apart. Step t lies t * step_stride elements (floats or words) further; 0
// for a value equal at every step.
struct ValueRef {
  float* real = nullptr;
  uint64_t* bits = nullptr;
  const Shape* shape = nullptr;
  int64_t rows = 0, channels = 0;
  int64_t step_stride = 0;

  float* real_at(int64_t step) const noexcept { return real + step * step_stride; }
  float* real_row(int64_t step, int64_t row) const noexcept {
    return real_at(step) + row * padded(channels);
  }
  MutableSpikeView bits_at(int64_t step) const noexcept {
    return {bits + step * step_stride, rows, channels};
  }
};

// What runs as one kernel call: a main node and the elementwise nodes behind it that are computed
// in its epilogue, in this order: main (with bias), affine, residual addition, neuron. -1: absent.
// Grouping changes neither bits nor counts.
struct Unit {
  NodeId main = -1;
  NodeId affine = -1;          // BatchNorm without pad
  NodeId residual = -1;        // Add
  NodeId residual_other = -1;  // the addend that is not the chain
  NodeId neuron = -1;
  NodeId last() const noexcept { return neuron >= 0 ? neuron : real_last(); }
  // The node whose real value the chain produces before the neuron.
  NodeId real_last() const noexcept {
    return residual >= 0 ? residual : affine >= 0 ? affine : main;
  }
};

struct UnitIo {
  ValueRef in[3];
  ValueRef other;             // residual_other's value
  ValueRef real;              // value of real_last(); real == nullptr when nobody reads it
  ValueRef spikes;            // value of `neuron`
  float* state = nullptr;     // the state slots of one node, one after the other, rows padded like
                              // real values
  void* workspace = nullptr;  // what Backend::workspace made for this session and unit
  void* queue = nullptr;      // of the session
  bool brief = false;         // nobody reads the state afterwards; a neuron's holds nothing yet, it
                              // begins
  int64_t steps = 1;
  int64_t steps_before = 0;  // steps of the sample that ran already (StepMean)
  int64_t sample = 0;        // whose random numbers are drawn
  int threads = 1;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;              // "reference", "cpu"
  virtual std::string simd() const = 0;              // "none", "avx512", "sm_90", ...
  virtual std::string device() const { return ""; }  // "NVIDIA H100, CUDA 13.0"; "": the host
  // Whether plans for this backend should group nodes into units.
  virtual bool groups_units() const noexcept = 0;
  // Packs what the unit needs (weights in kernel layout); immutable, shared between threads. Throws
  // Error.
  virtual std::shared_ptr<const void> prepare(const Graph& graph, const Unit& unit,
                                              const Weights& weights) const = 0;
  // Memory that the unit works in, one for each session; nullptr when it needs none. Throws Error,
  // std::bad_alloc.
  virtual std::shared_ptr<void> workspace(const void* prepared) const = 0;
  // Runs steps [0, io.steps). `prepared` comes from prepare() for this very unit.
  virtual void run(const Graph& graph, const Unit& unit, const void* prepared,
                   const UnitIo& io) const noexcept = 0;

  // Memory of sessions, and the order in which things happen to it. What stands here is that of
  // backends that work in the host's memory: everything happens at once and there are no queues.
  //
  // What a session asks of a queue happens in that order, some time before finish() returns; until
  // then what it copies from and to stays where it is. Faults on the way show in finish().
  virtual bool uses_host_memory() const noexcept { return true; }
  virtual std::shared_ptr<void> queue() const { return nullptr; }
  // Zeros, on 64 bytes at least; of the host where it copies from and to the backend. Throw Error,
  // std::bad_alloc.
  virtual std::shared_ptr<std::byte> allocate(int64_t bytes) const;
  virtual std::shared_ptr<std::byte> allocate_host(int64_t bytes) const;
  // Rows of `channels` floats, the padding behind them zero.
  virtual void fill(void* queue, float* to, float value, int64_t rows,
                    int64_t channels) const noexcept;
  virtual void clear(void* queue, void* to, int64_t bytes) const noexcept;
  // Within the backend's memory; the two may overlap.
  virtual void move(void* queue, void* to, const void* from, int64_t bytes) const noexcept;
  virtual void copy_in(void* queue, void* to, const void* from, int64_t bytes) const noexcept;
  virtual void copy_out(void* queue, void* to, const void* from, int64_t bytes) const noexcept;
  // Around the units of a chunk, of which `steps_done` were before. True: what ran between them when
  // the key was last the same runs again, and the session runs no units; never with an empty key.
  virtual bool begin_chunk(void* queue, int64_t steps_done,
                           std::span<const int64_t> key) const noexcept;
  virtual void end_chunk(void* queue) const noexcept;
  // Throws Error(kRuntime) when something asked of the queue failed; what came out means nothing
  // then.
  virtual void finish(void* queue) const;
};

}  // namespace spikeloom
