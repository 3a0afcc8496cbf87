#include <cmath>
#include <cstdlib>

#include "core/error.hpp"
#include "hw_model/chip/noc.hpp"
#include "hw_model/chip/replay.hpp"
#include "hw_model/chip/step_time.hpp"

namespace spikeloom {
namespace {

[[noreturn]] void broken(const std::string& law) {
  throw Error(ErrorCode::kInternal, "chip replay breaks a law: " + law);
}

void require_equal(int64_t a, int64_t b, const std::string& law) {
  if (a != b) broken(law + ": " + std::to_string(a) + " and " + std::to_string(b));
}

// Calls f(neuron) for what population `p` sends in `step`.
template <typename F>
void for_each_spike(const ChipNetwork& network, const ChipSpikes& spikes, size_t p, int64_t step,
                    F&& f) {
  if (network.populations[p].sends_always) {
    for (uint32_t n = 0; n < network.populations[p].neurons(); ++n) f(n);
  } else {
    for (const uint32_t n : spikes.at(p, step)) f(n);
  }
}

// Synaptic events of a projection in one step, from the definition of the operator alone.
class EventCount {
 public:
  EventCount(const ChipNetwork& network, const ChipSpikes& spikes, const Projection& projection,
             int64_t step)
      : network_(network),
        spikes_(spikes),
        projection_(projection),
        source_(network.populations[static_cast<size_t>(projection.source)]),
        target_(network.populations[static_cast<size_t>(projection.target)]),
        step_(step) {}

  int64_t operator()(const DenseSynapses& dense) const {
    return sum([&](uint32_t) { return target_.neurons() * dense.taps; });
  }
  int64_t operator()(const SparseSynapses& sparse) const {
    return sum([&](uint32_t n) { return sparse.first[n + 1] - sparse.first[n]; });
  }
  int64_t operator()(const ConvSynapses& conv) const {
    return sum([&](uint32_t n) {
      const int64_t position = n / source_.channels;
      const Range y = outputs_of(position / source_.width, conv.kernel_y, conv.stride_y,
                                 conv.padding_y, target_.height);
      const Range x = outputs_of(position % source_.width, conv.kernel_x, conv.stride_x,
                                 conv.padding_x, target_.width);
      return y.size() * x.size() * (target_.channels / conv.groups);
    });
  }
  int64_t operator()(const AttentionSynapses& attention) const {
    const int64_t depth = source_.channels / attention.heads;
    if (attention.role == AttentionRole::kKey) return 0;
    if (attention.role == AttentionRole::kQuery) return sum([&](uint32_t) { return depth; });
    // Pairs of key and value of one token and head.
    std::vector<int64_t> keys(static_cast<size_t>(source_.neurons() / depth));
    for_each_spike(network_, spikes_, static_cast<size_t>(attention.keys), step_,
                   [&](uint32_t n) { ++keys[static_cast<size_t>(n / depth)]; });
    return sum([&](uint32_t n) { return keys[static_cast<size_t>(n / depth)]; });
  }

 private:
  template <typename F>
  int64_t sum(F&& of_spike) const {
    int64_t total = 0;
    for_each_spike(network_, spikes_, static_cast<size_t>(projection_.source), step_,
                   [&](uint32_t n) { total += of_spike(n); });
    return total;
  }

  const ChipNetwork& network_;
  const ChipSpikes& spikes_;
  const Projection& projection_;
  const ChipPopulation& source_;
  const ChipPopulation& target_;
  int64_t step_;
};

void check_sums(const ReplayResult& result) {
  StepResult by_op;
  int64_t flit_hops = 0, link_flits = 0, events = 0, deliveries = 0;
  for (size_t op = 0; op < result.ops.size(); ++op) {
    int64_t by_layer = 0;
    for (size_t row = op; row < result.by_layer.size(); row += result.ops.size()) {
      by_layer += result.by_layer[row];
    }
    const PricedOp& row = result.ops[op];
    const int64_t count = result.count(op);
    require_equal(count, by_layer, "cores and layers agree on " + row.name);
    if (row.action == Action::kFire) by_op.fired += count;
    if (row.action == Action::kUpdate) by_op.updated += count;
    if (row.action == Action::kAxonIn) by_op.deliveries += count;
    if (row.action == Action::kAxonOut) by_op.messages += count;
    if (is_synaptic(row)) by_op.events += count;
    if (row.action == Action::kHop || row.action == Action::kInterchip) flit_hops += count;
  }
  for (const int64_t flits : result.link_flits) link_flits += flits;
  for (const int64_t count : result.events) events += count;
  for (const int64_t count : result.deliveries) deliveries += count;
  const StepResult steps = result.total();
  require_equal(steps.fired, by_op.fired, "neurons fired");
  require_equal(steps.updated, by_op.updated, "neurons updated");
  require_equal(steps.messages, by_op.messages, "packets sent");
  require_equal(steps.deliveries, by_op.deliveries, "packets received");
  require_equal(steps.events, by_op.events, "synaptic events");
  require_equal(steps.events, events, "synaptic events of projections");
  require_equal(steps.deliveries, deliveries, "packets of projections");
  require_equal(link_flits, flit_hops, "links add up to hops");
  if (steps.hops > flit_hops) broken("a hop has at least one flit");
}

void check_distances(const ChipSpec& chip, const ReplayResult& result) {
  if (result.traffic.empty() || chip.noc.cast != Cast::kUnicast) return;
  const Geometry geometry(chip);
  int64_t packets = 0, hops = 0;
  for (const Traffic& pair : result.traffic) {
    const TilePlace by =
        geometry.offset(geometry.tile_of_core(pair.from), geometry.tile_of_core(pair.to));
    packets += pair.packets;
    hops += pair.packets * (std::abs(by.x) + std::abs(by.y));
  }
  require_equal(packets, result.total().deliveries, "packets of pairs of cores");
  require_equal(hops, result.total().hops, "hops are the distances of the packets");
}

void check_energy(const ChipSpec& chip, const ReplayResult& result) {
  const double total = energy_of(chip, result).dynamic_j;
  const auto close = [&](double parts) { return std::abs(parts - total) <= 1e-12 * total; };
  double cores = 0, layers = 0;
  const size_t ops = result.ops.size();
  for (size_t row = 0; row < result.by_core.size(); row += ops) {
    cores += energy_of_row(result.ops, result.by_core.data() + row);
  }
  for (size_t row = 0; row < result.by_layer.size(); row += ops) {
    layers += energy_of_row(result.ops, result.by_layer.data() + row);
  }
  if (!close(cores)) broken("energies of cores add up to the total");
  if (!close(layers)) broken("energies of layers add up to the total");
}

}  // namespace

void check_result(const ChipNetwork& network, const ChipSpec& chip, const ChipSpikes& spikes,
                  const ReplayResult& result) {
  check_sums(result);
  check_distances(chip, result);
  check_energy(chip, result);
  for (size_t q = 0; q < network.projections.size(); ++q) {
    const Projection& projection = network.projections[q];
    int64_t events = 0;
    for (int64_t step = 0; step < spikes.steps; ++step) {
      events += std::visit(EventCount(network, spikes, projection, step), projection.synapses);
    }
    require_equal(result.events[q], events, "events of projection " + projection.name);
  }
  for (const StepResult& step : result.steps) {
    const double times[] = {step.busy_ns,    step.time_ns, step.generate_ns,
                            step.receive_ns, step.link_ns, step.blocked_ns};
    for (const double time : times) {
      if (!(time >= 0)) broken("no time is negative");
    }
  }
}

}  // namespace spikeloom
