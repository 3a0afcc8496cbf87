#include <algorithm>

#include "core/error.hpp"
#include "hw_model/chip/cut.hpp"
#include "hw_model/chip/mapper.hpp"

namespace spikeloom {
namespace {

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

int64_t bytes_for(int64_t count, int64_t bits) {
  return (count * bits + 7) / 8;
}

// Upper bounds of what a box of this shape needs, in closed form.
struct ShapeNeed {
  CoreNeed core;
  std::string over;  // the limit it breaks; empty: fits
};

// Source neurons of one projection a box hears, and its synapses.
struct Heard {
  int64_t axons = 0, synapses = 0, weights = 0, matrix = 0;
};

Heard heard_by(const ChipNetwork& network, const Projection& projection, const BlockShape& shape,
               bool shared) {
  const ChipPopulation& source = network.populations[static_cast<size_t>(projection.source)];
  const ChipPopulation& target = network.populations[static_cast<size_t>(projection.target)];
  Heard heard;
  if (const auto* conv = std::get_if<ConvSynapses>(&projection.synapses)) {
    const int64_t group = target.channels / conv->groups;
    const int64_t groups = std::min(conv->groups, ceil_div(shape.channels - 1, group) + 1);
    const int64_t rows =
        std::min(source.height, (shape.height - 1) * conv->stride_y + conv->kernel_y);
    const int64_t columns =
        std::min(source.width, (shape.width - 1) * conv->stride_x + conv->kernel_x);
    heard.axons =
        rows * columns * std::min(source.channels, groups * source.channels / conv->groups);
    const int64_t fan_in = fan_in_of(network, projection);
    heard.weights = fan_in * shape.channels * (shared ? 1 : shape.height * shape.width);
  } else if (const auto* attention = std::get_if<AttentionSynapses>(&projection.synapses)) {
    const int64_t depth = source.channels / attention->heads;
    const int64_t heads = std::min(attention->heads, ceil_div(shape.channels - 1, depth) + 1);
    heard.axons = source.positions() *
                  (attention->role == AttentionRole::kValue ? shape.channels : heads * depth);
    if (attention->role == AttentionRole::kValue) heard.matrix = shape.channels * depth;
  } else {
    heard.axons = source.neurons();
    heard.weights = fan_in_of(network, projection) * shape.neurons();
    if (const auto* sparse = std::get_if<SparseSynapses>(&projection.synapses)) {
      heard.weights = std::min(heard.weights, static_cast<int64_t>(sparse->targets.size()));
      heard.axons = std::min(heard.axons, heard.weights);
    }
  }
  return heard;
}

// Of a population and of all beside it.
ShapeNeed need_of(const ChipNetwork& network, const ChipSpec& chip, size_t population,
                  const BlockShape& shape) {
  ShapeNeed need;
  for (size_t p = 0; p < network.populations.size(); ++p) {
    if (!lives_with(network, population, p)) continue;
    need.core.neurons += shape.neurons();
    need.core.state_bytes += bytes_for(shape.neurons(), network.populations[p].state_bits);
  }
  for (const Projection& projection : network.projections) {
    if (!lives_with(network, population, static_cast<size_t>(projection.target))) continue;
    const Heard heard = heard_by(network, projection, shape, chip.limits.shared_kernels);
    need.core.axons_in += heard.axons;
    need.core.weight_bytes += bytes_for(heard.weights, projection.weight_bits);
    need.core.state_bytes += bytes_for(heard.matrix, 32);
  }
  const CoreLimits& limits = chip.limits;
  const auto check = [&](const char* name, int64_t value, const std::optional<int64_t>& limit) {
    if (!need.over.empty() || !limit || value <= *limit) return;
    need.over = std::string(name) + ": needs " + std::to_string(value) + ", limit " +
                std::to_string(*limit);
  };
  check("neurons", need.core.neurons, limits.neurons);
  check("weight_bytes", need.core.weight_bytes, limits.weight_bytes);
  check("state_bytes", need.core.state_bytes, limits.state_bytes);
  check("memory_bytes", need.core.weight_bytes + need.core.state_bytes, limits.memory_bytes);
  check("axons_in", need.core.axons_in, limits.axons_in);
  return need;
}

// n, n/2, n/4, ... 1, rounded up.
std::vector<int64_t> halvings(int64_t n) {
  std::vector<int64_t> sizes = {n};
  while (sizes.back() > 1) sizes.push_back((sizes.back() + 1) / 2);
  return sizes;
}

BlockShape best_shape(const ChipNetwork& network, const ChipSpec& chip, size_t population) {
  const ChipPopulation& shape = network.populations[population];
  const bool together = keeps_tokens_together(network, population);
  BlockShape best;
  int64_t best_boxes = -1, best_axons = 0;
  for (const int64_t channels : halvings(shape.channels)) {
    for (const int64_t height : halvings(shape.height)) {
      for (const int64_t width : halvings(shape.width)) {
        if (together && (height != shape.height || width != shape.width)) continue;
        const BlockShape block{channels, height, width};
        const int64_t boxes = ceil_div(shape.channels, channels) * ceil_div(shape.height, height) *
                              ceil_div(shape.width, width);
        if (best_boxes >= 0 && boxes > best_boxes) continue;
        const ShapeNeed need = need_of(network, chip, population, block);
        if (!need.over.empty()) continue;
        if (best_boxes < 0 || boxes < best_boxes || need.core.axons_in < best_axons) {
          best = block;
          best_boxes = boxes;
          best_axons = need.core.axons_in;
        }
      }
    }
  }
  if (best_boxes >= 0) return best;
  const BlockShape least{1, together ? shape.height : 1, together ? shape.width : 1};
  throw Error(ErrorCode::kCapacity,
              "layer " + shape.name + " does not fit chip " + chip.name + ": " +
                  std::to_string(least.neurons()) +
                  " neurons on one core: " + need_of(network, chip, population, least).over);
}

// Ranges of `size` of nearly equal length, at most `block` long.
std::vector<Range> parts(int64_t size, int64_t block) {
  const int64_t count = ceil_div(size, block);
  std::vector<Range> ranges;
  for (int64_t i = 0; i < count; ++i) ranges.push_back({size * i / count, size * (i + 1) / count});
  return ranges;
}

struct CutBox {
  Box box;
  CoreNeed need;
};

std::vector<CutBox> cut(const ChipNetwork& network, const ChipSpec& chip,
                        const std::vector<BlockShape>& shapes) {
  std::vector<CutBox> boxes;
  for (size_t p = 0; p < network.populations.size(); ++p) {
    const ChipPopulation& population = network.populations[p];
    if (population.beside >= 0) continue;
    const BlockShape& shape = shapes[p];
    for (const Range channels : parts(population.channels, shape.channels)) {
      for (const Range y : parts(population.height, shape.height)) {
        for (const Range x : parts(population.width, shape.width)) {
          const BlockShape block{channels.size(), y.size(), x.size()};
          boxes.push_back(
              {{static_cast<int>(p), y, x, channels, 0}, need_of(network, chip, p, block).core});
        }
      }
    }
  }
  return boxes;
}

bool fits(const CoreLimits& limits, const CoreNeed& a, const CoreNeed& b) {
  const auto under = [](int64_t need, const std::optional<int64_t>& limit) {
    return !limit || need <= *limit;
  };
  const int64_t weights = a.weight_bytes + b.weight_bytes, state = a.state_bytes + b.state_bytes;
  return under(a.neurons + b.neurons, limits.neurons) && under(weights, limits.weight_bytes) &&
         under(state, limits.state_bytes) && under(weights + state, limits.memory_bytes) &&
         under(a.axons_in + b.axons_in, limits.axons_in);
}

}  // namespace

bool lives_with(const ChipNetwork& network, size_t population, size_t other) {
  return other == population || network.populations[other].beside == static_cast<int>(population);
}

bool keeps_tokens_together(const ChipNetwork& network, size_t population) {
  return std::any_of(
      network.projections.begin(), network.projections.end(), [&](const Projection& projection) {
        return lives_with(network, population, static_cast<size_t>(projection.target)) &&
               std::holds_alternative<AttentionSynapses>(projection.synapses);
      });
}

int64_t boxes_of(const ChipPopulation& population, const BlockShape& shape) {
  return ceil_div(population.channels, shape.channels) * ceil_div(population.height, shape.height) *
         ceil_div(population.width, shape.width);
}

std::vector<BlockShape> fewest_boxes(const ChipNetwork& network, const ChipSpec& chip) {
  std::vector<BlockShape> shapes(network.populations.size());
  for (size_t p = 0; p < shapes.size(); ++p)
    if (network.populations[p].beside < 0) shapes[p] = best_shape(network, chip, p);
  return shapes;
}

Mapping map_sequential(const ChipNetwork& network, const ChipSpec& chip) {
  check_network(network);
  return map_shapes(network, chip, fewest_boxes(network, chip));
}

Mapping map_shapes(const ChipNetwork& network, const ChipSpec& chip,
                   const std::vector<BlockShape>& shapes) {
  const std::vector<CutBox> boxes = cut(network, chip, shapes);
  const int64_t per_chip = chip.usable_cores.value_or(chip.cores_per_chip());
  const int64_t usable = per_chip * chip.chips();
  const bool share = static_cast<int64_t>(boxes.size()) > usable;
  Mapping mapping;
  CoreNeed held;
  int64_t core = -1;  // among the usable ones
  for (const CutBox& piece : boxes) {
    if (core >= 0 && share && fits(chip.limits, held, piece.need)) {
      held.neurons += piece.need.neurons;
      held.weight_bytes += piece.need.weight_bytes;
      held.state_bytes += piece.need.state_bytes;
      held.axons_in += piece.need.axons_in;
    } else {
      held = piece.need;
      ++core;
    }
    for (size_t p = 0; p < network.populations.size(); ++p) {
      if (!lives_with(network, static_cast<size_t>(piece.box.population), p)) continue;
      mapping.boxes.push_back(piece.box);
      mapping.boxes.back().population = static_cast<int>(p);
      mapping.boxes.back().core = core / per_chip * chip.cores_per_chip() + core % per_chip;
    }
  }
  if (core >= usable) {
    throw Error(ErrorCode::kCapacity, "the network does not fit chip " + chip.name + ": needs " +
                                          std::to_string(core + 1) + " cores, limit " +
                                          std::to_string(usable));
  }
  return mapping;
}

}  // namespace spikeloom
