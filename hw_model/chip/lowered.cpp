#include <algorithm>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "hw_model/chip/lower.hpp"

namespace spikeloom {

void refuse_host(const LoweredNetwork& lowered, const ChipSpec& chip) {
  constexpr size_t kListed = 3;
  if (lowered.host.empty()) return;
  std::string message = "chip " + chip.name + " cannot express " +
                        std::to_string(lowered.host.size()) +
                        (lowered.host.size() == 1 ? " node" : " nodes") +
                        " (--unsupported host, or chip.unsupported of a run, leaves "
                        "them to a host): ";
  std::vector<std::string> reasons;  // of each the first node
  for (const HostOperation& host : lowered.host) {
    if (reasons.size() == kListed) break;
    if (std::find(reasons.begin(), reasons.end(), host.reason) != reasons.end()) continue;
    const Node& node = lowered.graph.node(host.node);
    message +=
        (reasons.empty() ? "" : "; ") + node.name + " (" + describe(node.op) + "): " + host.reason;
    reasons.push_back(host.reason);
  }
  if (lowered.host.size() > reasons.size())
    message += "; and " + std::to_string(lowered.host.size() - reasons.size()) + " more";
  throw Error(ErrorCode::kUsage, message);
}

ChipSpikes spikes_of(const LoweredNetwork& lowered, const TraceFile& trace, int64_t samples) {
  const std::vector<TraceSample>& all = trace.samples();
  if (samples < 1 || samples > static_cast<int64_t>(all.size())) {
    throw Error(ErrorCode::kUsage, trace.path().string() + " holds " + std::to_string(all.size()) +
                                       " samples, asked for " + std::to_string(samples));
  }
  int64_t steps = 0;
  for (int64_t s = 0; s < samples; ++s) steps += all[static_cast<size_t>(s)].steps;
  ChipNetwork recorded;
  for (size_t p = 0; p < lowered.sources.size(); ++p) {
    if (lowered.sources[p] != SpikeSource::kTrace) continue;
    recorded.populations.push_back(lowered.network.populations[p]);
  }
  ChipSpikes spikes = read_spikes(trace, recorded, 0, steps);
  std::vector<ChipSpikes::Population> found = std::move(spikes.populations);
  spikes.populations.assign(lowered.sources.size(), {});
  for (size_t p = 0, next = 0; p < lowered.sources.size(); ++p) {
    ChipSpikes::Population& out = spikes.populations[p];
    if (lowered.sources[p] == SpikeSource::kTrace) out = std::move(found[next++]);
    if (lowered.sources[p] != SpikeSource::kFirstStep) continue;
    fill_first_steps(lowered.network.populations[p], spikes, out);
  }
  return spikes;
}

}  // namespace spikeloom
