// The first line of a report: a table of rows and the sentence they give, and that no set of rows
// makes a sentence that contradicts them.

#include <random>
#include <regex>

#include "core/io/text.hpp"
#include "tests/catch.hpp"
#include "tests/unit/report_fixture.hpp"

using namespace spikeloom;

namespace {

SchemeReport row_of(SchemeName scheme, GraphForm form, Pricing pricing, Evidence evidence,
                    double pJ, double share = 1) {
  SchemeReport row;
  row.scheme = std::move(scheme);
  row.form = form;
  row.pricing = pricing;
  row.evidence = evidence;
  row.total_pJ = pJ;
  row.samples = 1;
  row.priced_share = share;
  return row;
}

EnergyReport energy_of(Arithmetic precision, std::vector<SchemeReport> rows) {
  EnergyReport energy;
  energy.executed_form = GraphForm::kAsWritten;
  energy.executed_precision = precision;
  energy.schemes = std::move(rows);
  return energy;
}

constexpr Evidence kRan = Evidence::kRan, kEstimated = Evidence::kEstimated;
constexpr Arithmetic kFp32 = Arithmetic::kFp32, kInt8 = Arithmetic::kInt8,
                     kInt16 = Arithmetic::kInt16, kQnn = Arithmetic::kQnnEquiv;

}  // namespace

