// Every neuron model, and the table of them: a model is a header here and its row below. No include
// guard and no namespace: included in neurons/neuron.cpp and again in the namespace of every
// SIMD target, because a function compiled for one target cannot be inlined into another's. Before
// it: <cmath>, neurons/lanes.hpp, neurons/rules.hpp.
//
// A model is a struct:
//   kName, kParameters (neurons/rules.hpp)
//   kStates        state slots, by name; the membrane "v" first. A last slot "z" that only delayed
//                  resets need is dropped where the rules have none (Alif, which always needs it,
//                  has a delayed reset only)
//   kInputs        values that arrive at a step
//   kCoefficients  numbers that a step reads, made from the parameters
//   kOutput, kForms, kResets   the first form and reset are those it has unless told otherwise
//   prepare(rules, parameters, coefficients)   in double; each is rounded to fp32 once
//   begin(rules, coefficients, state)          before the first step
//   step(rules, coefficients, inputs, state)   one step; returns spikes, or the membrane

#include "neurons/shared-inl.hpp"
// The models:
#include "neurons/adex-inl.hpp"
#include "neurons/alif-inl.hpp"
#include "neurons/coba-inl.hpp"
#include "neurons/cuba-inl.hpp"
#include "neurons/if-inl.hpp"
#include "neurons/izhikevich-inl.hpp"
#include "neurons/lif-inl.hpp"

template <class... Model>
struct ModelList {};

// The neuron table. Its order is the number of a model, NeuronSpec::model.
using NeuronModels = ModelList<IntegrateAndFire, Lif, Plif, CubaLif, LeakyIntegrator, CubaLi,
                               Integrator, Alif, Izhikevich, AdEx, CobaLif>;

template <class F, class... Model>
inline void with_model_of(ModelList<Model...>, size_t number, F f) {
  size_t at = 0;
  ((at++ == number ? f.template operator()<Model>() : void()), ...);
}

// f<Model>() for the model of that number.
template <class F>
inline void with_model(size_t number, F f) {
  with_model_of(NeuronModels{}, number, f);
}
