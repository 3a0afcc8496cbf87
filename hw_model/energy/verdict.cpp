#include "hw_model/energy/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/io/text.hpp"

namespace spikeloom {
namespace {

// Two energies as texts that do not hide which is the larger.
std::pair<std::string, std::string> energies_of(const Duel& duel) {
  const double spiking = duel.spiking->per_sample_pJ(), dense = duel.dense->per_sample_pJ();
  std::pair<std::string, std::string> texts{energy_text(spiking), energy_text(dense)};
  if (texts.first == texts.second && spiking != dense)
    texts = {fmt::format("{} pJ", spiking), fmt::format("{} pJ", dense)};
  return texts;
}

std::string outcome_of(const Duel& duel) {
  const auto [spiking, dense] = energies_of(duel);
  return fmt::format("{} {} per sample {} {} {}", duel.spiking->label(), spiking,
                     duel.wins()   ? "beats"
                     : duel.ties() ? "ties with"
                                   : "loses to",
                     duel.dense->label(), dense);
}

bool cheaper(const SchemeReport* a, const SchemeReport* b) {
  return b == nullptr || a->per_sample_pJ() < b->per_sample_pJ();
}

// Rules that count, operation by operation, all that the network does.
bool counts_all(const SchemeReport& row) {
  return row.is_dense() || ((row.scheme == Scheme::kAsBuilt || row.scheme == Scheme::kEvent) &&
                            row.priced_share >= 1);
}

const SchemeReport* cheapest_dense(const EnergyReport& energy, Arithmetic precision,
                                   Evidence evidence) {
  const SchemeReport* best = nullptr;
  for (const SchemeReport& row : energy.schemes) {
    const bool fits =
        row.is_dense() && row.pricing.precision == precision && row.evidence == evidence;
    if (fits && cheaper(&row, best)) best = &row;
  }
  return best;
}

std::string evidence_text(Evidence spiking, Evidence dense) {
  if (spiking == dense) return fmt::format("both {}", name_of(spiking));
  return fmt::format("{} against {}", name_of(spiking), name_of(dense));
}

std::string list_of(const std::vector<Duel>& all, const SchemeReport* spiking, bool won) {
  std::string list;
  for (const Duel& duel : all) {
    if (duel.spiking != spiking || duel.wins() != won) continue;
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", duel.dense->scheme.text(),
                        name_of(duel.dense->pricing.precision));
  }
  return list.empty() ? "none" : list;
}

std::string scheme_line(const std::vector<Duel>& all, const SchemeReport* spiking) {
  const std::string name =
      fmt::format("{} {} per sample", spiking->label(), energy_text(spiking->per_sample_pJ()));
  if (spiking->priced_share < 1)
    return fmt::format("{}: prices {} of the synaptic work, so it is compared with nothing", name,
                       percent_text(spiking->priced_share));
  return fmt::format("{}: costs less than {}; not less than {}", name, list_of(all, spiking, true),
                     list_of(all, spiking, false));
}

// qnn_equiv has weights of 8 bits.
bool equal_weights(const Duel& duel) {
  const bool eight_bits = duel.dense->pricing.precision == Arithmetic::kQnnEquiv &&
                          duel.spiking->pricing.precision == Arithmetic::kInt8 &&
                          !duel.spiking->pricing.as_run;
  return duel.equal_precision() || eight_bits;
}

std::string equal_precision_line(const std::vector<Duel>& all) {
  constexpr Evidence kRan = Evidence::kRan, kRecorded = Evidence::kRecorded,
                     kEstimated = Evidence::kEstimated;
  // No dense network is recorded.
  constexpr std::pair<Evidence, Evidence> kPairs[] = {{kRan, kRan},       {kEstimated, kEstimated},
                                                      {kRan, kEstimated}, {kRecorded, kEstimated},
                                                      {kRecorded, kRan},  {kEstimated, kRan}};
  std::string list, last;
  for (const auto& [spiking, dense] : kPairs) {
    const std::string evidence = evidence_text(spiking, dense);
    for (const Duel& duel : all) {
      if (duel.spiking->scheme != Scheme::kAsBuilt || !equal_weights(duel)) continue;
      if (duel.spiking->evidence != spiking || duel.dense->evidence != dense) continue;
      list += list.empty() ? "" : last == evidence ? ", " : "; ";
      if (last != evidence) list += evidence + ": ";
      last = evidence;
      list += fmt::format("{} {} {} ({})", duel.dense->scheme.text(),
                          name_of(duel.dense->pricing.precision),
                          ratio_text(duel.spiking->per_sample_pJ(), duel.dense->per_sample_pJ()),
                          duel.wins()   ? "wins"
                          : duel.ties() ? "ties"
                                        : "loses");
    }
  }
  return "as_built at equal weight precision: " + (list.empty() ? "no dense network" : list);
}

std::string accuracy_line(const Accuracy& spiking, const Accuracy& twin) {
  const auto text = [](const Accuracy& a) {
    return a.known ? fmt::format("{} ({} of {})", percent_text(a.fraction()), a.correct, a.total)
                   : std::string("not measured");
  };
  return fmt::format("accuracy: spiking {}; dense twin {}", text(spiking), text(twin));
}

std::string break_even_line(const BreakEvenReport& report) {
  if (report.conditions.empty()) {
    return fmt::format(
        "break-even: limits on spikes per synapse do not apply, no product reads "
        "spikes; mean rate {}",
        percent_text(report.network.rate));
  }
  std::string list;
  for (size_t i = 0; i < report.conditions.size(); ++i) {
    const BreakEvenCondition& c = report.conditions[i];
    const std::string limit = c.low == c.high ? fmt::format("{:.3g}", c.low)
                                              : fmt::format("{:.3g}..{:.3g}", c.low, c.high);
    list += fmt::format("{}{} {} ({} {}{})", i == 0 ? "" : ", ", c.id,
                        name_of(report.network.positions[i]), name_of(c.quantity), limit,
                        c.nearest ? ", published for other T" : "");
  }
  return fmt::format("break-even, {} form: {:.3g} spikes per synapse and {}, mean rate {}: {}",
                     name_of(report.form), report.network.s, report.per,
                     percent_text(report.network.rate), list);
}

}  // namespace

