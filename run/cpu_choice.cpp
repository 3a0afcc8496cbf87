#include "run/cpu_choice.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
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

std::optional<BreakEven> read_rates(const std::filesystem::path& path, const json& key) try {
  const json file = load_json(path);
  BreakEven rates;
  if (file.at("machine") != key || file.at("rates").size() != rates.size()) return std::nullopt;
  for (size_t i = 0; i < rates.size(); ++i) {
    rates[i] = file.at("rates")[i].get<double>();
    if (!(rates[i] >= 0 && rates[i] <= 1)) return std::nullopt;
  }
  return rates;
} catch (const Error&) {
  return std::nullopt;  // missing, unreadable or damaged
} catch (const json::exception&) {
  return std::nullopt;
}

void write_rates(const std::filesystem::path& path, const json& key, const BreakEven& rates) try {
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  write_text_file(path, dump_json({{"machine", key}, {"rates", rates}}));
} catch (const Error&) {  // the next command measures again
}

BreakEven rates_of_machine(const std::string& simd, const std::filesystem::path& cache) {
  const json key = key_of(simd);
  const auto path = cache / ("break-even-" + simd + ".json");
  if (!cache.empty()) {
    if (const auto rates = read_rates(path, key)) return *rates;
  }
  const BreakEven rates = measure_break_even(simd);
  if (!cache.empty()) write_rates(path, key, rates);
  return rates;
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
