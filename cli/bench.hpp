#pragma once
// `spikeloom bench`: what its two halves share.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/bench_measure.hpp"

namespace spikeloom {

struct BenchOptions {
  std::vector<std::string> layers, nets;
  std::vector<double> rates;  // fractions
  std::vector<int64_t> steps, threads;
  std::vector<std::string> precisions;
  Turns turns;
  std::string simd;
  bool correlated = false, reference = false;
  std::string python, driver;  // of the PyTorch competitor
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

// The lines above a table.
void print_heading(const BenchMachine& machine, const BenchOptions& options,
                   const std::string& competitors);

}  // namespace spikeloom
