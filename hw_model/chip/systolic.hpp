#pragma once
// Cycles and buffer traffic of a matrix product on a systolic array, without stalls.
//
// Product: inputs [m, k] times weights [k, n] to outputs [m, n]. The array holds one operand still
// and streams the others past it; what does not fit is folded:
//
//   dataflow            held operand on rows, columns   streamed T   cycles of a fold    folds
//   weight stationary   weights, k x n                  m            2R + C + T - 2      k/R * n/C
//   input stationary    inputs, k x m                   n            2R + C + T - 2      k/R * m/C
//   output stationary   outputs, m x n                  k            R + C + T - 2       m/R * n/C
//
// (quotients rounded up); cycles = folds * cycles of a fold - 1. Source: the counts that SCALE-Sim
// v3 reports (Samajdar et al., ISPASS 2020), met exactly. Thread-safe: pure functions.

#include <cstdint>
#include <string_view>

namespace spikeloom {

enum class Dataflow { kWeightStationary, kInputStationary, kOutputStationary };
std::string_view name_of(Dataflow dataflow) noexcept;  // "weight", "input", "output"

// `repeats` independent products of this size: groups of a convolution, heads of attention. Extents
// at least 1.
struct Gemm {
  int64_t m = 1, k = 1, n = 1, repeats = 1;
  int64_t macs() const noexcept { return m * k * n * repeats; }
  bool operator==(const Gemm&) const = default;
};

struct SystolicArray {
  int64_t rows = 1, cols = 1;
  Dataflow dataflow = Dataflow::kWeightStationary;
};

int64_t gemm_cycles(const Gemm& gemm, const SystolicArray& array) noexcept;

// How often the array walks through the whole of an operand. Outputs: passes over partial sums,
// each but the first of which reads them back.
struct OperandPasses {
  int64_t inputs = 1, weights = 1, outputs = 1;
};
OperandPasses operand_passes(const Gemm& gemm, const SystolicArray& array) noexcept;

// Accesses of the buffers, in elements; convolutions read every tap of a window anew.
struct BufferTraffic {
  int64_t input_reads = 0, weight_reads = 0, output_writes = 0, output_reads = 0;
  bool operator==(const BufferTraffic&) const = default;
};
BufferTraffic buffer_traffic(const Gemm& gemm, const SystolicArray& array) noexcept;

}  // namespace spikeloom
