#include "sim/backends/cpu/narrow_linear.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/narrow_linear.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kRowsTogether = 24;       // that share a pass over a tile
constexpr int64_t kAheadBytes = 8192;       // how far in front of the sums weights are asked for
constexpr int64_t kBlockBytes = 64 * 1024;  // that a thread should claim at least

HWY_INLINE V load_weights(const int8_t* from) {
  const hn::Rebind<int8_t, Floats> bytes;
  const hn::RebindToSigned<Floats> numbers;
  return hn::ConvertTo(kD, hn::PromoteTo(numbers, hn::LoadU(bytes, from)));
}

// bfloat16: the upper halves of fp32.
HWY_INLINE V load_weights(const uint16_t* from) {
  const hn::Rebind<uint16_t, Floats> halves;
  const hn::RebindToUnsigned<Floats> words;
  return hn::BitCast(kD, hn::ShiftLeft<16>(hn::PromoteTo(words, hn::LoadU(halves, from))));
}

struct Columns {
  const float* x;  // inputs
  int64_t x_stride, fan_in;
  int64_t stride;  // of the tile: weights of an input, sums of a row
};

// kRows rows times kVectors vectors of outputs.
template <int kRows, int kVectors, typename W>
HWY_INLINE void stream_block(const Columns& c, const float* x, const W* weights, float* sums) {
  constexpr int64_t kLine = 64 / sizeof(W), kAhead = kAheadBytes / sizeof(W);
  V acc[kRows][kVectors];
  for (auto& row : acc) {
    for (V& a : row) a = hn::Zero(kD);
  }
  for (int64_t i = 0; i < c.fan_in; ++i, weights += c.stride) {
#pragma GCC unroll 8
    for (int64_t at = 0; at < kVectors * kLanes; at += kLine)
      __builtin_prefetch(weights + kAhead + at, 0, 3);
    V weight[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) weight[v] = load_weights(weights + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const V input = hn::Set(kD, x[r * c.x_stride + i]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) acc[r][v] = exact_fma(weight[v], input, acc[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) hn::StoreU(acc[r][v], kD, sums + r * c.stride + v * kLanes);
  }
}

// Outputs [from, width) of a tile in steps of kVectors vectors, as many as fit; returns where it
// stopped.
template <int kRows, int kVectors, typename W>
HWY_INLINE int64_t stream_columns(const Columns& c, int64_t rows, const W* weights, int64_t from,
                                  int64_t width, float* sums) {
  constexpr int64_t kStep = int64_t{kVectors} * kLanes;
  for (; from + kStep <= width; from += kStep) {
    for (int64_t r = 0; r + kRows <= rows; r += kRows) {
      stream_block<kRows, kVectors>(c, c.x + r * c.x_stride, weights + from,
                                    sums + r * c.stride + from);
    }
  }
  return from;
}

// Sums of all outputs of a tile, a multiple of 16 wide, for `rows` rows.
template <typename W>
HWY_NOINLINE void stream_tile(Columns c, int64_t rows, const W* weights, float* sums) {
  constexpr int kFew = kLanes == 16 ? 4 : 2;  // registers: 16 on narrower targets
  const int64_t width = c.stride, sixes = rows / 6 * 6;
  if (sixes > 0) {
    const int64_t done = stream_columns<6, kFew>(c, sixes, weights, 0, width, sums);
    stream_columns<6, 1>(c, sixes, weights, done, width, sums);
  }
  c.x += sixes * c.x_stride;
  sums += sixes * c.stride;
  int64_t done = stream_columns<1, 8>(c, rows - sixes, weights, 0, width, sums);
  done = stream_columns<1, 4>(c, rows - sixes, weights, done, width, sums);
  stream_columns<1, 1>(c, rows - sixes, weights, done, width, sums);
}

template <typename W>
void run_stream(const PackedStream& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const ValueRef& in = io.in[0];
  const W* weights = p.weights.as<W>().data();
  const int64_t outputs = padded(p.out_channels), tiles = (outputs + kStreamTile - 1) / kStreamTile;
  const int64_t tile_bytes = kStreamTile * p.in_channels * static_cast<int64_t>(sizeof(W));
  const int64_t grain = std::max(kBlockBytes / tile_bytes, tiles / (8 * io.threads));
  parallel_for(tiles, grain, io.threads, [&](int64_t begin, int64_t end) {
    float* sums = scratch<float>(ScratchSlot::kSums, kRowsTogether * kStreamTile);
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t o = tile * kStreamTile, width = std::min(kStreamTile, outputs - o);
      for (int64_t first = 0; first < io.steps; first += kRowsTogether) {
        const int64_t rows = std::min(kRowsTogether, io.steps - first);
        stream_tile({in.real_at(first), in.step_stride, p.in_channels, width}, rows,
                    weights + o * p.in_channels, sums);
        for (int64_t r = 0; r < rows; ++r)
          finish(epilogue, sums + r * width, 0, first + r, 0, 1, 1, o, width);
      }
    }
  });
}

void stream(const PackedStream& p, const PackedEpilogue& packed, const UnitIo& io) {
  if (p.weights.dtype() == DType::kI8) {
    run_stream<int8_t>(p, packed, io);
  } else {
    run_stream<uint16_t>(p, packed, io);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

StreamKernel stream_for(int64_t target) {
  SPIKELOOM_PICK(target, stream);
}

}  // namespace spikeloom::cpu
#endif