TEST_CASE("the verdict: rows in, sentence out") {
  const SchemeReport ran = row_of(Scheme::kAsBuilt, GraphForm::kAsWritten, kFp32, kRan, 47000);
  const SchemeReport guess =
      row_of(Scheme::kAsBuilt, GraphForm::kAsWritten, kInt8, kEstimated, 3600);
  const SchemeReport twin_ran =
      row_of(Scheme::kDenseTwin, GraphForm::kAsWritten, kFp32, kRan, 126000);
  const SchemeReport twin =
      row_of(Scheme::kDenseTwin, GraphForm::kAsWritten, kFp32, kEstimated, 126000);
  const SchemeReport same =
      row_of(Scheme::kDenseSame, GraphForm::kAsWritten, kFp32, kEstimated, 46000);
  const SchemeReport twin_int8 =
      row_of(Scheme::kDenseTwin, GraphForm::kAsWritten, kInt8, kEstimated, 8200);
  const SchemeReport twin_qnn =
      row_of(Scheme::kDenseTwin, GraphForm::kAsWritten, kQnn, kEstimated, 3000);
  struct Case {
    Arithmetic precision;
    std::vector<SchemeReport> rows;
    bool random_weights;
    std::string sentence;
  };
  const std::vector<Case> cases = {
      {kFp32,
       {ran, guess, twin_ran, same, twin_int8},
       false,
       "WINS: at equal precision and evidence, as_built (as_written, fp32, ran) 47.00 nJ per "
       "sample beats dense_twin (fp32, ran) 126.0 nJ; best against best, as_built (as_written, "
       "int8 throughout, estimated) 3.600 nJ per sample beats dense_twin (int8, estimated) 8.200 "
       "nJ"},
      // The cheapest at equal precision and evidence is named: nothing ran, so the estimates meet.
      {kFp32,
       {ran, guess, twin, same, twin_qnn},
       true,
       "LOSES with random weights: at equal precision, though no dense network ran, as_built "
       "(as_written, fp32, ran) 47.00 nJ per sample loses to dense_same (fp32, estimated) 46.00 "
       "nJ; best against best, as_built (as_written, int8 throughout, estimated) 3.600 nJ per "
       "sample loses to dense_twin (qnn_equiv, estimated) 3.000 nJ"},
      {kFp32,
       {ran, guess, twin_ran, twin_qnn},
       false,
       "MIXED: at equal precision and evidence, as_built (as_written, fp32, ran) 47.00 nJ per "
       "sample beats dense_twin (fp32, ran) 126.0 nJ; best against best, as_built (as_written, "
       "int8 throughout, estimated) 3.600 nJ per sample loses to dense_twin (qnn_equiv, "
       "estimated) 3.000 nJ"},
      // A run in int8: its estimate meets the dense estimate, and what ran is told.
      {kInt8,
       {row_of(Scheme::kAsBuilt, GraphForm::kAsWritten, {kInt8, true}, kRan, 37000), guess,
        twin_ran, twin_int8},
       false,
       "WINS as estimated, but what ran, as_built (as_written, int8, ran), cost 37.00 nJ, more "
       "than "
       "the best dense row, and no dense network ran like it: at equal precision and evidence, "
       "as_built (as_written, int8 throughout, estimated) 3.600 nJ per sample beats dense_twin "
       "(int8, estimated) 8.200 nJ; best against best, as_built (as_written, int8 throughout, "
       "estimated) 3.600 nJ per sample beats dense_twin (int8, estimated) 8.200 nJ"},
      {kInt8,
       {row_of(Scheme::kAsBuilt, GraphForm::kAsWritten, {kInt8, true}, kRan, 8000), guess, twin_ran,
        twin_int8},
       false,
       "WINS as estimated, and what ran, as_built (as_written, int8, ran), cost 8.000 nJ, less "
       "than "
       "the best dense row, and no dense network ran like it: at equal precision and evidence, "
       "as_built (as_written, int8 throughout, estimated) 3.600 nJ per sample beats dense_twin "
       "(int8, estimated) 8.200 nJ; best against best, as_built (as_written, int8 throughout, "
       "estimated) 3.600 nJ per sample beats dense_twin (int8, estimated) 8.200 nJ"},
      // Rules that leave work out win nothing.
      {kFp32,
       {ran, row_of(Scheme::kNeurobench, GraphForm::kAsWritten, kFp32, kRan, 5, 0.5), twin_ran},
       false,
       "WINS: at equal precision and evidence, as_built (as_written, fp32, ran) 47.00 nJ per "
       "sample beats dense_twin (fp32, ran) 126.0 nJ; best against best, as_built (as_written, "
       "fp32, ran) 47.00 nJ per sample beats dense_twin (fp32, ran) 126.0 nJ"},
      // A tie is neither won nor lost; energies that only look equal are written out.
      {kFp32,
       {row_of(Scheme::kAsBuilt, GraphForm::kAsWritten, kFp32, kRan, 46000), same},
       false,
       "TIES: at equal precision, though no dense network ran, as_built (as_written, fp32, ran) "
       "46.00 nJ per sample ties with dense_same (fp32, estimated) 46.00 nJ; best against best, "
       "as_built (as_written, fp32, ran) 46.00 nJ per sample ties with dense_same (fp32, "
       "estimated) 46.00 nJ"},
      // Spikes that were recorded elsewhere did not run.
      {kFp32,
       {row_of(Scheme::kAsBuilt, GraphForm::kAsWritten, kFp32, Evidence::kRecorded, 47000), twin},
       false,
       "WINS: at equal precision, though no dense network ran, as_built (as_written, fp32, "
       "recorded) 47.00 nJ per sample beats dense_twin (fp32, estimated) 126.0 nJ; best against "
       "best, as_built (as_written, fp32, recorded) 47.00 nJ per sample beats dense_twin (fp32, "
       "estimated) 126.0 nJ"},
      {kFp32,
       {row_of(Scheme::kAsBuilt, GraphForm::kAsWritten, kFp32, kRan, 45999.5), same},
       false,
       "WINS: at equal precision, though no dense network ran, as_built (as_written, fp32, ran) "
       "45999.5 pJ per sample beats dense_same (fp32, estimated) 46000 pJ; best against best, "
       "as_built (as_written, fp32, ran) 45999.5 pJ per sample beats dense_same (fp32, estimated) "
       "46000 pJ"},
      {kFp32, {ran}, false, "UNDECIDED: no dense baseline was counted"},
      {kFp32, {same}, false, "UNDECIDED: no dense baseline was counted"},
  };
  for (const Case& c : cases)
    CHECK(headline_of(energy_of(c.precision, c.rows), c.random_weights) == c.sentence);
}

