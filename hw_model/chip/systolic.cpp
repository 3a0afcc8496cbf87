#include "hw_model/chip/systolic.hpp"

namespace spikeloom {
namespace {

int64_t folds(int64_t extent, int64_t array_extent) noexcept {
  return (extent + array_extent - 1) / array_extent;
}

}  // namespace

std::string_view name_of(Dataflow dataflow) noexcept {
  switch (dataflow) {
    case Dataflow::kWeightStationary: return "weight";
    case Dataflow::kInputStationary: return "input";
    case Dataflow::kOutputStationary: return "output";
  }
  return "";
}

int64_t gemm_cycles(const Gemm& gemm, const SystolicArray& array) noexcept {
  const int64_t filled = 2 * array.rows + array.cols - 2;  // load what is held, fill, drain
  int64_t count = 0, cycles = 0;
  switch (array.dataflow) {
    case Dataflow::kWeightStationary:
      count = folds(gemm.k, array.rows) * folds(gemm.n, array.cols);
      cycles = filled + gemm.m;
      break;
    case Dataflow::kInputStationary:
      count = folds(gemm.k, array.rows) * folds(gemm.m, array.cols);
      cycles = filled + gemm.n;
      break;
    case Dataflow::kOutputStationary:
      count = folds(gemm.m, array.rows) * folds(gemm.n, array.cols);
      cycles = filled - array.rows + gemm.k;
      break;
  }
  return gemm.repeats * (count * cycles - 1);
}

OperandPasses operand_passes(const Gemm& gemm, const SystolicArray& array) noexcept {
  switch (array.dataflow) {
    case Dataflow::kWeightStationary:
      return {folds(gemm.n, array.cols), 1, folds(gemm.k, array.rows)};
    case Dataflow::kInputStationary:
      return {1, folds(gemm.m, array.cols), folds(gemm.k, array.rows)};
    case Dataflow::kOutputStationary:
      return {folds(gemm.n, array.cols), folds(gemm.m, array.rows), 1};
  }
  return {};
}

BufferTraffic buffer_traffic(const Gemm& gemm, const SystolicArray& array) noexcept {
  const OperandPasses passes = operand_passes(gemm, array);
  const int64_t outputs = gemm.m * gemm.n * gemm.repeats;
  return {gemm.m * gemm.k * gemm.repeats * passes.inputs,
          gemm.k * gemm.n * gemm.repeats * passes.weights, outputs * passes.outputs,
          outputs * (passes.outputs - 1)};
}

}  // namespace spikeloom
