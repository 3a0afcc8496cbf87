#include "sim/backends/reference/reference.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/ordered_erf.hpp"
#include "core/ordered_math.hpp"
#include "sim/backends/lmu_fft.hpp"

namespace spikeloom {
namespace {

// What prepare() keeps: the arrays as stored; scale and shift of a normalisation; the mixing
// weights of TokenMix as scale; w and u of Wkv as scale and shift; where accumulators are narrow,
// the largest magnitude of each output channel or of all. Integer weights (sim/graph/quantize.hpp)
// are kept as numbers; with spikes they are added as integers.
struct Prepared {
  std::vector<float> weight, bias, scale, shift, limits;
  bool adds_integers = false;
  std::shared_ptr<const LmuSystem> memory;
  std::optional<LmuFft> fft;
};

std::vector<float> values_of(const Weights& weights, const std::string& name) {
  if (name.empty()) return {};
  const Tensor values = to_f32(weights.at(name).data);
  return {values.f32().begin(), values.f32().end()};
}

// Element of either kind of value as a number.
float element(const ValueRef& value, int64_t step, int64_t row, int64_t channel) {
  if (value.bits != nullptr) return value.bits_at(step).test(row, channel) ? 1.0f : 0.0f;
  return value.real_row(step, row)[channel];
}

// What an accumulator holds after an addition.
float held(const Prepared& p, int64_t channel, float sum) {
  if (p.limits.empty()) return sum;
  const float limit = p.limits[p.limits.size() == 1 ? 0 : static_cast<size_t>(channel)];
  return std::clamp(sum, -limit, limit);
}

// The main sum of one output of a layer.
class Sum {
 public:
  Sum(const Prepared& p, int64_t channel) : p_(p), channel_(channel) {}
  void add(float weight, float input) {
    if (input == 0.0f) return;  // fma(w, 0, acc) = acc
    if (p_.adds_integers) {
      integer_ += static_cast<double>(weight);  // exact below 2^53
    } else {
      real_ = held(p_, channel_, std::fma(weight, input, real_));
    }
  }
  // With the scale of integer weights and the bias.
  float value() const {
    const auto c = static_cast<size_t>(channel_);
    float y = p_.adds_integers ? static_cast<float>(integer_) : real_;
    if (!p_.scale.empty()) y *= p_.scale[c];
    return p_.bias.empty() ? y : y + p_.bias[c];
  }

