#include "cli/recording_options.hpp"

#include <fmt/format.h>

namespace spikeloom {

void add_recording_options(CommandLine& line) {
  line.named.add_options()("network", options::value<std::string>(),
                           "in place of a trace: NIR, graph as JSON, SONATA (docs/chip.md)")(
      "spikes", options::value<std::string>(), "its spikes: .npz, SONATA, NIRData or a trace")(
      "dt", options::value<double>(), "seconds of a step; else as the files say")(
      "steps", options::value<int64_t>(), "steps of a sample, where only spike times tell");
}

std::optional<RecordingFiles> recording_files(const options::variables_map& values) {
  const bool trace = values.count("trace") > 0, network = values.count("network") > 0;
  for (const char* option : {"spikes", "dt", "steps"}) {
    if (!network && values.count(option))
      throw usage_error(fmt::format("--{} goes with --network", option));
  }
  if (trace == network)
    throw usage_error(trace ? "give a trace or --network, not both"
                            : "give a trace, or --network and --spikes");
  if (!network) return std::nullopt;
  if (!values.count("spikes")) throw usage_error("--network: --spikes FILE is missing");
  RecordingFiles files;
  for (const std::string& name : split_list(values["network"].as<std::string>(), "--network"))
    files.network.emplace_back(name);
  files.spikes = values["spikes"].as<std::string>();
  if (values.count("dt")) {
    files.dt = values["dt"].as<double>();
    if (!(files.dt > 0 && files.dt <= 1e6))
      throw usage_error("--dt: seconds, above 0, at most 1e6");
  }
  if (values.count("steps")) files.steps = in_range<int64_t>(values, "steps", 1, int64_t{1} << 24);
  return files;
}

}  // namespace spikeloom
