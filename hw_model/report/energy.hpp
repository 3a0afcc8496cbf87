#pragma once
// Energy schemes: counted operations times printed prices (design 5, docs/energy.md).
//
// Energies are pJ over all steps and samples of the run; per_sample_pJ() divides. Each line of a
// scheme is one layer or attention product with count, rule and price, so every number can be
// recomputed by hand; total_pJ is the sum of the lines. What a scheme leaves out stands in
// `unpriced`, never silently. Thread-safe: pure functions.

#include <optional>
#include <string>
#include <vector>

#include "hw_model/chip/energy_table.hpp"
#include "hw_model/report/elementwise.hpp"
#include "sim/trace/neurobench.hpp"

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

struct SchemeReport {
  std::string scheme;  // one of kSpikingSchemes, "dense_same", "dense_twin" or another "dense_*"
  std::string form;    // "as_written" or "fused"
  Arithmetic precision = Arithmetic::kFp32;
  std::string formula;
  std::vector<Price> prices;
  std::vector<EnergyLine> lines;
  double total_pJ = 0;
  int64_t samples = 0;
  std::vector<UnpricedTerm> unpriced;

  double per_sample_pJ() const {
    return samples > 0 ? total_pJ / static_cast<double>(samples) : 0.0;
  }
};

// The literature's estimate: input rate x dense MACs (padding included) at AC price, real operands
// at MAC price, the stem at every step, K and Q gated attention. `fused` must be the fused form:
// that is what the papers count. SpikeGPT: as its publication counts, residual_stream.hpp.
SchemeReport paper_energy(const CountedGraph& fused, Arithmetic precision);

// What this engine executes: exact deliveries at AC price, every real operand at MAC price, the
// stem at every step, K and Q gated attention; any form.
SchemeReport as_built_energy(const CountedGraph& counted, Arithmetic precision);

// What event-driven hardware would be asked to deliver: as as_built, but only coincidences of K and
// V, and static layers once per sample.
SchemeReport event_energy(const CountedGraph& counted, Arithmetic precision);

// SpikeGPT's projections taken apart into the spikes of its residual stream, residual_stream.hpp;
// `counted` must have a stream. Every token is taken to have a successor.
SchemeReport decomposed_energy(const CountedGraph& counted, Arithmetic precision);

// The counts of the NeuroBench harness at the same prices (it counts, it does not price).
// `counted`: the same graph, for what is left unpriced.
SchemeReport neurobench_energy(const NeuroBenchCounts& counts, const CountedGraph& counted,
                               Arithmetic precision);

// The counts of the syops tool at the same prices; any form.
SchemeReport syops_energy(const CountedGraph& counted, Arithmetic precision);

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
  bool is_sequence = false;                         // every step is a value of its own
  std::optional<NeuroBenchCounts> neurobench = {};  // of the executed form, where counted

  // Steps one value is told over: what rate codes and the bits of qnn_equiv go by.
  int64_t value_steps() const { return is_sequence ? 1 : steps; }
  const CountedGraph& executed() const { return executed_form == "fused" ? fused : as_written; }
  // Whether any layer of the executed form reads spikes: else spikes per synapse mean nothing.
  bool spikes_drive_layers() const;
};

struct EnergyReport {
  std::string executed_form;
  std::vector<SchemeReport> schemes;
  // Null when the scheme was not priced. An empty form means: the executed form if there, else the
  // only one.
  const SchemeReport* find(const std::string& scheme, Arithmetic precision,
                           const std::string& form = "") const;
};

// Names of the spiking schemes in the order of reports.
inline constexpr const char* kSpikingSchemes[] = {
    "paper", "as_built", "event", "event_decomposed", "neurobench", "syops"};

// All schemes: spiking ones at fp32 (what ran) and at int8 prices (an estimate: fp32 ran),
// baselines in all three.
EnergyReport price_run(const RunCounts& run);

}  // namespace spikeloom
