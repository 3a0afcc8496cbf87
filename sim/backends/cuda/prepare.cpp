#include "sim/backends/cuda/prepare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/error.hpp"
#include "core/ordered_math.hpp"
#include "sim/backends/lmu_fft.hpp"

namespace spikeloom::cuda {
namespace {

std::vector<float> values_of(const Weights& weights, const std::string& name) {
  if (name.empty()) return {};
  const Tensor values = to_f32(weights.at(name).data);
  return {values.f32().begin(), values.f32().end()};
}

int32_t small(int64_t value) {
  if (value > std::numeric_limits<int32_t>::max())
    throw Error(ErrorCode::kCapacity, fmt::format("an extent of {} is too large for CUDA", value));
  return static_cast<int32_t>(value);
}

Value in(const Call& call, size_t i) {
  return value_of(call.io.in[i]);
}

Numbers numbers(Loader& load, const std::vector<float>& array, float one, const Shape& shape) {
  const int64_t channels = channels_of(shape);
  return {load.array(array), one, small(channels), std::ssize(array) == channels};
}

// A layer's matrix, taps in the order in which they are added.
struct MatrixShape {
  int64_t taps = 1;
  std::function<int64_t(int64_t tap)> stored;  // where a tap stands among those of an input
};

template <class W>
Matrix<W> matrix(const MainSource& s, const Layer& layer, const MatrixShape& shape, Loader& load) {
  const auto& weight = s.weights.at(layer.weight);
  const std::vector<float> stored = values_of(s.weights, layer.weight);
  const int64_t inputs = layer.inputs, stride = (layer.outputs + 31) / 32 * 32;
  std::vector<W> packed(static_cast<size_t>(shape.taps * inputs * stride));
  for (int64_t tap = 0; tap < shape.taps; ++tap) {
    for (int64_t i = 0; i < inputs; ++i) {
      W* to = packed.data() + (tap * inputs + i) * stride;
      for (int64_t o = 0; o < layer.outputs; ++o)
        to[o] = static_cast<W>(
            stored[static_cast<size_t>((o * inputs + i) * shape.taps + shape.stored(tap))]);
    }
  }
  Matrix<W> m;
  m.weight = load.array(packed);
  m.inputs = small(inputs);
  m.outputs = small(layer.outputs);
  m.stride = small(stride);
  m.group_outputs = small(layer.outputs / layer.groups);
  const auto scale = weight.scale.f32();
  m.scale = load.array(std::vector<float>(scale.begin(), scale.end()));
  m.bias = load.array(values_of(s.weights, layer.bias));
  m.adds_integers = !scale.empty() && s.graph.node(s.node.inputs[0]).kind == EdgeKind::kSpikes;
  const auto limits = s.limits.find(s.unit.main);
  if (limits != s.limits.end()) {
    m.limits = load.array(limits->second);
    m.one_limit = limits->second.size() == 1;
  }
  return m;
}

float limit_of(const MainSource& s) {
  const auto limits = s.limits.find(s.unit.main);
  return limits == s.limits.end() || limits->second.empty() ? 0.0f : limits->second[0];
}

// Calls f with a number of the type that the layer's weights have on the device.
template <class F>
void with_type(const MainSource& s, const Layer& layer, F f) {
  switch (s.weights.at(layer.weight).data.dtype()) {
    case DType::kI8: return f(int8_t{});
    case DType::kI16: return f(int16_t{});
    default: return f(float{});
  }
}

// Spikes times weights of one byte, all inputs to all outputs, without limits: no sum leaves 32 bits.
bool is_dense(const MainSource& s, const Layer& layer) {
  const auto& weight = s.weights.at(layer.weight);
  constexpr int64_t kMostInputs = std::numeric_limits<int32_t>::max() / 128;
  return weight.data.dtype() == DType::kI8 && weight.scale.size() > 0 && layer.groups == 1 &&
         s.graph.node(s.node.inputs[0]).kind == EdgeKind::kSpikes &&
         !s.limits.contains(s.unit.main) && layer.inputs * layer.taps <= kMostInputs;
}

// `p`: the window of a convolution, if it is one.
void prepare_dense(const MainSource& s, const Layer& layer, const MatrixShape& shape,
                   DenseBytes::Params p, Loader& load, Prepared& to) {
  const std::vector<float> stored = values_of(s.weights, layer.weight);
  const int64_t words = (layer.inputs + 31) / 32, stride = padded(layer.outputs);
  std::vector<uint32_t> packed(static_cast<size_t>(shape.taps * words * 8 * stride));
  for (int64_t tap = 0; tap < shape.taps; ++tap) {
    for (int64_t i = 0; i < layer.inputs; ++i) {
      uint32_t* row = packed.data() + (tap * words * 8 + i / 4) * stride;
      for (int64_t o = 0; o < layer.outputs; ++o) {
        const auto at =
            static_cast<size_t>((o * layer.inputs + i) * shape.taps + shape.stored(tap));
        const auto byte = static_cast<uint8_t>(static_cast<int8_t>(stored[at]));
        row[o] |= uint32_t{byte} << (8 * (i % 4));
      }
    }
  }
  p.weight = load.array(packed);
  p.words = small(words);
  p.stride = small(stride);
  const auto scale = s.weights.at(layer.weight).scale.f32();
  p.scale = load.array(std::vector<float>(scale.begin(), scale.end()));
  p.bias = load.array(values_of(s.weights, layer.bias));
  to.makes_rows = true;
  to.main = [p](const Call& call) {
    auto now = p;
    now.in = in(call, 0);
    now.out = call.e.real;
    now.steps = call.steps.count;
    launch<DenseBytes>(call.queue, blocks_for(32 * DenseBytes::warps(now), 256), 256, now);
  };
}

void prepare(const Conv2d& op, const MainSource& s, Loader& load, Prepared& to) {
  const Layer layer = op.layer();
  const MatrixShape shape{op.kernel.area(), [&](int64_t tap) {
                            return tap % op.kernel.y * op.kernel.x + tap / op.kernel.y;
                          }};
  const Shape& from = s.graph.node(s.node.inputs[0]).shape;
  const WindowAxis y = op.along_y(), x = op.along_x();
  const auto set_window = [&](auto& p) {
    p.height = small(from[0]);
    p.width = small(from[1]);
    p.out_width = small(s.node.shape[1]);
    p.kernel_y = small(y.kernel);
    p.kernel_x = small(x.kernel);
    p.stride_y = small(y.stride);
    p.stride_x = small(x.stride);
    p.before_y = small(y.before);
    p.before_x = small(x.before);
    p.dilation_y = small(y.dilation);
    p.dilation_x = small(x.dilation);
  };
  if (is_dense(s, layer)) {
    DenseBytes::Params p;
    set_window(p);
    return prepare_dense(s, layer, shape, p, load, to);
  }
  with_type(s, layer, [&]<class W>(W) {
    typename ConvMain<W>::Params p;
    p.m = matrix<W>(s, layer, shape, load);
    set_window(p);
    to.main = [p](const Call& call) {
      auto now = p;
      now.in = in(call, 0);
      run_pass<ConvMain<W>>(call, now);
    };
  });
}

void prepare(const Linear& op, const MainSource& s, Loader& load, Prepared& to) {
  const Layer layer = op.layer();
  if (is_dense(s, layer)) {
    DenseBytes::Params p;  // one tap of a map that is one wide
    p.height = small(rows_of(s.node.shape));
    return prepare_dense(s, layer, {1, [](int64_t) { return 0; }}, p, load, to);
  }
  with_type(s, layer, [&]<class W>(W) {
    const auto m = matrix<W>(s, layer, {1, [](int64_t) { return 0; }}, load);
    to.main = [m](const Call& call) { run_pass<LinearMain<W>>(call, {in(call, 0), m}); };
  });
}

void prepare(const Conv1d& op, const MainSource& s, Loader& load, Prepared& to) {
  const Layer layer = op.layer();
  const int32_t left = small(op.left), kernel = small(op.kernel());
  with_type(s, layer, [&]<class W>(W) {
    const auto m = matrix<W>(s, layer, {kernel, [](int64_t tap) { return tap; }}, load);
    to.main = [=](const Call& call) {
      run_pass<Conv1dMain<W>>(call, {in(call, 0), m, left, kernel});
    };
  });
}

void prepare(const BatchNorm& op, const MainSource& s, Loader& load, Prepared& to) {
  const Affine affine = affine_of(op, s.weights);
  const Shape& from = s.graph.node(s.node.inputs[0]).shape;
  BatchNormMain::Params p;
  p.scale = load.array(std::vector<float>(affine.scale.begin(), affine.scale.end()));
  p.shift = load.array(std::vector<float>(affine.shift.begin(), affine.shift.end()));
  p.width = from.size() == 3 ? small(from[1]) : 1;
  p.height = small(rows_of(from) / p.width);
  p.pad = small(op.pad);
  to.main = [p](const Call& call) {
    auto now = p;
    now.in = in(call, 0);
    run_pass<BatchNormMain>(call, now);
  };
}

void prepare(const Neuron& op, const MainSource& s, Loader& load, Prepared& to) {
  const int64_t stride = padded(channels_of(s.node.shape));
  const NeuronCoefficients k = coefficients_of(op.spec, s.node.shape, stride, s.weights);
  NeuronParams p;
  p.rules = op.spec.rules;
  p.k = load.array(k.values);
  p.k_rows = small(k.rows);
  p.k_stride = small(k.stride);
  p.slots = small(std::ssize(states_of(op.spec)));
  const size_t model = op.spec.model;
  const int inputs = op.spec.row().inputs;
  to.main = [=](const Call& call) {
    auto now = p;
    for (int i = 0; i < inputs; ++i) now.in[i] = in(call, static_cast<size_t>(i));
    now.state = call.io.state;
    now.e = call.e;
    now.steps = call.steps;
    launch_neurons(model, call.queue, blocks_for(int64_t{now.e.rows} * now.e.width, 256), 256, now);
  };
}

void prepare(const KtV& op, const MainSource& s, Loader&, Prepared& to) {
  const int32_t d = small(s.node.shape.back()), heads = small(op.heads);
  const float limit = limit_of(s);
  to.makes_rows = true;
  to.main = [=](const Call& call) {
    KtVCounts::Params p{in(call, 0), in(call, 1), call.e.real, d, heads, limit};
    p.width = call.e.width;
    p.steps = call.steps.count;
    launch<KtVCounts>(call.queue, blocks_for(int64_t{call.e.rows} * p.width, 256), 256, p);
  };
}

void prepare(const QApply& op, const MainSource& s, Loader&, Prepared& to) {
  const int32_t d = small(channels_of(s.node.shape) / op.heads);
  const float scale = op.scale, limit = limit_of(s);
  to.main = [=](const Call& call) {
    run_pass<QApplyMain>(call, {in(call, 0), in(call, 1), d, scale, limit});
  };
}

void prepare(const Add&, const MainSource&, Loader&, Prepared& to) {
  to.main = [](const Call& call) { run_pass<AddMain>(call, {in(call, 0), in(call, 1)}); };
}

void prepare(const Mul&, const MainSource&, Loader&, Prepared& to) {
  to.main = [](const Call& call) { run_pass<MulMain>(call, {in(call, 0), in(call, 1)}); };
}

void prepare(const Scale& op, const MainSource& s, Loader& load, Prepared& to) {
  const Numbers factor = numbers(load, values_of(s.weights, op.factors), op.factor, s.node.shape);
  to.main = [=](const Call& call) { run_pass<ScaleMain>(call, {in(call, 0), factor}); };
}

void prepare(const Activation& op, const MainSource&, Loader& load, Prepared& to) {
  if (op.kind == ActivationKind::kGelu) {
    std::vector<double> table;
    for (const auto& piece : erf_detail::kTable)
      table.insert(table.end(), piece.begin(), piece.end());
    const double* const at = load.array(table);
    to.main = [at](const Call& call) { run_pass<GeluMain>(call, {in(call, 0), at}); };
    return;
  }
  const int32_t kind = op.kind == ActivationKind::kRelu      ? 0
                       : op.kind == ActivationKind::kSigmoid ? 1
                                                             : 2;
  to.main = [kind](const Call& call) { run_pass<ActivationMain>(call, {in(call, 0), kind}); };
}

void prepare(const SpatialMean&, const MainSource&, Loader&, Prepared& to) {
  to.main = [](const Call& call) { run_pass<SpatialMeanMain>(call, {in(call, 0)}); };
}

void prepare(const StepMean& op, const MainSource& s, Loader&, Prepared& to) {
  const int32_t row = small(padded(channels_of(s.node.shape)));
  const int32_t mode = op.mode == StepMode::kMean ? 0 : op.mode == StepMode::kSum ? 1 : 2;
  to.main = [=](const Call& call) {
    run_pass<StepMeanMain>(call, {in(call, 0), call.io.state, row, mode});
  };
}

void prepare(const SoftmaxAttention& op, const MainSource& s, Loader&, Prepared& to) {
  const int64_t rows = rows_of(s.node.shape), most = op.context > 0 ? op.context : rows;
  to.makes_rows = true;
  to.scratch_bytes = op.heads * rows * most * static_cast<int64_t>(sizeof(double));
  SoftmaxRows::Params p;
  p.heads = small(op.heads);
  p.d = small(channels_of(s.node.shape) / op.heads);
  p.most = small(most);
  p.scale = op.scale;
  p.context = op.context;
  const int64_t blocks = op.heads * rows;
  to.main = [=](const Call& call) {
    auto now = p;
    now.q = in(call, 0);
    now.k = in(call, 1);
    now.v = in(call, 2);
    now.out = call.e.real;
    now.scores =
        reinterpret_cast<double*>(static_cast<const Workspace*>(call.io.workspace)->scratch.get());
    now.steps = call.steps;
    launch<SoftmaxRows>(call.queue, blocks, 128, now);
  };
}

void prepare(const Embedding& op, const MainSource& s, Loader& load, Prepared& to) {
  const float* const table = load.array(values_of(s.weights, op.weight));
  const int32_t channels = small(op.channels);
  to.main = [=](const Call& call) {
    run_pass<EmbeddingMain>(call, {in(call, 0), table, channels});
  };
}

void prepare(const Threshold& op, const MainSource& s, Loader& load, Prepared& to) {
  const Numbers threshold =
      numbers(load, values_of(s.weights, op.thresholds), op.threshold, s.node.shape);
  const bool at = op.fire == FireRule::kAtThreshold;
  to.main = [=](const Call& call) { run_pass<ThresholdMain>(call, {in(call, 0), threshold, at}); };
}

void prepare(const LayerNorm& op, const MainSource& s, Loader& load, Prepared& to) {
  const float* const weight = load.array(values_of(s.weights, op.prefix + ".weight"));
  const float* const bias = load.array(values_of(s.weights, op.prefix + ".bias"));
  const float eps = op.eps;
  to.makes_rows = true;
  to.main = [=](const Call& call) {
    const LayerNormRows::Params p{in(call, 0), call.e.real, weight, bias, eps, call.steps.count};
    launch<LayerNormRows>(call.queue, blocks_for(int64_t{32} * call.e.rows * call.steps.count, 256),
                          256, p);
  };
}

void prepare(const Delay& op, const MainSource& s, Loader& load, Prepared& to) {
  const int64_t* const by_element = load.array(steps_by_element(op, s.weights));
  const int64_t steps = op.steps;
  to.main = [=](const Call& call) { run_pass<DelayMain>(call, {in(call, 0), steps, by_element}); };
}

void prepare(const TokenMix& op, const MainSource& s, Loader& load, Prepared& to) {
  const float* const mix = load.array(values_of(s.weights, op.mix));
  to.main = [mix](const Call& call) {
    run_pass<TokenMixMain>(call, {in(call, 0), in(call, 1), mix});
  };
}

void prepare(const Wkv& op, const MainSource& s, Loader& load, Prepared& to) {
  std::vector<float> w = values_of(s.weights, op.decay);
  for (float& decay : w) decay = -ordered_exp(decay);
  WkvMain::Params p;
  p.w = load.array(w);
  p.u = load.array(values_of(s.weights, op.first));
  p.row = small(padded(channels_of(s.node.shape)));
  p.slot = rows_of(s.node.shape) * p.row;
  to.main = [p](const Call& call) {
    auto now = p;
    now.k = in(call, 0);
    now.v = in(call, 1);
    now.state = call.io.state;
    run_pass<WkvMain>(call, now);
  };
}

// The whole sequence at once, by the one implementation there is: the host's.
void fft_memory(const LmuFft& fft, const Call& call) noexcept {
  auto& workspace = *static_cast<LmuFft::Workspace*>(
      static_cast<const Workspace*>(call.io.workspace)->host.get());
  const ValueRef& from = call.io.in[0];
  const Value& to = call.e.real;
  const int64_t steps = fft.steps(), row = to.row;
  std::vector<float> values(static_cast<size_t>(steps * row));
  std::vector<uint64_t> bits(static_cast<size_t>(from.bits != nullptr ? steps : 0));
  for (int64_t s = 0; s < steps; ++s) {
    const auto at = static_cast<size_t>(s);
    if (from.bits != nullptr) {
      copy_out(call.queue, &bits[at], from.bits + s * from.step_stride, sizeof(uint64_t));
    } else {
      copy_out(call.queue, &values[at], from.real + s * from.step_stride, sizeof(float));
    }
  }
  if (!settle(call.queue)) return;
  for (size_t s = 0; s < static_cast<size_t>(steps); ++s)
    workspace.input[s] =
        from.bits != nullptr ? static_cast<double>(bits[s] & 1) : static_cast<double>(values[s]);
  std::fill(values.begin(), values.end(), 0.0f);
  fft.run(workspace, values.data(), row);
  copy_in(call.queue, to.real, values.data(), steps * row * static_cast<int64_t>(sizeof(float)));
  settle(call.queue);  // `values` goes
}

void prepare(const LmuMemory& op, const MainSource& s, Loader& load, Prepared& to) {
  const auto system = lmu_system(op.order, op.theta);
  const int32_t order = small(op.order), taps = small(op.taps);
  if (op.form == LmuForm::kEvent) {
    const double* const h = load.array(system->h);
    to.main = [=](const Call& call) {
      run_pass<LmuEventMain>(call, {in(call, 0), h, taps, order});
    };
    return;
  }
  to.makes_rows = true;
  if (op.form == LmuForm::kFft) {
    const auto fft = std::make_shared<const LmuFft>(*system, op.steps);
    to.whole_steps = op.steps;
    to.host_workspace = [fft] { return fft->workspace(); };
    to.main = [fft](const Call& call) { fft_memory(*fft, call); };
    return;
  }
  std::vector<double> columns(system->a.size());
  for (int64_t i = 0; i < op.order; ++i) {
    for (int64_t j = 0; j < op.order; ++j)
      columns[static_cast<size_t>(j * op.order + i)] =
          system->a[static_cast<size_t>(i * op.order + j)];
  }
  const double *const a = load.array(columns), *const b = load.array(system->b);
  const int threads = static_cast<int>(std::min<int64_t>((op.order + 31) / 32 * 32, 256));
  to.main = [=](const Call& call) {
    launch<LmuRecurrent>(call.queue, 1, threads,
                         {in(call, 0), call.e.real, a, b, call.io.state, order, call.steps.count});
  };
  static_cast<void>(s);
}

void prepare(const Concat&, const MainSource& s, Loader&, Prepared& to) {
  const size_t inputs = s.node.inputs.size();
  to.main = [inputs](const Call& call) {
    ConcatMain::Params p;
    for (size_t i = 0; i < inputs; ++i) p.in[i] = in(call, i);
    run_pass<ConcatMain>(call, p);
  };
}

void prepare(const Positions& op, const MainSource& s, Loader& load, Prepared& to) {
  const float* const table = load.array(values_of(s.weights, op.weight));
  const int32_t channels = small(op.channels);
  const bool along_steps = op.along_steps;
  to.main = [=](const Call& call) {
    run_pass<PositionsMain>(call, {in(call, 0), table, channels, along_steps});
  };
}

void prepare(const Prepend& op, const MainSource& s, Loader& load, Prepared& to) {
  const float* const row = load.array(values_of(s.weights, op.weight));
  to.main = [row](const Call& call) { run_pass<PrependMain>(call, {in(call, 0), row}); };
}

void prepare(const Pool2d& op, const MainSource& s, Loader&, Prepared& to) {
  const Shape& from = s.graph.node(s.node.inputs[0]).shape;
  PoolMain::Params p;
  p.mode = op.mode == PoolMode::kSum ? 0 : op.mode == PoolMode::kAverage ? 1 : 2;
  p.height = small(from[0]);
  p.width = small(from[1]);
  p.out_width = small(s.node.shape[1]);
  p.kernel_y = small(op.kernel.y);
  p.kernel_x = small(op.kernel.x);
  p.stride_y = small(op.stride.y);
  p.stride_x = small(op.stride.x);
  p.padding_y = small(op.padding.y);
  p.padding_x = small(op.padding.x);
  to.main = [p](const Call& call) {
    auto now = p;
    now.in = in(call, 0);
    run_pass<PoolMain>(call, now);
  };
}

void prepare(const Flatten&, const MainSource&, Loader&, Prepared& to) {
  to.main = [](const Call& call) { run_pass<FlattenMain>(call, {in(call, 0)}); };
}

void prepare(const FirstRow&, const MainSource&, Loader&, Prepared& to) {
  to.main = [](const Call& call) { run_pass<FirstRowMain>(call, {in(call, 0)}); };
}

// Nothing runs for these.
void prepare(const Input&, const MainSource&, Loader&, Prepared&) {}
void prepare(const View&, const MainSource&, Loader&, Prepared&) {}
void prepare(const Feedback&, const MainSource&, Loader&, Prepared&) {}
void prepare(const RecordedOp&, const MainSource&, Loader&, Prepared&) {}

}  // namespace

const void* Loader::bytes(const void* from, int64_t count) {
  kept_.push_back(device_memory(device_, count));
  copy_in(queue_, kept_.back().get(), from, count);
  finish(queue_);
  return kept_.back().get();
}

Value value_of(const ValueRef& ref) noexcept {
  Value value;
  value.real = ref.real;
  value.bits = reinterpret_cast<uint32_t*>(ref.bits);
  value.step = ref.step_stride * (ref.bits != nullptr ? 2 : 1);
  value.rows = static_cast<int32_t>(ref.rows);
  value.channels = static_cast<int32_t>(ref.channels);
  value.row = static_cast<int32_t>(ref.bits != nullptr ? 2 * words_for(ref.channels)
                                                       : padded(ref.channels));
  return value;
}

int64_t blocks_for(int64_t threads, int block) noexcept {
  return (threads + block - 1) / block;
}

void prepare_main(const MainSource& source, Loader& load, Prepared& to) {
  std::visit([&](const auto& op) { prepare(op, source, load, to); }, source.node.op);
}

}  // namespace spikeloom::cuda
