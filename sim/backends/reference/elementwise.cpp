// What has neither weights nor state.

#include <algorithm>
#include <array>

#include "core/ordered_erf.hpp"
#include "core/ordered_math.hpp"
#include "sim/backends/reference/kernels.hpp"

namespace spikeloom::reference {

void run_op(const Add&, const Prepared&, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) {
    return element(io.in[0], t, r, c) + element(io.in[1], t, r, c);
  });
}

void run_op(const Scale& op, const Prepared& p, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) {
    return element(io.in[0], t, r, c) * number_of(p.scale, op.factor, io.real.channels, r, c);
  });
}

void run_op(const Mul&, const Prepared&, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) {
    return io.in[0].real_row(t, r)[c] * io.in[1].real_row(t, r)[c];
  });
}

namespace {

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

}  // namespace

void run_op(const Activation& op, const Prepared&, const UnitIo& io, int64_t t) {
  elementwise(io, t,
              [&](int64_t r, int64_t c) { return activate(op.kind, io.in[0].real_row(t, r)[c]); });
}

void run_op(const SpatialMean&, const Prepared&, const UnitIo& io, int64_t t) {
  for (int64_t c = 0; c < io.in[0].channels; ++c) {
    std::array<float, 32> lane{};
    for (int64_t row = 0; row < io.in[0].rows; ++row)
      lane[static_cast<size_t>(row % 32)] += element(io.in[0], t, row, c);
    for (size_t fold = 16; fold > 0; fold /= 2) {
      for (size_t l = 0; l < fold; ++l) lane[l] += lane[l + fold];
    }
    io.real.real_row(t, 0)[c] = lane[0] / static_cast<float>(io.in[0].rows);
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

void run_op(const FirstRow&, const Prepared&, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t, int64_t c) { return io.in[0].real_row(t, 0)[c]; });
}

}  // namespace spikeloom::reference
