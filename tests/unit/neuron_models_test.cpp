// The neuron table: closed forms and published traces of every model, rules, arrays, work.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "core/error.hpp"
#include "neurons/neuron.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

std::vector<float> membranes(OneNeuron& one, const std::vector<float>& input) {
  std::vector<float> v;
  for (const float x : input) {
    one.step(x);
    v.push_back(one.v());
  }
  return v;
}

// Times (dt * number of the step, from 0) of spikes under a constant input.
std::vector<double> spike_times(const NeuronSpec& spec, float input, double time) {
  const double dt = spec["dt"].value;
  OneNeuron one(spec);
  std::vector<double> times;
  for (int t = 0; t < static_cast<int>(std::lround(time / dt)); ++t) {
    if (one.step(input) != 0.0f) times.push_back(t * dt);
  }
  return times;
}

std::vector<double> intervals(const std::vector<double>& times) {
  std::vector<double> result;
  for (size_t i = 1; i < times.size(); ++i) result.push_back(times[i] - times[i - 1]);
  return result;
}

NeuronSpec with(NeuronSpec spec, std::initializer_list<std::pair<const char*, double>> values) {
  for (const auto& [name, value] : values) spec[name].value = value;
  return spec;
}

Tensor copy_of(const Tensor& from) {
  Tensor to(from.shape());
  std::copy(from.f32().begin(), from.f32().end(), to.f32().begin());
  return to;
}

NeuronSpec izhikevich(double a, double b, double c, double d) {
  return with(neuron("Izhikevich"), {{"dt", 0.1}, {"a", a}, {"b", b}, {"c", c}, {"d", d}});
}

}  // namespace

TEST_CASE("a leaky integrator relaxes as 1 - exp(-t / tau), exactly or by Euler steps") {
  NeuronSpec spec = with(neuron("LI"), {{"dt", 0.1}, {"tau", 5}, {"r", 2}, {"v_leak", -0.25}});
  spec.rules.form = NeuronForm::kExact;
  OneNeuron exact(spec);
  spec.rules.form = NeuronForm::kEuler;
  OneNeuron euler(spec);
  CHECK(exact.v() == -0.25f);
  for (int n = 1; n <= 300; ++n) {
    CHECK(exact.step(0.5f) == Approx(-0.25 + 1 - std::exp(-0.1 * n / 5)).margin(2e-6));
    CHECK(euler.step(0.5f) == Approx(-0.25 + 1 - std::pow(1 - 0.1 / 5, n)).margin(2e-6));
  }
}

TEST_CASE("an integrator adds its input up, as it comes or times dt r") {
  NeuronSpec spec = with(neuron("I"), {{"dt", 0.25}, {"r", 3}});
  OneNeuron unit(spec);
  spec.rules.form = NeuronForm::kOde;
  OneNeuron ode(spec);
  for (int n = 1; n <= 40; ++n) {
    CHECK(unit.step(0.5f) == 0.5f * static_cast<float>(n));
    CHECK(ode.step(0.5f) == 0.375f * static_cast<float>(n));
  }
}

TEST_CASE("the rate of an LIF under constant input follows its f-I curve") {
  // First passage of v = I (1 - exp(-t/tau)) through 1, then the same again from 0.
  NeuronSpec spec = with(neuron("LIF"), {{"dt", 0.01}, {"tau", 10}});
  spec.rules.form = NeuronForm::kExact;
  for (const double current : {1.05, 1.5, 2.0, 5.0, 20.0}) {
    const double period = 10 * std::log(current / (current - 1));
    for (const double d : intervals(spike_times(spec, static_cast<float>(current), 20 * period)))
      CHECK(d == Approx(period).margin(0.0101));
  }
  CHECK(spike_times(spec, 0.999f, 1000).empty());
}

