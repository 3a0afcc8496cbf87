// The table and the JSON of `spikeloom bench nets`.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/bench_nets.hpp"

namespace spikeloom {
namespace {

using nlohmann::json;

constexpr double kMegabyte = 1e6;

}  // namespace

std::string net_heading(const NetResult& result) {
  std::string out = fmt::format("{}: {}, batch 1, {} parameters; PyTorch: {}\n", result.net,
                                result.input, result.parameters, result.torch);
  for (const auto& [name, memory] : result.memory) {
    out += fmt::format(
        "  memory of {}: {:.1f} MB at most (fp32 weights {:.1f} MB, one session {:.1f} MB)\n", name,
        static_cast<double>(memory.peak) / kMegabyte,
        static_cast<double>(memory.weights) / kMegabyte,
        static_cast<double>(memory.session) / kMegabyte);
  }
  return out + fmt::format("{:>8} {:>19} {:>8}  {:<20} {:>12} {:>9} {:>12} {:>8}\n", "spikes",
                           "least .. most layer", "threads", "", "ms per " + result.unit, "best",
                           "PyTorch ms", "faster");
}

std::string net_rows(const NetResult& result) {
  std::string out;
  const Timing* torch = find_timing(result.timings, "PyTorch");
  for (const Timing& timing : result.timings) {
    if (&timing == torch) continue;
    out += fmt::format(
        "{:>6.2f} % {:>19} {:>8}  {:<20} {:>12.4g} {:>9.4g} {:>12} {:>8}\n", 100 * result.rate,
        fmt::format("{:.1f} .. {:.1f} %", 100 * result.least, 100 * result.most), result.threads,
        timing.name, 1e3 * timing.median(), 1e3 * timing.best(),
        torch == nullptr ? "-" : fmt::format("{:.4g}", 1e3 * torch->median()),
        torch == nullptr ? "-" : fmt::format("{:.2f}x", torch->median() / timing.median()));
  }
  return out;
}

json net_json(const NetResult& result) {
  json memory = json::object();
  for (const auto& [name, bytes] : result.memory)
    memory[name] = {{"weights_bytes", bytes.weights},
                    {"session_bytes", bytes.session},
                    {"peak_bytes", bytes.peak}};
  return {{"net", result.net},
          {"input", result.input},
          {"per", result.unit},
          {"parameters", result.parameters},
          {"populations", result.populations},
          {"threads", result.threads},
          {"rate_asked", result.asked},
          {"rate", result.rate},
          {"rate_least", result.least},
          {"rate_most", result.most},
          {"torch", result.torch},
          {"memory", memory},
          {"contenders", to_json(result.timings)}};
}

}  // namespace spikeloom
