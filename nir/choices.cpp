#include "nir/choices.hpp"

namespace spikeloom::nir {

NeuronForm form_of(Form form) {
  constexpr NeuronForm kForms[] = {NeuronForm::kEuler, NeuronForm::kExact, NeuronForm::kSinabs,
                                   NeuronForm::kRockpool};
  return kForms[static_cast<size_t>(form)];
}

Choices choices_of(Origin origin) {
  Choices c;
  c.origin = origin;
  switch (origin) {
    case Origin::kNir: break;
    case Origin::kSnntorch:
      c.dt = 1e-4;
      c.reset = Reset::kSubtractNext;
      break;
    case Origin::kSpikingjelly:
      c.dt = 1e-4;
      c.fire = Fire::kAt;
      c.if_gain = IfGain::kOde;
      c.recurrent_start = RecurrentStart::kZero;
      break;
    case Origin::kNorse:
      c.dt = 1e-3;
      c.if_gain = IfGain::kUnit;
      c.recurrent_start = RecurrentStart::kZero;
      break;
    case Origin::kSinabs:
      c.dt = 1;
      c.form = Form::kSinabs;
      c.fire = Fire::kAt;
      c.reset = Reset::kMulti;
      c.if_gain = IfGain::kUnit;
      break;
    case Origin::kExact:
      c.form = Form::kExact;
      c.if_gain = IfGain::kOde;
      break;
  }
  return c;
}

}  // namespace spikeloom::nir