bool Duel::equal_precision() const {
  return !spiking->pricing.as_run && spiking->pricing.precision == dense->pricing.precision;
}

std::vector<Duel> duels(const EnergyReport& energy) {
  std::vector<Duel> all;
  for (const SchemeReport& spiking : energy.schemes) {
    // One form of each scheme.
    if (spiking.is_dense() || energy.find(spiking.scheme, spiking.pricing) != &spiking) continue;
    for (const SchemeReport& dense : energy.schemes) {
      if (dense.is_dense()) all.push_back({&spiking, &dense});
    }
  }
  return all;
}

Contest contest_of(const EnergyReport& energy) {
  Contest contest;
  for (const SchemeReport& row : energy.schemes) {
    if (!counts_all(row)) continue;
    const SchemeReport*& best = row.is_dense() ? contest.best.dense : contest.best.spiking;
    if (cheaper(&row, best)) best = &row;
  }
  const Arithmetic precision = energy.executed_precision;
  contest.ran = energy.of_run(Scheme::kAsBuilt);
  contest.fair.spiking = energy.find(Scheme::kAsBuilt, precision);
  if (contest.fair.spiking == nullptr) return contest;
  const Evidence evidence = contest.fair.spiking->evidence;
  contest.fair.dense = cheapest_dense(energy, precision, evidence);
  const Evidence other = evidence == Evidence::kEstimated ? Evidence::kRan : Evidence::kEstimated;
  if (contest.fair.dense == nullptr) contest.fair.dense = cheapest_dense(energy, precision, other);
  return contest;
}

namespace {

// What ran where it is another row than the one the outcome is about, so that nobody takes the one
// for the other: part of the first clause.
std::string ran_clause(const Contest& contest) {
  if (contest.ran == nullptr || contest.ran == contest.fair.spiking) return "";
  const Duel duel{contest.ran, contest.best.dense};
  return fmt::format(
      ", {} what ran, {}, cost {}, {} the best dense row, and no dense network ran like it",
      duel.wins() == contest.fair.wins() ? "and" : "but", contest.ran->label(),
      energies_of(duel).first,
      duel.wins()   ? "less than"
      : duel.ties() ? "as much as"
                    : "more than");
}

}  // namespace

std::string_view name_of(Outcome outcome) noexcept {
  constexpr std::string_view kNames[] = {"WINS",  "LOSES",     "TIES",
                                         "MIXED", "UNDECIDED", "NOT SPIKING"};
  return kNames[static_cast<size_t>(outcome)];
}

Outcome outcome_of(const Contest& contest) noexcept {
  const Duel &fair = contest.fair, &best = contest.best;
  if (fair.spiking == nullptr || fair.dense == nullptr || best.spiking == nullptr)
    return Outcome::kUndecided;
  if (fair.wins() != best.wins() || fair.ties() != best.ties()) return Outcome::kMixed;
  return fair.wins() ? Outcome::kWins : fair.ties() ? Outcome::kTies : Outcome::kLoses;
}

std::string headline_of(const EnergyReport& energy, bool random_weights) {
  const Contest contest = contest_of(energy);
  const Duel &fair = contest.fair, &best = contest.best;
  const Outcome outcome = outcome_of(contest);
  if (outcome == Outcome::kUndecided) return "UNDECIDED: no dense baseline was counted";
  const bool guessed = fair.spiking->evidence == Evidence::kEstimated;
  std::string line =
      fmt::format("{}{}{}{}: at equal precision{}, {}; best against best, {}", name_of(outcome),
                  guessed ? " as estimated" : "", random_weights ? " with random weights" : "",
                  ran_clause(contest),
                  fair.equal_evidence() ? " and evidence" : ", though no dense network ran",
                  outcome_of(fair), outcome_of(best));
  const double share = std::min({fair.spiking->priced_share, fair.dense->priced_share,
                                 best.spiking->priced_share, best.dense->priced_share});
  if (share < 1) line += fmt::format("; {} of the synaptic work priced", percent_text(share));
  return line;
}

std::vector<std::string> Verdict::lines() const {
  std::vector<std::string> all{headline, equal_precision, accuracy, break_even};
  all.insert(all.end(), schemes.begin(), schemes.end());
  return all;
}

Verdict judge(const EnergyReport& energy, const BreakEvenReport& break_even,
              const VerdictFacts& facts) {
  const std::vector<Duel> all = duels(energy);
  Verdict verdict{outcome_of(contest_of(energy)), headline_of(energy, facts.random_weights),
                  equal_precision_line(all),      accuracy_line(facts.spiking, facts.twin),
                  break_even_line(break_even),    {}};
  const SchemeReport* last = nullptr;
  for (const Duel& duel : all) {
    if (duel.spiking != last) verdict.schemes.push_back(scheme_line(all, duel.spiking));
    last = duel.spiking;
  }
  return verdict;
}

}  // namespace spikeloom
