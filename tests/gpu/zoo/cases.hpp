#pragma once
// What runs the zoo: correct kernels against plain loops, wrong ones against the checkers that must
// see them. A Runner launches kernels on fibers, or as the PTX that nvcc made of them.

#include <cstdint>
#include <string>
#include <vector>

#include "tests/gpu/simt/host_context.hpp"
#include "tests/gpu/zoo/bugs.hpp"

namespace spikeloom::zoo {

using simt::Buffer;
using simt::Fault;
using simt::Options;
using simt::Report;

// A wrong kernel, how it is launched, and who sees what is wrong.
template <class K>
struct Bug {
  using Kernel = K;
  Fault fault;
  bool address_sanitizer, thread_sanitizer;
  unsigned blocks = 1, threads = 64;
  bool out_written = true;  // before the launch
};

template <class Visit>
void each_bug(Visit&& visit) {
  visit(Bug<PartialsBeforeBarrier>{Fault::kRace, false, true});
  visit(Bug<SharedPastEnd>{Fault::kAddress, true, false});
  visit(Bug<PlainAddOfBlocks>{Fault::kRace, false, true, 4});
  visit(Bug<DivergentBarrier>{Fault::kBarrier, false, false});
  visit(Bug<EarlyReturnBeforeBallot>{Fault::kBarrier, false, false});
  visit(Bug<OffsetBeforeBarrier>{Fault::kRace, false, true});
  visit(Bug<ScatterWithoutAtomics>{Fault::kRace, false, true});
  visit(Bug<TileReusedBeforeBarrier>{Fault::kRace, false, true});
  visit(Bug<BallotIsNoBarrier>{Fault::kRace, false, true});
  visit(Bug<SharedNeverWritten>{Fault::kUninitialised, false, false});
  visit(Bug<GlobalPastEnd>{Fault::kAddress, true, false});
  visit(Bug<MisalignedVector>{Fault::kAlignment, false, false});
  visit(Bug<ReadOnlyLoadOfWritten>{Fault::kReadOnly, false, false});
  visit(Bug<ShuffleFromOutsideMask>{Fault::kWarp, false, false});
  visit(Bug<LaneOutsideItsMask>{Fault::kWarp, false, false});
  visit(Bug<GlobalNeverWritten>{Fault::kUninitialised, false, false, 1, 64, false});
  visit(Bug<UnequalBarriers>{Fault::kBarrier, false, false});
}

template <class K, class Runner>
Report run_bug(const Bug<K>& bug, Runner& runner, const Options& options) {
  constexpr uint32_t kN = 128;
  std::vector<uint32_t> in(kN);
  for (uint32_t i = 0; i < kN; ++i) in[i] = i * 7 % 13;
  const Buffer<uint32_t> x(in, "in");
  const Buffer<uint32_t> written(std::vector<uint32_t>(kN, 0), "out"), fresh(kN, "out");
  uint32_t* const out = bug.out_written ? written.get() : fresh.get();
  const uint32_t n = std::string(K::name) == "EarlyReturnBeforeBallot" ? bug.threads : kN;
  return runner.template launch<K>(bug.blocks, bug.threads, BugParams{x.get(), out, n}, options);
}

// What is wrong with the correct kernels: empty if nothing is.
template <class Runner>
class Correct {
 public:
  Correct(Runner& runner, const Options& options) : runner_(runner), options_(options) {}

  std::string all() {
    for (const uint32_t n : {1u, 31u, 33u, 256u, 1000u}) {
      block_sum(n);
      compaction(n);
      scatter(n);
      lif_pack(n);
      row_gather(n);
    }
    for (const uint32_t words : {1u, 3u}) popcount_scores(14, words);
    return faults_;
  }

 private:
  template <class K>
  void launch(unsigned grid, unsigned block, const typename K::Params& params) {
    name_ = K::name;
    faults_ += runner_.template launch<K>(grid, block, params, options_).text();
  }
  void demand(bool holds, const char* what) {
    if (!holds) faults_ += name_ + ": wrong " + what + "\n";
  }
  uint32_t next() { return dice_.below(1u << 30); }

