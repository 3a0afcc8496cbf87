#pragma once
// `spikeloom bench nets`: whole networks with random weights at chosen firing rates, batch 1, the
// engine beside PyTorch.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/options.hpp"

namespace spikeloom {

struct BenchNet {
  std::string_view name, about;
};
// What --net takes; those that end in "_tiny" only show that the command works.
const std::vector<BenchNet>& bench_nets();
// Throws Error(kUsage) listing the networks.
void check_net(const std::string& name);

// Run-times of today, on the same network. Tables compare with the first.
constexpr std::string_view kRivals[] = {"PyTorch", "onnxruntime", "OpenVINO"};

struct NetMemory {
  int64_t weights = 0, session = 0;  // bytes: weights as stored; one session
  int64_t two_layers = 0;  // the largest two values that follow each other, all steps, as fp32
  int64_t peak = 0;        // what packed weights, session and a run added to the process at most
};

// Timings, in seconds per image, token or sequence: "P FORM" for every precision and form the net
// runs in, then those of kRivals that are there.
struct NetResult {
  std::string net, input;  // "T 4, 224x224"
  std::string unit;        // "image", "token", "sequence"
  int64_t parameters = 0, threads = 1, populations = 0;
  double asked = 0;
  double rate = 0, least = 0, most = 0;  // over all neurons; of single populations
  std::vector<std::string> rivals;       // of kRivals: what they ran on, or why they did not
  std::vector<std::pair<std::string, NetMemory>> memory;  // by contender
  std::vector<Timing> timings;
};

std::vector<NetResult> run_nets(const BenchOptions& options,
                                const std::function<void(const NetResult&)>& done);

std::string net_heading(const NetResult& result);
std::string net_rows(const NetResult& result);
nlohmann::json net_json(const NetResult& result);

}  // namespace spikeloom
