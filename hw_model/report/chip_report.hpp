#pragma once
// What a network costs on a chip: one run per chip and setting, as text, JSON (chip.schema.json)
// and CSV. Energies in joules, times in seconds, both per inference unless a name says otherwise.
//
// A total never stands without the list of what has no price. Plain values; functions are pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hw_model/chip/dense_spec.hpp"
#include "hw_model/chip/in_turn.hpp"
#include "hw_model/chip/lower.hpp"
#include "hw_model/chip/replay.hpp"
#include "hw_model/energy/break_even.hpp"

namespace spikeloom {

// Of one criterion: the spiking network is the cheaper one, the dearer one, ...
enum class Judgement { kWins, kLoses, kUndecided, kNotApplicable };
inline constexpr Judgement kJudgements[] = {Judgement::kWins, Judgement::kLoses,
                                            Judgement::kUndecided, Judgement::kNotApplicable};
// "wins", "loses", "undecided", "not applicable"
std::string_view name_of(Judgement judgement) noexcept;
// "spikes per synapse", "firing rate", ...: as reports of chips write them.
std::string_view text_of(Quantity quantity) noexcept;
std::optional<Quantity> quantity_of(std::string_view text) noexcept;

struct ChipRun {
  struct Operation {  // over the whole run
    std::string name, category;
    Action action = Action::kMemory;
    int64_t count = 0;
    bool priced = false;
    double price_pj = 0, joules = 0;
    char mark = 'E';
    std::string source;
  };
  struct Layer {  // over the whole run
    std::string name;
    int64_t neurons = 0, updates = 0, fired = 0, packets = 0, events = 0;
    double joules = 0;  // dynamic
  };
  struct Core {  // over the whole run; cores that hold something
    int64_t core = 0, chip = 0, tile = 0, slot = 0;
    int64_t packets_in = 0, packets_out = 0, events = 0;
    double joules = 0, busy_s = 0;  // dynamic; generation or reception, whichever is longer
  };
  struct HostWork {
    std::string name, op, reason;
    int64_t macs = 0;  // over the whole run, dense; 0: none that are counted
  };

  struct Turn {               // layers that are on the chip together
    std::string first, last;  // by name
    int64_t layers = 0, cores = 0, weight_bytes = 0, read_bytes = 0, written_bytes = 0;
    double seconds = 0;  // over the whole run, without loading
  };

  // One criterion under which one side is cheaper (chip_break_even.hpp).
  struct Verdict {
    std::string id, against;  // against: the accelerator; empty: the source's own baseline
    std::string source;
    Quantity quantity = Quantity::kSpikesPerSynapse;
    double low = 0, high = 0;  // limits of the quantity; equal where there is one
    double value = 0;          // of this run
    Judgement verdict = Judgement::kUndecided;
    std::string why;
  };
  struct BreakEven {
    struct Layer {  // that reads spikes
      std::string name;
      double spikes_per_synapse = 0, rate = 0;
    };
    int64_t value_steps = 1;  // T: steps that tell the same value
    double spikes_per_synapse = 0, rate = 0;
    double macs = 0;  // of a dense network in the chip's place, per inference
    std::vector<Verdict> verdicts;
    std::vector<Layer> layers;
  };

  // How much of the network's synaptic work, as multiply-accumulates of a dense pass, is on the
  // chip, and how much has a price there or on the host. NaN: a report that does not say.
  struct Coverage {
    double on_chip = 1, priced = 1;
    bool whole() const { return on_chip >= 1 && priced >= 1; }
  };
  // Of what the total leaves out; a figure that is not known stands as 0 in its place.
  struct Known {
    bool time = true, static_j = true, idle_j = true, sync_j = true, host_j = true, reload_j = true,
         reload_s = true;
    std::vector<std::string> no_price;  // categories of operations without any price
    bool all_but_dynamic() const { return static_j && sync_j && host_j && reload_j; }
  };

  std::string label;                                          // chip and what was set for this run
  std::string chip, chip_source, mapper, refused;             // refused: why there is nothing else
  std::vector<std::pair<std::string, std::string>> settings;  // of the sweep
  Level level = Level::kBottleneck;
  int64_t samples = 0, steps = 0, weight_bits = 0;
  int64_t populations = 0, neurons = 0, projections = 0;
  int64_t cores = 0, cores_used = 0, tiles_used = 0, chips = 0, chips_used = 0;
  std::string mapping_sha256;
  int64_t packet_hops_before = -1, packet_hops_after = -1;  // of a placement; -1: none was made

