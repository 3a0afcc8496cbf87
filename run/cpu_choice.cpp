#include "run/cpu_choice.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "run/machine_rates.hpp"
#include "run/process.hpp"
#include "run/version.hpp"
#include "sim/backends/cpu/cpu.hpp"

namespace spikeloom {
namespace {

using nlohmann::json;

// What a file has to say to be this machine's.
json key_of(const std::string& simd) {
  json corners = json::array();
  for (const SumShape& shape : sum_shapes()) {
    corners.push_back(
        {name_of(shape.precision), shape.kernel, shape.in_channels, shape.out_channels});
  }
  return {{"version", kVersion},
          {"processor", processor_name()},
          {"simd", simd},
          {"kernels", kSumKernels},
          {"layers", std::move(corners)}};
}

BreakEven rates_of_machine(const std::string& simd, const std::filesystem::path& cache) {
  const auto measure = [&] { return measure_break_even(simd); };
  if (cache.empty()) return measure_steadily(measure).rates;
  return kept_rates(cache / ("break-even-" + simd + ".json"), key_of(simd), measure);
}

SumChoice choice_of(const std::string& simd, const CpuOptions& options) {
  const std::string& name = options.sums;
  if (name.empty())
    return {.path = SumPath::kCheapest, .rates = rates_of_machine(simd, options.cache)};
  if (name == "events") return {.path = SumPath::kEvents};
  if (name == "dense") return {.path = SumPath::kDense};
  if (name == "usual") return {};
  throw Error(ErrorCode::kUsage,
              "SPIKELOOM_SUMS: expected events, dense or usual, found " + in_quotes(name));
}

}  // namespace

std::shared_ptr<const Backend> make_chosen_cpu_backend(const CpuOptions& options) {
  // Names the target that "" stands for.
  const std::string target = make_cpu_backend(options.simd)->simd();
  return make_cpu_backend(target, choice_of(target, options));
}

}  // namespace spikeloom
