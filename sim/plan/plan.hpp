#pragma once
// A graph made ready to run: units in order, packed weights, buffer layout. Immutable; shared by
// all sessions.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/plan/backend.hpp"

namespace spikeloom {

// layer-major: every unit runs all steps of a chunk before the next unit starts (weights stay in
// cache). step-major: every step runs through all units (what streaming and feedback need). Same
// bits.
enum class Schedule { kLayerMajor, kStepMajor };
inline constexpr const char* kScheduleNames[] = {"layer-major", "step-major"};

struct PlanOptions {
  Schedule schedule = Schedule::kLayerMajor;
  int64_t chunk_steps = 1;  // most steps one run_chunk() call takes
  std::vector<std::string>
      keep;  // nodes whose values can be read back, besides the graph's outputs
  // Every chunk is a whole sample. Layer-major, a unit's state then lives no longer than the unit
  // runs, and all share one place; such sessions have nothing to save.
  bool whole_samples = false;
  // Neurons whose membrane potential behind every step of a chunk can be read back. Their units run
  // step by step, which changes no bit.
  std::vector<std::string> membranes = {};
};

// Where a node's value lies in a session.
struct ValueSlot {
  bool exists = false;  // false: never written (inside a unit) or shown through a View's source
  bool is_bits = false;
  bool kept = false;  // can be read back
  // Floats or words from the start of the session's real or spike memory, where the first of
  // `history` steps before the chunk stands; the chunk follows.
  int64_t offset = 0;
  int64_t step_stride = 0;  // 0: static or one step at a time
  int64_t history = 0;
};

// Where a session keeps the planes of a population of levels, which sinks see.
struct PlaneSlot {
  int64_t offset = -1;  // words from the start of the spike memory; -1: the population is spikes
  int64_t words = 0;    // of a step; 0 for levels equal at every step
};

struct StateLayout {
  NodeId node = -1;
  StateSlot slot;
  int64_t offset = 0;  // floats; rows padded
};

// Where a session keeps the membrane potentials of one neuron: first those of `history` steps
// before the chunk, then the chunk's.
struct MembraneTrace {
  int64_t state = -1;   // index into Plan::states
  int64_t offset = 0;   // floats from the start of the traces
  int64_t stride = 0;   // floats of a step, rows padded
  int64_t history = 0;  // steps
};

struct Plan {
  Graph graph;
  PlanOptions options;
  std::shared_ptr<const Backend> backend;
  std::vector<NodeId> inputs;  // the Input nodes, in the order of the graph; at least one
  std::vector<Unit> units;
  std::vector<bool> unit_is_static;
  std::vector<std::shared_ptr<const void>> prepared;
  std::vector<ValueSlot> values;  // by node
  std::vector<StateLayout> states;
  std::vector<int64_t> state_of_unit;  // first index into states, -1: none
  std::vector<int64_t> delays;         // by node, see delays_of
  int64_t look_ahead = 0;              // largest delay: every value is known so many steps later
  int64_t whole_sequence = 0;          // not 0: a chunk must be a whole sample of so many steps
  int64_t most_steps = 0;              // not 0: learned positions end there
  std::vector<MembraneTrace> membranes;
  std::vector<int64_t> membrane_of_unit;  // index into membranes, -1: not kept
  // Units [first, second) that depend on each other through feedback: they run step by step, one
  // after the other, whatever the schedule.
  std::vector<std::pair<size_t, size_t>> loops;
  std::vector<bool> unit_in_loop;
  int64_t real_floats = 0, spike_words = 0, state_floats = 0, membrane_floats = 0;
  int64_t workspace_bytes = 0;  // what units work in on the host beside these
  std::vector<Population> populations;
  std::vector<PlaneSlot> planes;  // by population

  // Does a unit's state live only while the unit runs?
  bool state_is_brief() const noexcept {
    return options.whole_samples && options.schedule == Schedule::kLayerMajor;
  }
  bool is_brief(size_t unit) const { return state_is_brief() && !unit_in_loop[unit]; }
  // The slot in which the value of a node lies: its own, or that of the node it shows, seen through
  // views and feedback.
  const ValueSlot& slot_of(NodeId id) const;
  // The state slots of a unit.
  std::span<const StateLayout> states_of(size_t unit) const;
  // Bytes one session takes.
  int64_t session_bytes() const noexcept {
    return 4 * (real_floats + state_floats + membrane_floats) + 8 * spike_words + workspace_bytes;
  }
};

// `weights` must come from bind_weights (or fuse); they are not needed afterwards. Whoever gives
// them away has every array in memory once: it goes when it is packed. Throws Error(kUsage) when a
// kept node does not exist or has no membrane.
std::shared_ptr<const Plan> compile(Graph graph, Weights weights,
                                    std::shared_ptr<const Backend> backend, PlanOptions options);

}  // namespace spikeloom
