// An operator with every rule; -DWITHOUT_<RULE> leaves one out (operator_rules.py).

#include "sim/graph/op.hpp"

namespace spikeloom {

struct Dummy {
#ifndef WITHOUT_KIND
  static constexpr const char* kKind = "dummy";
#endif
#ifndef WITHOUT_FIELDS
  template <typename Self, typename V>
  static void fields(Self&, V&) {}
#endif
#ifndef WITHOUT_INFER
  Inferred infer(Inputs in) const {
    return {in[0].kind, in[0].shape};
  }
#endif
#ifndef WITHOUT_PARAMETERS
  static constexpr NoParameters parameters{};
#endif
#ifndef WITHOUT_LAYER
  static constexpr NotALayer layer{};
#endif
#ifndef WITHOUT_STATE
  static constexpr NoState state{};
#endif
#ifndef WITHOUT_WINDOW
  static constexpr OwnStepOnly window{};
#endif
#ifndef WITHOUT_WORK
  static constexpr NoWork work{};
#endif
#ifndef WITHOUT_GAIN
  static constexpr NoArrays gain{};
#endif
#ifndef WITHOUT_BOUND
  ValueBound bound(const BoundInput& in) const {
    return {in.in[0], in.in[0]};
  }
#endif
#ifndef WITHOUT_POPULATION
  static constexpr NotRecorded population{};
#endif
};

using WithDummy = OperatorVariant<Input, Dummy>;

}  // namespace spikeloom
