// What mixes the steps.

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/ordered_math.hpp"
#include "sim/backends/reference/kernels.hpp"

namespace spikeloom::reference {

void run_op(const StepMean& op, const Prepared&, const UnitIo& io, int64_t t) {
  const auto steps = static_cast<float>(io.steps_before + t + 1);
  elementwise(io, t, [&](int64_t r, int64_t c) {
    float& sum = io.state[r * padded(io.real.channels) + c];
    const float x = element(io.in[0], t, r, c);
    if (op.mode == StepMode::kMost) {
      if (steps == 1 || x > sum || std::isnan(x)) sum = x;
      return sum;
    }
    sum += x;
    return op.mode == StepMode::kSum ? sum : sum / steps;
  });
}

void run_op(const Delay& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const ValueRef& in = io.in[0];
  const auto steps = [&](int64_t r, int64_t c) {
    return p.steps.empty() ? op.steps : p.steps[static_cast<size_t>(r * in.channels + c)];
  };
  if (in.bits == nullptr) {
    elementwise(io, t, [&](int64_t r, int64_t c) { return in.real_row(t - steps(r, c), r)[c]; });
    return;
  }
  const MutableSpikeView to = io.spikes.bits_at(t);
  for (int64_t r = 0; r < in.rows; ++r) {
    std::fill_n(to.row(r), words_for(in.channels), uint64_t{0});
    for (int64_t c = 0; c < in.channels; ++c) {
      if (in.bits_at(t - steps(r, c)).test(r, c)) to.row(r)[c >> 6] |= uint64_t{1} << (c & 63);
    }
  }
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

namespace {

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

}  // namespace

void run_op(const LmuMemory& op, const Prepared& p, const UnitIo& io, int64_t t) {
  switch (op.form) {
    case LmuForm::kEvent: return event_memory(op, *p.memory, io, t);
    case LmuForm::kRecurrent: return recurrent_memory(op, *p.memory, io, t);
    case LmuForm::kFft: {
      if (t > 0) return;  // the whole sequence at once
      auto& workspace = *static_cast<LmuFft::Workspace*>(io.workspace);
      for (int64_t s = 0; s < op.steps; ++s)
        workspace.input[static_cast<size_t>(s)] = static_cast<double>(element(io.in[0], s, 0, 0));
      p.fft->run(workspace, io.real.real_at(0), io.real.step_stride);
    }
  }
}

}  // namespace spikeloom::reference
