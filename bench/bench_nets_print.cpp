// The table and the JSON of `spikeloom bench nets`.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "bench/bench_nets.hpp"

namespace spikeloom {
using nlohmann::json;

std::string net_heading(const NetResult& result) {
  std::string out = fmt::format("{}: {}, batch 1, {} parameters; {}: {}\n", result.net,
                                result.input, result.parameters, kRivals[0], result.rivals[0]);
  for (size_t i = 1; i < result.rivals.size(); ++i)
    out += fmt::format("  {}: {}\n", kRivals[i], result.rivals[i]);
  for (const auto& [name, memory] : result.memory) {
    const auto mb = [](int64_t bytes) { return static_cast<double>(bytes) / 1e6; };
    out += fmt::format(
        "  memory of {}: {:.1f} MB at most (weights {:.1f} MB, one session {:.1f} MB, two "
        "layers' values {:.1f} MB)\n",
        name, mb(memory.peak), mb(memory.weights), mb(memory.session), mb(memory.two_layers));
  }
  return out + fmt::format("{:>8} {:>18} {:>8}  {:<16} {:>10} {:>9} {:>12} {:>9} {:>8} {:>8}\n",
                           "spikes", "by layer", "threads", "", "ms/" + result.unit, "best",
                           "PyTorch ms", "best", "faster", "by best");
}

std::string net_rows(const NetResult& result) {
  std::string out;
  const Timing* torch = find_timing(result.timings, "PyTorch");
  const auto ms = [](double seconds) { return fmt::format("{:.4g}", 1e3 * seconds); };
  for (const Timing& timing : result.timings) {
    if (&timing == torch) continue;
    const auto faster = [&](double theirs, double mine) {
      return fmt::format("{:.2f}x", theirs / mine);
    };
    out += fmt::format(
        "{:>6.2f} % {:>18} {:>8}  {:<16} {:>10} {:>9} {:>12} {:>9} {:>8} {:>8}\n",
        100 * result.rate, fmt::format("{:.1f} .. {:.1f} %", 100 * result.least, 100 * result.most),
        result.threads, timing.name, ms(timing.median()), ms(timing.best()),
        torch == nullptr ? "-" : ms(torch->median()), torch == nullptr ? "-" : ms(torch->best()),
        torch == nullptr ? "-" : faster(torch->median(), timing.median()),
        torch == nullptr ? "-" : faster(torch->best(), timing.best()));
  }
  return out;
}

json net_json(const NetResult& result) {
  json memory = json::object();
  for (const auto& [name, bytes] : result.memory)
    memory[name] = {{"weights_bytes", bytes.weights},
                    {"session_bytes", bytes.session},
                    {"two_layers_bytes", bytes.two_layers},
                    {"peak_bytes", bytes.peak}};
  json rivals = json::object();
  for (size_t i = 0; i < result.rivals.size(); ++i)
    rivals[std::string(kRivals[i])] = result.rivals[i];
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
          {"torch", result.rivals[0]},
          {"rivals", rivals},
          {"memory", memory},
          {"contenders", to_json(result.timings)}};
}

}  // namespace spikeloom
