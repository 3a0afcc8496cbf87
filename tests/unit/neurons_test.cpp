// neurons: closed forms of every model, reset and comparison.

#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "neurons/neuron.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

// Steps (from 1) at which the neuron fires for a constant current.
std::vector<int> spike_times(const NeuronSpec& spec, float current, int steps) {
  std::vector<int> times;
  OneNeuron one(spec);
  for (int t = 1; t <= steps; ++t) {
    if (one.step(current) != 0.0f) times.push_back(t);
  }
  return times;
}

}  // namespace

TEST_CASE("an LIF with tau 2 first fires when x (1 - 2^-t) reaches the threshold") {
  const NeuronSpec neuron = lif(2.0f);
  CHECK(spike_times(neuron, 2.0f, 4) ==
        std::vector<int>{1, 2, 3, 4});  // exactly at threshold: fires
  CHECK(spike_times(neuron, std::nextafter(2.0f, 0.0f), 4) == std::vector<int>{2, 4});
  CHECK(spike_times(neuron, 4.0f / 3.0f + 1e-6f, 4) == std::vector<int>{2, 4});
  CHECK(spike_times(neuron, 1.3f, 6) == std::vector<int>{3, 6});
  CHECK(spike_times(neuron, 1.1f, 8) == std::vector<int>{4, 8});
  CHECK(spike_times(neuron, 16.0f / 15.0f - 1e-5f, 4).empty());
}

TEST_CASE("the strict comparison does not fire at equality") {
  NeuronSpec neuron = lif(2.0f, 0.5f);
  CHECK(spike_times(neuron, 1.0f, 1) == std::vector<int>{1});
  neuron.rules.fire = FireRule::kAboveThreshold;
  CHECK(spike_times(neuron, 1.0f, 1).empty());
}

TEST_CASE("an IF with soft reset fires at the rate of its current") {
  NeuronSpec neuron = integrate_and_fire();
  neuron.rules.reset = Reset::kSoft;
  CHECK(spike_times(neuron, 0.25f, 100).size() == 25);
  neuron.rules.reset = Reset::kHard;
  CHECK(spike_times(neuron, 0.375f, 9) ==
        std::vector<int>{3, 6, 9});  // 1.125 at the third step, rest is lost
}

TEST_CASE("plain input is not divided by tau") {
  NeuronSpec neuron = lif(4.0f);
  neuron.rules.form = NeuronForm::kBeta;
  OneNeuron one(neuron);
  CHECK(one.step(0.5f) == 0.0f);
  CHECK(one.v() == 0.5f);
  CHECK(one.step(0.5f) == 0.0f);
  CHECK(one.v() == 0.875f);  // 0.5 * 3/4 + 0.5
  CHECK(one.step(0.5f) == 1.0f);
  CHECK(one.v() == 0.0f);
}

TEST_CASE("a hard reset goes to v_reset, the membrane starts and rests at v_leak") {
  NeuronSpec neuron = lif(2.0f);
  neuron["v_reset"].value = -0.5;
  neuron["v_leak"].value = -0.25;
  OneNeuron one(neuron);
  CHECK(one.v() == -0.25f);
  CHECK(one.step(0.0f) == 0.0f);
  CHECK(one.v() == -0.25f);
  CHECK(one.step(4.0f) == 1.0f);
  CHECK(one.v() == -0.5f);
}

TEST_CASE("a PLIF decays by the sigmoid of its parameter") {
  CHECK(coefficients_of(plif(0.0f)).values[0] == 0.5f);
  CHECK(coefficients_of(plif(std::log(3.0f))).values[0] == Approx(0.75).epsilon(1e-7));
  CHECK(spike_times(plif(0.0f), 1.3f, 6) == spike_times(lif(2.0f), 1.3f, 6));
}

TEST_CASE("a time constant below one step is refused") {
  CHECK_THROWS_AS(lif(0.5f), Error);
  CHECK_THROWS_AS(lif(NAN), Error);
}
