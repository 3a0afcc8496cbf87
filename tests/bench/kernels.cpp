// How many additions per second do the event kernels reach, and from which firing rate on would the
// ordered dense kernel, which does the same sums on the same data, be faster? One thread, T = 1, no
// epilogue but a LIF neuron.
//
// Per run: "adds" = weight additions the spikes cause (padding excluded) per second, "gain" is read
// from the table: time of dense/... over time of event/....

#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <string>

#include "sim/backends/cpu/cpu.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {
namespace {

struct Layer {
  const char* name;
  Op op;
  Shape in;
};

Layer conv3x3() {
  return {"conv3x3 128->512 28x28", Conv2d{128, 512, 3, 1, 1, 1, "w", ""}, {28, 28, 128}};
}
Layer linear() {
  return {"linear 784x360->1440", Linear{360, 1440, 0, "w", ""}, {784, 360}};
}
Layer depthwise() {
  return {"depthwise7x7 128 56x56", Conv2d{128, 128, 7, 1, 3, 128, "w", ""}, {56, 56, 128}};
}

// A layer with a LIF behind it, its operand and memory for its results. Real operands hold the same
// zeros and ones.
struct Bench {
  Graph graph;
  Unit unit;
  std::shared_ptr<const Backend> backend = make_cpu_backend();
  std::shared_ptr<const void> prepared;
  std::vector<uint64_t> bits, spikes;
  Tensor real, state;
  UnitIo io;
  double additions = 0;

  Bench(const Layer& layer, double rate, bool event) {
    NodeId in = graph.add("in", Input{layer.in, false});
    if (event) in = graph.add("spikes", Neuron{}, {in});
    unit.main = graph.add("main", layer.op, {in});
    unit.neuron = graph.add("lif", Neuron{}, {unit.main});
    std::mt19937_64 random(1);
    Weights weights;
    const Parameter parameter = parameters_of(layer.op).at(0);
    Tensor values(parameter.shape);
    std::normal_distribution<float> normal;
    for (float& value : values.f32()) value = normal(random);
    weights.add(parameter.name, std::move(values));
    prepared = backend->prepare(graph, unit, weights);
    fill(layer, rate, event, random);
    const Shape& out = graph.node(unit.main).shape;
    const int64_t rows = rows_of(out), channels = channels_of(out);
    spikes.resize(static_cast<size_t>(rows * words_for(channels)));
    state = Tensor({rows, padded(channels)});
    io.spikes = {nullptr, spikes.data(), &out, rows, channels, 0};
    io.state = state.f32().data();
  }

  void run() { backend->run(graph, unit, prepared.get(), io); }

 private:
  void fill(const Layer& layer, double rate, bool event, std::mt19937_64& random) {
    const int64_t rows = rows_of(layer.in), channels = channels_of(layer.in);
    std::bernoulli_distribution spike(rate);
    bits.resize(static_cast<size_t>(rows * words_for(channels)));
    real = Tensor({rows, padded(channels)});
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < channels; ++c) {
        if (!spike(random)) continue;
        bits[static_cast<size_t>(r * words_for(channels) + c / 64)] |= uint64_t{1} << (c % 64);
        real.f32()[static_cast<size_t>(r * padded(channels) + c)] = 1.0f;
        additions += static_cast<double>(reach(layer, r));
      }
    }
    io.in[0] = {event ? nullptr : real.f32().data(),
                event ? bits.data() : nullptr,
                &layer.in,
                rows,
                channels,
                0};
  }
  // Additions one spike of pixel r causes.
  static int64_t reach(const Layer& layer, int64_t r) {
    const auto* conv = std::get_if<Conv2d>(&layer.op);
    if (conv == nullptr) return std::get<Linear>(layer.op).out_features;
    const auto along = [&](int64_t at, int64_t extent) {
      int64_t count = 0;
      for (int64_t k = 0; k < conv->kernel; ++k) {
        const int64_t out = at + conv->padding - k;
        count += out >= 0 && out < extent;
      }
      return count;
    };
    return along(r / layer.in[1], layer.in[0]) * along(r % layer.in[1], layer.in[1]) *
           conv->out_channels / conv->groups;
  }
};

void run_layer(benchmark::State& state, const Layer& layer, double rate, bool event) {
  Bench bench(layer, rate, event);
  bench.run();
  for (auto _ : state) bench.run();
  state.counters["adds"] =
      benchmark::Counter(bench.additions, benchmark::Counter::kIsIterationInvariantRate);
}

// A chain of dependent integer additions: one per clock, so its rate is the clock.
void clock_rate(benchmark::State& state) {
  constexpr int64_t kChain = 1 << 20;
  uint64_t x = 1;
  for (auto _ : state) {
    for (int64_t i = 0; i < kChain; ++i) {
      x += 3;
      asm volatile("" : "+r"(x));
    }
  }
  state.counters["clock"] = benchmark::Counter(static_cast<double>(kChain),
                                               benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace
}  // namespace spikeloom

int main(int argc, char** argv) {
  using namespace spikeloom;
  benchmark::Initialize(&argc, argv);
  benchmark::AddCustomContext("simd", make_cpu_backend()->simd());
  benchmark::RegisterBenchmark("clock", clock_rate);
  static const Layer layers[] = {conv3x3(), linear(), depthwise()};
  for (const Layer& layer : layers) {
    for (const int percent : {5, 10, 20, 30, 50}) {
      for (const bool event : {true, false}) {
        const std::string name = std::string(layer.name) + (event ? " event " : " dense ") +
                                 std::to_string(percent) + "%";
        benchmark::RegisterBenchmark(name.c_str(), [&layer, percent,
                                                    event](benchmark::State& state) {
          run_layer(state, layer, percent / 100.0, event);
        })->Unit(benchmark::kMillisecond);
      }
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