 private:
  const Prepared& p_;
  int64_t channel_;
  float real_ = 0;
  double integer_ = 0;
};

void clear_padding(const ValueRef& value, int64_t step) {
  for (int64_t row = 0; row < value.rows; ++row) {
    float* at = value.real_row(step, row);
    std::fill(at + value.channels, at + padded(value.channels), 0.0f);
  }
}

void run_op(const Conv2d& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const int64_t height = (*io.in[0].shape)[0], width = (*io.in[0].shape)[1];
  const int64_t out_height = (*io.real.shape)[0], out_width = (*io.real.shape)[1];
  const int64_t group_in = op.in_channels / op.groups, group_out = op.out_channels / op.groups;
  const int64_t k = op.kernel;
  for (int64_t oy = 0; oy < out_height; ++oy) {
    for (int64_t ox = 0; ox < out_width; ++ox) {
      float* out = io.real.real_row(t, oy * out_width + ox);
      for (int64_t o = 0; o < op.out_channels; ++o) {
        const int64_t first = o / group_out * group_in;
        Sum sum(p, o);
        for (int64_t kx = 0; kx < k; ++kx) {
          for (int64_t ky = 0; ky < k; ++ky) {
            const int64_t y = oy * op.stride + ky - op.padding,
                          x = ox * op.stride + kx - op.padding;
            if (y < 0 || y >= height || x < 0 || x >= width) continue;
            for (int64_t c = 0; c < group_in; ++c) {
              sum.add(p.weight[static_cast<size_t>(((o * group_in + c) * k + ky) * k + kx)],
                      element(io.in[0], t, y * width + x, first + c));
            }
          }
        }
        out[o] = sum.value();
      }
    }
  }
}

void run_op(const Linear& op, const Prepared& p, const UnitIo& io, int64_t t) {
  for (int64_t row = 0; row < io.real.rows; ++row) {
    for (int64_t o = 0; o < op.out_features; ++o) {
      Sum sum(p, o);
      for (int64_t i = 0; i < op.in_features; ++i) {
        sum.add(p.weight[static_cast<size_t>(o * op.in_features + i)],
                element(io.in[0], t, row, i));
      }
      io.real.real_row(t, row)[o] = sum.value();
    }
  }
}

void run_op(const BatchNorm& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const bool is_map = io.in[0].shape->size() == 3;
  const int64_t width = is_map ? (*io.in[0].shape)[1] : 1;
  const int64_t height = io.in[0].rows / width, out_width = width + 2 * op.pad;
  for (int64_t row = 0; row < io.real.rows; ++row) {
    const int64_t y = row / out_width - op.pad, x = row % out_width - op.pad;
    const bool inside = y >= 0 && y < height && x >= 0 && x < width;
    for (int64_t c = 0; c < op.channels; ++c) {
      const float s = p.scale[static_cast<size_t>(c)], shift = p.shift[static_cast<size_t>(c)];
      io.real.real_row(t, row)[c] =
          inside ? io.in[0].real_row(t, y * width + x)[c] * s + shift : shift;
    }
  }
}

void run_op(const Neuron& op, const Prepared&, const UnitIo& io, int64_t t) {
  const MutableSpikeView out = io.spikes.bits_at(t);
  std::fill(out.words, out.words + out.rows * out.row_words(), uint64_t{0});
  for (int64_t row = 0; row < out.rows; ++row) {
    for (int64_t c = 0; c < out.channels; ++c) {
      float& v = io.state[row * padded(out.channels) + c];
      if (step(op.params, io.in[0].real_row(t, row)[c], v))
        out.row(row)[c >> 6] |= uint64_t{1} << (c & 63);
    }
  }
}

void run_op(const KtV& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const int64_t d = io.in[0].channels / op.heads;
  for (int64_t h = 0; h < op.heads; ++h) {
    for (int64_t i = 0; i < d; ++i) {
      for (int64_t j = 0; j < d; ++j) {
        int64_t count = 0;
        for (int64_t n = 0; n < io.in[0].rows; ++n) {
          count += io.in[0].bits_at(t).test(n, h * d + i) && io.in[1].bits_at(t).test(n, h * d + j);
        }
        io.real.real_row(t, h * d + i)[j] = held(p, 0, static_cast<float>(count));
      }
    }
  }
}

void run_op(const QApply& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const int64_t d = io.in[0].channels / op.heads;
  for (int64_t n = 0; n < io.real.rows; ++n) {
    for (int64_t h = 0; h < op.heads; ++h) {
      for (int64_t j = 0; j < d; ++j) {
        float sum = 0.0f;  // integers below 2^24: exact in any order
        for (int64_t i = 0; i < d; ++i) {
          if (!io.in[0].bits_at(t).test(n, h * d + i)) continue;
          sum = held(p, 0, sum + io.in[1].real_row(t, h * d + i)[j]);
        }
        io.real.real_row(t, n)[h * d + j] = sum * op.scale;
      }
    }
  }
}

template <typename F>
void elementwise(const UnitIo& io, int64_t t, F f) {
  for (int64_t row = 0; row < io.real.rows; ++row) {
    for (int64_t c = 0; c < io.real.channels; ++c) io.real.real_row(t, row)[c] = f(row, c);
  }
}

void run_op(const Add&, const Prepared&, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) {
    return io.in[0].real_row(t, r)[c] + element(io.in[1], t, r, c);
  });
}