TEST_CASE("a CubaLIF answers a pulse with a difference of exponentials") {
  // v(t) = w r tau_s / (tau_m - tau_s) (exp(-t/tau_m) - exp(-t/tau_s)) per unit charge; its peak is
  // at tau_m tau_s / (tau_m - tau_s) ln(tau_m / tau_s).
  for (const NeuronForm form : {NeuronForm::kEuler, NeuronForm::kExact}) {
    for (const char* model : {"CubaLIF", "CubaLI"}) {
      NeuronSpec spec =
          with(neuron(model), {{"dt", 0.01}, {"tau_syn", 2}, {"tau_mem", 10}, {"r", 1.5}});
      spec.rules.form = form;
      OneNeuron one(spec);
      std::vector<float> input(3000, 0.0f);
      input[0] = 2 / 0.01f * 0.5f;  // i jumps by about 0.5
      const std::vector<float> v = membranes(one, input);
      const auto peak = std::max_element(v.begin(), v.end());
      CHECK(static_cast<double>(peak - v.begin()) * 0.01 ==
            Approx(10.0 * 2 / 8 * std::log(5.0)).margin(0.05));
      for (const int t : {100, 402, 1000, 2500}) {
        const double time = 0.01 * (t + 1);
        const double wanted = 0.5 * 1.5 * 2 / 8 * (std::exp(-time / 10) - std::exp(-time / 2));
        CHECK(v[static_cast<size_t>(t)] == Approx(wanted).epsilon(0.012));
      }
    }
  }
}

TEST_CASE("every rule of firing and reset does what it says") {
  NeuronSpec spec = neuron("IF");  // h = v + x, threshold 1
  spec["v_reset"].value = 0.25;
  const auto run = [&](FireRule fire, Reset reset, std::vector<float> input) {
    spec.rules.fire = fire;
    spec.rules.reset = reset;
    OneNeuron one(spec);
    one.state(0) = 0;
    std::vector<float> out;
    for (const float x : input) {
      out.push_back(one.step(x));
      out.push_back(one.v());
    }
    return out;
  };
  using R = std::vector<float>;  // spikes, v, spikes, v, ...
  const FireRule at = FireRule::kAtThreshold, above = FireRule::kAboveThreshold;
  CHECK(run(at, Reset::kHard, {1, 0.5f}) == R{1, 0.25f, 0, 0.75f});
  CHECK(run(above, Reset::kHard, {1, 0.5f}) == R{0, 1, 1, 0.25f});
  CHECK(run(at, Reset::kSoft, {1.5f, 0.25f}) == R{1, 0.5f, 0, 0.75f});
  CHECK(run(at, Reset::kSubtractNext, {1.5f, 0.25f, 0.5f}) == R{1, 1.5f, 0, 0.75f, 1, 1.25f});
  CHECK(run(at, Reset::kValueNext, {1.5f, 0.25f, 0.5f}) == R{1, 1.5f, 0, 0.5f, 1, 1});
  CHECK(run(at, Reset::kHoldNext, {1.5f, 5, 0.5f}) == R{1, 1.5f, 0, 0, 0, 0.5f});
  CHECK(run(at, Reset::kMulti, {3.75f, 0.25f, -5, 0.5f}) == R{3, 0.75f, 1, 0, 0, -1, 0, -0.5f});
}

TEST_CASE(
    "a delayed subtraction takes the threshold away behind the leak, an immediate one before") {
  NeuronSpec spec = with(neuron("LIF"), {{"tau", 2}});
  spec.rules.reset = Reset::kSubtractNext;
  OneNeuron next(spec);
  spec.rules.reset = Reset::kSoft;
  OneNeuron now(spec);
  for (OneNeuron* one : {&next, &now}) CHECK(one->step(3.0f) == 1.0f);  // h = 1.5
  next.step(0.0f);
  now.step(0.0f);
  CHECK(next.v() == -0.25f);  // 0.75 - 1
  CHECK(now.v() == 0.25f);    // (1.5 - 1) / 2
}

