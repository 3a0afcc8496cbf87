// Adaptive exponential integrate-and-fire (AdEx).
//
//   C dv/dt = -g_l (v - e_l) + g_l delta_t exp((v - v_t) / delta_t) - w + x
//   tau_w dw/dt = a (v - e_l) - w                        mV, pA, nS, pF, ms
//   v >= v_threshold (where a spike is cut off): v = v_reset, w = w + b
//
//   euler  both from the old values, in this order of operations:
//          v' = v + (dt/C) (((g_l (e_l - v) + (g_l delta_t) exp((v - v_t) / delta_t)) - w) + x)
//          w' = w + (dt/tau_w) (a (v - e_l) - w)
//
// v starts at e_l, w at 0. An upstroke that leaves the range of fp32 is infinite and fires.
// Source: Brette and Gerstner, "Adaptive exponential integrate-and-fire model as an effective
// description of neuronal activity", Journal of Neurophysiology 94, 2005: equations 1 to 3, the
// parameters of a regular spiking cell, the cut-off at 20 mV.

struct AdEx {
  static constexpr std::string_view kName = "AdEx";
  static constexpr ParameterRule kParameters[] = {
      {"dt", "ms", 0.1, kPositive, kAny},    {"c", "pF", 281, kPositive, kAny},
      {"g_l", "nS", 30, -kAny, kAny},        {"e_l", "mV", -70.6, -kAny, kAny},
      {"v_t", "mV", -50.4, -kAny, kAny},     {"delta_t", "mV", 2, kPositive, kAny},
      {"tau_w", "ms", 144, kPositive, kAny}, {"a", "nS", 4, -kAny, kAny},
      {"b", "pA", 80.5, -kAny, kAny},        {"v_reset", "mV", -70.6, -kAny, kAny},
      {"v_threshold", "mV", 20, -kAny, kAny}};
  static constexpr std::string_view kStates[] = {"v", "w"};
  static constexpr int kInputs = 1, kCoefficients = 11;
  static constexpr NeuronOutput kOutput = NeuronOutput::kSpikes;
  static constexpr NeuronForm kForms[] = {NeuronForm::kEuler};
  static constexpr Reset kResets[] = {Reset::kHard};

  static void prepare(const NeuronRules&, const double (&p)[11], double (&k)[11]) {
    const auto& [dt, c, g_l, e_l, v_t, delta_t, tau_w, a, b, v_reset, v_threshold] = p;
    k[0] = dt / c;
    k[1] = dt / tau_w;
    k[2] = g_l;
    k[3] = g_l * delta_t;
    k[4] = e_l;
    k[5] = v_t;
    k[6] = delta_t;
    k[7] = a;
    k[8] = b;
    k[9] = v_reset;
    k[10] = v_threshold;
  }

  template <class L>
  SPIKELOOM_DEVICE static void begin(const NeuronRules&, const L (&k)[11], L (&s)[2]) {
    s[0] = k[4];
    s[1] = L(0.0f);
  }

  template <class L>
  SPIKELOOM_DEVICE static L step(const NeuronRules& rules, const L (&k)[11], const L (&x)[1],
                                 L (&s)[2]) {
    const auto& [dt_c, dt_w, g_l, g_exp, e_l, v_t, delta_t, a, b, v_reset, v_threshold] = k;
    auto& [v, w] = s;
    const L upstroke = g_exp * lane_exp((v - v_t) / delta_t);
    const L h = v + dt_c * (((g_l * (e_l - v) + upstroke) - w) + x[0]);
    w = w + dt_w * (a * (v - e_l) - w);
    const auto fired = rules.fire == FireRule::kAtThreshold ? h >= v_threshold : h > v_threshold;
    v = select(fired, v_reset, h);
    w = select(fired, w + b, w);
    return select(fired, L(1.0f), L(0.0f));
  }
};
