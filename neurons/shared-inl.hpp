// Firing, reset and leak, shared by the models whose rules are parameters. No include guard and no
// namespace: neurons/models-inl.hpp includes it.
//
// `z` is whether the neuron fired in the step before (0 or 1); without a delayed reset it is not
// looked at. Order of a step: start(), the model's own charge to h, then fire().

// The membrane a step starts from.
template <class L>
SPIKELOOM_DEVICE inline L start(const NeuronRules& rules, L v, L z, L v_reset) {
  return rules.reset == Reset::kValueNext ? select(z > L(0.0f), v_reset, v) : v;
}

// Sets v and z from the charged membrane h; returns the number of spikes.
template <class L>
SPIKELOOM_DEVICE inline L fire(const NeuronRules& rules, L h, L threshold, L v_reset, L& v, L& z) {
  if (rules.reset == Reset::kMulti) {
    const L spikes = select(h > L(0.0f), lane_trunc(h / threshold), L(0.0f));
    const L left = h - spikes * threshold, lowest = L(0.0f) - threshold;
    v = select(left < lowest, lowest, left);
    return spikes;
  }
  if (rules.reset == Reset::kHoldNext) h = select(z > L(0.0f), L(0.0f), h);
  if (rules.reset == Reset::kSubtractNext) h = h - z * threshold;
  const auto fired = rules.fire == FireRule::kAtThreshold ? h >= threshold : h > threshold;
  if (rules.reset == Reset::kHard) {
    v = select(fired, v_reset, h);
  } else if (rules.reset == Reset::kSoft) {
    v = select(fired, h - threshold, h);
  } else {
    v = h;
  }
  z = select(fired, L(1.0f), L(0.0f));
  return z;
}

inline constexpr Reset kAllResets[] = {Reset::kHard,         Reset::kSoft,      Reset::kMulti,
                                       Reset::kSubtractNext, Reset::kValueNext, Reset::kHoldNext};

// The coefficients of a leak (neurons/lif-inl.hpp): a weighs what comes in, keep what is there.
inline void prepare_leak(const NeuronRules& rules, double dt, double tau, double& a, double& keep) {
  a = dt / tau;
  if (rules.form == NeuronForm::kExact || rules.form == NeuronForm::kRockpool) {
    keep = std::exp(-a);
  } else if (rules.form == NeuronForm::kSinabs) {
    keep = std::exp(-1 / tau);
  } else {
    keep = 1 - static_cast<double>(static_cast<float>(a));
  }
  if (rules.form == NeuronForm::kExact) a = 1 - static_cast<double>(static_cast<float>(keep));
}

template <class L>
SPIKELOOM_DEVICE inline L leak(const NeuronRules& rules, L v, L a, L keep, L r, L v_leak, L x) {
  switch (rules.form) {
    case NeuronForm::kExact: return keep * v + a * (v_leak + r * x);
    case NeuronForm::kBeta:
    case NeuronForm::kSinabs:
    case NeuronForm::kRockpool: return keep * v + x;
    case NeuronForm::kPlain: return v - (v - v_leak) * a + x;
    default: return v + a * (r * x - (v - v_leak));
  }
}

inline constexpr NeuronForm kLeakForms[] = {NeuronForm::kEuler,  NeuronForm::kExact,
                                            NeuronForm::kBeta,   NeuronForm::kPlain,
                                            NeuronForm::kSinabs, NeuronForm::kRockpool};
