#pragma once
// Kernels by name, from code that knows no CUDA.

#include <cstdint>

#include "sim/backends/cuda/kernels/attention.hpp"
#include "sim/backends/cuda/kernels/dense.hpp"
#include "sim/backends/cuda/kernels/doubles.hpp"
#include "sim/backends/cuda/kernels/elementwise.hpp"
#include "sim/backends/cuda/kernels/layer_norm.hpp"
#include "sim/backends/cuda/kernels/memory.hpp"
#include "sim/backends/cuda/kernels/sequence.hpp"
#include "sim/backends/cuda/kernels/sums.hpp"

namespace spikeloom::cuda {

class Queue;

// `blocks` of `threads` each; 0 blocks: nothing. What fails shows in finish() of the queue. Defined
// for the kernels listed below where they are compiled: the device's in the .cu files beside this
// one.
template <class K>
void launch(Queue& queue, int64_t blocks, int threads, const typename K::Params& params) noexcept;

// The kernel of a neuron model, by its number.
void launch_neurons(size_t model, Queue& queue, int64_t blocks, int threads,
                    const NeuronParams& params) noexcept;

// Its definition where launch<Neurons<...>> is defined: a model of the table needs nothing here.
template <class... Model>
void launch_neurons_of(models::ModelList<Model...>, size_t model, Queue& queue, int64_t blocks,
                       int threads, const NeuronParams& params) noexcept {
  size_t at = 0;
  ((at++ == model ? launch<Neurons<Model>>(queue, blocks, threads, params) : void()), ...);
}

// X(kernel) for all others, by the file that holds them.
#define SPIKELOOM_CUDA_ELEMENTWISE(X) \
  X(Pass<IdentityMain>)               \
  X(Pass<AddMain>)                    \
  X(Pass<MulMain>)                    \
  X(Pass<ScaleMain>)                  \
  X(Pass<ActivationMain>)             \
  X(Pass<BatchNormMain>)              \
  X(Pass<ThresholdMain>)              \
  X(Pass<EmbeddingMain>)              \
  X(Pass<PositionsMain>)              \
  X(Pass<PrependMain>)                \
  X(Pass<FirstRowMain>)               \
  X(Pass<ConcatMain>)                 \
  X(Pass<FlattenMain>)                \
  X(Pass<DelayMain>)                  \
  X(Pass<TokenMixMain>)               \
  X(Pass<PoolMain>)                   \
  X(Pass<SpatialMeanMain>)
#define SPIKELOOM_CUDA_SUMS(X) \
  X(Pass<LinearMain<float>>)   \
  X(Pass<LinearMain<int8_t>>)  \
  X(Pass<LinearMain<int16_t>>) \
  X(Pass<ConvMain<float>>)     \
  X(Pass<ConvMain<int8_t>>)    \
  X(Pass<ConvMain<int16_t>>)   \
  X(Pass<Conv1dMain<float>>)   \
  X(Pass<Conv1dMain<int8_t>>)  \
  X(Pass<Conv1dMain<int16_t>>) \
  X(DenseBytes)
#define SPIKELOOM_CUDA_SEQUENCE(X) \
  X(Pass<StepMeanMain>)            \
  X(Pass<WkvMain>)                 \
  X(Pass<QApplyMain>)              \
  X(KtVCounts)                     \
  X(LayerNormRows)                 \
  X(FillRows)                      \
  X(Probe)
#define SPIKELOOM_CUDA_DOUBLES(X) \
  X(Pass<GeluMain>)               \
  X(Pass<LmuEventMain>)           \
  X(LmuRecurrent)                 \
  X(SoftmaxRows)

}  // namespace spikeloom::cuda