TEST_CASE("the threshold of an ALIF rises with its spikes and slows it down") {
  NeuronSpec spec = with(neuron("ALIF"), {{"beta", 0.5}});
  const std::vector<double> d = intervals(spike_times(spec, 0.2f, 1000));
  REQUIRE(d.size() > 10);
  CHECK(d.front() < d.back() / 2);
  spec["beta"].value = 0;
  const std::vector<double> even = intervals(spike_times(spec, 0.2f, 1000));
  CHECK(*std::max_element(even.begin(), even.end()) <= even.front() + 1);
  // b decays by exp(-dt/tau_a) and grows by 1 in the step after a spike.
  OneNeuron one(neuron("ALIF"));
  CHECK(one.step(1.0f) == 1.0f);
  CHECK(one.state(1) == 0.0f);
  one.step(0.0f);
  CHECK(one.state(1) == 1.0f);
  one.step(0.0f);
  CHECK(one.state(1) == Approx(std::exp(-1.0 / 200)).epsilon(1e-6));
  CHECK(one.v() == Approx(std::exp(-2.0 / 20) - std::exp(-1.0 / 20) * 0.6).epsilon(1e-5));
}

TEST_CASE("Izhikevich's cells fire in the patterns of the paper's figure 2") {
  // Half a second of 10, steps of 0.1 ms. Intervals as the published program gives them in double.
  const auto regular = intervals(spike_times(izhikevich(0.02, 0.2, -65, 8), 10, 500));
  REQUIRE(regular.size() == 11);
  CHECK(regular[0] == Approx(23.7).margin(0.3));
  for (size_t i = 1; i < regular.size(); ++i) CHECK(regular[i] == Approx(45.1).margin(0.3));
  const auto fast = intervals(spike_times(izhikevich(0.1, 0.2, -65, 2), 10, 500));
  REQUIRE(fast.size() == 63);
  for (size_t i = 2; i < fast.size(); ++i) CHECK(fast[i] == Approx(7.8).margin(0.25));
  const auto bursting = intervals(spike_times(izhikevich(0.02, 0.2, -55, 4), 10, 500));
  REQUIRE(bursting.size() == 17);  // a burst, then spikes of a regular rhythm
  CHECK(bursting[0] == Approx(2.5).margin(0.2));
  CHECK(bursting[1] == Approx(4.7).margin(0.3));
  for (size_t i = 3; i < bursting.size(); ++i) CHECK(bursting[i] == Approx(31.5).margin(0.3));
  const auto chattering = intervals(spike_times(izhikevich(0.02, 0.2, -50, 2), 10, 500));
  CHECK(chattering.size() >= 43);
  const auto pauses =
      std::count_if(chattering.begin(), chattering.end(), [](double d) { return d > 40; });
  CHECK(pauses == 8);  // nine bursts
  CHECK(std::count_if(chattering.begin(), chattering.end(),
                      [](double d) { return d > 8 && d < 40; }) == 0);
  const auto low = intervals(spike_times(izhikevich(0.02, 0.25, -65, 2), 10, 500));
  REQUIRE(low.size() == 39);  // high frequency at first, adapting
  CHECK(low[0] == Approx(3.0).margin(0.2));
  CHECK(low.back() == Approx(13.7).margin(0.3));
}

TEST_CASE("Izhikevich's published step of 1 ms gives the published program's spikes") {
  NeuronSpec spec = neuron("Izhikevich");
  // Intervals of the program in double; the first ones do not hang on rounding.
  const auto times = spike_times(spec, 10, 500);
  CHECK(times.size() == 10);
  CHECK(std::vector<double>(times.begin(), times.begin() + 4) ==
        std::vector<double>{3, 30, 78, 140});
  spec.rules.form = NeuronForm::kEuler;
  spec["dt"].value = 0.01;
  CHECK(intervals(spike_times(spec, 10, 500)).back() == Approx(44.84).margin(0.3));
}

