#include "bench/bench_engine.hpp"

#include <algorithm>

#include "sim/graph/random_weights.hpp"

namespace spikeloom {
namespace {

constexpr uint64_t kWeightSeed = 7;

// The operand's step 0; its steps lie behind each other, its history in front.
ValueRef view_of(LayerOperand& operand, const Shape& shape, bool bits) {
  const int64_t words = operand.rows * words_for(operand.channels);
  const int64_t floats = operand.rows * padded(operand.channels);
  ValueRef ref{nullptr, nullptr, &shape, operand.rows, operand.channels, bits ? words : floats};
  if (bits) {
    ref.bits = operand.bits.data() + operand.history * words;
  } else {
    ref.real = operand.real.f32().data() + operand.history * floats;
  }
  return ref;
}

std::string numbered(const char* name, size_t number) {
  return name + std::to_string(number);
}

// Operands, then the layer's operators.
Graph make_graph(const BenchLayer& layer, bool dense) {
  Graph graph;
  std::vector<NodeId> operands;
  for (const Shape& shape : operands_of(layer)) {
    NodeId id = graph.add(numbered("in", operands.size()), Input{shape, false});
    if (!layer.real && !dense) id = graph.add(numbered("spikes", operands.size()), Neuron{}, {id});
    operands.push_back(id);
  }
  const std::vector<Op> ops = ops_of(layer);
  if (layer.kind == BenchLayerKind::kAttention) {
    const NodeId kv = graph.add("op0", ops[0], {operands[0], operands[1]});
    graph.add("op1", ops[1], {operands[2], kv});
  } else {
    graph.add("op0", ops[0], {operands[0]});
  }
  return graph;
}

}  // namespace

std::optional<Weights> weights_of(const BenchLayer& layer, Precision precision) {
  const Graph graph = make_graph(layer, false);
  Weights weights = random_weights(graph, kWeightSeed);
  if (precision == Precision::kF32) return weights;
  QuantizedWeights quantized = quantize(graph, weights, precision);
  if (quantized.layers.empty()) return std::nullopt;
  return std::move(quantized.weights);
}

EngineLayer::EngineLayer(const BenchLayer& layer, LayerData& data, const Weights& weights,
                         std::shared_ptr<const Backend> backend, const EngineForm& form)
    : graph_(make_graph(layer, form.dense)),
      backend_(std::move(backend)),
      steps_(data.steps),
      form_(form) {
  const bool bits = !layer.real && !form.dense;
  const auto first = static_cast<NodeId>(*graph_.find("op0"));
  if (form.neuron && layer.kind != BenchLayerKind::kLif)
    graph_.add("lif", Neuron{}, {graph_.size() - 1});
  std::vector<ValueRef> in;
  for (size_t i = 0; i < data.operands.size(); ++i)
    in.push_back(view_of(data.operands[i], data.operands[i].shape, bits));
  parts_.reserve(2);  // their addresses stay
  if (layer.kind == BenchLayerKind::kAttention) {
    add_part(first, {in[0], in[1]}, weights, false);
    add_part(first + 1, {in[2], parts_[0].io.real}, weights, form.neuron);
  } else {
    add_part(first, in, weights, form.neuron);
  }
}

void EngineLayer::add_part(NodeId main, const std::vector<ValueRef>& in, const Weights& weights,
                           bool fires) {
  Part& part = parts_.emplace_back();
  const Node& node = graph_.node(main);
  const int64_t rows = rows_of(node.shape), channels = channels_of(node.shape);
  part.unit.main = main;
  part.io.steps = steps_;
  part.io.threads = form_.threads;
  std::copy(in.begin(), in.end(), part.io.in);
  if (fires) {
    const bool alone = std::holds_alternative<Neuron>(node.op);
    if (!alone) part.unit.neuron = main + 1;
    const int64_t words = rows * words_for(channels);
    spikes_.resize(static_cast<size_t>(steps_ * words));
    membranes_ = Tensor({rows, padded(channels)});
    part.io.spikes = {nullptr, spikes_.data(), &node.shape, rows, channels, words};
    part.io.state = membranes_.f32().data();
    part.io.brief = true;  // a call is a whole sample, as in networks that run on images
  } else {
    const bool last = main + 1 == graph_.size();
    Tensor& result = last && form_.sums != nullptr ? *form_.sums : part.result;
    if (result.size() == 0) result = Tensor({steps_ * rows, padded(channels)});
    part.io.real = {result.f32().data(),    nullptr, &node.shape, rows, channels,
                    rows * padded(channels)};
  }
  part.prepared = backend_->prepare(graph_, part.unit, weights);
  part.workspace = backend_->workspace(part.prepared.get());
  part.io.workspace = part.workspace.get();
}

void EngineLayer::run() noexcept {
  for (const Part& part : parts_) backend_->run(graph_, part.unit, part.prepared.get(), part.io);
}

Tensor EngineLayer::sums() const {
  const ValueRef& real = parts_.back().io.real;
  Tensor result({steps_ * real.rows, real.channels});
  for (int64_t line = 0; line < steps_ * real.rows; ++line) {
    std::copy_n(real.real_row(0, line), real.channels, result.f32().data() + line * real.channels);
  }
  return result;
}

}  // namespace spikeloom
