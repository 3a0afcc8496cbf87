// Leaky integrate-and-fire with a synaptic current of its own (current-based, CubaLIF), and the
// same without firing (CubaLI).
//
//   tau_syn di/dt = -i + w_in x,   tau_mem dv/dt = v_leak - v + r i
//
// With a = dt/tau, e = exp(-dt/tau), computed in double and rounded to fp32 once (1 - e: of the
// rounded e); i first, v from
// the new i:
//
//   euler  i = i + a_syn (w_in x - i)              h = v + a_mem (r i - (v - v_leak))
//   exact  i = e_syn i + (1 - e_syn) (w_in x)      h = e_mem v + (1 - e_mem) (v_leak + r i)
//
// v starts at v_leak, i at 0. w_in = tau_syn/dt and r = tau_mem/dt make euler alpha i + x, beta v +
// i. Source: NIR's CubaLIF (Pedersen et al., Nature Communications 15, 2024); order of i and v as
// in Norse, snnTorch and SpikingJelly.

// Advances the current and returns the charged membrane.
template <class L>
SPIKELOOM_DEVICE inline L charge_by_current(const NeuronRules& rules, L v, const L (&syn)[3],
                                            const L (&mem)[4], L x, L& i) {
  const auto& [a_syn, keep_syn, w_in] = syn;
  const auto& [a_mem, keep_mem, r, v_leak] = mem;
  i = rules.form == NeuronForm::kExact ? keep_syn * i + a_syn * (w_in * x)
                                       : i + a_syn * (w_in * x - i);
  return leak(rules, v, a_mem, keep_mem, r, v_leak, i);
}

inline constexpr NeuronForm kCubaForms[] = {NeuronForm::kEuler, NeuronForm::kExact};

struct CubaLif {
  static constexpr std::string_view kName = "CubaLIF";
  static constexpr ParameterRule kParameters[] = {
      {"dt", "time", 1, kPositive, kAny},
      {"tau_syn", "time", 2, kPositive, kAny},
      {"tau_mem", "time", 2, kPositive, kAny},
      {"r", "1", 1, -kAny, kAny},
      {"w_in", "1", 1, -kAny, kAny},
      {"v_leak", "potential", 0, -kAny, kAny},
      {"v_threshold", "potential", 1, -kAny, kAny},
      {"v_reset", "potential", 0, -kAny, kAny},
  };
  static constexpr std::string_view kStates[] = {"v", "i", "z"};
  static constexpr int kInputs = 1, kCoefficients = 9;
  static constexpr NeuronOutput kOutput = NeuronOutput::kSpikes;
  static constexpr const auto& kForms = kCubaForms;
  static constexpr const auto& kResets = kAllResets;

  static void prepare(const NeuronRules& rules, const double (&p)[8], double (&k)[9]) {
    const auto& [dt, tau_syn, tau_mem, r, w_in, v_leak, v_threshold, v_reset] = p;
    prepare_leak(rules, dt, tau_syn, k[0], k[1]);
    k[2] = w_in;
    prepare_leak(rules, dt, tau_mem, k[3], k[4]);
    k[5] = r;
    k[6] = v_leak;
    k[7] = v_threshold;
    k[8] = v_reset;
  }

  template <class L>
  SPIKELOOM_DEVICE static void begin(const NeuronRules&, const L (&k)[9], L (&s)[3]) {
    s[0] = k[6];
    s[1] = s[2] = L(0.0f);
  }

  template <class L>
  SPIKELOOM_DEVICE static L step(const NeuronRules& rules, const L (&k)[9], const L (&x)[1],
                                 L (&s)[3]) {
    const auto& [a_syn, keep_syn, w_in, a_mem, keep_mem, r, v_leak, v_threshold, v_reset] = k;
    auto& [v, i, z] = s;
    const L h = charge_by_current(rules, start(rules, v, z, v_reset), {a_syn, keep_syn, w_in},
                                  {a_mem, keep_mem, r, v_leak}, x[0], i);
    return fire(rules, h, v_threshold, v_reset, v, z);
  }
};

struct CubaLi {
  static constexpr std::string_view kName = "CubaLI";
  static constexpr ParameterRule kParameters[] = {
      {"dt", "time", 1, kPositive, kAny},      {"tau_syn", "time", 2, kPositive, kAny},
      {"tau_mem", "time", 2, kPositive, kAny}, {"r", "1", 1, -kAny, kAny},
      {"w_in", "1", 1, -kAny, kAny},           {"v_leak", "potential", 0, -kAny, kAny},
  };
  static constexpr std::string_view kStates[] = {"v", "i"};
  static constexpr int kInputs = 1, kCoefficients = 7;
  static constexpr NeuronOutput kOutput = NeuronOutput::kMembrane;
  static constexpr const auto& kForms = kCubaForms;
  static constexpr Reset kResets[] = {Reset::kHard};

  static void prepare(const NeuronRules& rules, const double (&p)[6], double (&k)[7]) {
    const auto& [dt, tau_syn, tau_mem, r, w_in, v_leak] = p;
    prepare_leak(rules, dt, tau_syn, k[0], k[1]);
    k[2] = w_in;
    prepare_leak(rules, dt, tau_mem, k[3], k[4]);
    k[5] = r;
    k[6] = v_leak;
  }

  template <class L>
  SPIKELOOM_DEVICE static void begin(const NeuronRules&, const L (&k)[7], L (&s)[2]) {
    s[0] = k[6];
    s[1] = L(0.0f);
  }

  template <class L>
  SPIKELOOM_DEVICE static L step(const NeuronRules& rules, const L (&k)[7], const L (&x)[1],
                                 L (&s)[2]) {
    const auto& [a_syn, keep_syn, w_in, a_mem, keep_mem, r, v_leak] = k;
    s[0] = charge_by_current(rules, s[0], {a_syn, keep_syn, w_in}, {a_mem, keep_mem, r, v_leak},
                             x[0], s[1]);
    return s[0];
  }
};
