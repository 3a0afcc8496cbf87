// Integrate-and-fire, and the integrator that never fires.
//
//   dv/dt = r x;  fires and resets by the rules (neurons/rules.hpp)
//
//   unit  h = v + x              ode  h = v + (dt r) x
//
// v starts at v_reset for a hard reset, at 0 otherwise.
// Source: Abbott, "Lapicque's introduction of the integrate-and-fire model neuron (1907)", Brain
// Research Bulletin 50, 1999; NIR's I and IF (Pedersen et al., Nature Communications 15, 2024),
// whose writers disagree about dt r: hence two forms.

template <class L>
SPIKELOOM_DEVICE inline L integrate(const NeuronRules& rules, L v, L gain, L x) {
  return rules.form == NeuronForm::kUnit ? v + x : v + gain * x;
}

struct IntegrateAndFire {
  static constexpr std::string_view kName = "IF";
  static constexpr ParameterRule kParameters[] = {
      {"dt", "time", 1, kPositive, kAny},
      {"r", "1/time", 1, -kAny, kAny},
      {"v_threshold", "potential", 1, -kAny, kAny},
      {"v_reset", "potential", 0, -kAny, kAny},
  };
  static constexpr std::string_view kStates[] = {"v", "z"};
  static constexpr int kInputs = 1, kCoefficients = 3;
  static constexpr NeuronOutput kOutput = NeuronOutput::kSpikes;
  static constexpr NeuronForm kForms[] = {NeuronForm::kUnit, NeuronForm::kOde};
  static constexpr const auto& kResets = kAllResets;

  static void prepare(const NeuronRules&, const double (&p)[4], double (&k)[3]) {
    const auto& [dt, r, v_threshold, v_reset] = p;
    k[0] = dt * r;
    k[1] = v_threshold;
    k[2] = v_reset;
  }

  template <class L>
  SPIKELOOM_DEVICE static void begin(const NeuronRules& rules, const L (&k)[3], L (&s)[2]) {
    s[0] = rules.reset == Reset::kHard ? k[2] : L(0.0f);
    s[1] = L(0.0f);
  }

  template <class L>
  SPIKELOOM_DEVICE static L step(const NeuronRules& rules, const L (&k)[3], const L (&x)[1],
                                 L (&s)[2]) {
    const auto& [gain, v_threshold, v_reset] = k;
    auto& [v, z] = s;
    const L h = integrate(rules, start(rules, v, z, v_reset), gain, x[0]);
    return fire(rules, h, v_threshold, v_reset, v, z);
  }
};

struct Integrator {
  static constexpr std::string_view kName = "I";
  static constexpr ParameterRule kParameters[] = {
      {"dt", "time", 1, kPositive, kAny},
      {"r", "1/time", 1, -kAny, kAny},
  };
  static constexpr std::string_view kStates[] = {"v"};
  static constexpr int kInputs = 1, kCoefficients = 1;
  static constexpr NeuronOutput kOutput = NeuronOutput::kMembrane;
  static constexpr NeuronForm kForms[] = {NeuronForm::kUnit, NeuronForm::kOde};
  static constexpr Reset kResets[] = {Reset::kHard};

  static void prepare(const NeuronRules&, const double (&p)[2], double (&k)[1]) {
    k[0] = p[0] * p[1];
  }

  template <class L>
  SPIKELOOM_DEVICE static void begin(const NeuronRules&, const L (&)[1], L (&s)[1]) {
    s[0] = L(0.0f);
  }

  template <class L>
  SPIKELOOM_DEVICE static L step(const NeuronRules& rules, const L (&k)[1], const L (&x)[1],
                                 L (&s)[1]) {
    s[0] = integrate(rules, s[0], k[0], x[0]);
    return s[0];
  }
};
