// Neurons, elementwise operators, reductions and attention.

#include "core/error.hpp"
#include "neurons/simple_lif.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "tests/catch.hpp"
#include "tests/parity/parity_case.hpp"

namespace spikeloom {
namespace {

const Shape kShapes[] = {{1}, {16}, {70}, {5, 3, 3}, {7, 33}, {14, 14, 64}, {130, 7}};

// The neurons with fast kernels, in all their forms.
std::vector<NeuronSpec> simple_neurons() {
  std::vector<NeuronSpec> result;
  for (const char* model : {"IF", "LIF", "PLIF"}) {
    for (const NeuronForm form : neuron(model).row().forms) {
      for (const double v_reset : {0.0, -0.25}) {
        for (const double v_leak : {0.0, v_reset}) {
          for (const Reset reset : {Reset::kHard, Reset::kSoft}) {
            for (const FireRule fire : {FireRule::kAtThreshold, FireRule::kAboveThreshold}) {
              NeuronSpec spec = neuron(model);
              spec.rules = {form, fire, reset};
              spec["v_threshold"].value = 0.7;
              spec["v_reset"].value = v_reset;
              if (spec.has("tau")) spec["tau"].value = 3.3;
              if (spec.has("v_leak")) spec["v_leak"].value = v_leak;
              if (simple_lif(spec)) result.push_back(spec);
            }
          }
        }
      }
    }
  }
  return result;
}

void check_all(Op op, bool with_neuron = true) {
  uint64_t seed = 10;
  for (const Shape& shape : kShapes) {
    for (const int64_t steps : {1, 3}) {
      ParityCase c;
      c.main = op;
      c.in = shape;
      c.spikes = false;
      c.steps = steps;
      c.seed = ++seed;
      check_parity(c);
      c.affine = c.residual = true;
      check_parity(c);
      if (with_neuron) {
        c.neuron = lif(2.0f);
        check_parity(c);
        c.stores_real = false;
        check_parity(c);
      }
    }
  }
}

TEST_CASE("neurons with fast kernels equal the reference, alone and in epilogues", "[parity]") {
  for (const NeuronSpec& params : simple_neurons()) {
    for (const Shape& shape : kShapes) {
      ParityCase c;
      c.main = Neuron{params};
      c.in = shape;
      c.spikes = false;
      c.steps = 3;
      check_parity(c);
      c.static_input = true;
      check_parity(c);
      c.static_input = false;
      c.main = Scale{1.5f};  // the same neuron in an epilogue
      c.neuron = params;
      check_parity(c);
    }
  }
}

// How many values a parameter has: one, one per channel, one per neuron.
enum class Given { kUniform, kChannel, kNeuron };

// Every other parameter an array.
void give_arrays(NeuronSpec& spec, Given given, const Shape& shape) {
  if (given == Given::kUniform) return;
  for (size_t i = 0; i < spec.values.size(); i += 2) {
    const Shape of_array = given == Given::kChannel ? Shape{channels_of(shape)} : shape;
    spec.values[i] = {0, "neuron." + std::string(spec.row().parameters[i].name), of_array};
  }
}

TEST_CASE("every neuron model, form, rule and kind of parameters equals the reference",
          "[parity]") {
  const Shape shapes[] = {{1}, {70}, {5, 3, 3}, {7, 33}, {6, 5, 64}, {300}, {130, 7}};
  uint64_t seed = 1;
  for (const NeuronRow& row : neuron_table()) {
    for (const NeuronForm form : row.forms) {
      for (const Reset reset : row.resets) {
        if (reset == Reset::kMulti) continue;  // not between nodes of a graph
        for (const Given given : {Given::kUniform, Given::kChannel, Given::kNeuron}) {
          for (int i = 0; i < 3; ++i) {
            ParityCase c;
            c.in = shapes[seed % std::size(shapes)];
            NeuronSpec spec = neuron(row.name);
            spec.rules = {form, seed % 2 == 0 ? FireRule::kAtThreshold : FireRule::kAboveThreshold,
                          reset};
            give_arrays(spec, given, c.in);
            c.main = Neuron{spec};
            c.spikes = false;
            c.steps = 5;
            c.seed = ++seed;
            INFO(describe(spec));
            check_parity(c);
            c.affine = c.residual = !spec.fires();
            if (c.affine) check_parity(c);
          }
        }
      }
    }
  }
}

TEST_CASE("a membrane exactly at the threshold fires only under >=", "[parity]") {
  for (const FireRule fire : {FireRule::kAtThreshold, FireRule::kAboveThreshold}) {
    ParityCase c;
    NeuronSpec params = integrate_and_fire(0.0f);  // relu makes half of the inputs exactly 0
    params.rules.fire = fire;
    params.rules.reset = Reset::kSoft;
    c.main = Activation{};
    c.neuron = params;
    c.in = {9, 33};
    c.spikes = false;
    c.steps = 3;
    check_parity(c);
  }
}

TEST_CASE("elementwise operators equal the reference", "[parity]") {
  check_all(Add{});
  check_all(Scale{0.3f});
  check_all(Activation{ActivationKind::kRelu});
  check_all(Activation{ActivationKind::kReluSquared});
  check_all(Activation{ActivationKind::kSigmoid});
  check_all(Mul{});
  check_all(Activation{ActivationKind::kGelu});
  for (const StepMode mode : {StepMode::kMean, StepMode::kSum, StepMode::kMost})
    check_all(StepMean{mode}, false);  // one state slot per unit
  check_all(SpatialMean{});
}

// Every shape, real operands and spikes; `make` gets the number of channels.
template <typename F>
void check_shapes(F make, std::initializer_list<bool> kinds, bool epilogue) {
  uint64_t seed = 100;
  for (const Shape& shape : kShapes) {
    for (const bool spikes : kinds) {
      for (const int64_t steps : {1, 3}) {
        ParityCase c;
        c.main = make(channels_of(shape));
        c.in = shape;
        c.spikes = spikes;
        c.density = 0.3;
        c.steps = steps;
        c.seed = ++seed;
        check_parity(c);
        if (!epilogue) continue;
        c.residual = true;
        check_parity(c);
      }
    }
  }
}

TEST_CASE("values of every kind scaled and added over the steps equal the reference", "[parity]") {
  check_shapes([](int64_t) { return Scale{0.3f}; }, {false, true}, true);
  for (const StepMode mode : {StepMode::kMean, StepMode::kSum, StepMode::kMost})
    check_shapes([&](int64_t) { return StepMean{mode}; }, {false, true}, false);
}

TEST_CASE("adding spikes to a real value equals the reference", "[parity]") {
  check_shapes([](int64_t) { return Add{}; }, {true}, true);
}

TEST_CASE("sums of spikes equal the reference", "[parity]") {
  for (const Shape& shape : {Shape{1}, {70}, {9, 33}, {4, 5, 130}}) {
    for (const int64_t steps : {1, 4}) {
      ParityCase c;
      c.main = Add{};
      c.in = shape;
      c.sums_spikes = true;
      c.density = 0.4;
      c.steps = steps;
      check_parity(c);
      c.static_input = true;
      check_parity(c);
    }
  }
}

TEST_CASE("the mean of spikes over pixels and tokens equals the reference", "[parity]") {
  check_shapes([](int64_t) { return SpatialMean{}; }, {true}, false);
}

TEST_CASE("layer normalisation of real values and of spikes equals the reference", "[parity]") {
  check_shapes([](int64_t c) { return LayerNorm{c, "norm", 1e-5f}; }, {false, true}, true);
}

TEST_CASE("operators with memory of earlier tokens equal the reference, state included",
          "[parity]") {
  check_shapes([](int64_t) { return Delay{}; }, {false}, true);
  check_shapes([](int64_t c) { return TokenMix{c, "mix"}; }, {false}, true);
  check_shapes([](int64_t c) { return Wkv{c, "decay", "first"}; }, {false}, true);
}

TEST_CASE("thresholds of either comparison equal the reference", "[parity]") {
  for (const FireRule fire : {FireRule::kAtThreshold, FireRule::kAboveThreshold}) {
    check_shapes([&](int64_t) { return Threshold{0.25f, fire}; }, {false}, false);
  }
}

TEST_CASE("factors and thresholds of every channel or element equal the reference", "[parity]") {
  uint64_t seed = 200;
  for (const Shape& shape : kShapes) {
    for (const Shape& numbers : {Shape{channels_of(shape)}, shape}) {
      for (const int64_t steps : {1, 3}) {
        ParityCase c;
        c.in = shape;
        c.spikes = false;
        c.steps = steps;
        c.seed = ++seed;
        for (const FireRule fire : {FireRule::kAtThreshold, FireRule::kAboveThreshold}) {
          c.main = Threshold{0.0f, fire, "thresholds", numbers};
          check_parity(c);
        }
        c.main = Scale{1.0f, "factors", numbers};
        check_parity(c);
        c.affine = c.residual = true;
        c.neuron = lif(2.0f);
        check_parity(c);
      }
    }
  }
}

TEST_CASE("embeddings equal the reference", "[parity]") {
  for (const int64_t channels : {1, 16, 70, 768}) {
    check_shapes([&](int64_t) { return Embedding{77, channels, "table"}; }, {false}, true);
  }
}

TEST_CASE("batch normalisation with and without a ring equals the reference", "[parity]") {
  for (const int64_t pad : {0, 1, 3}) {
    for (const int64_t channels : {1, 7, 16, 33, 70}) {
      ParityCase c;
      c.main = BatchNorm{channels, "bn", 1e-5, pad};
      c.in = {5, 3, channels};
      c.spikes = false;
      c.steps = 3;
      check_parity(c);
      c.affine = c.residual = true;
      c.neuron = lif(2.0f);
      check_parity(c);
    }
  }
}

TEST_CASE("spike attention equals the reference", "[parity]") {
  struct Heads {
    int64_t channels, heads;
  };
  for (const Heads h : {Heads{1, 1}, Heads{16, 1}, Heads{70, 1}, Heads{64, 4}, Heads{360, 8},
                        Heads{70, 7}, Heads{33, 3}, Heads{120, 2}, Heads{200, 2}}) {
    for (const int64_t tokens : {1, 15, 49, 130}) {
      for (const double density : {0.0, 0.1, 0.5, 1.0}) {
        ParityCase c;
        c.in = {tokens, h.channels};
        c.density = density;
        c.steps = density == 0.5 ? 3 : 1;
        c.main = KtV{h.heads};
        check_parity(c);
        c.main = QApply{h.heads, 0.125f};
        check_parity(c);
        c.neuron = lif(2.0f, 0.5f);
        check_parity(c);
      }
    }
  }
}

TEST_CASE("sums of counts within and beyond 8 and 16 bits equal the reference", "[parity]") {
  for (const int64_t width : {13, 45, 60, 130}) {  // of one of two heads
    for (const int64_t tokens : {50, 300}) {
      // 11 and 2900 x 45 / 2 are near the limits: heads of one case lie on both sides.
      for (const int largest : {3, 11, 2000, 2900, 4000, 200000}) {
        ParityCase c;
        c.in = {tokens, 2 * width};
        c.density = tokens == 50 ? 1 : 0.7;
        c.largest_count = largest;
        c.main = QApply{2, -0.3f};
        check_parity(c);
        c.neuron = lif(2.0f, 0.5f);
        check_parity(c);
      }
    }
  }
}

TEST_CASE("softmax attention is within NMSE 1e-7 of the reference", "[parity]") {
  for (const int64_t tokens : {1, 15, 49}) {
    ParityCase c;
    c.main = SoftmaxAttention{3, 0.3f, 0};
    c.in = {tokens, 33};
    c.spikes = false;
    c.steps = 3;
    c.tolerance = 1e-7;
    check_parity(c);
  }
}

TEST_CASE("causal attention is within NMSE 1e-7 of the reference", "[parity]") {
  for (const int64_t context : {1, 4, 64}) {
    for (const bool fires : {false, true}) {
      ParityCase c;
      c.main = SoftmaxAttention{3, 0.3f, context};
      c.in = {33};
      c.spikes = false;
      c.steps = 27;
      c.residual = true;
      if (fires) c.neuron = lif(2.0f, 100.0f);  // far from what the tolerance could make fire
      c.tolerance = 1e-7;
      check_parity(c);
    }
  }
}

TEST_CASE("positions and class tokens equal the reference", "[parity]") {
  for (const int64_t channels : {1, 16, 33, 70}) {
    for (const int64_t rows : {1, 5, 64}) {
      ParityCase c;
      c.spikes = false;
      c.steps = 3;
      c.in = {rows, channels};
      c.seed = static_cast<uint64_t>(rows * channels);
      c.main = Positions{rows, channels, false, "table"};
      check_parity(c);
      c.main = Prepend{channels, "row"};
      check_parity(c);
      c.main = FirstRow{};
      check_parity(c);
      c.affine = true;
      c.neuron = lif(2.0f);
      check_parity(c);
      c.main = Positions{7, channels, true, "table"};
      c.in = {channels};
      check_parity(c);
    }
  }
}

TEST_CASE("a SIMD target can be forced by name and an unknown one is a usage error", "[parity]") {
  const std::vector<std::string> targets = cpu_simd_targets();
  REQUIRE(!targets.empty());
  CHECK(targets.back() == "scalar");
  CHECK(make_cpu_backend()->simd() == targets.front());
  for (const std::string& name : targets) CHECK(make_cpu_backend(name)->simd() == name);
  try {
    make_cpu_backend("mmx");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kUsage);
    CHECK(std::string(error.what()).find("scalar") != std::string::npos);
  }
}

}  // namespace
}  // namespace spikeloom
