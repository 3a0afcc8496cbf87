#pragma once
// The cpu backend of a run, its kernels chosen by what was measured on this machine.
//
// Where event and dense kernels meet is measured once, where the machine is quiet
// (run/machine_rates.hpp; milliseconds), and kept in a folder, one file per SIMD target. A file of
// another processor or program version, a damaged one or a folder that cannot be written means to
// measure again; none of them is an error, and no choice changes a result.

#include <filesystem>
#include <memory>
#include <string>

#include "sim/backends/cpu/choice.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

struct CpuOptions {
  std::string simd;  // SIMD target; "": the best one
  // Chooses instead of a measurement: "events" or "dense" for every group of outputs, "usual" for
  // the rates of choice.hpp.
  std::string sums;
  std::filesystem::path cache;  // the folder; "": nothing is kept
  // Of a CUDA device: "plain" launches every kernel by itself, "synchronous" also waits behind each.
  std::string cuda = {};
};

// Throws Error(kUsage) for an unknown SIMD target or choice.
std::shared_ptr<const Backend> make_chosen_cpu_backend(const CpuOptions& options = {});

}  // namespace spikeloom
