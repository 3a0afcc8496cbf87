#pragma once
// A network as a chip sees it: populations of neurons and projections between them.
//
// Neurons are numbered channels last, (y*width + x)*channels + c: the order of traces. A layer of
// tokens is height 1, width = tokens; a plain layer is 1 x 1 x n. Lowering a Graph gives such a
// list, tests write it down directly. Plain values.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/levels.hpp"
#include "hw_model/chip/chip_spec.hpp"

namespace spikeloom {

// Which neurons the soma updates in a step. kAll: every neuron (folded biases reach it). kTouched:
// those that received a synaptic event. kFired: those that fired (inputs). kGiven: as many as the
// spike record says.
enum class UpdateRule { kAll, kTouched, kFired, kGiven };
inline constexpr const char* kUpdateRuleNames[] = {"all", "touched"};  // those a user may choose

struct ChipPopulation {
  std::string name;
  int64_t height = 1, width = 1, channels = 1;
  UpdateRule update = UpdateRule::kAll;
  std::string soma;          // unit of the chip; empty: its first soma unit by name
  int64_t payload_bits = 0;  // 0: spikes. Above: graded packets, whose targets multiply
  LevelRange levels = {};  // {0, 1}: spikes; else a packet carries a level, or stands for one unit
  bool sends_always = false;  // every neuron sends in every step, nothing is recorded (real edges)
  int64_t state_bits = 32;    // per neuron
  // A population of the same shape whose cores this one shares, neuron by neuron (a residual stream
  // lives beside all that read it); -1: none. That one is beside none itself.
  int beside = -1;

  // How often a neuron with this level sends: once with the level as payload, or once per unit.
  int64_t packets_of(int64_t level) const noexcept {
    return payload_bits > 0 ? 1 : level < 0 ? -level : level;
  }
  int64_t positions() const noexcept { return height * width; }
  int64_t neurons() const noexcept { return positions() * channels; }
};

// Every source neuron to every target neuron, `taps` synapses each (a kernel along the steps).
struct DenseSynapses {
  int64_t taps = 1;
};

// Cross-correlation with zero padding and shared weights: output o reads inputs o*stride - padding
// + [0, kernel) in y and x. Kernel 1 is a linear layer over pixels or tokens, groups = channels a
// depthwise one, groups = channels with kernel 1 the identity.
struct ConvSynapses {
  int64_t kernel_y = 1, kernel_x = 1, stride_y = 1, stride_x = 1, padding_y = 0, padding_x = 0;
  int64_t groups = 1;
};

// Target neurons of source n: targets[first[n] .. first[n+1]); duplicates are synapses of their
// own.
struct SparseSynapses {
  std::vector<int64_t> first;
  std::vector<uint32_t> targets;
};

// Spike-driven attention Q (K^T V) with `heads` heads of d = channels/heads. The matrix A[h, i, j]
// lives with the target neurons of channel h*d+j, which may therefore not be split over tokens. A
// key is remembered; a value (n, h, j) adds one to A[h, i, j] for every key (n, h, i) of its token
// in this step: one outer-product event each; a query (n, h, i) adds A[h, i, j] to neuron (n, h, j)
// for all j. Three projections with the roles' populations as sources form one block.
enum class AttentionRole { kKey, kValue, kQuery };
struct AttentionSynapses {
  AttentionRole role = AttentionRole::kKey;
  int64_t heads = 1;
  int keys = -1;  // population of the keys; read by kValue
};

using Synapses = std::variant<DenseSynapses, ConvSynapses, SparseSynapses, AttentionSynapses>;

struct Projection {
  std::string name;
  int source = 0, target = 0;  // populations; equal for a recurrent one
  Synapses synapses;
  std::string unit;  // unit of the chip; empty: by format
  int64_t weight_bits = 8;
};

struct ChipNetwork {
  std::vector<ChipPopulation> populations;
  std::vector<Projection> projections;
};

// Throws Error(kUsage) naming population or projection: extents below 1, more than 2^31 neurons in
// one population, shapes that do not fit each other, indices out of range.
void check_network(const ChipNetwork& network);

SynapseFormat format_of(const Synapses& synapses) noexcept;

// Half-open range of coordinates.
struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const noexcept { return end > begin ? end - begin : 0; }
};
Range intersect(Range a, Range b) noexcept;
// Outputs in [0, outputs) that read input `i`, and inputs in [0, inputs) that outputs `out` read.
Range outputs_of(int64_t i, int64_t kernel, int64_t stride, int64_t padding,
                 int64_t outputs) noexcept;
Range inputs_of(Range out, int64_t kernel, int64_t stride, int64_t padding,
                int64_t inputs) noexcept;

// Synapses that end at one neuron (of a convolution: inside the borders; of a list: the most).
int64_t fan_in_of(const ChipNetwork& network, const Projection& projection);

}  // namespace spikeloom
