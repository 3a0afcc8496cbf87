// Every model of the neuron table.

#include "sim/backends/cuda/launch.cuh"

namespace spikeloom::cuda {

void launch_neurons(size_t model, Queue& queue, int64_t blocks, int threads,
                    const NeuronParams& params) noexcept {
  launch_neurons_of(models::NeuronModels{}, model, queue, blocks, threads, params);
}

}  // namespace spikeloom::cuda
