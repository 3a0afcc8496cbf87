#pragma once
// A graph on a dense accelerator: cycles, traffic and energy of one batch, layer by layer.
//
// Layers run one after the other; a layer takes the longer of its cycles on the array and its bytes
// through DRAM (perfect prefetch). A layer may be cut into blocks of rows whose inputs and partial
// sums stay in half of their buffers; the cut with the least DRAM traffic is taken. An operand that
// its buffer still cannot hold is fetched each time the array walks through it, partial sums go out
// and come back. Energies are pJ, or multiples of a MAC where the description is relative; they
// count what is priced, `unpriced` lists the rest.
// Thread-safe: pure functions.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hw_model/chip/dense_layers.hpp"
#include "hw_model/chip/dense_spec.hpp"

namespace spikeloom {

struct DenseEnergy {
  double mac = 0, registers = 0, sram = 0, dram = 0, idle = 0;  // idle: static power x time
  double total() const noexcept { return mac + registers + sram + dram + idle; }
  DenseEnergy& operator+=(const DenseEnergy& more) noexcept;
};

struct DenseDramBits {
  int64_t inputs = 0, weights = 0, outputs = 0;  // outputs: partial sums both ways
  int64_t total() const noexcept { return inputs + weights + outputs; }
};

struct DenseRow {
  std::string layer, op;
  Gemm gemm;
  int64_t macs = 0;
  int64_t blocks = 0;  // that the rows were cut into
  int64_t array_cycles = 0;
  int64_t cycles = 0;      // with waiting for DRAM
  double utilisation = 0;  // macs / (elements of the array x cycles)
  BufferTraffic buffers;   // elements
  DenseDramBits dram;
  int64_t register_accesses = 0, neighbour_passes = 0;  // operands
  double zeros = -1;  // share of input values that are 0; -1: not measured
  DenseEnergy energy;
};

struct DenseResult {
  std::string accelerator;
  DenseFormat format = DenseFormat::kInt8;
  bool relative = false;  // energies are multiples of a MAC, not pJ
  int64_t batch = 1;      // samples all figures are for
  std::vector<DenseRow> rows;
  DenseRow total;       // sums; utilisation of the whole pass
  double seconds = -1;  // of the batch; -1: the description has no clock
  char weakest = 'S';   // evidence among the constants that were used
  std::vector<std::string> unpriced;
};

// What measurements of the networks add.
struct DenseRun {
  int64_t rate_steps = 1;               // T of the spiking network, for qnn_equiv
  std::map<std::string, double> zeros;  // by layer: share of zero inputs, for zero gating
};

// Throws Error(kUsage) unless steps is at least 1, Error(kCapacity) when weights that shall stay do
// not fit their buffer, or a layer waits for DRAM beyond all measure.
DenseResult dense_accelerator(const Graph& graph, int64_t steps, const DenseSpec& spec,
                              const DenseRun& run = {});

}  // namespace spikeloom
