// Convolutions, depthwise and grouped convolutions, linear layers.

#include <random>

#include "tests/catch.hpp"
#include "tests/parity/parity_case.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kChannels[] = {1, 3, 7, 16, 33, 64, 70};
constexpr Precision kPrecisions[] = {Precision::kF32, Precision::kAcc16, Precision::kInt8,
                                     Precision::kBF16};
constexpr double kDensities[] = {0, 0.1, 0.3, 0.5, 1};

struct Map {
  int64_t height, width;
};
constexpr Map kMaps[] = {{1, 1}, {5, 3}, {14, 14}};

// Draws what a table row does not fix: density, steps, epilogue.
class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}
  template <typename T, size_t n>
  T from(const T (&values)[n]) {
    return values[random_() % n];
  }
  bool coin() { return random_() % 2 == 0; }
  void finish(ParityCase& c) {
    c.steps = coin() ? 1 : 3;
    c.density = from(kDensities);
    c.affine = coin();
    c.residual = coin();
    c.static_input = random_() % 4 == 0;
    if (coin()) c.neuron = coin() ? lif(2.0f) : integrate_and_fire();
    c.stores_real = !c.neuron || coin();
    c.precision = from(kPrecisions);
    c.seed = random_();
  }

 private:
  std::mt19937_64 random_;
};

double macs(const ParityCase& c, const Conv2d& op) {
  return static_cast<double>(c.in[0] * c.in[1] * c.in[2] / op.groups * op.out_channels *
                             op.kernel.area() * c.steps / op.stride.area());
}

void check_conv(Draw& draw, Conv2d op, Map map) {
  op.weight = "w";
  if (draw.coin()) op.bias = "b";
  ParityCase c;
  c.in = {map.height, map.width, op.in_channels};
  c.spikes = draw.coin() || draw.coin();
  draw.finish(c);
  c.main = op;
  if (macs(c, op) < 6e6) check_parity(c);
}

TEST_CASE("convolutions of any channels, kernel, stride and map equal the reference", "[parity]") {
  Draw draw(1);
  for (const int64_t in : kChannels) {
    for (const int64_t kernel : {1, 2, 3, 7}) {
      for (const Map map : kMaps) {
        for (const int64_t stride : {1, 2}) {
          const int64_t padding = draw.coin() || kernel > map.width ? kernel / 2 : 0;
          if (map.width + 2 * padding < kernel) continue;
          check_conv(draw, {in, draw.from(kChannels), kernel, stride, padding, 1, "", ""}, map);
        }
      }
    }
  }
}

TEST_CASE(
    "convolutions with padding beyond the kernel or stride beyond the kernel equal the reference",
    "[parity]") {
  Draw draw(2);
  for (int i = 0; i < 3; ++i) {
    check_conv(draw, {5, 20, 1, 3, 0, 1, "", ""}, {14, 14});
    check_conv(draw, {5, 20, 3, 1, 4, 1, "", ""}, {5, 3});
    check_conv(draw, {18, 18, 3, 1, 4, 18, "", ""}, {5, 3});
    check_conv(draw, {5, 20, 2, 5, 1, 1, "", ""}, {14, 14});
  }
}

TEST_CASE("rows longer than a span and fan-ins that narrow the tile equal the reference",
          "[parity]") {
  Draw draw(3);
  for (int i = 0; i < 3; ++i) {
    check_conv(draw, {3, 17, 3, 1, 1, 1, "", ""}, {2, 150});
    check_conv(draw, {64, 70, 7, 1, 3, 1, "", ""}, {3, 2});
    check_conv(draw, {600, 70, 3, 1, 1, 1, "", ""}, {2, 2});
  }
}

