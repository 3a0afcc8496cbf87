#pragma once
// Energy schemes: counted operations times printed prices (docs/energy.md).
//
// Energies are pJ over all steps and samples of the run; per_sample_pJ() divides. Each line of a
// scheme is one layer or attention product with count, rule and price, so every number can be
// recomputed by hand; total_pJ is the sum of the lines. What a scheme leaves out stands in
// `unpriced`, never silently. Thread-safe: pure functions.

#include <optional>
#include <string>
#include <vector>

#include "hw_model/energy/energy_table.hpp"
#include "sim/counts/elementwise.hpp"
#include "sim/counts/neurobench.hpp"

namespace spikeloom {

// What a line's operations read; attention stands apart, whatever its products are.
enum class Operand { kSpikes, kReal, kAttention };
inline constexpr Operand kOperands[] = {Operand::kSpikes, Operand::kReal, Operand::kAttention};
inline constexpr const char* kOperandNames[] = {"spikes", "real", "attention"};
constexpr const char* name_of(Operand operand) noexcept {
  return kOperandNames[static_cast<size_t>(operand)];
}

struct EnergyLine {
  std::string layer;
  Operand operand = Operand::kReal;
  double count = 0;   // operations; a fraction only where a rate is multiplied
  std::string rule;   // how the count came about
  std::string price;  // name of a price of the scheme
  double price_pJ = 0;
  std::string price_source;
  double energy_pJ = 0;
};

struct UnpricedTerm {
  std::string text;
  int64_t count = 0;
};

// What the operations of a scheme are priced at. `as_run`: as the weights of the run were, layer by
// layer: those of CountedGraph::narrow add and multiply at their own price, everything else is
// fp32. Otherwise every operation is taken to be of `precision`.
struct Pricing {
  Pricing(Arithmetic all) : precision(all) {}  // NOLINT(google-explicit-constructor)
  Pricing(Arithmetic weights, bool layer_by_layer) : precision(weights), as_run(layer_by_layer) {}
  Arithmetic precision;
  bool as_run = false;
  // "fp32", "int8" for layers as they ran, "int8 throughout" for an estimate of all of them; of a
  // dense network, which has nothing else, the name alone.
  std::string text(bool dense) const;
};

// Ran: counted on the network, form and precision that were executed. Recorded: the same, executed
// by another program or earlier. Estimated: on another form or precision, from rates, or on a
// network that was not executed.
enum class Evidence { kRan, kRecorded, kEstimated };
std::string_view name_of(Evidence evidence) noexcept;  // "ran", "recorded", "estimated"

// A rule of counting and what is counted by it: spiking schemes in the order of reports, then dense
// networks. kDenseOther: one of several (SchemeName::baseline).
enum class Scheme {
  kPaper,
  kAsBuilt,
  kEvent,
  kEventDecomposed,
  kNeurobench,
  kSyops,
  kDenseSame,
  kDenseTwin,
  kDenseOther
};
inline constexpr Scheme kSpikingSchemes[] = {Scheme::kPaper,      Scheme::kAsBuilt,
                                             Scheme::kEvent,      Scheme::kEventDecomposed,
                                             Scheme::kNeurobench, Scheme::kSyops};
constexpr bool is_dense(Scheme scheme) noexcept {
  return scheme >= Scheme::kDenseSame;
}
// Rules that count what a run did; the others go by rates or take layers apart.
constexpr bool counts_events(Scheme scheme) noexcept {
  return scheme == Scheme::kAsBuilt || scheme == Scheme::kEvent || scheme == Scheme::kNeurobench;
}

struct SchemeName {
  Scheme scheme = Scheme::kPaper;
  std::string baseline = {};  // of kDenseOther: "dense_gpt"

  SchemeName(Scheme known) : scheme(known) {}  // NOLINT(google-explicit-constructor)
  explicit SchemeName(std::string dense)
      : scheme(Scheme::kDenseOther), baseline(std::move(dense)) {}
  bool operator==(const SchemeName&) const = default;
  bool is_dense() const { return spikeloom::is_dense(scheme); }
  std::string text() const;  // "as_built", "dense_gpt"
};
// Nothing for what is none of these; any other "dense_..." is a baseline.
std::optional<SchemeName> scheme_named(std::string_view text);

struct SchemeReport {
  SchemeName scheme = Scheme::kPaper;
  GraphForm form = GraphForm::kAsWritten;
  Pricing pricing = Arithmetic::kFp32;
  Evidence evidence = Evidence::kEstimated;
  double priced_share = 1;  // of the synaptic operations: layers and both attention products
  std::string formula;
  std::vector<Price> prices;
  std::vector<EnergyLine> lines;
  double total_pJ = 0;
  int64_t samples = 0;
  std::vector<UnpricedTerm> unpriced;

