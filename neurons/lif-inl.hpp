// Leaky integrate-and-fire (LIF), with a learned time constant (PLIF), and the leaky integrator
// that never fires (LI).
//
//   tau dv/dt = v_leak - v + r x;  fires and resets by the rules (neurons/rules.hpp)
//
// With a = dt/tau, e = exp(-dt/tau), computed in double and rounded to fp32 once:
//
//   euler     h = v + a (r x - (v - v_leak))
//   exact     h = e v + (1 - e) (v_leak + r x)   1 - e: of the rounded e, as in Sinabs
//   beta      h = v (1 - a) + x                  1 - a: of the rounded a
//   plain     h = v - (v - v_leak) a + x
//   sinabs    h = exp(-1/tau) v + x              tau counts steps
//   rockpool  h = e v + x
//
// v starts at v_leak; beta, sinabs and rockpool know neither v_leak nor r afterwards, plain no r.
// The published networks with their libraries' defaults are euler with r = 1 (input decayed) and
// beta (input plain). PLIF: 1/tau = sigmoid(w) with dt = 1, w learned. Source: Gerstner et al.,
// "Neuronal Dynamics", 2014, chapter 1; PLIF: Fang et al., "Incorporating learnable membrane time
// constants", ICCV 2021, equations 1 to 4; LI and LIF as in NIR (Pedersen et al., Nature
// Communications 15, 2024).

struct Lif {
  static constexpr std::string_view kName = "LIF";
  static constexpr ParameterRule kParameters[] = {
      {"dt", "time", 1, kPositive, kAny},
      {"tau", "time", 2, kPositive, kAny},
      {"r", "1", 1, -kAny, kAny},
      {"v_leak", "potential", 0, -kAny, kAny},
      {"v_threshold", "potential", 1, -kAny, kAny},
      {"v_reset", "potential", 0, -kAny, kAny},
  };
  static constexpr std::string_view kStates[] = {"v", "z"};
  static constexpr int kInputs = 1, kCoefficients = 6;
  static constexpr NeuronOutput kOutput = NeuronOutput::kSpikes;
  static constexpr const auto& kForms = kLeakForms;
  static constexpr const auto& kResets = kAllResets;

  static void prepare(const NeuronRules& rules, const double (&p)[6], double (&k)[6]) {
    const auto& [dt, tau, r, v_leak, v_threshold, v_reset] = p;
    prepare_leak(rules, dt, tau, k[0], k[1]);
    k[2] = r;
    k[3] = v_leak;
    k[4] = v_threshold;
    k[5] = v_reset;
  }

  template <class L>
  SPIKELOOM_DEVICE static void begin(const NeuronRules&, const L (&k)[6], L (&s)[2]) {
    s[0] = k[3];
    s[1] = L(0.0f);
  }

  template <class L>
  SPIKELOOM_DEVICE static L step(const NeuronRules& rules, const L (&k)[6], const L (&x)[1],
                                 L (&s)[2]) {
    const auto& [a, keep, r, v_leak, v_threshold, v_reset] = k;
    auto& [v, z] = s;
    const L h = leak(rules, start(rules, v, z, v_reset), a, keep, r, v_leak, x[0]);
    return fire(rules, h, v_threshold, v_reset, v, z);
  }
};

struct Plif : Lif {
  static constexpr std::string_view kName = "PLIF";
  static constexpr ParameterRule kParameters[] = {
      {"w", "1", 0, -kAny, kAny},
      {"v_leak", "potential", 0, -kAny, kAny},
      {"v_threshold", "potential", 1, -kAny, kAny},
      {"v_reset", "potential", 0, -kAny, kAny},
  };
  static constexpr NeuronForm kForms[] = {NeuronForm::kEuler, NeuronForm::kBeta,
                                          NeuronForm::kPlain};

  static void prepare(const NeuronRules& rules, const double (&p)[4], double (&k)[6]) {
    const auto& [w, v_leak, v_threshold, v_reset] = p;
    Lif::prepare(rules, {1, 1 + std::exp(-w), 1, v_leak, v_threshold, v_reset}, k);
  }
};

struct LeakyIntegrator {
  static constexpr std::string_view kName = "LI";
  static constexpr ParameterRule kParameters[] = {
      {"dt", "time", 1, kPositive, kAny},
      {"tau", "time", 2, kPositive, kAny},
      {"r", "1", 1, -kAny, kAny},
      {"v_leak", "potential", 0, -kAny, kAny},
  };
  static constexpr std::string_view kStates[] = {"v"};
  static constexpr int kInputs = 1, kCoefficients = 4;
  static constexpr NeuronOutput kOutput = NeuronOutput::kMembrane;
  static constexpr const auto& kForms = kLeakForms;
  static constexpr Reset kResets[] = {Reset::kHard};

  static void prepare(const NeuronRules& rules, const double (&p)[4], double (&k)[4]) {
    const auto& [dt, tau, r, v_leak] = p;
    prepare_leak(rules, dt, tau, k[0], k[1]);
    k[2] = r;
    k[3] = v_leak;
  }

  template <class L>
  SPIKELOOM_DEVICE static void begin(const NeuronRules&, const L (&k)[4], L (&s)[1]) {
    s[0] = k[3];
  }

  template <class L>
  SPIKELOOM_DEVICE static L step(const NeuronRules& rules, const L (&k)[4], const L (&x)[1],
                                 L (&s)[1]) {
    const auto& [a, keep, r, v_leak] = k;
    s[0] = leak(rules, s[0], a, keep, r, v_leak, x[0]);
    return s[0];
  }
};
