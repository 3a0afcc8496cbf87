#include "bench/options.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/parallel.hpp"
#include "run/process.hpp"
#include "sim/backends/cpu/cpu.hpp"

namespace spikeloom {

using nlohmann::json;

BenchMachine machine_of(const BenchOptions& options) {
  return {processor_name(), "cpu, " + make_cpu_backend(options.cpu.simd)->simd(), __VERSION__,
          available_threads(), load_average()};
}

json to_json(const BenchMachine& machine) {
  return {{"processor", machine.processor},
          {"cores", machine.cores},
          {"backend", machine.backend},
          {"compiler", machine.compiler},
          {"load", std::isnan(machine.load) ? json(nullptr) : json(machine.load)}};
}

json to_json(const std::vector<Timing>& timings) {
  json result = json::array();
  for (const Timing& timing : timings)
    result.push_back({{"name", timing.name},
                      {"median_s", timing.median()},
                      {"best_s", timing.best()},
                      {"rounds_s", timing.rounds}});
  return result;
}

}  // namespace spikeloom
