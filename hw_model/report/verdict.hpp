#pragma once
// Who wins: every spiking scheme against every dense baseline, per sample.

#include <string>
#include <vector>

#include "hw_model/report/break_even.hpp"
#include "hw_model/report/energy.hpp"

namespace spikeloom {

// Share of right answers; `known` false when the dataset has no labels or nothing was classified.
struct Accuracy {
  int64_t correct = 0;
  int64_t total = 0;
  bool known = false;
  double fraction() const {
    return known && total > 0 ? static_cast<double>(correct) / static_cast<double>(total) : 0.0;
  }
};

// One spiking scheme against one baseline.
struct Duel {
  const SchemeReport* spiking = nullptr;  // both point into the EnergyReport
  const SchemeReport* dense = nullptr;
  bool wins() const { return spiking->per_sample_pJ() < dense->per_sample_pJ(); }
  double ratio() const {  // below 1: spiking is cheaper; 0 when the baseline costs nothing
    const double base = dense->per_sample_pJ();
    return base > 0 ? spiking->per_sample_pJ() / base : 0.0;
  }
};

// All pairs, spiking schemes in the order paper, as_built, event (executed form; paper: fused) at
// fp32 then int8. A tie counts as lost.
std::vector<Duel> duels(const EnergyReport& energy);

struct Verdict {
  // "LOSES: ..." as soon as as_built in the executed form (fp32) costs more than any dense
  // baseline, else "WINS: ...".
  std::string headline;
  // as_built against baselines of the same weight precision; qnn_equiv has 8-bit weights and meets
  // the int8 estimate.
  std::string equal_precision;
  std::string accuracy;
  std::string break_even;
  std::vector<std::string> schemes;  // one line for each spiking scheme and precision
  // All of them, headline first. Lines may be longer than a terminal; wrap() them.
  std::vector<std::string> lines() const;
};

Verdict judge(const EnergyReport& energy, const BreakEvenReport& break_even,
              const Accuracy& spiking, const Accuracy& twin);

}  // namespace spikeloom