TEST_CASE("an AdEx of the paper's parameters has the rheobase of theory and adapts") {
  // a / g_l > tau_m / tau_w: rest ends in a Hopf bifurcation (Naud et al., Biological Cybernetics
  // 99, 2008, table 1).
  const NeuronSpec spec = neuron("AdEx");
  const double ratio = 281.0 / 30 / 144;  // tau_m / tau_w
  const double rheobase =
      (30 + 4) * (-50.4 + 70.6 - 2 + 2 * std::log(1 + ratio)) + 2 * 30 * (4.0 / 30 - ratio);
  CHECK(spike_times(spec, static_cast<float>(rheobase - 60), 2000).empty());
  CHECK_FALSE(spike_times(spec, static_cast<float>(rheobase + 20), 2000).empty());
  const auto d = intervals(spike_times(spec, 1000, 1000));
  REQUIRE(d.size() > 5);
  CHECK(d[0] < d[1]);
  CHECK(d[1] < d.back());
  // Below threshold, by steps of Euler in double.
  OneNeuron one(spec);
  double v = -70.6, w = 0;
  for (int t = 0; t < 2000; ++t) {
    const double slope = 30 * (-70.6 - v) + 60 * std::exp((v + 50.4) / 2) - w + 300;
    w += 0.1 / 144 * (4 * (v + 70.6) - w);
    v += 0.1 / 281 * slope;
    one.step(300.0f);
    CHECK(one.v() == Approx(v).margin(2e-3));
    CHECK(one.state(1) == Approx(w).margin(2e-3));
  }
}

TEST_CASE("an AdEx whose upstroke leaves the range of numbers fires and resets") {
  OneNeuron one(with(neuron("AdEx"), {{"dt", 1}, {"v_threshold", 1e9}}));
  for (int t = 0; t < 200; ++t) one.step(3000.0f);
  CHECK(std::isfinite(one.v()));
  CHECK(std::isfinite(one.state(1)));
}

TEST_CASE("a CobaLIF settles where its conductances pull it, and rests after a spike") {
  NeuronSpec spec = with(neuron("CobaLIF"), {{"v_threshold", 1000}});
  OneNeuron one(spec);
  // Inputs that keep both conductances at 0.5 and 0.25.
  const float decay_e = std::exp(-0.1f / 5), decay_i = std::exp(-0.1f / 10);
  const float held[] = {0.5f * (1 - decay_e), 0.25f * (1 - decay_i)};
  for (int t = 0; t < 5000; ++t) one.step(held);
  CHECK(one.state(1) == Approx(0.5).epsilon(1e-4));
  CHECK(one.state(2) == Approx(0.25).epsilon(1e-4));
  CHECK(one.v() == Approx((-60 + 0.25 * -80) / 1.75).epsilon(1e-4));
  const float nothing[] = {0, 0};
  for (int t = 0; t < 50; ++t) one.step(nothing);
  CHECK(one.state(1) == Approx(0.5 * std::exp(-1.0)).epsilon(1e-4));  // 5 ms later
  // A strong drive: a spike every t_ref and what charging takes.
  OneNeuron driven(neuron("CobaLIF"));
  const float strong[] = {5, 0};
  std::vector<int> times;
  for (int t = 0; t < 1000; ++t) {
    if (driven.step(strong) != 0.0f) times.push_back(t);
  }
  REQUIRE(times.size() > 10);
  for (size_t i = 1; i < times.size(); ++i) CHECK(times[i] - times[i - 1] >= 51);
  CHECK(times.back() - times[times.size() - 2] == 51);  // 50 steps of rest, one to charge
}

