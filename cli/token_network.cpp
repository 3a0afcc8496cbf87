#include "cli/token_network.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/network.hpp"
#include "cli/token_run.hpp"
#include "core/error.hpp"
#include "core/io/weights_file.hpp"
#include "run/memory.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/graph/value_bounds.hpp"

namespace spikeloom {
namespace {

void build(const TokenExperiment& e, const Weights* stored, TokenNetwork& net) {
  const Family& family = *e.model.family;
  const DataShape data{.frames = e.data.window};
  net.spec = family.checkpoint.complete(e.model.spec, stored, data);
  net.vocabulary = family.shape(net.spec).classes;
  net.graph = family.build(net.spec, data);
}

// Windows side by side are as many as have room; what they keep is bounded.
MemoryPlan memory_plan(const TokenExperiment& e) {
  MemoryPlan plan;
  plan.options = {e.run.schedule, kTokenChunk, {}};
  plan.device = e.run.device;
  plan.precision = e.run.precision.precision;
  plan.batch = std::max<int64_t>(e.run.batch, 1);
  plan.features = e.output.features;
  plan.membranes = e.output.membranes;
  plan.sample_steps = 1;  // a row a token
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
    StoredWeights stored = load_weights(e.weights.path, {e.weights.select, e.weights.ignore,
                                                         e.model.family->checkpoint.landmarks()});
    const auto of_the_file = [&](auto&& step) {
      try {
        step();
      } catch (const Error& error) {
        throw error.in(e.weights.path.string());
      }
    };
    of_the_file([&] { build(e, &stored.tensors, net); });
    check_memory(net.graph, memory_plan(e));  // what was read is in memory already
    of_the_file([&] {
      net.weights = bind_weights(net.graph, std::move(stored), &net.notes);
      value_gains(net.graph, net.weights);
    });
    net.note = e.weights.note.empty() ? e.weights.path.filename().string() : e.weights.note;
  }
  net.hash = weights_hash(net.weights);
  return net;
}

}  // namespace spikeloom
