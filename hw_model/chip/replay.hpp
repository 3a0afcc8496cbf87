#pragma once
// Replays recorded spikes on a chip: counts, energy and time. Neurons are never computed; under
// synchronised steps the spikes do not depend on time.
//
// One step on a core: the soma goes through its neurons in order (generation), each spike becomes
// packets to the cores of its targets, packets are served one after the other (reception).
// Generation and reception run side by side. Levels differ in time only; counts and dynamic energy
// are the same:
//   kCounts      no time
//   kBottleneck  a step lasts as long as the busiest core (generation or reception) or link
//   kEvent       packets move through links and queues of finite length (event.hpp)
// Then comes the barrier, or the rest of the tick; free_run lets a core start its next step as soon
// as the cores it listens to have sent theirs (bottleneck level only).
//
// Results are equal for any number of threads: integers are summed, times are per step.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hw_model/chip/mapping.hpp"
#include "hw_model/chip/operations.hpp"
#include "hw_model/chip/spikes.hpp"

namespace spikeloom {

struct Placed;

enum class Level { kCounts, kBottleneck, kEvent };
inline constexpr const char* kLevelNames[] = {"counts", "bottleneck", "event"};

struct ReplayOptions {
  Level level = Level::kBottleneck;
  int threads = 1;
  // Rule kTouched: neurons are updated in the step of their input (0, as traces of this engine
  // record layers), or in the next (1, chips that buffer before the soma).
  int touched_lag = 0;
  bool keep_step_cores = false;    // fill ReplayResult::step_cores
  bool keep_step_links = false;    // fill ReplayResult::step_links
  bool keep_core_traffic = false;  // fill ReplayResult::traffic
};

// What sets the length of a step.
enum class Critical : uint8_t { kNone, kGenerate, kReceive, kLink };

struct StepResult {
  int64_t fired = 0, updated = 0;
  int64_t messages = 0;    // packets sent by axon-out units
  int64_t deliveries = 0;  // packets received by cores: (spike, core) pairs
  int64_t hops = 0;        // links passed by packets, copies of a multicast included
  int64_t events = 0;      // synaptic events, attention included
  double busy_ns = 0;      // until the last core is done
  double time_ns = 0;      // busy + barrier, or the tick
  double generate_ns = 0, receive_ns = 0, link_ns = 0;  // of the busiest core, core, link
  double blocked_ns = 0;  // kEvent: time senders waited for room, summed over cores
  double latency_ns = 0;  // kEvent: from wanting to send to being served, summed over deliveries
  Critical critical = Critical::kNone;
  int32_t critical_at = -1;  // core, or link of Geometry
};

// Steps added up in their order.
struct StepSums {
  struct Share {
    double busy_ns = 0;
    int64_t steps = 0;
  };
  int64_t steps = 0;
  StepResult total;  // times too; nothing critical
  // Of the steps each core or link sets the length of, by StepResult::critical and critical_at.
  std::map<std::pair<Critical, int32_t>, Share> critical;
  double critical_ns = 0;

  void add(const StepResult& step);
};

struct StepCore {
  double generate_ns = 0, receive_ns = 0;
  int32_t packets_in = 0, packets_out = 0, events = 0, fired = 0, updated = 0;
};

struct Traffic {
  int32_t from = 0, to = 0;  // cores
  int64_t packets = 0;       // (spike, core) pairs
};

struct ReplayResult {
  Level level = Level::kCounts;
  std::vector<PricedOp> ops;
  std::vector<StepResult> steps;
  StepSums earlier;  // steps that were added up and are no longer among `steps` (Replayer)
  int64_t cores = 0, populations = 0, links = 0;
  int64_t cores_used = 0, tiles_used = 0, chips_used = 0;
  std::vector<int64_t> by_core;   // [cores, ops]; network at the sender
  std::vector<int64_t> by_layer;  // [populations, ops]; packets out and network at the sender's
                                  // layer, packets in and synapses at the target's
  std::vector<int64_t> events, deliveries;  // [projections]
  std::vector<int64_t> link_flits;          // [links]
  std::vector<StepCore> step_cores;         // [steps, cores] when kept
  std::vector<int64_t> step_links;          // [steps, links] flits when kept
  std::vector<Traffic> traffic;             // when kept; by (from, to)
  int64_t overruns = 0;                     // fixed tick: steps that took longer

