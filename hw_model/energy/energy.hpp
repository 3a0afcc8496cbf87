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

struct EnergyLine {
  std::string layer;
  std::string operand;  // "spikes", "real" or "attention"
  double count = 0;     // operations; a fraction only where a rate is multiplied
  std::string rule;     // how the count came about
  std::string price;    // name of a price of the scheme
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

// Ran: counted on the network, form and precision that were executed. Estimated: on another form or
// precision, from rates, or on a network that was not executed.
enum class Evidence { kRan, kEstimated };
std::string_view name_of(Evidence evidence) noexcept;  // "ran", "estimated"

struct SchemeReport {
  std::string scheme;  // one of kSpikingSchemes, "dense_same", "dense_twin" or another "dense_*"
  std::string form;    // "as_written" or "fused"
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
  bool is_dense() const { return scheme.starts_with("dense_"); }
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
// network, only those behind relu^2 whose input is not 0. `scheme` starts with "dense_"; `steps` of
// the spiking run sets the activation bits of qnn_equiv.
SchemeReport dense_energy(const std::string& scheme, const CountedGraph& counted,
                          Arithmetic precision, int64_t steps);

// A dense network beside the twin.
struct DenseBaseline {
  std::string scheme;  // "dense_gpt"
  std::string description;
  CountedGraph counted;
};

// What one run did in both forms, and its dense baselines.
struct RunCounts {
  CountedGraph as_written;
  CountedGraph fused;
  CountedGraph dense_same;
  std::optional<CountedGraph> dense_twin;
  std::vector<DenseBaseline> other_baselines = {};
  std::string executed_form;                        // "as_written" or "fused"
  int64_t steps = 0;                                // per sample
  Precision precision = Precision::kF32;            // of the run; that of every count_run() above
  bool twin_ran = false;                            // the dense twin was executed, in fp32
  bool has_fused = true;                            // token models have nothing to fuse
  bool is_sequence = false;                         // every step is a value of its own
  std::optional<NeuroBenchCounts> neurobench = {};  // of the executed form, where counted

  // Steps one value is told over: what rate codes and the bits of qnn_equiv go by.
  int64_t value_steps() const { return is_sequence ? 1 : steps; }
  std::vector<const CountedGraph*> forms() const;
  const CountedGraph& executed() const { return executed_form == "fused" ? fused : as_written; }
  // Whether any layer of the executed form reads spikes: else spikes per synapse mean nothing.
  bool spikes_drive_layers() const;
};

struct EnergyReport {
  std::string executed_form;
  Arithmetic executed_precision = Arithmetic::kFp32;
  std::vector<SchemeReport> schemes;
  // Null when the scheme was not priced so. An empty form means: the executed form if there, else
  // the only one.
  const SchemeReport* find(const std::string& scheme, Pricing pricing,
                           const std::string& form = "") const;
  // What ran; of a dense baseline the row at the precision of the run.
  const SchemeReport* of_run(const std::string& scheme, const std::string& form = "") const;
};

// Names of the spiking schemes in the order of reports.
inline constexpr const char* kSpikingSchemes[] = {
    "paper", "as_built", "event", "event_decomposed", "neurobench", "syops"};

// All schemes. Spiking ones first as they ran; then the same counts throughout at the precision of
// the run, at fp32 and at int8, where that is another price; baselines in the same precisions and
// as qnn_equiv.
EnergyReport price_run(const RunCounts& run);

}  // namespace spikeloom
