#pragma once
// What a command is about to take, told before it does: memory that is merely promised ends in the
// hands of the system's out-of-memory killer.

#include <algorithm>
#include <string>
#include <vector>

#include "run/device.hpp"
#include "sim/graph/quantize.hpp"
#include "sim/plan/plan.hpp"

namespace spikeloom {

struct MemoryPlan {
  PlanOptions options;  // what to keep: below
  std::vector<std::string> (*keeps)(const Graph& executed) = nullptr;
  bool neurobench = false;                       // counts along; keeps what the counter watches
  std::vector<std::string> features, membranes;  // arrays that are written, by name
  Device device;
  Precision precision = Precision::kF32;
  int64_t batch = 1;         // sessions side by side, at most
  bool aside = false;        // of several chunks each: as sample_loop.hpp limits them
  int64_t sample_bytes = 0;  // of one sample's frames
  int64_t file_bytes = 0;    // of the weights' file, in memory while it is read; 0: random weights
  bool fuses = false, calibrates = false, rounds_weights = false;
  bool records = false;       // a trace
  int64_t recorded_rows = 0;  // steps it will hold, at most
  int64_t sample_steps = 0;   // of which a row of a feature holds all
};

// Bytes at the moments that take most.
struct MemoryNeed {
  double loading = 0;  // weights as they come from the file, fuse and are packed
  double weights = 0, sessions = 0, samples = 0, trace = 0, watched = 0;  // while it runs
  double running() const noexcept { return weights + sessions + samples + trace + watched; }
  double most() const noexcept { return std::max(loading, running()); }
};

// `graph` as written.
MemoryNeed memory_need(const Graph& graph, const MemoryPlan& plan);

// Throws Error(kCapacity) with what is needed, what may be taken and what would help, where it does
// not fit core/memory_limit.hpp.
void check_memory(const Graph& graph, const MemoryPlan& plan);

// The same for a network with random weights that is made ready in several ways, one after the
// other, all of which are kept, each with `batch` sessions. `advice`: what would help.
void check_memory(const Graph& graph, const std::vector<MemoryPlan>& kept,
                  const std::string& advice);

}  // namespace spikeloom