  StepSums sums() const;  // of all steps
  StepResult total() const { return sums().total; }
  int64_t step_count() const { return earlier.steps + static_cast<int64_t>(steps.size()); }
  int64_t count(size_t op) const;  // over all cores
};

// Throws Error(kUsage) when mapping, spikes or chip do not fit the network, or for free_run at
// level kEvent. Does not check capacity.
ReplayResult replay(const ChipNetwork& network, const ChipSpec& chip, const Mapping& mapping,
                    const ChipSpikes& spikes, const ReplayOptions& options = {});

// The same for spikes that come in parts, each the steps of whole samples: what depends on network
// and mapping is made once, and the memory does not grow with the number of parts. The result of
// all parts is that of replay() on the whole, in every bit, but for ReplayResult::steps, which are
// added up. Throws as replay(), and Error(kUsage) for free_run, where parts overlap.
class Replayer {
 public:
  // `options` keep nothing.
  Replayer(const ChipNetwork& network, const ChipSpec& chip, const Mapping& mapping,
           const ReplayOptions& options);
  ~Replayer();
  void add(const ChipSpikes& spikes);
  const ReplayResult& result() const noexcept { return result_; }

 private:
  std::unique_ptr<const Placed> placed_;
  ReplayOptions options_;
  ReplayResult result_;
};

// Energy of a result, in joules. Dynamic energy by category of operation; static power (leakage of
// chips, cores and memories), idle power (clock) and the energy of barriers and ticks apart. At
// level kCounts, which knows no time, only dynamic energy is there.
struct ChipEnergy {
  struct Term {
    std::string name;
    double joules = 0;
  };
  std::vector<Term> dynamic;  // by category: axon_in, synapse, ..., network, memory
  double static_j = 0, idle_j = 0, sync_j = 0;
  double dynamic_j = 0;  // sum of `dynamic`
  double total_j() const noexcept { return dynamic_j + static_j + idle_j + sync_j; }
  double of(std::string_view category) const noexcept;  // 0 when there is none
};
ChipEnergy energy_of(const ChipSpec& chip, const ReplayResult& result);
// Leakage of chips, cores and memories in use, and their clock.
struct ChipPower {
  double leakage_w = 0, idle_w = 0;
};
ChipPower power_of(const ChipSpec& chip, const ReplayResult& result);
// Joules of one row of by_core or by_layer.
double energy_of_row(const std::vector<PricedOp>& ops, const int64_t* counts);

// Shorter than that no mapping makes the steps of this result: the work of neurons and synapses, on
// the busier side, spread evenly over all cores, and the barriers or ticks. Packets, links, layers
// that cannot be split and uneven steps are left out, so that it may be out of reach.
double time_bound_ns(const ChipSpec& chip, const ReplayResult& result);

// Weakest evidence among the constants the result's energy and time rest on, and names of
// operations that happened but have no price.
char weakest_evidence(const ChipSpec& chip, const ReplayResult& result);
std::vector<std::string> unpriced_operations(const ReplayResult& result);

// The laws every result obeys: sums over cores, layers and projections agree with the steps, links
// add up to hops, hops are the distances of the packets (unicast, where traffic was kept), energies
// of cores and of layers add up to the total within 1e-12, events equal a count from the definition
// of each operator, no time is negative. Throws Error(kInternal) naming the law.
void check_result(const ChipNetwork& network, const ChipSpec& chip, const ChipSpikes& spikes,
                  const ReplayResult& result);

}  // namespace spikeloom