void run_op(const Scale& op, const Prepared&, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) { return io.in[0].real_row(t, r)[c] * op.factor; });
}

float activate(ActivationKind kind, float x) {
  const float positive = x > 0.0f ? x : 0.0f;
  switch (kind) {
    case ActivationKind::kRelu: return positive;
    case ActivationKind::kSigmoid: return ordered_sigmoid(x);
    case ActivationKind::kReluSquared: return positive * positive;
    case ActivationKind::kGelu: return ordered_gelu(x);
  }
  return 0.0f;
}

void run_op(const Activation& op, const Prepared&, const UnitIo& io, int64_t t) {
  elementwise(io, t,
              [&](int64_t r, int64_t c) { return activate(op.kind, io.in[0].real_row(t, r)[c]); });
}

void run_op(const SpatialMean&, const Prepared&, const UnitIo& io, int64_t t) {
  for (int64_t c = 0; c < io.in[0].channels; ++c) {
    std::array<float, 32> lane{};
    for (int64_t row = 0; row < io.in[0].rows; ++row)
      lane[static_cast<size_t>(row % 32)] += io.in[0].real_row(t, row)[c];
    for (size_t fold = 16; fold > 0; fold /= 2) {
      for (size_t l = 0; l < fold; ++l) lane[l] += lane[l + fold];
    }
    io.real.real_row(t, 0)[c] = lane[0] / static_cast<float>(io.in[0].rows);
  }
}

void run_op(const StepMean&, const Prepared&, const UnitIo& io, int64_t t) {
  const auto steps = static_cast<float>(io.steps_before + t + 1);
  elementwise(io, t, [&](int64_t r, int64_t c) {
    float& sum = io.state[r * padded(io.real.channels) + c];
    sum += io.in[0].real_row(t, r)[c];
    return sum / steps;
  });
}

// Rows are tokens of a step or, causal, the steps themselves, the oldest first.
void run_op(const SoftmaxAttention& op, const Prepared&, const UnitIo& io, int64_t t) {
  const bool causal = op.context > 0;
  const int64_t rows = causal ? std::min(op.context, io.steps_before + t + 1) : io.real.rows;
  const int64_t d = io.real.channels / op.heads;
  const auto key = [&](size_t input, int64_t m) {
    return causal ? io.in[input].real_row(t - rows + 1 + m, 0) : io.in[input].real_row(t, m);
  };
  std::vector<double> score(static_cast<size_t>(rows));
  for (int64_t h = 0; h < op.heads; ++h) {
    for (int64_t n = 0; n < io.real.rows; ++n) {
      double largest = -HUGE_VAL, total = 0;
      for (int64_t m = 0; m < rows; ++m) {
        double dot = 0;
        for (int64_t j = h * d; j < (h + 1) * d; ++j) {
          dot +=
              static_cast<double>(io.in[0].real_row(t, n)[j]) * static_cast<double>(key(1, m)[j]);
        }
        score[static_cast<size_t>(m)] = dot * static_cast<double>(op.scale);
        largest = std::max(largest, score[static_cast<size_t>(m)]);
      }
      for (double& s : score) total += s = std::exp(s - largest);
      for (int64_t j = h * d; j < (h + 1) * d; ++j) {
        double sum = 0;
        for (int64_t m = 0; m < rows; ++m)
          sum += score[static_cast<size_t>(m)] * static_cast<double>(key(2, m)[j]);
        io.real.real_row(t, n)[j] = static_cast<float>(sum / total);
      }
    }
  }
}

void run_op(const Embedding& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const auto token = static_cast<int64_t>(io.in[0].real_row(t, 0)[0]);
  elementwise(io, t, [&](int64_t, int64_t c) {
    return p.weight[static_cast<size_t>(token * op.channels + c)];
  });
}

