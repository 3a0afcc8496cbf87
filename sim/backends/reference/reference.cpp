#include "sim/backends/reference/reference.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/ordered_math.hpp"
#include "sim/backends/reference/kernels.hpp"

namespace spikeloom {
namespace {

using reference::Prepared;

std::vector<float> values_of(const Weights& weights, const std::string& name) {
  if (name.empty()) return {};
  const Tensor values = to_f32(weights.at(name).data);
  return {values.f32().begin(), values.f32().end()};
}

// What an operator reads, as its kernel wants it.
template <ReadsNoArrays O>
void load(const O&, const Weights&, Prepared&) {}

template <typename O>
requires(!HasNoLayer<O>) void load(const O& op, const Weights& weights, Prepared& to) {
  const Layer layer = op.layer();
  const auto scale = weights.at(layer.weight).scale.f32();
  to.weight = values_of(weights, layer.weight);
  to.bias = values_of(weights, layer.bias);
  to.scale.assign(scale.begin(), scale.end());
}

// Never run.
void load(const RecordedOp&, const Weights&, Prepared&) {}

// Its coefficients need the shape too.
void load(const Neuron&, const Weights&, Prepared&) {}

void load(const BatchNorm& op, const Weights& weights, Prepared& to) {
  const Affine affine = affine_of(op, weights);
  to.scale.assign(affine.scale.begin(), affine.scale.end());
  to.shift.assign(affine.shift.begin(), affine.shift.end());
}

void load(const Scale& op, const Weights& weights, Prepared& to) {
  to.scale = values_of(weights, op.factors);
}

void load(const Threshold& op, const Weights& weights, Prepared& to) {
  to.shift = values_of(weights, op.thresholds);
}

void load(const LayerNorm& op, const Weights& weights, Prepared& to) {
  to.scale = values_of(weights, op.prefix + ".weight");
  to.shift = values_of(weights, op.prefix + ".bias");
}

void load(const Embedding& op, const Weights& weights, Prepared& to) {
  to.weight = values_of(weights, op.weight);
}

void load(const Positions& op, const Weights& weights, Prepared& to) {
  to.weight = values_of(weights, op.weight);
}

void load(const Prepend& op, const Weights& weights, Prepared& to) {
  to.weight = values_of(weights, op.weight);
}

void load(const TokenMix& op, const Weights& weights, Prepared& to) {
  to.scale = values_of(weights, op.mix);
}

void load(const Wkv& op, const Weights& weights, Prepared& to) {
  to.scale = values_of(weights, op.decay);
  for (float& w : to.scale) w = -ordered_exp(w);
  to.shift = values_of(weights, op.first);
}

void load(const Delay& op, const Weights& weights, Prepared& to) {
  to.steps = steps_by_element(op, weights);
}

void load(const LmuMemory& op, const Weights&, Prepared& to) {
  to.memory = lmu_system(op.order, op.theta);
  if (op.form == LmuForm::kFft) to.fft.emplace(*to.memory, op.steps);
}

void clear_padding(const ValueRef& value, int64_t step) {
  for (int64_t row = 0; row < value.rows; ++row) {
    float* at = value.real_row(step, row);
    std::fill(at + value.channels, at + padded(value.channels), 0.0f);
  }
}

class ReferenceBackend final : public Backend {
 public:
  explicit ReferenceBackend(AccumulatorLimits limits) : limits_(std::move(limits)) {}

  std::string name() const override { return "reference"; }
  std::string simd() const override { return "none"; }
  bool groups_units() const noexcept override { return false; }

  std::shared_ptr<const void> prepare(const Graph& graph, const Unit& unit,
                                      const Weights& weights) const override {
    auto prepared = std::make_shared<Prepared>();
    const auto limits = limits_.find(unit.main);
    if (limits != limits_.end()) prepared->limits = limits->second;
    const Node& node = graph.node(unit.main);
    std::visit([&](const Operator auto& op) { load(op, weights, *prepared); }, node.op);
    if (const auto* op = std::get_if<Neuron>(&node.op))
      prepared->neuron =
          coefficients_of(op->spec, node.shape, padded(channels_of(node.shape)), weights);
    const std::string weight = weight_of(node.op);
    prepared->adds_integers = !weight.empty() && weights.at(weight).scale.size() > 0 &&
                              graph.node(node.inputs[0]).kind == EdgeKind::kSpikes;
    return prepared;
  }

  std::shared_ptr<void> workspace(const void* prepared) const override {
    const auto& fft = static_cast<const Prepared*>(prepared)->fft;
    return fft ? fft->workspace() : nullptr;
  }

  void run(const Graph& graph, const Unit& unit, const void* prepared,
           const UnitIo& io) const noexcept override {
    const auto& p = *static_cast<const Prepared*>(prepared);
    for (int64_t t = 0; t < io.steps; ++t) {
      std::visit([&](const auto& op) { reference::run_op(op, p, io, t); },
                 graph.node(unit.main).op);
      if (io.real.real != nullptr) clear_padding(io.real, t);
    }
  }

 private:
  AccumulatorLimits limits_;
};

}  // namespace

std::shared_ptr<const Backend> make_reference_backend(AccumulatorLimits limits) {
  return std::make_shared<ReferenceBackend>(std::move(limits));
}

}  // namespace spikeloom
