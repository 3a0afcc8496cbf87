#pragma once
// The Legendre memory unit in discrete time (Voelker, Kajic and Eliasmith, NeurIPS 2019; impulse
// response: Chilkuri and Eliasmith, 2021).
//
//   theta dm/dt = A' m + B' u,  A'[i,j] = (2i+1) * (-1 if i < j, else (-1)^(i-j+1)),  B'[i] =
//   (2i+1)(-1)^i
//
// discretised with a zero-order hold of one step: [[A, B], [0, 1]] = exp([[A', B'], [0, 0]] /
// theta), in double (sim/graph/matrix_exp.hpp).

#include <memory>
#include <string>
#include <vector>

#include "core/weights.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

struct LmuSystem {
  int64_t order = 0;
  double theta = 0;
  std::vector<double> a;  // [order, order], row-major
  std::vector<double> b;  // [order]
  // Impulse response, H[:,k] = A^k B, as [taps, order]: column k of H is row k here. taps = the
  // smallest K with max|H[:,k]| < 2^-30 for all k >= K.
  int64_t taps = 0;
  std::vector<double> h;
};

// Computed once per process and pair, then shared; thread-safe. Throws Error(kUsage) for order
// outside 1..4096 or theta outside (0, 2^20], Error(kCapacity) when the response does not fade
// within 2^16 steps.
std::shared_ptr<const LmuSystem> lmu_system(int64_t order, double theta);

// Copies of A, B, H and fft_H that a checkpoint stores: such a name, and the faults of those that
// differ from the system by more than 1e-6 (fft_H, which follows from H, is not looked at).
bool is_lmu_table(const Graph& graph, const std::string& name);
void check_lmu_tables(const Graph& graph, const Weights& weights, std::vector<std::string>& faults);

// The memory that a node is; null of any other.
const LmuMemory* memory_in(const Node& node);

}  // namespace spikeloom
