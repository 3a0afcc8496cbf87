// Integer and bfloat16 weights: what they promise about errors and sums, and which layers get them.

#include "sim/graph/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "core/error.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

struct Net {
  Graph graph;
  Weights weights;
  NodeId layer = 0;

  // A linear layer over `rows` rows of spikes or real values.
  Net(int64_t in, int64_t out, int64_t rows, bool spikes, uint64_t seed = 1) {
    NodeId operand = graph.add("in", Input{rows == 1 ? Shape{in} : Shape{rows, in}, false});
    if (spikes) operand = graph.add("spikes", Neuron{}, {operand});
    layer = graph.add("layer", Linear{in, out, 0, "w", "b"}, {operand});
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    for (const Parameter& parameter : parameters_of(graph.node(layer).op)) {
      Tensor values(parameter.shape);
      for (float& value : values.f32()) value = normal(random);
      weights.add(parameter.name, std::move(values));
    }
  }
};

// w' of weight i.
double value_of(const WeightTensor& w, size_t i) {
  const size_t row = static_cast<size_t>(w.data.size() / w.data.shape()[0]);
  const Tensor numbers = to_f32(w.data);
  const double scale = w.scale.size() == 0 ? 1 : static_cast<double>(w.scale.f32()[i / row]);
  return static_cast<double>(numbers.f32()[i]) * scale;
}

}  // namespace

TEST_CASE("int8 weights lie within half a step of the fp32 ones", "[quantize]") {
  const Net net(200, 7, 5, true);
  const QuantizedWeights q = quantize(net.graph, net.weights, Precision::kInt8);
  const WeightTensor& w = q.weights.at("w");
  REQUIRE(w.data.dtype() == DType::kI8);
  CHECK(q.weights.at("b").data.dtype() == DType::kF32);
  const auto stored = net.weights.at("w").data.f32();
  for (size_t i = 0; i < stored.size(); ++i) {
    const double step = static_cast<double>(w.scale.f32()[i / 200]);
    CHECK(std::abs(value_of(w, i) - static_cast<double>(stored[i])) <= 0.5 * step * (1 + 1e-6));
  }
  REQUIRE(q.layers.size() == 1);
  CHECK(q.layers[0].relative_error > 0);
  CHECK(q.layers[0].relative_error < 0.02);
}

TEST_CASE("so many events always fit 16 bits", "[quantize]") {
  for (const Precision precision : {Precision::kAcc16, Precision::kInt8}) {
    const Net net(4608, 3, 5, true);
    const QuantizedWeights q = quantize(net.graph, net.weights, precision);
    const WeightTensor& w = q.weights.at("w");
    const Tensor numbers = to_f32(w.data);
    for (size_t c = 0; c < 3; ++c) {
      std::vector<float> row(numbers.f32().begin() + static_cast<int64_t>(c) * 4608,
                             numbers.f32().begin() + static_cast<int64_t>(c + 1) * 4608);
      std::sort(row.begin(), row.end());
      double low = 0, high = 0;
      for (size_t i = 0; i < kRunEvents; ++i) {
        low += static_cast<double>(row[i]);
        high += static_cast<double>(row[row.size() - 1 - i]);
      }
      CHECK(high <= 32767);
      CHECK(low >= -32768);
      if (precision == Precision::kAcc16) CHECK(std::max(high, -low) > 32000);  // and no less
    }
  }
}

TEST_CASE("16-bit weights are finer than 8-bit ones, bfloat16 as fine as its mantissa",
          "[quantize]") {
  const Net spikes(360, 20, 5, true), real(360, 20, 1, false);
  const auto error = [](const Net& net, Precision precision) {
    return quantize(net.graph, net.weights, precision).layers.at(0).relative_error;
  };
  CHECK(error(spikes, Precision::kAcc16) < 0.5 * error(spikes, Precision::kInt8));
  CHECK(error(real, Precision::kBF16) < 0x1p-8);
}

TEST_CASE("which layers change", "[quantize]") {
  const auto dtype = [](const Net& net, Precision precision) {
    return quantize(net.graph, net.weights, precision).weights.at("w").data.dtype();
  };
  const Net spikes(8, 4, 5, true), rows(8, 4, 5, false), token(8, 4, 1, false);
  for (const Net* net : {&spikes, &rows, &token})
    CHECK(dtype(*net, Precision::kF32) == DType::kF32);
  CHECK(dtype(spikes, Precision::kAcc16) == DType::kI16);
  CHECK(dtype(spikes, Precision::kInt8) == DType::kI8);
  CHECK(dtype(spikes, Precision::kBF16) == DType::kF32);
  for (const Precision p : {Precision::kAcc16, Precision::kInt8, Precision::kBF16})
    CHECK(dtype(rows, p) == DType::kF32);
  CHECK(dtype(token, Precision::kAcc16) == DType::kF32);
  CHECK(dtype(token, Precision::kInt8) == DType::kI8);
  CHECK(dtype(token, Precision::kBF16) == DType::kBF16);
}