  void block_sum(uint32_t n) {
    std::vector<int32_t> x(n);
    int32_t sum = 5;
    for (int32_t& v : x) sum += v = static_cast<int32_t>(next() % 100) - 50;
    const Buffer<int32_t> in(x), total(std::vector<int32_t>{5});
    launch<BlockSum>((n + 127) / 128, 128, {in.get(), n, total.get()});
    demand(total.values()[0] == sum, "sum");
  }
  void compaction(uint32_t n) {
    std::vector<uint8_t> flags(n);
    std::vector<uint32_t> places;
    for (uint32_t i = 0; i < n; ++i)
      if ((flags[i] = next() % 3 == 0)) places.push_back(i);
    const Buffer<uint8_t> in(flags);
    const Buffer<uint32_t> list(places.size()), count(1);
    launch<Compaction>(1, 96, {in.get(), n, list.get(), count.get()});
    demand(list.values() == places && count.values()[0] == places.size(), "list");
  }
  void scatter(uint32_t n) {
    std::vector<uint32_t> index(n), bins(7, 0);
    for (uint32_t& i : index) ++bins[i = next() % 7];
    const Buffer<uint32_t> in(index), out(std::vector<uint32_t>(7, 0));
    launch<Scatter>((n + 63) / 64, 64, {in.get(), n, out.get()});
    demand(out.values() == bins, "bins");
  }
  void lif_pack(uint32_t channels) {
    constexpr uint32_t kSteps = 3;
    const uint32_t words = (channels + 31) / 32;
    std::vector<float> x(kSteps * channels);
    for (float& v : x) v = static_cast<float>(next() % 1000) * 1e-3f;
    std::vector<uint32_t> want(kSteps * words, 0);
    for (uint32_t ch = 0; ch < channels; ++ch) {
      float v = 0;
      for (uint32_t t = 0; t < kSteps; ++t) {
        v = fused(0.9f, v, x[t * channels + ch]);
        if (v < 1.0f) continue;
        v = 0;
        want[t * words + ch / 32] |= 1u << ch % 32;
      }
    }
    const Buffer<float> in(x);
    const Buffer<uint32_t> spikes(want.size());
    launch<LifPack>((channels + 63) / 64, 64, {in.get(), kSteps, channels, 0.9f, spikes.get()});
    demand(spikes.values() == want, "spikes");
  }
  void row_gather(uint32_t count) {
    constexpr uint32_t kOutputs = 45, kSources = 9;
    std::vector<float> weights(kSources * kOutputs), want(kOutputs, 0.0f);
    for (float& w : weights) w = static_cast<float>(next() % 1000) * 1e-3f - 0.5f;
    std::vector<uint32_t> events(count);
    for (uint32_t& e : events) e = next() % kSources;
    for (const uint32_t e : events)
      for (uint32_t o = 0; o < kOutputs; ++o) want[o] += weights[e * kOutputs + o];
    const Buffer<float> w(weights), out(kOutputs);
    const Buffer<uint32_t> list(events);
    launch<RowGather>(1, 64, {w.get(), list.get(), count, kOutputs, out.get()});
    demand(out.values() == want, "sums");
  }
  void popcount_scores(uint32_t tokens, uint32_t words) {
    std::vector<uint32_t> q(tokens * words), k(tokens * words);
    for (uint32_t& word : q) word = next();
    for (uint32_t& word : k) word = next();
    std::vector<uint8_t> want(tokens * tokens, 0);
    for (uint32_t i = 0; i < tokens * tokens; ++i)
      for (uint32_t w = 0; w < words; ++w)
        want[i] +=
            static_cast<uint8_t>(bits_set(q[i / tokens * words + w] & k[i % tokens * words + w]));
    const Buffer<uint32_t> a(q), b(k);
    const Buffer<uint8_t> scores(want.size());
    launch<PopcountScores>((tokens * tokens + 63) / 64, 64,
                           {a.get(), b.get(), tokens, words, scores.get()});
    demand(scores.values() == want, "scores");
  }

  Runner& runner_;
  Options options_;
  std::string faults_, name_;
  simt::Dice dice_{12345};
};

// Every order the scheduler knows, shuffled ones with several seeds.
inline std::vector<Options> schedules(Options options) {
  std::vector<Options> all;
  for (const simt::Order order : {simt::Order::kForward, simt::Order::kBackward}) {
    options.order = order;
    all.push_back(options);
  }
  options.order = simt::Order::kShuffled;
  for (options.seed = 1; options.seed <= 5; ++options.seed) all.push_back(options);
  return all;
}

}  // namespace spikeloom::zoo
