#pragma once
// The front door: one experiment, from its values to its output folder.
//
//   Experiment experiment = read_experiment(Config::load("mnist.toml"));
//   RunResult result = run_experiment(experiment);
//   std::puts(result.report.verdict.headline.c_str());
//
// Any number of runs may go on at a time, in threads of one process, each in a folder of its own:
// every one gives the bits it gives alone. Nothing is printed, no environment is read, no signal is
// handled.

#include <filesystem>
#include <string>
#include <vector>

#include "hw_model/report/report.hpp"
#include "run/cpu_choice.hpp"
#include "run/experiment.hpp"
#include "run/observer.hpp"

namespace spikeloom {

struct RunOptions {
  bool resume = false;  // continue the unfinished run in the output folder, where there is one
  // Written here in place of output.dir, which is what reports state; "": there.
  std::filesystem::path folder{};
  CpuOptions cpu;
  Observer observer;
  CancelToken cancel;
};

struct RunResult {
  Report report;  // as in report.json: verdict, accuracy, signature, warnings, ...
  std::filesystem::path folder;
  std::vector<std::string> files;  // names in it, of this run
  // What a person has to know about the values, a line each; also among the report's warnings.
  std::vector<std::string> notes;
  std::string unit = "sample";  // what the data set consists of: "window" of tokens
  int64_t done = 0, size = 0;   // of these
  bool cancelled = false;       // what ended is in the folder, and a later run can continue

  const std::string& signature() const { return report.input.signature; }
};

// Writes report.json, report.csv, energy.csv, page.html, with a chip chip.csv, trace.h5, logits.npy
// and what else is asked for into output.dir.
// Throws Error: kUsage for what the experiment says, kData for files that do not fit, kCapacity
// where the machine is too small, kRuntime where writing fails, kInterrupted where it was cancelled
// before there was anything to keep.
RunResult run_experiment(const Experiment& experiment, const RunOptions& options = {});

}  // namespace spikeloom