TEST_CASE("the work of a neuron is what its step does") {
  CHECK(work_of(neuron("IF")) == NeuronWork{1, 0, 0, 1, 0});
  CHECK(work_of(neuron("LIF")) == NeuronWork{3, 2, 0, 1, 0});
  NeuronSpec spec = neuron("LIF");
  spec.rules.form = NeuronForm::kBeta;
  CHECK(work_of(spec) == NeuronWork{1, 1, 0, 1, 0});
  spec.rules.reset = Reset::kSoft;
  CHECK(work_of(spec) == NeuronWork{2, 1, 0, 1, 0});
  CHECK(work_of(neuron("CubaLI")) == NeuronWork{5, 4, 0, 0, 0});
  CHECK(work_of(neuron("AdEx")).exponentials == 1);
  CHECK(work_of(neuron("AdEx")).divisions == 1);
}

TEST_CASE("slots follow from model and rules; the slot of a delayed reset is there when needed") {
  const auto names = [](const NeuronSpec& spec) {
    std::string text;
    for (const std::string_view name : states_of(spec)) text += std::string(name);
    return text;
  };
  for (const char* model : {"IF", "LIF", "PLIF", "CubaLIF"}) {
    NeuronSpec spec = neuron(model);
    const std::string plain = names(spec);
    CHECK(plain == (std::string(model) == "CubaLIF" ? "vi" : "v"));
    spec.rules.reset = Reset::kHoldNext;
    CHECK(names(spec) == plain + "z");
  }
  CHECK(names(neuron("ALIF")) == "vbz");
  CHECK(names(neuron("Izhikevich")) == "vu");
  CHECK(names(neuron("AdEx")) == "vw");
  CHECK(names(neuron("CubaLI")) == "vi");
  CHECK(names(neuron("I")) == "v");
}

TEST_CASE("arrays give every channel or neuron its own coefficients, as its value would") {
  NeuronSpec spec = neuron("CubaLIF");
  const Shape shape = {3, 5};
  Weights weights;
  Tensor tau({5}), threshold({3, 5});
  std::mt19937 random(1);
  std::uniform_real_distribution<float> value(0.5f, 4.0f);
  for (float& v : tau.f32()) v = value(random);
  for (float& v : threshold.f32()) v = value(random);
  weights.add("tau", copy_of(tau));
  weights.add("threshold", copy_of(threshold));
  spec["tau_mem"] = {0, "tau", {5}};
  const NeuronCoefficients by_channel = coefficients_of(spec, shape, 16, weights);
  CHECK(by_channel.rows == 1);
  spec["v_threshold"] = {0, "threshold", shape};
  const NeuronCoefficients by_neuron = coefficients_of(spec, shape, 16, weights);
  CHECK(by_neuron.rows == 3);
  for (int64_t row = 0; row < 3; ++row) {
    for (int64_t c = 0; c < 5; ++c) {
      NeuronSpec alone = neuron("CubaLIF");
      alone["tau_mem"].value = static_cast<double>(tau.f32()[static_cast<size_t>(c)]);
      const NeuronCoefficients channel = coefficients_of(alone);
      alone["v_threshold"].value =
          static_cast<double>(threshold.f32()[static_cast<size_t>(row * 5 + c)]);
      const NeuronCoefficients own = coefficients_of(alone);
      for (int k = 0; k < own.count; ++k) {
        CHECK(by_channel.at(k, row, c) == channel.at(k, 0, 0));
        CHECK(by_neuron.at(k, row, c) == own.at(k, 0, 0));
      }
    }
  }
}

