#include "sim/plan/prepare_units.hpp"

#include <exception>
#include <mutex>
#include <vector>

#include "core/parallel.hpp"
#include "sim/graph/last_readers.hpp"

namespace spikeloom {
namespace {

// What a unit reads, taken out of `weights` where nobody reads it afterwards.
Weights take_for(const Graph& graph, const Unit& unit, Weights& weights, LastReaders& readers) {
  Weights own;
  for (const NodeId part : {unit.main, unit.affine, unit.residual, unit.neuron}) {
    if (part < 0) continue;
    const Op& op = graph.node(part).op;
    for (const Parameter& parameter : parameters_of(op)) {
      if (!own.contains(parameter.name)) own.share(parameter.name, weights);
    }
  }
  for (const NodeId part : {unit.main, unit.affine, unit.residual, unit.neuron}) {
    if (part >= 0) readers.done(graph.node(part).op, weights);
  }
  return own;
}

}  // namespace

void prepare_units(Plan& plan, Weights weights, int threads) {
  LastReaders readers(plan.graph);
  std::mutex mutex;
  plan.prepared.resize(plan.units.size());
  std::vector<std::exception_ptr> failures(plan.units.size());
  parallel_samples(std::ssize(plan.units), threads, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    const Unit& unit = plan.units[at];
    try {
      const auto own = [&] {
        const std::lock_guard lock(mutex);
        return take_for(plan.graph, unit, weights, readers);
      }();
      plan.prepared[at] = plan.backend->prepare(plan.graph, unit, own);
    } catch (...) {
      failures[at] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace spikeloom