void run_op(const Threshold& op, const Prepared&, const UnitIo& io, int64_t t) {
  const MutableSpikeView out = io.spikes.bits_at(t);
  std::fill(out.words, out.words + out.rows * out.row_words(), uint64_t{0});
  for (int64_t row = 0; row < out.rows; ++row) {
    for (int64_t c = 0; c < out.channels; ++c) {
      const float x = io.in[0].real_row(t, row)[c];
      const bool fired = op.fire == FireRule::kAtThreshold ? x >= op.threshold : x > op.threshold;
      if (fired) out.row(row)[c >> 6] |= uint64_t{1} << (c & 63);
    }
  }
}

// Sum of f(sum so far, channel) over the channels, on 32 lanes.
template <typename F>
float sum_lanes(int64_t channels, F f) {
  std::array<float, 32> lane{};
  for (int64_t c = 0; c < channels; ++c) {
    float& sum = lane[static_cast<size_t>(c % 32)];
    sum = f(sum, c);
  }
  for (size_t fold = 16; fold > 0; fold /= 2) {
    for (size_t l = 0; l < fold; ++l) lane[l] += lane[l + fold];
  }
  return lane[0];
}

void run_op(const LayerNorm& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const auto channels = static_cast<float>(op.channels);
  for (int64_t row = 0; row < io.real.rows; ++row) {
    const auto x = [&](int64_t c) { return element(io.in[0], t, row, c); };
    const float mean =
        sum_lanes(op.channels, [&](float sum, int64_t c) { return sum + x(c); }) / channels;
    const float variance = sum_lanes(op.channels,
                                     [&](float sum, int64_t c) {
                                       const float d = x(c) - mean;
                                       return std::fma(d, d, sum);
                                     }) /
                           channels;
    const float inverse = 1.0f / std::sqrt(variance + op.eps);
    for (int64_t c = 0; c < op.channels; ++c) {
      io.real.real_row(t, row)[c] = (x(c) - mean) * inverse * p.scale[static_cast<size_t>(c)] +
                                    p.shift[static_cast<size_t>(c)];
    }
  }
}

void run_op(const Delay&, const Prepared&, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) {
    return std::exchange(io.state[r * padded(io.real.channels) + c], io.in[0].real_row(t, r)[c]);
  });
}

void run_op(const TokenMix&, const Prepared& p, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) {
    const float m = p.scale[static_cast<size_t>(c)];
    return io.in[0].real_row(t, r)[c] * m + io.in[1].real_row(t, r)[c] * (1.0f - m);
  });
}

void run_op(const Wkv&, const Prepared& prepared, const UnitIo& io, int64_t t) {
  const int64_t slot = io.real.rows * padded(io.real.channels);
  elementwise(io, t, [&](int64_t r, int64_t c) {
    const float k = io.in[0].real_row(t, r)[c], v = io.in[1].real_row(t, r)[c];
    const float w = prepared.scale[static_cast<size_t>(c)],
                u = prepared.shift[static_cast<size_t>(c)];
    float& p = io.state[r * padded(io.real.channels) + c];
    float &q = (&p)[slot], &o = (&p)[2 * slot];
    const float e = u + k, n = o <= e ? e : o;
    const float a = ordered_exp(o - n), b = ordered_exp(e - n);
    const float out = std::fma(a, p, b * v) / std::fma(a, q, b);
    const float d = o + w, next = d <= k ? k : d;
    const float decayed = ordered_exp(d - next), added = ordered_exp(k - next);
    p = std::fma(decayed, p, added * v);
    q = std::fma(decayed, q, added);
    o = next;
    return out;
  });
}

void run_op(const Mul&, const Prepared&, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) {
    return io.in[0].real_row(t, r)[c] * io.in[1].real_row(t, r)[c];
  });
}

