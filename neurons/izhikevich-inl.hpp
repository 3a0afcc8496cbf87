// Izhikevich's simple model of cortical neurons.
//
//   dv/dt = 0.04 v^2 + 5 v + 140 - u + x,   du/dt = a (b v - u)        v in mV, time in ms
//   v >= v_threshold (30 mV, the peak of a spike): v = c, u = u + d
//
//   half_steps  twice v = v + dt/2 (((0.04 v^2 + 5 v) + 140) - u + x), then u = u + dt (a (b v -
//   u)):
//               the published program, there with dt = 1 ms
//   euler       both from the old values: v = v + dt (...), u = u + dt (a (b v - u))
//
// v starts at v_start, u at b v_start. The published program looks for spikes at the start of the
// next step, here it is the end of the same: the same trajectory.
// Source: Izhikevich, "Simple model of spiking neurons", IEEE Transactions on Neural Networks 14,
// 2003: equations 1 to 3, the program and figure 2.

struct Izhikevich {
  static constexpr std::string_view kName = "Izhikevich";
  static constexpr ParameterRule kParameters[] = {
      {"dt", "ms", 1, kPositive, kAny},
      {"a", "1/ms", 0.02, -kAny, kAny},
      {"b", "1", 0.2, -kAny, kAny},
      {"c", "mV", -65, -kAny, kAny},
      {"d", "mV", 8, -kAny, kAny},
      {"v_start", "mV", -65, -kAny, kAny},
      {"v_threshold", "mV", 30, -kAny, kAny},
  };
  static constexpr std::string_view kStates[] = {"v", "u"};
  static constexpr int kInputs = 1, kCoefficients = 8;
  static constexpr NeuronOutput kOutput = NeuronOutput::kSpikes;
  static constexpr NeuronForm kForms[] = {NeuronForm::kHalfSteps, NeuronForm::kEuler};
  static constexpr Reset kResets[] = {Reset::kHard};

  static void prepare(const NeuronRules& rules, const double (&p)[7], double (&k)[8]) {
    const auto& [dt, a, b, c, d, v_start, v_threshold] = p;
    k[0] = rules.form == NeuronForm::kHalfSteps ? dt / 2 : dt;
    k[1] = dt;
    k[2] = a;
    k[3] = b;
    k[4] = c;
    k[5] = d;
    k[6] = v_start;
    k[7] = v_threshold;
  }

  template <class L>
  SPIKELOOM_DEVICE static void begin(const NeuronRules&, const L (&k)[8], L (&s)[2]) {
    s[0] = k[6];
    s[1] = k[3] * k[6];
  }

  template <class L>
  SPIKELOOM_DEVICE static L slope(L v, L u, L x) {
    return (((L(0.04f) * v * v + L(5.0f) * v) + L(140.0f)) - u) + x;
  }

  template <class L>
  SPIKELOOM_DEVICE static L step(const NeuronRules& rules, const L (&k)[8], const L (&x)[1],
                                 L (&s)[2]) {
    const auto& [dt_v, dt, a, b, c, d, v_start, v_threshold] = k;
    auto& [v, u] = s;
    L h = v + dt_v * slope(v, u, x[0]);
    if (rules.form == NeuronForm::kHalfSteps) h = h + dt_v * slope(h, u, x[0]);
    const L from = rules.form == NeuronForm::kHalfSteps ? h : v;
    u = u + dt * (a * (b * from - u));
    const auto fired = rules.fire == FireRule::kAtThreshold ? h >= v_threshold : h > v_threshold;
    v = select(fired, c, h);
    u = select(fired, u + d, u);
    return select(fired, L(1.0f), L(0.0f));
  }
};
