#include "hw_model/report/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "hw_model/report/text.hpp"

namespace spikeloom {
namespace {

constexpr Arithmetic kDensePrecisions[] = {Arithmetic::kFp32, Arithmetic::kInt8,
                                           Arithmetic::kQnnEquiv};

std::string title_of(const SchemeReport& dense) {
  return fmt::format("{} ({})", dense.scheme == "dense_twin" ? "its dense twin" : dense.scheme,
                     name_of(dense.precision));
}

// The baseline the first line names: the realisable int8 twin before int8 of the same graph before
// the rest.
int weight_of(const SchemeReport& dense) {
  const int precision = dense.precision == Arithmetic::kInt8   ? 0
                        : dense.precision == Arithmetic::kFp32 ? 2
                                                               : 4;
  return precision + (dense.scheme == "dense_twin" ? 0 : 1);
}

std::string first_line(const std::vector<Duel>& all) {
  const Duel* named = nullptr;
  size_t lost = 0, fought = 0;
  for (const Duel& duel : all) {
    if (duel.spiking->scheme != "as_built" || duel.spiking->precision != Arithmetic::kFp32)
      continue;
    ++fought;
    if (!duel.wins()) ++lost;
    const bool better_named =
        named == nullptr || (named->wins() && !duel.wins()) ||
        (named->wins() == duel.wins() && weight_of(*duel.dense) < weight_of(*named->dense));
    if (better_named) named = &duel;
  }
  if (named == nullptr) return "UNDECIDED: no dense baseline was counted";
  const std::string figures =
      fmt::format("as_built {} per sample ({}) against {} of {}",
                  energy_text(named->spiking->per_sample_pJ()), name_of(named->spiking->precision),
                  energy_text(named->dense->per_sample_pJ()), title_of(*named->dense));
  if (lost == 0) return fmt::format("WINS: {}; {} of {} won", figures, fought, fought);
  return fmt::format("LOSES: {}; {} of {} lost", figures, lost, fought);
}

std::string list_of(const std::vector<Duel>& all, const SchemeReport* spiking, bool won) {
  std::string list;
  for (const Duel& duel : all) {
    if (duel.spiking != spiking || duel.wins() != won) continue;
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", duel.dense->scheme,
                        name_of(duel.dense->precision));
  }
  return list.empty() ? "none" : list;
}

std::string scheme_line(const std::vector<Duel>& all, const SchemeReport* spiking) {
  return fmt::format("{} ({}, {}{}) {} per sample: beats {}; loses to {}", spiking->scheme,
                     spiking->form, name_of(spiking->precision),
                     spiking->precision == Arithmetic::kInt8 ? " estimate" : "",
                     energy_text(spiking->per_sample_pJ()), list_of(all, spiking, true),
                     list_of(all, spiking, false));
}

std::string equal_precision_line(const std::vector<Duel>& all) {
  std::string list;
  for (const Duel& duel : all) {
    const bool eight_bit_weights = duel.dense->precision != Arithmetic::kFp32;
    if (duel.spiking->scheme != "as_built") continue;
    if ((duel.spiking->precision == Arithmetic::kInt8) != eight_bit_weights) continue;
    list += fmt::format("{}{} {} {} ({})", list.empty() ? "" : ", ", duel.dense->scheme,
                        name_of(duel.dense->precision),
                        ratio_text(duel.spiking->per_sample_pJ(), duel.dense->per_sample_pJ()),
                        duel.wins() ? "wins" : "loses");
  }
  return "as_built at equal weight precision: " + list;
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
    list += fmt::format("{}{} {} ({} {}{})", i == 0 ? "" : ", ", c.id, report.network.positions[i],
                        c.quantity, limit, c.nearest ? ", published for other T" : "");
  }
  return fmt::format("break-even, {} form: {:.3g} spikes per synapse and {}, mean rate {}: {}",
                     report.form, report.network.s, report.per, percent_text(report.network.rate),
                     list);
}

}  // namespace

std::vector<Duel> duels(const EnergyReport& energy) {
  std::vector<std::string> baselines;
  for (const SchemeReport& scheme : energy.schemes) {
    const bool known =
        std::find(baselines.begin(), baselines.end(), scheme.scheme) != baselines.end();
    if (scheme.scheme.starts_with("dense_") && !known) baselines.push_back(scheme.scheme);
  }
  std::vector<Duel> all;
  for (const Arithmetic precision : {Arithmetic::kFp32, Arithmetic::kInt8}) {
    for (const char* scheme : kSpikingSchemes) {
      const SchemeReport* spiking = energy.find(scheme, precision);
      if (spiking == nullptr) continue;
      for (const std::string& baseline : baselines) {
        for (const Arithmetic dense_precision : kDensePrecisions) {
          const SchemeReport* dense = energy.find(baseline, dense_precision);
          if (dense != nullptr) all.push_back({spiking, dense});
        }
      }
    }
  }
  return all;
}

std::vector<std::string> Verdict::lines() const {
  std::vector<std::string> all{headline, equal_precision, accuracy, break_even};
  all.insert(all.end(), schemes.begin(), schemes.end());
  return all;
}

Verdict judge(const EnergyReport& energy, const BreakEvenReport& break_even,
              const Accuracy& spiking, const Accuracy& twin) {
  const std::vector<Duel> all = duels(energy);
  Verdict verdict{first_line(all),
                  equal_precision_line(all),
                  accuracy_line(spiking, twin),
                  break_even_line(break_even),
                  {}};
  const SchemeReport* last = nullptr;
  for (const Duel& duel : all) {
    if (duel.spiking != last) verdict.schemes.push_back(scheme_line(all, duel.spiking));
    last = duel.spiking;
  }
  return verdict;
}

}  // namespace spikeloom
