#pragma once
// Energies of SpikeGPT with and without its output head, beside the published claim.
//
// Per sample (token). `times` says how many times less than the dense twin at the same precision
// (with narrow weights and everything else fp32, as they run in this engine, that is the twin in
// fp32: its products cost what those of fp32 cost), the direction the literature reports; below 1
// the row costs more. Thread-safe: pure functions.

#include <optional>
#include <string>
#include <vector>

#include "hw_model/energy/energy.hpp"

namespace spikeloom {

struct HeadSplit {
  SchemeName scheme = Scheme::kPaper;
  Pricing pricing = Arithmetic::kFp32;
  Evidence evidence = Evidence::kEstimated;
  double with_head_pJ = 0, without_head_pJ = 0;
  double times_with_head = 0, times_without_head = 0;
};

struct LanguageEnergy {
  std::string head;             // the layer left out
  std::vector<HeadSplit> rows;  // paper, as_built, event_decomposed, then the baselines
  PublishedClaim claim;
  std::vector<std::string> assumptions;
};

// nullopt for networks without such a stream, or without a dense twin.
std::optional<LanguageEnergy> language_energy(const EnergyReport& energy, const RunCounts& run);

}  // namespace spikeloom
