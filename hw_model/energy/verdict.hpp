#pragma once
// Who wins, like with like: first what ran, or its estimate, against dense baselines at equal
// precision and equal evidence; then the cheapest spiking row against the cheapest dense row.

#include <string>
#include <string_view>
#include <vector>

#include "hw_model/energy/break_even.hpp"
#include "hw_model/energy/energy.hpp"

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
  bool ties() const { return spiking->per_sample_pJ() == dense->per_sample_pJ(); }
  // Every operation of both at one precision. Layers that ran narrow among others of fp32 have no
  // dense network like them.
  bool equal_precision() const;
  bool equal_evidence() const { return spiking->evidence == dense->evidence; }
  // Both price all of the synaptic work; otherwise there is no ratio.
  bool same_work() const { return spiking->priced_share >= 1 && dense->priced_share >= 1; }
  double ratio() const {  // below 1: spiking is cheaper; 0 when the baseline costs nothing
    const double base = dense->per_sample_pJ();
    return base > 0 ? spiking->per_sample_pJ() / base : 0.0;
  }
};

// All pairs, in the order of the schemes; spiking ones in the executed form (paper: fused). A tie
// counts as lost.
std::vector<Duel> duels(const EnergyReport& energy);

// What the first line of a report compares; pointers into the EnergyReport, null where there is no
// such row.
struct Contest {
  Duel fair;                          // as_built in the executed form
  Duel best;                          // of the rows that count all the work exactly
  const SchemeReport* ran = nullptr;  // as_built as it ran
};
// fair: at the precision of the run, both ran if any dense network did, else both estimated, else
// what ran against an estimate; of several baselines the cheapest, so that who beats it beats all.
Contest contest_of(const EnergyReport& energy);

// Wins, loses, ties when both comparisons say so, mixed when they do not; undecided without a
// baseline.
enum class Outcome { kWins, kLoses, kTies, kMixed, kUndecided, kNotSpiking };
inline constexpr Outcome kOutcomes[] = {Outcome::kWins,  Outcome::kLoses,     Outcome::kTies,
                                        Outcome::kMixed, Outcome::kUndecided, Outcome::kNotSpiking};
std::string_view name_of(Outcome outcome) noexcept;  // "WINS", ...: how a headline begins
Outcome outcome_of(const Contest& contest) noexcept;

// The outcome; then what ran, where it is of an estimate; then both comparisons, with every row's
// form, precision and evidence. One sentence.
std::string headline_of(const EnergyReport& energy, bool random_weights);

struct Verdict {
  Outcome outcome = Outcome::kUndecided;
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

struct VerdictFacts {
  Accuracy spiking, twin;
  bool random_weights = false;
};
Verdict judge(const EnergyReport& energy, const BreakEvenReport& break_even,
              const VerdictFacts& facts);

}  // namespace spikeloom
