#pragma once
// Memory traffic of a run and what it could cost: bounds for information, never part of a total.
//
// Where weights and states lie is not known without a chip, so each line has two ends. Counts are
// accesses of `bits` each over all steps and samples; energies are pJ with prices per 64-bit access
// scaled to the bits that are used.

#include <string>
#include <vector>

#include "hw_model/energy/energy.hpp"

namespace spikeloom {

struct MemoryLine {
  std::string what;
  int64_t accesses = 0;
  int bits = 32;
  std::string low_price, high_price;  // names in the horowitz45 table
  double low_pJ = 0, high_pJ = 0;
};

struct MemoryTraffic {
  Scheme scheme = Scheme::kAsBuilt;  // or kDenseSame, kDenseTwin
  GraphForm form = GraphForm::kAsWritten;
  Arithmetic precision = Arithmetic::kFp32;
  std::vector<MemoryLine> lines;
};

// Event-driven: one weight read per operation (nothing reused), one state read and write per neuron
// update, weights once per sample from DRAM; a line for each width of weights that ran.
MemoryTraffic spiking_traffic(const CountedGraph& counted, Arithmetic precision);
// As above, without states; every input element of a layer read once. kFp32, kInt16, kInt8, or
// kBf16 (values of 32 bits).
MemoryTraffic dense_traffic(Scheme scheme, const OpCounts& counts, Arithmetic precision);

std::vector<MemoryTraffic> memory_traffic(const RunCounts& run);

}  // namespace spikeloom
