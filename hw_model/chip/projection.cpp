#include "hw_model/chip/projection.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMostNeurons = int64_t{1} << 31;

int64_t ceil_div(int64_t a, int64_t b) {
  return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kUsage, what);
}

void check_extent(int64_t inputs, int64_t outputs, int64_t kernel, int64_t stride,
                  int64_t padding) {
  if (kernel < 1 || stride < 1 || padding < 0) refuse("kernel and stride start at 1, padding at 0");
  if (inputs + 2 * padding < kernel || (inputs + 2 * padding - kernel) / stride + 1 != outputs) {
    refuse(std::to_string(inputs) + " inputs do not give " + std::to_string(outputs) + " outputs");
  }
}

struct SynapseCheck {
  const ChipNetwork& network;
  const ChipPopulation& source;
  const ChipPopulation& target;

  void operator()(const DenseSynapses& dense) const {
    if (dense.taps < 1) refuse("taps start at 1");
  }
  void operator()(const ConvSynapses& conv) const {
    check_extent(source.height, target.height, conv.kernel_y, conv.stride_y, conv.padding_y);
    check_extent(source.width, target.width, conv.kernel_x, conv.stride_x, conv.padding_x);
    if (conv.groups < 1 || source.channels % conv.groups != 0 ||
        target.channels % conv.groups != 0) {
      refuse("groups must divide the channels of both sides");
    }
  }
  void operator()(const SparseSynapses& sparse) const {
    if (static_cast<int64_t>(sparse.first.size()) != source.neurons() + 1 ||
        sparse.first.front() != 0 ||
        sparse.first.back() != static_cast<int64_t>(sparse.targets.size()) ||
        !std::is_sorted(sparse.first.begin(), sparse.first.end())) {
      refuse("the list of first targets does not fit");
    }
    for (const uint32_t neuron : sparse.targets) {
      if (neuron >= target.neurons()) refuse("target " + std::to_string(neuron) + " is not there");
    }
  }
  void operator()(const AttentionSynapses& attention) const {
    const auto fits = [&](const ChipPopulation& other) {
      return other.positions() == target.positions() && other.channels == target.channels;
    };
    if (!fits(source)) refuse("queries, keys, values and target must have one shape");
    if (attention.heads < 1 || target.channels % attention.heads != 0) {
      refuse("heads must divide the channels");
    }
    if (attention.role != AttentionRole::kValue) return;
    if (attention.keys < 0 || attention.keys >= static_cast<int>(network.populations.size()) ||
        !fits(network.populations[static_cast<size_t>(attention.keys)])) {
      refuse("values need the population of their keys");
    }
  }
};

void check_population(const ChipPopulation& population) {
  const int64_t extents[] = {population.height, population.width, population.channels};
  int64_t neurons = 1;
  for (const int64_t extent : extents) {
    if (extent < 1 || extent >= kMostNeurons || neurons > kMostNeurons / extent) {
      refuse("extents must be at least 1 and give fewer than 2^31 neurons");
    }
    neurons *= extent;
  }
  if (neurons >= kMostNeurons) refuse("2^31 neurons or more");
  if (population.payload_bits < 0 || population.payload_bits > 64 || population.state_bits < 0) {
    refuse("a payload has 0 to 64 bits, a state at least 0");
  }
}

}  // namespace

void check_network(const ChipNetwork& network) {
  const auto populations = static_cast<int>(network.populations.size());
  for (const ChipPopulation& population : network.populations) {
    try {
      check_population(population);
    } catch (const Error& error) {
      throw error.in("population " + population.name);
    }
  }
  for (const ChipPopulation& population : network.populations) {
    if (population.beside < 0) continue;
    const ChipPopulation* other = population.beside < populations
                                      ? &network.populations[static_cast<size_t>(population.beside)]
                                      : nullptr;
    if (other == nullptr || other->beside >= 0 || other->height != population.height ||
        other->width != population.width || other->channels != population.channels) {
      refuse("population " + population.name + ": lies beside none of its shape");
    }
  }
  for (const Projection& projection : network.projections) {
    try {
      if (projection.source < 0 || projection.source >= populations || projection.target < 0 ||
          projection.target >= populations) {
        refuse("source or target is no population");
      }
      if (projection.weight_bits < 1 || projection.weight_bits > 64) {
        refuse("weights have 1 to 64 bits");
      }
      std::visit(SynapseCheck{network, network.populations[static_cast<size_t>(projection.source)],
                              network.populations[static_cast<size_t>(projection.target)]},
                 projection.synapses);
    } catch (const Error& error) {
      throw error.in("projection " + projection.name);
    }
  }
}

SynapseFormat format_of(const Synapses& synapses) noexcept {
  return static_cast<SynapseFormat>(synapses.index());  // in the order of the variant
}

Range intersect(Range a, Range b) noexcept {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

Range outputs_of(int64_t i, int64_t kernel, int64_t stride, int64_t padding,
                 int64_t outputs) noexcept {
  const int64_t last = (i + padding) / stride;  // i + padding >= 0
  return {std::max<int64_t>(0, ceil_div(i + padding - kernel + 1, stride)),
          std::min(outputs, last + 1)};
}

Range inputs_of(Range out, int64_t kernel, int64_t stride, int64_t padding,
                int64_t inputs) noexcept {
  if (out.size() == 0) return {};
  return {std::max<int64_t>(0, out.begin * stride - padding),
          std::min(inputs, (out.end - 1) * stride - padding + kernel)};
}

int64_t fan_in_of(const ChipNetwork& network, const Projection& projection) {
  const ChipPopulation& source = network.populations[static_cast<size_t>(projection.source)];
  if (const auto* dense = std::get_if<DenseSynapses>(&projection.synapses)) {
    return source.neurons() * dense->taps;
  }
  if (const auto* conv = std::get_if<ConvSynapses>(&projection.synapses)) {
    return conv->kernel_y * conv->kernel_x * source.channels / conv->groups;
  }
  if (const auto* attention = std::get_if<AttentionSynapses>(&projection.synapses)) {
    return attention->role == AttentionRole::kQuery ? source.channels / attention->heads : 0;
  }
  const auto& sparse = std::get<SparseSynapses>(projection.synapses);
  std::vector<int64_t> fan_in(
      static_cast<size_t>(network.populations[static_cast<size_t>(projection.target)].neurons()));
  for (const uint32_t neuron : sparse.targets) ++fan_in[neuron];
  return *std::max_element(fan_in.begin(), fan_in.end());
}

}  // namespace spikeloom
