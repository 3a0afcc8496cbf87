// A spiking LMUFormer that runs whole sequences on request, layer by layer, for sequence.py:
// bench_sequence WEIGHTS.safetensors FRAMES.safetensors ("frames": [sequences, steps, channels]),
// then numbers on standard input. Each is answered by the processor seconds that one thread took
// for all sequences, so many times. The end of input is answered by the firing rate of every
// population and the logits of every sequence.

#include <algorithm>
#include <ctime>
#include <iostream>

#include "core/error.hpp"
#include "core/io/safetensors.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/plan/session.hpp"

using namespace spikeloom;

namespace {

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::vector<Tensor> sequences_of(const Tensor& frames) {
  const Shape& shape = frames.shape();
  std::vector<Tensor> sequences;
  for (int64_t i = 0; i < shape[0]; ++i) {
    Tensor& sequence = sequences.emplace_back(Shape{shape[1], shape[2]});
    std::copy_n(frames.f32().data() + i * sequence.size(), sequence.size(), sequence.f32().data());
  }
  return sequences;
}

void run_sequence(Session& session, const Tensor& frames) {
  session.reset();
  session.run_chunk(frames, frames.shape()[0], 1, session.plan().look_ahead);
}

void print_outcome(Session& session, const std::vector<Tensor>& sequences) {
  const std::vector<Population>& populations = session.plan().populations;
  std::vector<int64_t> spikes(populations.size());
  std::vector<Tensor> logits;
  for (const Tensor& frames : sequences) {
    run_sequence(session, frames);
    const SpikeChunk chunk = session.last_chunk();
    for (size_t p = 0; p < spikes.size(); ++p) {
      for (int64_t t = 0; t < chunk.steps; ++t) spikes[p] += chunk.spikes(p, t).count();
    }
    logits.push_back(session.value(session.plan().graph.outputs()[0].second, chunk.steps - 1));
  }
  for (size_t p = 0; p < spikes.size(); ++p) {
    const auto seen =
        static_cast<double>(sequences.size()) *
        static_cast<double>(sequences[0].shape()[0] * channels_of(populations[p].shape));
    std::cout << "rate " << populations[p].name << ' ' << static_cast<double>(spikes[p]) / seen
              << '\n';
  }
  for (const Tensor& values : logits) {
    std::cout << "logits";
    for (const float value : values.f32()) std::cout << ' ' << value;
    std::cout << '\n';
  }
}

void run(const char* weights_path, const char* frames_path) {
  const Weights stored = load_safetensors(frames_path);
  const Tensor& frames = stored.at("frames").data;
  const std::vector<Tensor> sequences = sequences_of(frames);
  const Graph graph = build_lmuformer({});
  const PlanOptions options{Schedule::kLayerMajor, frames.shape()[1] + 5, {}};
  Session session(compile(graph, bind_weights(graph, load_safetensors(weights_path)),
                          make_cpu_backend(), options));
  for (int rounds = 0; std::cin >> rounds;) {
    const double start = processor_seconds();
    for (int round = 0; round < rounds; ++round) {
      for (const Tensor& sequence : sequences) run_sequence(session, sequence);
    }
    std::cout << processor_seconds() - start << std::endl;
  }
  print_outcome(session, sequences);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: bench_sequence WEIGHTS.safetensors FRAMES.safetensors\n";
    return 2;
  }
  try {
    run(argv[1], argv[2]);
  } catch (const Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
