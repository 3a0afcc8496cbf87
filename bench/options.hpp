#pragma once
// `spikeloom bench`: what is measured, and on what; its two halves share it.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bench/bench_measure.hpp"
#include "run/cpu_choice.hpp"
#include "run/observer.hpp"

namespace spikeloom {

struct BenchOptions {
  std::vector<std::string> layers, nets;
  std::vector<double> rates;  // fractions
  std::vector<int64_t> steps, threads;
  std::vector<std::string> precisions;
  Turns turns;
  CpuOptions cpu;
  bool correlated = false, reference = false;
  Observer observer;           // told what is measured, layer by layer and round by round
  std::string python, driver;  // of the competitors of nets
};

// Conditions of a run that every output states.
struct BenchMachine {
  std::string processor, backend, compiler;
  int cores = 1;
  double load = 0;
};
BenchMachine machine_of(const BenchOptions& options);
nlohmann::json to_json(const BenchMachine& machine);
nlohmann::json to_json(const std::vector<Timing>& timings);

}  // namespace spikeloom
