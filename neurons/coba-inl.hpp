// Leaky integrate-and-fire driven by conductances (CobaLIF), with a refractory time. Two inputs: the
// excitatory and the inhibitory one.
//
//   tau dv/dt = (e_l - v) + g_e (e_e - v) + g_i (e_i - v),   tau_e dg_e/dt = -g_e,  tau_i dg_i/dt = -g_i
//   g in units of the leak; an input x adds to its conductance at once; potentials in mV, times in ms
//   v >= v_threshold: v = v_reset, held there for t_ref
//
//   euler  g_e = exp(-dt/tau_e) g_e + x_e,  g_i = exp(-dt/tau_i) g_i + x_i, then
//          h = v + (dt/tau) (((e_l - v) + g_e (e_e - v)) + g_i (e_i - v))
//          while steps of t_ref (rounded to whole steps) are left, h = v_reset and nothing fires
//
// v starts at e_l, the conductances and what is left of t_ref (slot "r", in steps) at 0.
// Source: Vogels and Abbott, "Signal propagation and logic gating in networks of integrate-and-fire
// neurons", Journal of Neuroscience 25, 2005, with the numbers of the COBA benchmark of Brette et al.,
// "Simulation of networks of spiking neurons", Journal of Computational Neuroscience 23, 2007.

struct CobaLif {
  static constexpr std::string_view kName = "CobaLIF";
  static constexpr ParameterRule kParameters[] = {
      {"dt", "ms", 0.1, kPositive, kAny},      {"tau", "ms", 20, kPositive, kAny},
      {"tau_e", "ms", 5, kPositive, kAny},     {"tau_i", "ms", 10, kPositive, kAny},
      {"e_l", "mV", -60, -kAny, kAny},         {"e_e", "mV", 0, -kAny, kAny},
      {"e_i", "mV", -80, -kAny, kAny},         {"t_ref", "ms", 5, 0, kAny},
      {"v_threshold", "mV", -50, -kAny, kAny}, {"v_reset", "mV", -60, -kAny, kAny},
  };
  static constexpr std::string_view kStates[] = {"v", "g_e", "g_i", "r"};
  static constexpr int kInputs = 2, kCoefficients = 9;
  static constexpr NeuronOutput kOutput = NeuronOutput::kSpikes;
  static constexpr NeuronForm kForms[] = {NeuronForm::kEuler};
  static constexpr Reset kResets[] = {Reset::kHard};

  static void prepare(const NeuronRules&, const double (&p)[10], double (&k)[9]) {
    const auto& [dt, tau, tau_e, tau_i, e_l, e_e, e_i, t_ref, v_threshold, v_reset] = p;
    k[0] = dt / tau;
    k[1] = std::exp(-dt / tau_e);
    k[2] = std::exp(-dt / tau_i);
    k[3] = e_l;
    k[4] = e_e;
    k[5] = e_i;
    k[6] = std::rint(t_ref / dt);
    k[7] = v_threshold;
    k[8] = v_reset;
  }

  template <class L>
  SPIKELOOM_DEVICE static void begin(const NeuronRules&, const L (&k)[9], L (&s)[4]) {
    s[0] = k[3];
    s[1] = s[2] = s[3] = L(0.0f);
  }

  template <class L>
  SPIKELOOM_DEVICE static L step(const NeuronRules& rules, const L (&k)[9], const L (&x)[2],
                                 L (&s)[4]) {
    const auto& [a, keep_e, keep_i, e_l, e_e, e_i, steps, v_threshold, v_reset] = k;
    auto& [v, g_e, g_i, r] = s;
    const L zero(0.0f), one(1.0f);
    g_e = keep_e * g_e + x[0];
    g_i = keep_i * g_i + x[1];
    L h = v + a * (((e_l - v) + g_e * (e_e - v)) + g_i * (e_i - v));
    const auto waits = r > zero;
    h = select(waits, v_reset, h);
    const auto fired = rules.fire == FireRule::kAtThreshold ? h >= v_threshold : h > v_threshold;
    const L spike = select(waits, zero, select(fired, one, zero));
    v = select(spike > zero, v_reset, h);
    r = select(spike > zero, steps, select(waits, r - one, zero));
    return spike;
  }
};