namespace {

double pJ_of(const std::string& text) {
  const double value = std::stod(text);
  for (const auto& [unit, scale] : std::vector<std::pair<std::string, double>>{
           {" pJ", 1}, {" nJ", 1e3}, {" uJ", 1e6}, {" mJ", 1e9}, {" J", 1e12}}) {
    if (text.ends_with(unit)) return value * scale;
  }
  FAIL("no unit in " << text);
  return 0;
}

// The row that a sentence names, whose energy is the one beside it.
const SchemeReport& named(const EnergyReport& energy, const std::string& label,
                          const std::string& text) {
  for (const SchemeReport& row : energy.schemes) {
    if (row.label() == label && near(row.per_sample_pJ(), pJ_of(text), 6e-4)) return row;
  }
  FAIL("no row " << label << " of " << text);
  return energy.schemes[0];
}

struct Rng {
  std::mt19937 bits{5};
  double uniform() { return bits() / 4294967296.0; }
};

EnergyReport random_rows(Rng& rng, Arithmetic precision) {
  EnergyReport energy = energy_of(precision, {});
  const auto pJ = [&] { return std::round(std::pow(10.0, 2 + 4 * rng.uniform())); };
  const auto add = [&](const SchemeName& scheme, GraphForm form, Pricing pricing,
                       Evidence evidence) {
    const bool part = scheme == Scheme::kNeurobench;
    energy.schemes.push_back(row_of(scheme, form, pricing, evidence, pJ(), part ? 0.9 : 1));
  };
  for (const GraphForm form : {GraphForm::kAsWritten, GraphForm::kFused}) {
    const Evidence evidence = form == energy.executed_form ? kRan : kEstimated;
    for (const Scheme scheme : {Scheme::kAsBuilt, Scheme::kEvent, Scheme::kNeurobench}) {
      if (precision != kFp32) add(scheme, form, {precision, true}, evidence);
      for (const Arithmetic all : {kFp32, kInt8, kInt16}) {
        if (all == kInt16 && precision != kInt16) continue;
        add(scheme, form, all, all == precision && all == kFp32 ? evidence : kEstimated);
      }
    }
  }
  const bool twin_ran = rng.uniform() < 0.5;
  for (const SchemeName& scheme :
       {SchemeName(Scheme::kDenseSame), SchemeName(Scheme::kDenseTwin), SchemeName("dense_gpt")}) {
    if (rng.uniform() < 0.3 && scheme != Scheme::kDenseSame) continue;
    for (const Arithmetic all : {kFp32, kInt8, kQnn, kInt16}) {
      if (all == kInt16 && precision != kInt16) continue;
      const bool ran = twin_ran && all == kFp32 && scheme == Scheme::kDenseTwin;
      add(scheme, GraphForm::kAsWritten, all, ran ? kRan : kEstimated);
    }
  }
  return energy;
}

}  // namespace

TEST_CASE("no set of rows makes a verdict that contradicts them") {
  Rng rng;
  const std::regex sentence(
      "(WINS|LOSES|TIES|MIXED)( as estimated)?( with random weights)?(?:, (?:and|but) what ran, "
      "[^:]*)?: "
      "at equal "
      "precision(?: and evidence|, though no dense network ran), " +
      std::string(R"((\S+ \([^)]*\)) (\S+ \w*J) per sample (beats|ties with|loses to) )") +
      R"((\S+ \([^)]*\)) (\S+ \w*J); best against best, )" +
      R"((\S+ \([^)]*\)) (\S+ \w*J) per sample (beats|ties with|loses to) )" +
      R"((\S+ \([^)]*\)) (\S+ \w*J))");
  for (int i = 0; i < 3000; ++i) {
    const Arithmetic precision = i % 3 == 0 ? kFp32 : i % 3 == 1 ? kInt8 : kInt16;
    const EnergyReport energy = random_rows(rng, precision);
    const bool random_weights = i % 2 == 0;
    const std::string line = headline_of(energy, random_weights);
    INFO(line);
    std::smatch m;
    REQUIRE(std::regex_match(line, m, sentence));
    CHECK(m[3].matched == random_weights);
    const SchemeReport &fair = named(energy, m[4], m[5]), &dense = named(energy, m[7], m[8]);
    const SchemeReport &best = named(energy, m[9], m[10]), &cheap = named(energy, m[12], m[13]);
    const bool fair_wins = fair.per_sample_pJ() < dense.per_sample_pJ();
    const bool best_wins = best.per_sample_pJ() < cheap.per_sample_pJ();
    const bool fair_ties = fair.per_sample_pJ() == dense.per_sample_pJ();
    const bool best_ties = best.per_sample_pJ() == cheap.per_sample_pJ();
    CHECK(m[6] == (fair_wins ? "beats" : fair_ties ? "ties with" : "loses to"));
    CHECK(m[11] == (best_wins ? "beats" : best_ties ? "ties with" : "loses to"));
    CHECK(m[1] == (m[6] != m[11] ? "MIXED" : fair_wins ? "WINS" : fair_ties ? "TIES" : "LOSES"));
    CHECK((m[2].matched) == (fair.evidence == kEstimated));
    // Like with like.
    CHECK(fair.pricing.precision == precision);
    CHECK(dense.pricing.precision == precision);
    CHECK(fair.form == energy.executed_form);
    CHECK((line.find("and evidence") != line.npos) == (fair.evidence == dense.evidence));
    for (const SchemeReport& other : energy.schemes) {
      if (other.is_dense()) {
        CHECK(other.per_sample_pJ() >= cheap.per_sample_pJ());
        const bool alike = other.pricing.precision == precision && other.evidence == dense.evidence;
        if (alike) CHECK(other.per_sample_pJ() >= dense.per_sample_pJ());
      } else if (other.priced_share >= 1) {
        CHECK(other.per_sample_pJ() >= best.per_sample_pJ());
      }
    }
    // What ran is told, with its own price.
    const SchemeReport* ran = energy.of_run(Scheme::kAsBuilt);
    CHECK(line.find(ran->label()) != line.npos);
    CHECK(line.find(energy_text(ran->per_sample_pJ())) != line.npos);
  }
}