TEST_CASE("an array whose readers disagree stays fp32", "[quantize]") {
  Net net(8, 8, 5, true);
  const NodeId real = net.graph.add("real", Input{{5, 8}, false});
  net.graph.add("second", Linear{8, 8, 0, "w", ""}, {real});
  const QuantizedWeights q = quantize(net.graph, net.weights, Precision::kInt8);
  CHECK(q.weights.at("w").data.dtype() == DType::kF32);
  CHECK(q.layers.empty());
}

TEST_CASE("firing rates choose the scale that errs least", "[quantize]") {
  Net net(300, 4, 5, true);
  Tensor outliers = clone(net.weights.at("w").data);
  for (size_t c = 0; c < 4; ++c) outliers.f32()[c * 300] = 6;  // one large weight each ...
  net.weights.erase("w");
  net.weights.add("w", std::move(outliers));
  std::vector<float> rates(300, 0.2f);
  rates[0] = 0;  // ... whose input never fires
  const auto plain = quantize(net.graph, net.weights, Precision::kInt8);
  const auto fitted = quantize(net.graph, net.weights, Precision::kInt8, {{net.layer, rates}});
  const auto stored = net.weights.at("w").data.f32();
  for (size_t c = 0; c < 4; ++c) {
    double before = 0, after = 0;
    for (size_t i = c * 300 + 1; i < (c + 1) * 300; ++i) {
      before += std::pow(value_of(plain.weights.at("w"), i) - static_cast<double>(stored[i]), 2);
      after += std::pow(value_of(fitted.weights.at("w"), i) - static_cast<double>(stored[i]), 2);
    }
    CHECK(after < before);
  }
}

TEST_CASE("precision names", "[quantize]") {
  for (const std::string_view name : kPrecisionNames) CHECK(name_of(precision_named(name)) == name);
  CHECK_THROWS_AS(precision_named("int4"), Error);
}

TEST_CASE("bfloat16 rounds to nearest even", "[quantize]") {
  CHECK(float_to_bfloat16(1.0f) == 0x3f80);
  CHECK(float_to_bfloat16(1.0f + 0x1p-8f) == 0x3f80);             // a tie, down to even
  CHECK(float_to_bfloat16(1.0f + 0x1p-7f + 0x1p-8f) == 0x3f82);   // a tie, up to even
  CHECK(float_to_bfloat16(1.0f + 0x1p-8f + 0x1p-20f) == 0x3f81);  // above the tie
  CHECK(float_to_bfloat16(-1.5f) == 0xbfc0);
  CHECK(std::isinf(bfloat16_to_float(float_to_bfloat16(3.4e38f))));
  CHECK(std::isnan(bfloat16_to_float(float_to_bfloat16(std::nanf("")))));
}

TEST_CASE("what is kept of integer weights is known, and depends on how many share a sum",
          "[quantize]") {
  const auto bits = [](int64_t fan_in, Precision precision) {
    Net net(fan_in, 2, 5, true);
    Tensor equal({2, fan_in});
    std::fill(equal.f32().begin(), equal.f32().end(), 0.5f);
    equal.f32()[0] = -0.5f;
    net.weights.erase("w");
    net.weights.add("w", std::move(equal));
    return quantize(net.graph, net.weights, precision).layers.at(0).bits;
  };
  CHECK(bits(1, Precision::kInt8) == Approx(std::log2(255)));
  CHECK(bits(1000, Precision::kInt8) == Approx(std::log2(255)));
  CHECK(bits(1, Precision::kAcc16) == Approx(16).margin(0.001));
  CHECK(bits(16, Precision::kAcc16) == Approx(12).margin(0.1));
  CHECK(bits(256, Precision::kAcc16) == Approx(8).margin(0.01));
  CHECK(bits(1000, Precision::kAcc16) == Approx(8).margin(0.01));
  const Net real(16, 2, 1, false);
  CHECK(quantize(real.graph, real.weights, Precision::kBF16).layers.at(0).bits == 0);
}

TEST_CASE("names of precisions", "[quantize]") {
  for (const std::string_view name : kPrecisionNames) CHECK(name_of(precision_named(name)) == name);
  CHECK_THROWS_WITH(precision_named("fixed16"), Catch::Contains("is called acc16 now"));
  CHECK_THROWS_WITH(precision_named("fp16"), Catch::Contains("choose one of fp32, acc16"));
}
