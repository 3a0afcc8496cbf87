#pragma once
// `spikeloom bench kernels`: single layers at chosen firing rates, the engine beside oneDNN.

#include "bench/bench_layers.hpp"
#include "bench/options.hpp"

namespace spikeloom {

// One layer under one set of conditions. Timings, in seconds per call: for every precision P that
// the layer has "P event", "P dense" (the engine's dense path on the same data) and with a LIF
// neuron behind the layer "P event lif", "P dense lif"; "oneDNN f32", "oneDNN bf16", "oneDNN
// int8"; "reference".
struct KernelResult {
  BenchLayer layer;
  int64_t steps = 1, threads = 1;
  Pattern pattern = Pattern::kIndependent;
  double asked = 0, rate = 0;  // firing rate asked for and as it is; 1 for real operands
  int64_t spikes = 0, additions = 0, macs = 0, neuron_steps = 0;
  double clock_hz = 0;
  std::vector<Timing> timings;
};

// All conditions of the options, in order; every result is handed on as soon as it is there.
// Results of different paths are compared first. Throws Error(kInternal) where they differ.
std::vector<KernelResult> run_kernels(const BenchOptions& options,
                                      const std::function<void(const KernelResult&)>& done);

// Median seconds of `contender` over those of `base`: how many times faster base is. NaN where one
// of them did not take part.
double times_faster(const KernelResult& result, std::string_view base, std::string_view contender);

// Up to which firing rate a precision's event path is faster than a contender.
enum class Crossing {
  kAt,
  kFaster,
  kSlower
};  // at `rate`; faster or slower at every rate measured
struct Crossover {
  std::string precision, contender;
  Crossing where = Crossing::kAt;
  double rate = 0;  // between two measured ones, interpolated along the logarithm of the ratio
};
// For results that differ in their rates alone, ascending; contenders are the precision's own dense
// path and oneDNN, as far as they took part.
std::vector<Crossover> crossovers(const std::vector<const KernelResult*>& line,
                                  const std::vector<std::string>& precisions);

// The lines over a table of one layer, and one line per precision. "ops/clk": weight additions of
// spikes, products of real operands or neurons, per clock; the columns behind the second bar say
// how many times faster the engine (without LIF) is.
std::string kernel_heading(const KernelResult& result);
std::string kernel_rows(const KernelResult& result, const std::vector<std::string>& precisions);
nlohmann::json kernel_json(const KernelResult& result);

}  // namespace spikeloom
