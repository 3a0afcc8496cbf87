// Neurons, and attention of either kind.

#include <algorithm>
#include <array>
#include <cmath>

#include "sim/backends/reference/kernels.hpp"

namespace spikeloom::reference {

void run_op(const Neuron& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const NeuronRow& row_of_model = op.spec.row();
  const auto slots = states_of(op.spec).size();
  const int64_t rows = io.in[0].rows, channels = io.in[0].channels;
  const bool begins = io.steps_before + t == 0 || (io.brief && t == 0);
  if (io.spikes.bits != nullptr) {
    const MutableSpikeView out = io.spikes.bits_at(t);
    std::fill(out.words, out.words + out.rows * out.row_words(), uint64_t{0});
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < channels; ++c) {
      float k[kMostNeuronCoefficients], x[kMostNeuronInputs], s[kMostNeuronStates] = {};
      for (int i = 0; i < row_of_model.coefficients; ++i) k[i] = p.neuron.at(i, row, c);
      for (int i = 0; i < row_of_model.inputs; ++i) x[i] = io.in[i].real_row(t, row)[c];
      float* state = io.state + row * padded(channels) + c;
      const int64_t slot = rows * padded(channels);
      for (size_t i = 0; i < slots; ++i) s[i] = state[static_cast<int64_t>(i) * slot];
      if (begins) row_of_model.begin(op.spec.rules, k, s);
      const float out = row_of_model.step(op.spec.rules, k, x, s);
      for (size_t i = 0; i < slots; ++i) state[static_cast<int64_t>(i) * slot] = s[i];
      if (io.spikes.bits == nullptr) {
        io.real.real_row(t, row)[c] = out;
      } else if (out != 0.0f) {
        io.spikes.bits_at(t).row(row)[c >> 6] |= uint64_t{1} << (c & 63);
      }
    }
  }
}

void run_op(const Threshold& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const MutableSpikeView out = io.spikes.bits_at(t);
  std::fill(out.words, out.words + out.rows * out.row_words(), uint64_t{0});
  for (int64_t row = 0; row < out.rows; ++row) {
    for (int64_t c = 0; c < out.channels; ++c) {
      const float x = io.in[0].real_row(t, row)[c];
      const float threshold = number_of(p.shift, op.threshold, out.channels, row, c);
      const bool fired = op.fire == FireRule::kAtThreshold ? x >= threshold : x > threshold;
      if (fired) out.row(row)[c >> 6] |= uint64_t{1} << (c & 63);
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

// Rows are tokens of a step or, causal, the steps themselves, the oldest first.
void run_op(const SoftmaxAttention& op, const Prepared&, const UnitIo& io, int64_t t) {
  const bool causal = op.context > 0;
  const int64_t rows = causal ? std::min(op.context, io.steps_before + t + 1) : io.real.rows;
  const int64_t d = io.real.channels / op.heads;
  const auto key = [&](size_t input, int64_t m) {
    return causal ? io.in[input].real_row(t - rows + 1 + m, 0) : io.in[input].real_row(t, m);
  };
  for (int64_t h = 0; h < op.heads; ++h) {
    for (int64_t n = 0; n < io.real.rows; ++n) {
      const auto score = [&](int64_t m) {
        double dot = 0;
        for (int64_t j = h * d; j < (h + 1) * d; ++j) {
          dot +=
              static_cast<double>(io.in[0].real_row(t, n)[j]) * static_cast<double>(key(1, m)[j]);
        }
        return dot * static_cast<double>(op.scale);
      };
      double largest = -HUGE_VAL;
      for (int64_t m = 0; m < rows; ++m) largest = std::max(largest, score(m));
      // Scores are computed again for every block of outputs: kernels allocate nothing.
      constexpr int64_t kBlock = 64;
      for (int64_t first = h * d; first < (h + 1) * d; first += kBlock) {
        const int64_t width = std::min(kBlock, (h + 1) * d - first);
        std::array<double, kBlock> sums{};
        double total = 0;
        for (int64_t m = 0; m < rows; ++m) {
          const double share = std::exp(score(m) - largest);
          total += share;
          for (int64_t j = 0; j < width; ++j)
            sums[static_cast<size_t>(j)] += share * static_cast<double>(key(2, m)[first + j]);
        }
        for (int64_t j = 0; j < width; ++j) {
          io.real.real_row(t, n)[first + j] =
              static_cast<float>(sums[static_cast<size_t>(j)] / total);
        }
      }
    }
  }
}

}  // namespace spikeloom::reference
