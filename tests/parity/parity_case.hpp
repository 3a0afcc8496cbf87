#pragma once
// One operator case: a main operator with the elementwise nodes that may follow it in a unit, on
// random data. check_parity() runs it node by node on the reference backend and as one unit on
// every target, and requires equal bits in values, spikes and state, zero padding, and untouched
// sentinels around every output.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/shape.hpp"
#include "sim/graph/op.hpp"
#include "sim/graph/quantize.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

struct ParityCase {
  Op main;
  Shape in;                  // of every input; QApply's second input follows from the operator
  bool spikes = true;        // kind of the operand, where the operator takes both
  bool sums_spikes = false;  // of Add: both operands are spikes
  double density = 0.1;      // of spike operands
  int largest_count = 40;    // of count operands
  bool affine = false, residual = false;
  std::optional<NeuronSpec> neuron;  // behind the operator, one that steps in its pass
  bool stores_real = true;           // whether the value before the neuron is read by somebody
  bool static_input = false;         // one input for all steps
  int64_t steps = 1;
  Precision precision = Precision::kF32;
  double tolerance = 0;  // NMSE; 0: equal bits
  uint64_t seed = 1;
};

// A backend and the threads it is given; three of them: neurons begin.
struct ParityTarget {
  std::string name;
  std::shared_ptr<const Backend> backend;
  std::vector<int> threads;
};
// What the program tests: every SIMD target of the cpu backend (cpu_targets.cpp), kernels of CUDA
// devices (tests/gpu). `sums_spikes`: the operator has several ways to do it.
std::vector<ParityTarget> parity_targets(bool sums_spikes);

std::string describe(const ParityCase& c);
void check_parity(const ParityCase& c);

}  // namespace spikeloom
