#include "hw_model/report/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/io/text.hpp"

namespace spikeloom {
namespace {

// Cut to the width; never inside a character.
std::string cut(std::string line) {
  if (line.size() <= kSummaryWidth) return line;
  size_t end = kSummaryWidth - 3;
  while (end > 0 && (line[end] & 0xC0) == 0x80) --end;
  line.resize(end);
  return line + "...";
}

std::string labelled(const std::string& label, const std::string& text) {
  return fmt::format("{:<9} {}", label, text);
}

// The outcome with both ratios, in two lines.
std::vector<std::string> verdict_lines(const Report& report) {
  const Contest contest = contest_of(report.energy);
  const Outcome outcome = report.verdict.outcome;
  if (outcome == Outcome::kUndecided || outcome == Outcome::kNotSpiking)
    return {report.verdict.headline};
  const Duel &fair = contest.fair, &best = contest.best;
  const auto part = [](const Duel& duel) {
    const double dense = duel.dense->per_sample_pJ();
    if (duel.same_work() && dense > 0) return ratio_text(duel.spiking->per_sample_pJ(), dense);
    return std::string(duel.wins() ? "below" : duel.ties() ? "equal to" : "above");
  };
  std::string text = fmt::format(
      "{}{}{}: {} the dense energy at equal precision, {} best against best", name_of(outcome),
      fair.spiking->evidence == Evidence::kEstimated ? " as estimated" : "",
      report.input.weights_random ? ", random weights" : "", part(fair), part(best));
  if (!report.input.recorded.empty()) text += "; recorded, nothing was run here";
  if (contest.ran != nullptr && contest.ran != fair.spiking) {
    const Duel ran{contest.ran, best.dense};
    text += fmt::format("; as it ran {} the best dense row", ran.wins()   ? "less than"
                                                             : ran.ties() ? "as much as"
                                                                          : "more than");
  }
  const double share = std::min({fair.spiking->priced_share, fair.dense->priced_share,
                                 best.spiking->priced_share, best.dense->priced_share});
  if (share < 1) text += fmt::format("; {} of the work priced", share_text(share));
  std::string wrapped = wrap(text, 2, kSummaryWidth);
  wrapped.pop_back();
  const size_t line = wrapped.find('\n');
  if (line == wrapped.npos) return {wrapped};
  return {wrapped.substr(0, line), wrapped.substr(line + 1)};
}

std::string bits_text(const LanguageScore& score) {
  if (score.tokens == 0) return "not known";
  const bool spelt = !score.vocabulary.empty() && score.characters > 0;
  return fmt::format("{:.4f} bits per {}",
                     score.bits() / static_cast<double>(spelt ? score.characters : score.tokens),
                     spelt ? "character" : "token");
}

std::string accuracy_text(const Accuracy& accuracy) {
  if (!accuracy.known) return "not known: no labels";
  return fmt::format("{} ({} of {})", percent_text(accuracy.fraction()), accuracy.correct,
                     accuracy.total);
}

std::string quality_line(const Report& report) {
  const ReportInput& in = report.input;
  if (in.language) {
    const bool twin = in.twin && in.twin->language;
    return labelled("score", bits_text(*in.language) +
                                 (twin ? "; dense twin " + bits_text(*in.twin->language) : ""));
  }
  std::string text = accuracy_text(in.accuracy);
  if (in.twin && in.twin->accuracy.known)
    text += fmt::format("; dense twin {}", accuracy_text(in.twin->accuracy));
  if (!in.broken.empty()) text += fmt::format("; {} samples broken", in.broken.size());
  return labelled("accuracy", text);
}

// Per sample, in the form that ran; the dense network beside it in one pass.
std::string work_line(const Report& report) {
  const CountTotals& totals = report.executed().ops.totals;
  const double samples = static_cast<double>(std::max<int64_t>(1, report.executed().ops.samples));
  const auto text = [&](int64_t count) {
    const double each = static_cast<double>(count) / samples;
    return count_text(each >= 1000 ? std::round(each) : each);
  };
  int64_t macs = totals.stem_macs + totals.real_macs_without_stem;
  for (const AttentionCount& a : report.executed().ops.attention) {
    if (!a.spiking) macs += a.dense_macs_kv + a.dense_macs_qkv;  // softmax multiplies real values
  }
  const CountTotals& dense = report.input.counts.dense_same.ops.totals;
  return labelled(
      "work",
      fmt::format("rate {}; per sample {} AC + {} MAC, dense {} MAC",
                  percent_text(report.break_even.network.rate),
                  text(totals.event_adds + totals.kv_k_gated_adds + totals.qkv_q_gated_adds),
                  text(macs), text(dense.dense_macs + dense.dense_macs_attention)));
}

// Both rows of a comparison, the spiking one with its ratio.
std::vector<std::vector<std::string>> duel_rows(const char* label, const Duel& duel) {
  const auto row = [](const std::string& name, const SchemeReport& scheme) {
    return std::vector<std::string>{labelled(name, scheme.label()),
                                    energy_text(scheme.per_sample_pJ())};
  };
  std::vector<std::vector<std::string>> rows{row(label, *duel.spiking), row("", *duel.dense)};
  rows[0].push_back(duel.same_work()
                        ? ratio_text(duel.spiking->per_sample_pJ(), duel.dense->per_sample_pJ())
                        : "");
  return rows;
}

std::string energy_lines(const Report& report) {
  const Contest contest = contest_of(report.energy);
  std::vector<std::vector<std::string>> rows;
  if (outcome_of(contest) == Outcome::kUndecided) {
    if (const SchemeReport* ran = contest.ran; ran != nullptr)
      rows = {{labelled("energy", ran->label()), energy_text(ran->per_sample_pJ())}};
  } else {
    rows = duel_rows("energy", contest.fair);
    const bool other =
        contest.best.spiking != contest.fair.spiking || contest.best.dense != contest.fair.dense;
    if (other) {
      for (auto& row : duel_rows("best", contest.best)) rows.push_back(std::move(row));
    }
  }
  return rows.empty() ? "" : columns(rows, kSummaryWidth);
}

std::string unpriced_line(const Report& report) {
  const SchemeReport* ran = report.energy.of_run(Scheme::kAsBuilt);
  if (ran == nullptr) return labelled("unpriced", "not known");
  std::string text =
      labelled("unpriced", (ran->priced_share < 1 ? share_text(1 - ran->priced_share) : "nothing") +
                               " of the synaptic work");
  const auto samples = static_cast<double>(std::max<int64_t>(1, ran->samples));
  size_t left = static_cast<size_t>(std::count_if(ran->unpriced.begin(), ran->unpriced.end(),
                                                  [](const auto& t) { return t.count > 0; }));
  for (const UnpricedTerm& term : ran->unpriced) {
    if (term.count == 0) continue;
    const std::string what =
        fmt::format(", {} {}", count_text(static_cast<double>(term.count) / samples),
                    term.text.substr(0, term.text.find(" (")));
    if (text.size() + what.size() + 10 > kSummaryWidth) break;  // " + 12 more"
    text += what;
    --left;
  }
  return left > 0 ? text + fmt::format(" + {} more", left) : text;
}

std::string chip_line(const ChipRun& chip) {
  return labelled("chip",
                  fmt::format("{}: {} per sample, {} of the work priced", chip.chip,
                              energy_text(chip.total_j * 1e12), share_text(chip.coverage.priced)));
}

std::string change_line(const std::vector<std::string>& changes) {
  const size_t others = changes.size() - 1;
  return labelled("what if", (others > 0 ? fmt::format("({} more) ", others) : "") + changes[0]);
}

}  // namespace

std::string to_summary(const Report& report,
                       const std::vector<std::pair<std::string, std::string>>& more) {
  const ReportInput& in = report.input;
  std::string out;
  const auto add = [&](const std::string& line) { out += cut(line) + '\n'; };
  for (const std::string& line : verdict_lines(report)) add(line);
  if (!in.what_if.empty()) add(change_line(in.what_if));
  add(quality_line(report));
  add(work_line(report));
  out += energy_lines(report);
  add(unpriced_line(report));
  if (in.hardware) add(chip_line(*in.hardware));
  add(labelled("signature", fmt::format("{} ({}, {}, {} samples x {} steps)", in.signature,
                                        name_of(in.counts.executed_form), in.precision.name,
                                        report.executed().ops.samples, in.counts.steps)));
  for (const auto& [label, text] : more) out += labelled(label, text) + '\n';
  return out;
}

}  // namespace spikeloom
