#pragma once
// The report of one run: JSON (complete), CSV (one row per layer, product and population) and a
// terminal table.
//
// `cli` fills a ReportInput after the run; nothing here reads files or the clock. Units stand in
// the keys: energies in pJ or nJ over the whole run, `per_sample_nJ` divided by the samples.
// Integers above 2^53 stand a second time as text under `<key>_str`. Rates are fractions.
// Thread-safe: pure functions.

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "hw_model/energy/language_energy.hpp"
#include "hw_model/energy/lmu_forms.hpp"
#include "hw_model/energy/memory_traffic.hpp"
#include "hw_model/energy/verdict.hpp"
#include "hw_model/report/chip_report.hpp"
#include "hw_model/report/network_view.hpp"
#include "sim/counts/zero_counter.hpp"
#include "sim/graph/quantize.hpp"

namespace spikeloom {

// How well a token model predicted: every token of a window but those it cannot know.
struct LanguageScore {
  int64_t tokens = 0;                 // predictions
  double nats = 0;                    // cross-entropy summed over them
  int64_t characters = 0, bytes = 0;  // what they spell; 0 where the vocabulary is not known
  int64_t unknown = 0;                // characters outside the vocabulary, replaced
  std::string vocabulary;             // "characters", "byte-level BPE", "bytes" or ""
  double nats_per_token() const { return tokens > 0 ? nats / static_cast<double>(tokens) : 0.0; }
  double bits() const { return nats / 0.69314718055994530942; }
};

// Identity of the dense twin, where one was built. Its counts are in
// ReportInput::counts.dense_twin.
struct TwinInfo {
  std::string description;  // "same topology, ReLU, softmax attention"
  Accuracy accuracy;
  std::string weights_sha256;  // empty: no weights, counted only
  std::optional<LanguageScore> language = {};
  std::vector<ZeroCount> zeros = {};    // among what its layers read, where it was executed
  std::vector<std::string> notes = {};  // on its weights' file, for the warnings
};

// A sample that could not be read: it was left out of every figure.
struct BrokenSample {
  int64_t index = 0;
  std::string reason;  // names the file
};

// What the weights of the run were: fp32, or layer by layer something narrower.
struct RunPrecision {
  std::string name = "fp32";
  int64_t calibration_samples = 0;  // whose spikes chose the scales of int8 weights
  std::vector<QuantizedLayer> layers;
};

struct ReportInput {
  // Provenance
  std::string version;
  std::string generator;  // "spikeloom 0.1.0"
  nlohmann::json config;  // fully resolved
  std::string config_sha256;
  std::string weights_sha256;
  std::map<std::string, std::string> inputs;  // SHA-256 of what was read, by key of the experiment
  bool weights_trained = false;               // stated by the user, never guessed
  bool weights_random = false;
  std::string weights_text;  // how and on what they were trained, or why not
  std::string backend, simd, schedule;
  std::string device;         // of a device other than the host: name and toolkit
  std::string device_reason;  // why, where it was chosen for the user
  RunPrecision precision;
  int threads = 1;
  int64_t batch = 1;
  std::string dataset;        // description for people
  std::string recorded = {};  // where nothing was run: whose spikes these are, for the verdict
  std::string rate_source;    // where the firing rates come from: "spikes of this run, 256 samples"
  double wall_seconds = 0;
  int64_t peak_memory_bytes = 0;     // resident, of the process; 0: not known
  std::vector<std::string> what_if;  // what was changed on purpose, a line each
  std::vector<std::string> warnings;
  // What ran. counts.executed_form and counts.steps belong to the run; samples are those of the
  // counts.
  RunCounts counts;
  Accuracy accuracy;
  std::vector<BrokenSample> broken;
  std::optional<TwinInfo> twin;
  std::optional<LanguageScore> language;
  std::string signature;
  NetworkView network;                 // that ran
  std::vector<LmuFormCost> lmu_forms;  // of a network with a Legendre memory
  std::optional<ChipRun> hardware;     // the spikes on a chip
};

// Everything derived from the counts, computed once for the three outputs.
struct Report {
  ReportInput input;
  EnergyReport energy;
  BreakEvenReport break_even;  // executed form
  std::vector<MemoryTraffic> memory;
  Verdict verdict;
  std::optional<LanguageEnergy> language;  // of SpikeGPT

  const CountedGraph& executed() const { return input.counts.executed(); }
};

// Throws Error(kInternal) when samples are not positive.
Report make_report(ReportInput input);

nlohmann::json to_json(const Report& report);
nlohmann::json to_json(const ReportInput& input);

// A fixed header, then for each form the layers, attention products and populations. Energies are
// pJ at the precision of the run, `evidence` says whether the form ran (paper_pJ and syops_pJ are
// always estimates). With a chip its layers follow (kind "hardware": dynamic energy by population),
// then what else it needs.
std::string to_csv(const Report& report);

// A row for each scheme, form and precision: energies in J, over the run and per sample, and by
// operand; one unit per column, in its name.
std::string to_energy_csv(const Report& report);

// At most `width` columns of ASCII without colour: verdict first, then accuracy, rates, operations
// of both forms, energy per sample of every scheme beside the dense baselines, then what no scheme
// prices. Below some 80 columns the names of rows are cut.
std::string to_table(const Report& report, size_t width = 100);

}  // namespace spikeloom