TEST_CASE("depthwise convolutions equal the reference", "[parity]") {
  Draw draw(4);
  for (const int64_t channels : kChannels) {
    for (const int64_t kernel : {1, 3, 4, 5, 7, 9, 16, 17}) {
      for (const Map map : kMaps) {
        for (const int64_t stride : {1, 2}) {
          const int64_t padding = draw.coin() || kernel > map.width ? kernel / 2 : 0;
          if (map.width + 2 * padding < kernel || map.height + 2 * padding < kernel) continue;
          check_conv(draw, {channels, channels, kernel, stride, padding, channels, "", ""}, map);
        }
      }
    }
  }
  for (int i = 0; i < 6; ++i) {
    check_conv(draw, {70, 70, 7, 1, 3, 70, "", ""}, {20, 75});
    check_conv(draw, {200, 200, 7, 1, 3, 200, "", ""}, {9, 15});
    check_conv(draw, {130, 130, 3, 1, 1, 130, "", ""}, {29, 6});
    check_conv(draw, {145, 145, 5, 1, 0, 145, "", ""}, {17, 7});
  }
}

TEST_CASE("grouped convolutions equal the reference", "[parity]") {
  Draw draw(5);
  for (int i = 0; i < 4; ++i) {
    check_conv(draw, {6, 9, 3, 1, 1, 3, "", ""}, {5, 3});
    check_conv(draw, {7, 14, 3, 2, 1, 7, "", ""}, {14, 14});
    check_conv(draw, {64, 32, 1, 1, 0, 2, "", ""}, {5, 3});
  }
}

TEST_CASE("rectangular, dilated and unevenly padded convolutions equal the reference", "[parity]") {
  struct Window {
    YX kernel, stride = 1, padding = 0, dilation = 1;
    bool same = false;
  };
  const Window windows[] = {{{1, 3}, 1, {0, 1}},
                            {{3, 1}, {2, 1}},
                            {{2, 3}, {1, 2}, {2, 0}},
                            {3, {1, 2}, 1},
                            {3, 1, {0, 2}},
                            {3, 1, 2, 2},
                            {2, 2, 1, {1, 3}},
                            {1, 1, 0, 4},
                            {2, 1, 0, 1, true},
                            {4, 1, 0, {1, 2}, true},
                            {{5, 2}, 1, 0, {2, 3}, true},
                            {3, 1, 0, 1, true}};
  Draw draw(8);
  for (const Window& w : windows) {
    for (const int64_t in : {1, 5, 33, 70}) {
      for (const int64_t groups : {int64_t{1}, in}) {
        const int64_t out = groups == 1 ? draw.from(kChannels) : in;
        check_conv(draw,
                   {in, out, w.kernel, w.stride, w.padding, groups, "", "", w.dilation, w.same},
                   {6, 9});
      }
    }
    check_conv(draw, {6, 9, w.kernel, w.stride, w.padding, 3, "", "", w.dilation, w.same}, {6, 9});
    check_conv(draw, {4, 12, w.kernel, w.stride, w.padding, 4, "", "", w.dilation, w.same}, {6, 9});
  }
}

// Enough of them for groups of rows that share tables of sums.
TEST_CASE("layers of many rows equal the reference", "[parity]") {
  Draw draw(7);
  for (const Precision precision : kPrecisions) {
    for (const int64_t in : {33, 260}) {
      ParityCase c;
      c.in = {701, in};
      c.spikes = true;
      draw.finish(c);
      c.density = 0.6;
      c.precision = precision;
      c.main = Linear{in, in == 33 ? 100 : 20, 1, "w", "b"};
      check_parity(c);
    }
  }
}

TEST_CASE("linear layers equal the reference", "[parity]") {
  Draw draw(6);
  for (const int64_t in : {1, 3, 33, 64, 70, 360, 2600, 5200}) {
    for (const int64_t out : {1, 10, 33, 64, 70, 200}) {
      for (const int64_t rows : {1, 5, 26, 130}) {
        Linear op{in, out, draw.coin() ? 1 : 0, "w", draw.coin() ? "b" : ""};
        ParityCase c;
        c.in = rows == 1 ? Shape{in} : Shape{rows, in};
        c.spikes = draw.coin() || draw.coin();
        draw.finish(c);
        c.main = op;
        if (static_cast<double>(in * out * rows * c.steps) < 6e6) check_parity(c);
      }
    }
  }
}

}  // namespace
}  // namespace spikeloom
