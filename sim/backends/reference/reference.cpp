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
    const Op& op = node.op;
    if (const std::string name = weight_of(op); !name.empty()) {
      const WeightTensor& stored = weights.at(name);
      prepared->weight = values_of(weights, name);
      prepared->bias = values_of(weights, bias_of(op));
      prepared->scale.assign(stored.scale.f32().begin(), stored.scale.f32().end());
      prepared->adds_integers =
          stored.scale.size() > 0 && graph.node(node.inputs[0]).kind == EdgeKind::kSpikes;
    } else if (const auto* norm = std::get_if<BatchNorm>(&op)) {
      const Affine affine = affine_of(*norm, weights);
      prepared->scale.assign(affine.scale.begin(), affine.scale.end());
      prepared->shift.assign(affine.shift.begin(), affine.shift.end());
    } else if (const auto* table = std::get_if<Embedding>(&op)) {
      prepared->weight = values_of(weights, table->weight);
    } else if (const auto* layer_norm = std::get_if<LayerNorm>(&op)) {
      prepared->scale = values_of(weights, layer_norm->prefix + ".weight");
      prepared->shift = values_of(weights, layer_norm->prefix + ".bias");
    } else if (const auto* mix = std::get_if<TokenMix>(&op)) {
      prepared->scale = values_of(weights, mix->mix);
    } else if (const auto* wkv = std::get_if<Wkv>(&op)) {
      prepared->scale = values_of(weights, wkv->decay);
      for (float& w : prepared->scale) w = -ordered_exp(w);
      prepared->shift = values_of(weights, wkv->first);
    } else if (const auto* positions = std::get_if<Positions>(&op)) {
      prepared->weight = values_of(weights, positions->weight);
    } else if (const auto* row = std::get_if<Prepend>(&op)) {
      prepared->weight = values_of(weights, row->weight);
    } else if (const auto* memory = std::get_if<LmuMemory>(&op)) {
      prepared->memory = lmu_system(memory->order, memory->theta);
      if (memory->form == LmuForm::kFft) prepared->fft.emplace(*prepared->memory, memory->steps);
    }
    return prepared;
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
