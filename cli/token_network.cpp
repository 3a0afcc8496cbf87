#include "cli/token_network.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/memory.hpp"
#include "cli/network.hpp"
#include "cli/token_run.hpp"
#include "core/error.hpp"
#include "core/io/weights_file.hpp"
#include "models/ann/rwkv4.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/graph/value_bounds.hpp"

namespace spikeloom {
namespace {

void require_same(const char* key, int64_t wanted, int64_t found) {
  if (wanted != 0 && wanted != found) {
    throw Error(ErrorCode::kUsage,
                fmt::format("model.{} is {}, the checkpoint has {}", key, wanted, found));
  }
}

SpikeGptConfig config_from(const TokenExperiment& e, const Weights* stored) {
  SpikeGptConfig net;
  if (stored != nullptr) {
    net = spikegpt_config_of(*stored);
    require_same("layers", e.layers, net.layers);
    require_same("width", e.width, net.width);
    require_same("vocabulary", e.vocabulary, net.vocabulary);
  } else {
    net.layers = e.layers;
    net.width = e.width;
    net.vocabulary = e.vocabulary;
    net.ffn_pre = e.ffn_pre;
  }
  net.binary_embedding = e.binary_embedding.value_or(net.binary_embedding);
  net.rescale_every = e.rescale_every;
  net.tau = e.tau;
  net.v_threshold = e.v_threshold;
  net.reset = e.reset;
  return net;
}

GptConfig gpt_from(const TokenExperiment& e, const Weights* stored) {
  if (stored == nullptr) {
    return {e.layers, e.width, e.vocabulary,
            e.heads > 0 ? e.heads : std::max<int64_t>(1, e.width / 64),
            e.context > 0 ? e.context : std::max<int64_t>(e.data.window, 1)};
  }
  GptConfig net = gpt_config_of(*stored);
  require_same("layers", e.layers, net.layers);
  require_same("width", e.width, net.width);
  require_same("vocabulary", e.vocabulary, net.vocabulary);
  require_same("context", e.context, net.context);
  if (e.heads > 0) net.heads = e.heads;
  return net;
}

void build(const TokenExperiment& e, const Weights* stored, TokenNetwork& net) {
  if (e.family == "gpt") {
    const GptConfig gpt = gpt_from(e, stored);
    net.config.layers = gpt.layers;
    net.config.width = gpt.width;
    net.config.vocabulary = gpt.vocabulary;
    net.graph = build_gpt(gpt);
    return;
  }
  net.config = config_from(e, stored);
  net.graph = e.spikes() ? build_spikegpt(net.config) : build_rwkv4(net.config);
}

// Windows side by side are as many as have room; what they keep is bounded.
MemoryPlan memory_plan(const TokenExperiment& e) {
  MemoryPlan plan;
  plan.options = {e.run.schedule, kTokenChunk, {}};
  plan.device = e.run.device;
  plan.precision = e.run.precision.precision;
  plan.batch = std::max<int64_t>(e.run.batch, 1);
  return plan;
}

}  // namespace

TokenNetwork make_token_network(const TokenExperiment& e) {
  TokenNetwork net;
  if (e.weights.path.empty()) {
    build(e, nullptr, net);
    check_memory(net.graph, memory_plan(e));
    const auto seed = static_cast<uint64_t>(e.weights.random_seed);
    net.weights = random_weights(net.graph, seed);
    net.note = fmt::format("random weights, seed {}", seed);
  } else {
    StoredWeights stored =
        load_weights(e.weights.path, {e.weights.select, e.weights.ignore,
                                      e.family == "gpt" ? gpt_landmarks() : spikegpt_landmarks()});
    try {
      build(e, &stored.tensors, net);
      check_memory(net.graph, memory_plan(e));  // what was read is in memory already
      net.weights = bind_weights(net.graph, std::move(stored), &net.notes);
      value_gains(net.graph, net.weights);
    } catch (const Error& error) {
      throw error.in(e.weights.path.string());
    }
    net.note = e.weights.note.empty() ? e.weights.path.filename().string() : e.weights.note;
  }
  net.hash = weights_hash(net.weights);
  return net;
}

GptConfig gpt_of(const SpikeGptConfig& net, int64_t heads, int64_t context) {
  return {net.layers, net.width, net.vocabulary,
          heads > 0 ? heads : std::max<int64_t>(1, net.width / 64), context};
}

}  // namespace spikeloom
