#pragma once
// Spikes of networks such as SpikeGPT: what their neurons fire is only added to a real residual
// stream, and every matrix reads a normalised mix of that stream, or a gate. These counts carry two
// ways of pricing it nevertheless by its spikes (docs/energy.md, "Language models"):
//   paper             as the publication counts: every projection as if its input were as sparse as
//                     the neurons behind it fire, WKV as 7 MACs a channel
//   event_decomposed  exact algebra. x = LN0(x0) + earlier spikes, and layer normalisation is affine
//                     once mean and deviation are known, so that W[m*LN(x) + (1-m)*LN(x')] is a sum
//                     of columns of W diag(m*g) over the spikes of x and of W diag((1-m)*g) over
//                     those of the token before
// Totals over all steps of a run. Thread-safe: pure functions.

#include <optional>
#include <string>
#include <vector>

#include "sim/counts/op_counts.hpp"

namespace spikeloom {

struct ProjectionCount {
  std::string layer;
  int64_t dense_macs = 0;
  // The neurons its outputs end in; none behind the output head.
  std::string neurons;
  int64_t spikes = 0, updates = 0;
  // Whether it reads the normalised stream; then what of the stream are spikes:
  bool reads_stream = false;
  int64_t outputs = 0;
  int64_t tokens_read = 0;    // 2: this token and the one before, 1: this one
  int64_t column_events = 0;  // spikes of all populations in the stream, of one of the tokens
  int64_t root_macs = 0;      // products with the part that is real: the embedding of a model that
                              // does not binarise it
  int64_t column_adds() const { return outputs * tokens_read * column_events; }
  double rate() const {
    return updates > 0 ? static_cast<double>(spikes) / static_cast<double>(updates) : 0.0;
  }
};

// A published estimate of how many times less energy such a network needs than the same network
// dense: 13 E_MAC / (13 R E_AC + 7 E_MAC / d).
struct PublishedClaim {
  double mac_pJ = 0, ac_pJ = 0;
  double rate = 0;
  int64_t width = 0;
  double ratio() const {
    return 13 * mac_pJ / (13 * rate * ac_pJ + 7 * mac_pJ / static_cast<double>(width));
  }
};

struct ResidualStream {
  PublishedClaim claim;
  std::vector<ProjectionCount> projections;
  std::string head;         // of the projections the one without neurons
  int64_t wkv_updates = 0;  // channels x steps
};

// nullopt where the stream of the graph is no sum of an embedding and of what its neurons fire;
// `obstacle` then names the node that is no part of one.
std::optional<ResidualStream> count_residual_stream(const Graph& graph, const RunStatistics& run,
                                                    const PublishedClaim& claim,
                                                    std::string* obstacle = nullptr);

// What that arithmetic takes for granted, one sentence each; `measured_rate`: of the run at hand.
std::vector<std::string> assumptions_of(const PublishedClaim& claim, double measured_rate);

}  // namespace spikeloom
