// Operators along the steps: convolution, Legendre memory, concatenation.

#include "sim/graph/lmu.hpp"
#include "tests/catch.hpp"
#include "tests/parity/parity_case.hpp"

namespace spikeloom {
namespace {

// The case as it is, with an affine and a neuron behind it, and with the neuron alone reading it.
void check_with_epilogues(ParityCase c, bool with_neuron = true) {
  check_parity(c);
  c.affine = true;
  check_parity(c);
  c.residual = true;
  if (with_neuron) c.neuron = lif(2.0f);
  check_parity(c);
  c.stores_real = !with_neuron;
  check_parity(c);
}

struct Window {
  int64_t left, right;
};

TEST_CASE("convolutions along the steps equal the reference", "[parity]") {
  uint64_t seed = 1;
  for (const int64_t in : {1, 3, 16, 40, 70, 128}) {
    for (const int64_t out : {1, 17, 48, 130}) {
      for (const Window window : {Window{0, 0}, Window{1, 1}, Window{2, 0}, Window{0, 3}}) {
        for (const bool spikes : {true, false}) {
          ParityCase c;
          c.main = Conv1d{in, out, window.left, window.right, "w", seed % 2 == 0 ? "b" : ""};
          c.in = {in};
          c.spikes = spikes;
          c.steps = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 5 : 27;
          if (c.steps == 1 && window.left + window.right == 0) c.steps = 2;
          c.density = seed % 5 == 0 ? 0 : seed % 5 == 1 ? 1 : 0.2;
          c.precision = static_cast<Precision>(seed % 4);
          c.seed = ++seed;
          check_with_epilogues(c);
        }
      }
    }
  }
}

// More channels and steps than kernels take at once.
TEST_CASE("long runs of steps equal the reference", "[parity]") {
  uint64_t seed = 1;
  for (const int64_t steps : {2, 129, 201}) {
    for (const int64_t in : {150, 300}) {
      for (const bool spikes : {true, false}) {
        ParityCase c;
        c.in = {in};
        c.spikes = spikes;
        c.density = seed % 3 == 0 ? 0.9 : 0.15;
        c.steps = steps;
        c.precision = static_cast<Precision>(seed % 4);
        c.seed = ++seed;
        c.affine = true;
        c.neuron = lif(2.0f);
        c.main = Conv1d{in, 70, 1, 1, "w", "b"};
        check_parity(c);
        c.main = Linear{in, 100, 0, "w", ""};
        c.residual = true;
        check_parity(c);
      }
    }
  }
}

TEST_CASE("rows of real numbers times weights of one or two bytes equal the reference",
          "[parity]") {
  uint64_t seed = 1;
  for (const int64_t in : {1, 3, 70, 301}) {
    for (const int64_t out : {1, 17, 112, 128, 250}) {
      for (const int64_t steps : {1, 2, 7, 27}) {
        for (const Precision precision : {Precision::kBF16, Precision::kInt8}) {
          ParityCase c;
          c.main = Linear{in, out, 0, "w", seed % 2 == 0 ? "b" : ""};
          c.in = {in};
          c.spikes = false;
          c.steps = steps;
          c.static_input = seed % 5 == 0;
          c.precision = precision;
          c.affine = seed % 3 == 0;
          c.residual = seed % 7 < 3;
          if (seed % 4 < 2) c.neuron = lif(2.0f);
          c.seed = ++seed;
          check_parity(c);
        }
      }
    }
  }
}

LmuMemory memory(int64_t order, double theta, LmuForm form, int64_t steps) {
  return {order, theta, form, lmu_system(order, theta)->taps, steps, "lmu"};
}

TEST_CASE("the three forms of the Legendre memory equal the reference", "[parity]") {
  uint64_t seed = 1;
  for (const int64_t order : {1, 4, 16, 33, 48}) {
    for (const bool spikes : {true, false}) {
      for (const LmuForm form : {LmuForm::kEvent, LmuForm::kRecurrent, LmuForm::kFft}) {
        ParityCase c;
        c.steps = 2 + static_cast<int64_t>(seed % 3) * 7;
        c.main = memory(order, 24, form, c.steps);
        c.in = {1};
        c.spikes = spikes;
        c.density = seed % 4 == 0 ? 1 : 0.3;
        c.seed = ++seed;
        check_with_epilogues(c, form != LmuForm::kRecurrent);  // one state slot per unit
      }
    }
  }
}

TEST_CASE("the event form of a long sequence equals the reference", "[parity]") {
  for (const int64_t order : {48, 70, 130}) {
    ParityCase c;
    c.steps = 140;
    c.main = memory(order, 40, LmuForm::kEvent, c.steps);
    c.in = {1};
    c.density = 0.3;
    check_with_epilogues(c);
  }
}

TEST_CASE("concatenation equals the reference", "[parity]") {
  for (const int64_t channels : {1, 16, 33, 64, 70, 128}) {
    for (const bool spikes : {true, false}) {
      ParityCase c;
      c.main = Concat{};
      c.in = {channels};
      c.spikes = spikes;
      c.density = 0.4;
      c.steps = 3;
      c.seed = static_cast<uint64_t>(channels);
      check_parity(c);
      if (spikes) continue;
      c.affine = true;
      c.neuron = lif(2.0f);
      check_parity(c);
    }
  }
}

}  // namespace
}  // namespace spikeloom
