#pragma once
// One layer on one of the engine's backends, outside of any session, with or without a neuron
// behind it.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "bench/bench_layers.hpp"
#include "sim/graph/quantize.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

struct EngineForm {
  bool dense = false;   // the operand as real numbers 0 and 1: the backend's dense kernels
  bool neuron = false;  // LIF behind the layer: spikes come out instead of sums
  int threads = 1;
  // Where sums go, shared by layers that take turns: whether the system has large pages for a value
  // makes a fifth of the time of a fast layer. Null: memory of the layer's own.
  Tensor* sums = nullptr;
};

// Weights of a layer, the same for everyone who takes part; nullopt where the precision leaves them
// as they are in fp32.
std::optional<Weights> weights_of(const BenchLayer& layer, Precision precision);

class EngineLayer {
 public:
  // `data` must outlive the layer. Throws Error where the backend refuses it.
  EngineLayer(const BenchLayer& layer, LayerData& data, const Weights& weights,
              std::shared_ptr<const Backend> backend, const EngineForm& form);
  EngineLayer(const EngineLayer&) = delete;
  EngineLayer& operator=(const EngineLayer&) = delete;

  // All steps of a sample.
  void run() noexcept;

  // What the last run gave: sums [steps * rows, channels] without padding, or spikes, rows on
  // 64-bit words.
  Tensor sums() const;
  const std::vector<uint64_t>& spikes() const noexcept { return spikes_; }

 private:
  struct Part {
    Unit unit;
    std::shared_ptr<const void> prepared;
    std::shared_ptr<void> workspace;
    UnitIo io;
    Tensor result;  // real value of all steps
  };
  void add_part(NodeId main, const std::vector<ValueRef>& in, const Weights& weights, bool fires);

  Graph graph_;
  std::shared_ptr<const Backend> backend_;
  int64_t steps_;
  EngineForm form_;
  std::vector<Part> parts_;
  std::vector<uint64_t> spikes_;
  Tensor membranes_;
};

}  // namespace spikeloom
