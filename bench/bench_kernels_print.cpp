// The table and the JSON of `spikeloom bench kernels`.

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "bench/bench_kernels.hpp"

namespace spikeloom {
namespace {

using nlohmann::json;

// The path of a precision that stands for the engine: events where the layer has them, else dense,
// else neurons alone.
std::string main_path(const KernelResult& result, const std::string& precision) {
  for (const char* path : {" event", " dense", " dense lif"}) {
    if (find_timing(result.timings, precision + path) != nullptr) return precision + path;
  }
  return "";
}

// What the main path does: additions of spikes, products of real operands, neurons alone.
double work(const KernelResult& result) {
  if (result.layer.kind == BenchLayerKind::kLif) return static_cast<double>(result.neuron_steps);
  return static_cast<double>(result.layer.real ? result.macs : result.additions);
}

std::string milliseconds(const Timing* timing) {
  return timing == nullptr ? "-" : fmt::format("{:.4g}", 1e3 * timing->median());
}

std::string times(double ratio) {
  return std::isnan(ratio) ? "-" : fmt::format("{:.2f}x", ratio);
}

}  // namespace

std::string kernel_heading(const KernelResult& result) {
  return fmt::format(
      "{}, T {}, {} thread{}: {:.4g} M products when dense, clock {:.2f} GHz\n"
      "{:>7} {:<14} {:<7} {:>9} {:>9} {:>7} {:>9} {:>9} | {:>9} {:>9} {:>9} | {:>7} {:>7} {:>7} "
      "{:>7}\n",
      result.layer.name, result.steps, result.threads, result.threads == 1 ? "" : "s",
      1e-6 * static_cast<double>(result.macs), 1e-9 * result.clock_hz, "spikes", "", "",
      "engine ms", "best", "ops/clk", "with LIF", "dense", "oneDNN f32", "bf16", "int8", "dense",
      "f32", "bf16", "int8");
}

std::string kernel_rows(const KernelResult& result, const std::vector<std::string>& precisions) {
  std::string out;
  for (const std::string& precision : precisions) {
    const std::string path = main_path(result, precision);
    const Timing* engine = find_timing(result.timings, path);
    if (engine == nullptr) continue;
    const bool events = path.ends_with(" event");
    const auto with = [&](const std::string& name) { return find_timing(result.timings, name); };
    const auto faster = [&](const std::string& name) {
      return times(times_faster(result, path, name));
    };
    out += fmt::format(
        "{:>7} {:<14} {:<7} {:>9} {:>9.4g} {:>7.2f} {:>9} {:>9} | {:>9} {:>9} {:>9} | {:>7} {:>7} "
        "{:>7} {:>7}\n",
        result.layer.real ? "real" : fmt::format("{:.2f} %", 100 * result.rate),
        result.layer.real ? "" : name_of(result.pattern), precision, milliseconds(engine),
        1e3 * engine->best(), work(result) / (engine->median() * result.clock_hz),
        milliseconds(with(precision + (events ? " event lif" : " dense lif"))),
        milliseconds(with(precision + " dense")), milliseconds(with("oneDNN f32")),
        milliseconds(with("oneDNN bf16")), milliseconds(with("oneDNN int8")),
        events ? faster(precision + " dense") : "-", faster("oneDNN f32"), faster("oneDNN bf16"),
        faster("oneDNN int8"));
  }
  if (const Timing* reference = find_timing(result.timings, "reference"))
    out += fmt::format("        the reference backend: {} ms\n", milliseconds(reference));
  return out;
}

json kernel_json(const KernelResult& result) {
  return {{"layer", result.layer.name},
          {"steps", result.steps},
          {"threads", result.threads},
          {"pattern", name_of(result.pattern)},
          {"operand", result.layer.real ? "real" : "spikes"},
          {"rate_asked", result.asked},
          {"rate", result.rate},
          {"spikes", result.spikes},
          {"additions", result.additions},
          {"dense_products", result.macs},
          {"neuron_steps", result.neuron_steps},
          {"clock_hz", result.clock_hz},
          {"contenders", to_json(result.timings)}};
}

}  // namespace spikeloom
