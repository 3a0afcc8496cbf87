#pragma once
// How far a run has come: what `run --resume` continues from.
//
// "<folder>/checkpoint.safetensors" is replaced as a whole after a sample, at most once a second,
// when everything it tells of has been flushed. A finished run removes it.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hw_model/report/report.hpp"

namespace spikeloom {

struct RunState {
  int64_t done = 0;  // samples of the dataset that ended or could not be read
  Accuracy accuracy;
  std::vector<BrokenSample> broken;
  RunStatistics statistics;
  std::vector<uint64_t> signature;  // by population
  std::optional<NeuroBenchCounts> neurobench;
  double seconds = 0;
  bool outputs_final = false;  // the spiking run ended: trace and arrays have their names
  int64_t twin_done = 0;
  Accuracy twin_accuracy;

  int64_t ended() const noexcept { return done - static_cast<int64_t>(broken.size()); }
};

// What must be equal for a run to be continued: text by key.
using RunIdentity = std::map<std::string, std::string>;

std::filesystem::path checkpoint_path(const std::filesystem::path& folder);

// Throws Error(kRuntime) when the file cannot be written.
void save_checkpoint(const std::filesystem::path& path, const RunIdentity& identity,
                     const RunState& state);

// Fills `state`, whose statistics already list the network's populations. Error(kUsage) naming what
// differs when the file belongs to another run, Error(kData) when it is damaged.
void load_checkpoint(const std::filesystem::path& path, const RunIdentity& identity,
                     RunState& state);

// Where an earlier process left an output: "<path>.partial" (set aside by an earlier --resume),
// "<path>.tmp" (which becomes .partial now) or, after Ctrl-C, `path` itself. Error(kData) when
// there is none.
std::filesystem::path set_aside(const std::filesystem::path& path);

// Removes the checkpoint and what was set aside for `outputs`.
void forget_checkpoint(const std::filesystem::path& folder,
                       const std::vector<std::filesystem::path>& outputs);

}  // namespace spikeloom