  double per_sample_pJ() const {
    return samples > 0 ? total_pJ / static_cast<double>(samples) : 0.0;
  }
  bool is_dense() const { return scheme.is_dense(); }
  // "as_built (fused, int8, ran)"; dense networks have one form.
  std::string label() const;
};

// The literature's estimate: input rate x dense MACs (padding included) at AC price, real operands
// at MAC price, the stem at every step, K and Q gated attention. `fused` must be the fused form:
// that is what the papers count. SpikeGPT: as its publication counts, residual_stream.hpp.
SchemeReport paper_energy(const CountedGraph& fused, Pricing pricing);

// What this engine executes: exact deliveries at AC price, every real operand at MAC price, the
// stem at every step, K and Q gated attention; any form.
SchemeReport as_built_energy(const CountedGraph& counted, Pricing pricing);

// What event-driven hardware would be asked to deliver: as as_built, but only coincidences of K and
// V, and static layers once per sample.
SchemeReport event_energy(const CountedGraph& counted, Pricing pricing);

// SpikeGPT's projections taken apart into the spikes of its residual stream, residual_stream.hpp;
// `counted` must have a stream. Every token is taken to have a successor.
SchemeReport decomposed_energy(const CountedGraph& counted, Pricing pricing);

// The counts of the NeuroBench harness at the same prices (it counts, it does not price).
// `counted`: the same graph, for what is left unpriced.
SchemeReport neurobench_energy(const NeuroBenchCounts& counts, const CountedGraph& counted,
                               Pricing pricing);

// The counts of the syops tool at the same prices; any form.
SchemeReport syops_energy(const CountedGraph& counted, Pricing pricing);

// One dense pass per sample, every MAC charged, attention included; of a counted run of a dense
// network, only those behind relu^2 whose input is not 0. `steps` of the spiking run sets the
// activation bits of qnn_equiv.
SchemeReport dense_energy(SchemeName scheme, const CountedGraph& counted, Arithmetic precision,
                          int64_t steps);

// A dense network beside the twin.
struct DenseBaseline {
  std::string scheme;  // "dense_gpt"
  std::string description;
  CountedGraph counted;
  bool of_twin = false;  // other counts of the twin: they ran where it did
};

// What one run did in both forms, and its dense baselines.
struct RunCounts {
  CountedGraph as_written;
  CountedGraph fused;
  CountedGraph dense_same;
  std::optional<CountedGraph> dense_twin;
  std::vector<DenseBaseline> other_baselines = {};
  GraphForm executed_form = GraphForm::kAsWritten;
  int64_t steps = 0;                                // per sample
  Precision precision = Precision::kF32;            // of the run; that of every count_run() above
  Evidence evidence = Evidence::kRan;               // of that form in that precision
  bool twin_ran = false;                            // the dense twin was executed, in fp32
  bool has_fused = true;                            // token models have nothing to fuse
  bool is_sequence = false;                         // every step is a value of its own
  std::optional<NeuroBenchCounts> neurobench = {};  // of the executed form, where counted

  // Steps one value is told over: what rate codes and the bits of qnn_equiv go by.
  int64_t value_steps() const { return is_sequence ? 1 : steps; }
  std::vector<const CountedGraph*> forms() const;
  const CountedGraph& executed() const {
    return executed_form == GraphForm::kFused ? fused : as_written;
  }
  // Whether any layer of the executed form reads spikes: else spikes per synapse mean nothing.
  bool spikes_drive_layers() const;
};

struct EnergyReport {
  GraphForm executed_form = GraphForm::kAsWritten;
  Arithmetic executed_precision = Arithmetic::kFp32;
  std::vector<SchemeReport> schemes;
  // Null when the scheme was not priced so. No form means: the executed form if there, else the
  // only one.
  const SchemeReport* find(const SchemeName& scheme, Pricing pricing,
                           std::optional<GraphForm> form = {}) const;
  // What ran; of a dense baseline the row at the precision of the run.
  const SchemeReport* of_run(const SchemeName& scheme, std::optional<GraphForm> form = {}) const;
};

// All schemes. Spiking ones first as they ran; then the same counts throughout at the precision of
// the run, at fp32 and at int8, where that is another price; baselines in the same precisions and
// as qnn_equiv.
EnergyReport price_run(const RunCounts& run);

}  // namespace spikeloom