TEST_CASE("a run in another precision is priced as it ran") {
  // docs/energy.md: 1152 MACs of the stem stay fp32, 114 additions have narrow weights.
  struct Case {
    Precision precision;
    double as_built, event;
  };
  for (const Case& c : {Case{Precision::kF32, 4.6 * 1152 + 0.9 * 114, 4.6 * 288 + 0.9 * 114},
                        Case{Precision::kInt8, 4.6 * 1152 + 0.1 * 114, 4.6 * 288 + 0.1 * 114},
                        Case{Precision::kAcc16, 4.6 * 1152 + 0.05 * 114, 4.6 * 288 + 0.05 * 114}}) {
    const EnergyReport energy = price_run(Example().counts(c.precision));
    CHECK(energy.of_run(Scheme::kAsBuilt)->total_pJ == Approx(c.as_built).epsilon(1e-12));
    CHECK(energy.of_run(Scheme::kEvent)->total_pJ == Approx(c.event).epsilon(1e-12));
    CHECK(energy.of_run(Scheme::kAsBuilt)->evidence == kRan);
    CHECK(energy.of_run(Scheme::kAsBuilt, GraphForm::kFused)->evidence == kEstimated);
    CHECK(energy.of_run(Scheme::kPaper)->evidence == kEstimated);
    CHECK(energy.of_run(Scheme::kSyops)->evidence == kEstimated);
    CHECK(energy.find(Scheme::kAsBuilt, kFp32)->total_pJ == Approx(4.6 * 1152 + 0.9 * 114));
    CHECK(energy.find(Scheme::kAsBuilt, kInt8)->total_pJ == Approx(0.3 * 1152 + 0.1 * 114));
    for (const SchemeReport& row : energy.schemes) {
      CHECK((row.evidence == kRan) ==
            (&row == energy.of_run(row.scheme) &&
             (row.scheme == Scheme::kAsBuilt || row.scheme == Scheme::kEvent)));
      for (const EnergyLine& line : row.lines) CHECK_FALSE(line.price_source.empty());
    }
  }
}

TEST_CASE("rules that leave attention out have no ratio") {
  RunCounts counts = Example().counts();
  for (CountedGraph* counted : {&counts.as_written, &counts.fused}) {
    counted->ops.attention.push_back({"attn", true, 2, 1, 2, 8, 8, 2, 3, 3, 4, 6, 4, 4});
    counted->ops.totals.kv_k_gated_adds = 6;
    counted->ops.totals.qkv_q_gated_adds = 4;
  }
  const EnergyReport energy = price_run(counts);
  CHECK(energy.of_run(Scheme::kSyops)->priced_share == Approx(1 - 10.0 / (1152 + 114 + 10)));
  CHECK(energy.of_run(Scheme::kAsBuilt)->priced_share == 1);
  for (const Duel& duel : duels(energy))
    CHECK(duel.same_work() == (duel.spiking->scheme != Scheme::kSyops));
}

TEST_CASE("schemes by name and back") {
  for (const Scheme scheme : {Scheme::kPaper, Scheme::kEventDecomposed, Scheme::kSyops,
                              Scheme::kDenseSame, Scheme::kDenseTwin})
    CHECK(scheme_named(SchemeName(scheme).text()) == SchemeName(scheme));
  CHECK(scheme_named("dense_gpt") == SchemeName("dense_gpt"));
  CHECK(scheme_named("dense_gpt")->is_dense());
  CHECK(scheme_named("dense_gpt") != SchemeName("dense_kwt1"));
  CHECK_FALSE(scheme_named("hardware"));
  CHECK_FALSE(scheme_named(""));
}