  std::vector<ChipEnergy::Term> dynamic;  // by category
  double dynamic_j = 0, static_j = 0, idle_j = 0, sync_j = 0, host_j = 0, total_j = 0;
  double latency_s = 0, step_s = 0, throughput = 0;  // throughput: inferences per second
  double bound_s = 0;      // no mapping makes the latency shorter; 0: not known
  double utilisation = 0;  // busy time of the cores in use, over the length of the run
  StepResult totals;       // over the whole run
  int64_t overruns = 0;
  std::string critical, busiest_link;
  char weakest = 'S';
  std::vector<Operation> operations;
  std::vector<Layer> layers;
  std::vector<Core> core_rows;
  std::vector<HostWork> host;
  std::vector<Turn> turns;                               // none: not asked to run in turns
  int64_t loads = 0, loaded_bytes = 0, spike_bytes = 0;  // over the whole run
  double reload_j = 0, reload_s = 0;                     // bytes that move between turns
  std::vector<std::string> unpriced;
  Coverage coverage;
  Known known;
  BreakEven break_even;

  // Static, idle, synchronisation, host, moving: energy that is no event's.
  double other_j() const { return total_j - dynamic_j; }
  bool has_price(const std::string& category) const;
};

// Whether both had the same synaptic work to do and priced the same part of it: only then is there
// a ratio.
bool same_work(const ChipRun& a, const ChipRun& b);

// A row that another model priced, next to the chips.
struct AcceleratorRow {
  std::string name, network;       // network: what it runs, "dense_twin"
  double joules = 0, seconds = 0;  // per inference; seconds 0: not known
  char weakest = 'S';              // evidence
  std::vector<std::string> unpriced;

  std::string label() const { return name + ", " + network; }
};

// The dense side of break-even verdicts. Without `row`, which is what the accelerator needs, only
// its multiply-accumulate counts.
struct DenseSide {
  DenseSpec spec;
  std::optional<AcceleratorRow> row;
};

struct ChipReport {
  // What a network and spikes of other programs were read from.
  struct Recording {
    struct File {
      std::string role, path, sha256;  // "network", "spikes"
    };
    std::vector<File> files;
    std::optional<double> dt;        // s, of a step; none: steps without a length
    std::vector<std::string> notes;  // what was taken where the files are open, or left out
  };
  std::string trace, signature;        // trace: a path
  std::string title;                   // of pages
  std::optional<Recording> recording;  // `trace` is the path of the spikes then
  GraphForm form = GraphForm::kFused;
  std::vector<ChipRun> runs;
  std::vector<AcceleratorRow> dense;
  int64_t correct = 0, labelled = 0;  // predictions of the recorded run
};

// Fills everything but label, settings, mapper, mapping and refusal. `sample_steps`: length of each
// sample. `baselines`: what the verdicts compare with.
ChipRun price_run(const LoweredNetwork& lowered, const ChipSpec& chip, const ReplayResult& result,
                  const std::vector<int64_t>& sample_steps,
                  const std::vector<DenseSide>& baselines = {});

// Spreads the figures per inference over so many: of a network of tokens, its steps.
void per_inference(ChipRun& run, int64_t inferences);

// The same for a network that ran in turns; `chip`: as given, not that of the turns.
ChipRun price_turns(const LoweredNetwork& lowered, const ChipSpec& chip, const InTurnResult& turns,
                    const std::vector<int64_t>& sample_steps,
                    const std::vector<DenseSide>& baselines = {});

// A verdict, then one run in full, or one row per run; then what is not priced.
std::string chip_table(const ChipReport& report, size_t width = 100);
std::string chip_json(const ChipReport& report);
// One row per run and operation, layer and core.
std::string chip_csv(const ChipReport& report);
// One row per run.
std::string sweep_csv(const ChipReport& report);

// The first run that was not refused, to which ratios refer; null when there is none.
const ChipRun* base_of(const ChipReport& report);
// total / that of the base; 0 where there is none: other work, nothing priced.
double ratio_of(const ChipReport& report, const ChipRun& run);
double ratio_of(const ChipReport& report, const AcceleratorRow& row);

std::string_view name_of(Level level) noexcept;  // "counts", "bottleneck", "event"

}  // namespace spikeloom
