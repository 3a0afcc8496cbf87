// neurons: closed forms of every model, reset and comparison.

#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "neurons/neuron.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

// Steps (from 1) at which the neuron fires for a constant current.
std::vector<int> spike_times(const NeuronParams& params, float current, int steps) {
  std::vector<int> times;
  float v = params.v_initial();
  for (int t = 1; t <= steps; ++t) {
    if (step(params, current, v)) times.push_back(t);
  }
  return times;
}

}  // namespace

TEST_CASE("an LIF with tau 2 first fires when x (1 - 2^-t) reaches the threshold") {
  const NeuronParams neuron = lif(2.0f);
  CHECK(spike_times(neuron, 2.0f, 4) ==
        std::vector<int>{1, 2, 3, 4});  // exactly at threshold: fires
  CHECK(spike_times(neuron, std::nextafter(2.0f, 0.0f), 4) == std::vector<int>{2, 4});
  CHECK(spike_times(neuron, 4.0f / 3.0f + 1e-6f, 4) == std::vector<int>{2, 4});
  CHECK(spike_times(neuron, 1.3f, 6) == std::vector<int>{3, 6});
  CHECK(spike_times(neuron, 1.1f, 8) == std::vector<int>{4, 8});
  CHECK(spike_times(neuron, 16.0f / 15.0f - 1e-5f, 4).empty());
}

TEST_CASE("the strict comparison does not fire at equality") {
  NeuronParams neuron = lif(2.0f, 0.5f);
  CHECK(spike_times(neuron, 1.0f, 1) == std::vector<int>{1});
  neuron.fire = FireRule::kAboveThreshold;
  CHECK(spike_times(neuron, 1.0f, 1).empty());
}

TEST_CASE("an IF with soft reset fires at the rate of its current") {
  NeuronParams neuron = integrate_and_fire();
  neuron.reset = Reset::kSoft;
  CHECK(spike_times(neuron, 0.25f, 100).size() == 25);
  neuron.reset = Reset::kHard;
  CHECK(spike_times(neuron, 0.375f, 9) ==
        std::vector<int>{3, 6, 9});  // 1.125 at the third step, rest is lost
}

TEST_CASE("plain input is not divided by tau") {
  NeuronParams neuron = lif(4.0f);
  neuron.decay_input = false;
  float v = 0;
  CHECK_FALSE(step(neuron, 0.5f, v));
  CHECK(v == 0.5f);
  CHECK_FALSE(step(neuron, 0.5f, v));
  CHECK(v == 0.875f);  // 0.5 * 3/4 + 0.5
  CHECK(step(neuron, 0.5f, v));
  CHECK(v == 0.0f);
}

TEST_CASE("a hard reset goes to v_reset, which is also where the membrane rests") {
  NeuronParams neuron = lif(2.0f);
  neuron.v_reset = -0.5f;
  float v = neuron.v_initial();
  CHECK(v == -0.5f);
  CHECK_FALSE(step(neuron, 0.0f, v));
  CHECK(v == -0.5f);
  CHECK(step(neuron, 4.0f, v));
  CHECK(v == -0.5f);
}

TEST_CASE("a PLIF decays by the sigmoid of its parameter") {
  CHECK(plif(0.0f).decay == 0.5f);
  CHECK(plif(std::log(3.0f)).decay == Approx(0.75).epsilon(1e-7));
  CHECK(spike_times(plif(0.0f), 1.3f, 6) == spike_times(lif(2.0f), 1.3f, 6));
}

TEST_CASE("a time constant below one step is refused") {
  CHECK_THROWS_AS(lif(0.5f), Error);
  CHECK_THROWS_AS(lif(NAN), Error);
}

// For as long as both stand side by side.
#include <cstring>
#include <random>

#include "neurons/neuron_table.hpp"
TEST_CASE("the table's IF, LIF and PLIF give the bits of the scalar struct") {
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal;
  for (int model = 0; model < 3; ++model) {
    for (int rule = 0; rule < 16; ++rule) {
      NeuronParams p = model == 0 ? integrate_and_fire() : model == 1 ? lif(1.7f) : plif(0.3f);
      p.v_reset = rule & 1 ? -0.3f : 0.0f;
      p.reset = rule & 2 ? Reset::kSoft : Reset::kHard;
      p.fire = rule & 4 ? FireRule::kAboveThreshold : FireRule::kAtThreshold;
      p.decay_input = (rule & 8) != 0;
      p.v_threshold = 0.4f;
      NeuronSpec s = neuron(model == 0 ? "IF" : model == 1 ? "LIF" : "PLIF");
      s.rules = {s.rules.form, p.fire, p.reset};
      s["v_threshold"].value = double{p.v_threshold};
      s["v_reset"].value = double{p.v_reset};
      if (model > 0) {
        s["v_leak"].value = double{p.v_rest()};
        s.rules.form = p.decay_input     ? NeuronForm::kEuler
                       : p.v_rest() == 0 ? NeuronForm::kBeta
                                         : NeuronForm::kPlain;
      }
      if (model == 1) s["tau"].value = double{1.7f};
      if (model == 2) s["w"].value = double{0.3f};
      OneNeuron one(s);
      float v = p.v_initial();
      int spikes = 0;
      for (int t = 0; t < 20000; ++t) {
        const float x = t % 7 == 0 ? -0.0f : normal(random);
        const bool fired = step(p, x, v);
        REQUIRE((one.step(x) != 0) == fired);
        const float w = one.v();
        REQUIRE(std::memcmp(&v, &w, 4) == 0);
        spikes += fired;
      }
      CHECK(spikes > 0);
    }
  }
}
