#pragma once
// The kernels of the product on fibers: launch() of sim/backends/cuda/launch.hpp, defined here.

#include <string>

#include "sim/backends/cuda/launch.hpp"
#include "tests/gpu/simt/host_context.hpp"

namespace spikeloom::cuda {

// The schedule and checks of all launches of the program.
simt::Options& launch_options();
void note_failure(Queue& queue, const std::string& text);

template <class K>
void launch(Queue& queue, int64_t blocks, int threads, const typename K::Params& params) noexcept {
  if (blocks == 0) return;
  const simt::Report report = simt::launch<K>(
      static_cast<unsigned>(blocks), static_cast<unsigned>(threads), params, launch_options());
  if (!report.findings.empty()) note_failure(queue, report.text());
}

}  // namespace spikeloom::cuda