TEST_CASE("values and rules a neuron cannot have are refused by name") {
  const auto fault = [](const NeuronSpec& spec) -> std::string {
    try {
      check(spec);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  NeuronSpec spec = neuron("CubaLIF");
  CHECK(fault(spec).empty());
  for (const double tau : {0.0, -1.0, double{NAN}, double{HUGE_VAL}}) {
    CHECK(fault(with(spec, {{"tau_syn", tau}})).find("CubaLIF: tau_syn is ") == 0);
    CHECK(fault(with(spec, {{"tau_syn", tau}})).find("must be above 0") != std::string::npos);
  }
  spec.rules.form = NeuronForm::kHalfSteps;
  CHECK(fault(spec) == "CubaLIF: has no form half_steps");
  spec = neuron("AdEx");
  spec.rules.reset = Reset::kSoft;
  CHECK(fault(spec) == "AdEx: has no reset subtract");
  CHECK_THROWS_AS(neuron("lif"), Error);
  Weights weights;
  Tensor tau({2});
  tau.f32()[0] = 1;
  weights.add("taus", copy_of(tau));
  spec = neuron("LI");
  spec["tau"] = {0, "taus", {2}};
  try {
    coefficients_of(spec, {2}, 16, weights);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    CHECK(std::string(error.what()) == "taus: element 1 is 0, tau must be above 0");
  }
}

TEST_CASE("the table is whole: every model runs, describes itself and has a name of its own") {
  for (const NeuronRow& row : neuron_table()) {
    INFO(row.name);
    CHECK(neuron(row.name).row().name == row.name);
    for (const NeuronForm form : row.forms) {
      for (const Reset reset : row.resets) {
        NeuronSpec spec = neuron(row.name);
        spec.rules.form = form;
        spec.rules.reset = reset;
        check(spec);
        CHECK(describe(spec).find(row.name) == 0);
        OneNeuron one(spec);
        const std::vector<float> inputs(static_cast<size_t>(row.inputs), 0.7f);
        for (int t = 0; t < 100; ++t) {
          const float out = one.step(inputs.data());
          if (spec.fires() && reset != Reset::kMulti) CHECK((out == 0.0f || out == 1.0f));
          CHECK(std::isfinite(one.v()));
        }
        const NeuronWork work = work_of(spec);
        CHECK(work.additions > 0);
        CHECK((work.comparisons > 0) == spec.fires());
      }
    }
  }
}

TEST_CASE("docs/neurons.md has a row for every model that says what the table says") {
  std::ifstream file(SPIKELOOM_SOURCE_DIR "/docs/neurons.md");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto joined = [](const auto& list, auto name) {
    std::string all;
    for (const auto& item : list) all += (all.empty() ? "" : ", ") + std::string(name(item));
    return all;
  };
  for (const NeuronRow& row : neuron_table()) {
    const std::string states =
        joined(states_of(neuron(row.name)), [](std::string_view name) { return name; });
    const std::string forms = joined(row.forms, [](NeuronForm form) { return name_of(form); });
    const std::string wanted = "| `" + std::string(row.name) + "` | " + states + " | " +
                               std::to_string(row.inputs) + " | " +
                               (row.output == NeuronOutput::kSpikes ? "spikes" : "membrane") +
                               " | " + forms + " |";
    INFO(wanted);
    CHECK(text.find(wanted) != std::string::npos);
  }
  for (const char* reset : kResetWords)
    CHECK(text.find("| `" + std::string(reset) + "` |") != std::string::npos);
}

TEST_CASE("docs/neurons.md lists every parameter with its unit, usual value and range") {
  std::ifstream file(SPIKELOOM_SOURCE_DIR "/docs/neurons.md");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  for (const NeuronRow& row : neuron_table()) {
    std::string wanted = "| `" + std::string(row.name) + "` | ";
    for (const ParameterRule& rule : row.parameters) {
      REQUIRE(rule.highest == kAny);
      REQUIRE((rule.lowest == -kAny || rule.lowest == kPositive || rule.lowest == 0));
      if (&rule != row.parameters.data()) wanted += ", ";
      wanted += fmt::format("`{}` {}", rule.name, rule.fallback);
      if (rule.unit != "1") wanted += fmt::format(" {}", rule.unit);
      if (rule.lowest == kPositive) wanted += " (> 0)";
      if (rule.lowest == 0) wanted += " (>= 0)";
    }
    wanted += " |\n";
    INFO(wanted);
    CHECK(text.find(wanted) != std::string::npos);
  }
}
