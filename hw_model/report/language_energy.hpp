#pragma once
// Energies of SpikeGPT with and without its output head, beside the published claim.
//
// Per sample (token). `times` says how many times less than the dense twin at the same precision,
// the direction the literature reports; below 1 the row costs more. Thread-safe: pure functions.

#include <optional>
#include <string>
#include <vector>

#include "hw_model/report/energy.hpp"

namespace spikeloom {

struct HeadSplit {
  std::string scheme;
  Arithmetic precision = Arithmetic::kFp32;
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