void run_op(const Conv1d& op, const Prepared& p, const UnitIo& io, int64_t t) {
  for (int64_t o = 0; o < op.out_channels; ++o) {
    Sum sum(p, o);
    for (int64_t k = 0; k < op.kernel(); ++k) {
      for (int64_t c = 0; c < op.in_channels; ++c) {
        sum.add(p.weight[static_cast<size_t>((o * op.in_channels + c) * op.kernel() + k)],
                element(io.in[0], t - op.left + k, 0, c));
      }
    }
    io.real.real_row(t, 0)[o] = sum.value();
  }
}

// Before the first step the history of u is zero.
void event_memory(const LmuMemory& op, const LmuSystem& system, const UnitIo& io, int64_t t) {
  for (int64_t i = 0; i < op.order; ++i) {
    double acc = 0;
    for (int64_t k = op.taps - 1; k >= 0; --k) {
      const float u = element(io.in[0], t - k, 0, 0);
      if (u == 0.0f) continue;
      acc = std::fma(system.h[static_cast<size_t>(k * op.order + i)], static_cast<double>(u), acc);
    }
    io.real.real_row(t, 0)[i] = static_cast<float>(acc);
  }
}

void recurrent_memory(const LmuMemory& op, const LmuSystem& system, const UnitIo& io, int64_t t) {
  float* to = io.real.real_row(t, 0);
  const auto u = static_cast<double>(element(io.in[0], t, 0, 0));
  for (int64_t i = 0; i < op.order; ++i) {
    double acc = 0;
    for (int64_t j = 0; j < op.order; ++j) {
      acc = std::fma(system.a[static_cast<size_t>(i * op.order + j)],
                     static_cast<double>(io.state[j]), acc);
    }
    to[i] = static_cast<float>(std::fma(system.b[static_cast<size_t>(i)], u, acc));
  }
  std::copy_n(to, op.order, io.state);
}

void run_op(const LmuMemory& op, const Prepared& p, const UnitIo& io, int64_t t) {
  switch (op.form) {
    case LmuForm::kEvent: return event_memory(op, *p.memory, io, t);
    case LmuForm::kRecurrent: return recurrent_memory(op, *p.memory, io, t);
    case LmuForm::kFft: {
      if (t > 0) return;  // the whole sequence at once
      std::vector<float> u;
      for (int64_t s = 0; s < op.steps; ++s) u.push_back(element(io.in[0], s, 0, 0));
      p.fft->run(u.data(), io.real.real_at(0), io.real.step_stride);
    }
  }
}

void run_op(const Concat&, const Prepared&, const UnitIo& io, int64_t t) {
  const ValueRef& out = io.real.real != nullptr ? io.real : io.spikes;
  if (out.bits != nullptr) std::fill_n(out.bits_at(t).words, words_for(out.channels), uint64_t{0});
  int64_t at = 0;
  for (const ValueRef& in : io.in) {
    for (int64_t c = 0; c < in.channels; ++c, ++at) {
      const float value = element(in, t, 0, c);
      if (out.bits == nullptr) {
        out.real_row(t, 0)[at] = value;
      } else if (value != 0.0f) {
        out.bits_at(t).words[at >> 6] |= uint64_t{1} << (at & 63);
      }
    }
  }
}

void run_op(const Positions& op, const Prepared& p, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) {
    const int64_t position = op.along_steps ? io.steps_before + t : r;
    return io.in[0].real_row(t, r)[c] + p.weight[static_cast<size_t>(position * op.channels + c)];
  });
}

void run_op(const Prepend&, const Prepared& p, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) {
    return r == 0 ? p.weight[static_cast<size_t>(c)] : io.in[0].real_row(t, r - 1)[c];
  });
}

void run_op(const FirstRow&, const Prepared&, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t, int64_t c) { return io.in[0].real_row(t, 0)[c]; });
}

void run_op(const Input&, const Prepared&, const UnitIo&, int64_t) {}
void run_op(const View&, const Prepared&, const UnitIo&, int64_t) {}

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
      std::visit([&](const auto& op) { run_op(op, p, io, t); }, graph.node(unit.main).op);
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
