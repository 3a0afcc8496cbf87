// Leaky integrate-and-fire with an adaptive threshold (ALIF).
//
// With alpha = exp(-dt/tau), rho = exp(-dt/tau_a), computed in double and rounded to fp32 once, and
// z the spike of the step before:
//
//   b = rho b + z              h = (alpha v + x) - z v_threshold
//   A = v_threshold + beta b   fires by the rule at A; v = h
//
// v, b and z start at 0. tau_a is the time constant of the adaptation, beta its strength.
// Source: Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking
// neurons", Nature Communications 11, 2020, equations 6, 8 and 9 of the methods; the model of the
// LSNN of Bellec et al., "Long short-term memory and learning-to-learn in networks of spiking
// neurons", NeurIPS 2018.

struct Alif {
  static constexpr std::string_view kName = "ALIF";
  static constexpr ParameterRule kParameters[] = {
      {"dt", "ms", 1, kPositive, kAny},
      {"tau", "ms", 20, kPositive, kAny},
      {"tau_a", "ms", 200, kPositive, kAny},
      {"beta", "1", 0.07, -kAny, kAny},
      {"v_threshold", "potential", 0.6, -kAny, kAny},
  };
  static constexpr std::string_view kStates[] = {"v", "b", "z"};
  static constexpr int kInputs = 1, kCoefficients = 4;
  static constexpr NeuronOutput kOutput = NeuronOutput::kSpikes;
  static constexpr NeuronForm kForms[] = {NeuronForm::kExact};
  static constexpr Reset kResets[] = {Reset::kSubtractNext};

  static void prepare(const NeuronRules&, const double (&p)[5], double (&k)[4]) {
    const auto& [dt, tau, tau_a, beta, v_threshold] = p;
    k[0] = std::exp(-dt / tau);
    k[1] = std::exp(-dt / tau_a);
    k[2] = beta;
    k[3] = v_threshold;
  }

  template <class L>
  SPIKELOOM_DEVICE static void begin(const NeuronRules&, const L (&)[4], L (&s)[3]) {
    s[0] = s[1] = s[2] = L(0.0f);
  }

  template <class L>
  SPIKELOOM_DEVICE static L step(const NeuronRules& rules, const L (&k)[4], const L (&x)[1],
                                 L (&s)[3]) {
    const auto& [alpha, rho, beta, v_threshold] = k;
    auto& [v, b, z] = s;
    b = rho * b + z;
    v = (alpha * v + x[0]) - z * v_threshold;
    const L threshold = v_threshold + beta * b;
    const auto fired = rules.fire == FireRule::kAtThreshold ? v >= threshold : v > threshold;
    z = select(fired, L(1.0f), L(0.0f));
    return z;
  }
};
