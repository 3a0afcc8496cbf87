#include "cli/sample_loop.hpp"

#include <algorithm>
#include <vector>

#include "cli/interrupt.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"

namespace spikeloom {
namespace {

// Step range of the frames a chunk needs: all of a static image, else the chunk's own frames.
Tensor frames_of(const Sample& sample, bool repeated, int64_t first, int64_t steps) {
  const Shape& shape = sample.frames.shape();
  if (repeated || steps == shape[0]) return clone(sample.frames);
  Shape part_shape = shape;
  part_shape[0] = steps;
  Tensor part(part_shape);
  const int64_t frame = element_count(shape) / shape[0];
  std::copy_n(sample.frames.f32().data() + first * frame, steps * frame, part.f32().data());
  return part;
}

void check_shape(const Plan& plan, const Sample& sample, int64_t index, int64_t steps) {
  const Node& input = plan.graph.node(0);
  Shape expected = input.shape;
  expected.insert(expected.begin(), input.is_static ? 1 : steps);
  if (sample.frames.shape() != expected) {
    throw Error(ErrorCode::kData, "sample " + std::to_string(index) + " has shape " +
                                      to_string(sample.frames.shape()) + ", the network expects " +
                                      to_string(expected));
  }
}

}  // namespace

int64_t run_samples(const std::shared_ptr<const Plan>& plan, const Dataset& dataset,
                    const LoopOptions& options, const LoopCallbacks& callbacks) {
  const bool repeated = plan->graph.node(0).is_static;
  const int64_t chunk = plan->options.chunk_steps;
  const int64_t size = dataset.info().size;
  // A sample of several chunks runs alone: sinks see samples one after the other.
  const int64_t batch =
      options.steps > chunk ? 1 : std::clamp<int64_t>(options.batch, 1, std::max<int64_t>(size, 1));
  std::vector<std::unique_ptr<Session>> sessions;
  for (int64_t i = 0; i < batch; ++i) sessions.push_back(std::make_unique<Session>(plan));

  // The very first sample always ends: there is something to report.
  const auto stop = [](int64_t index) { return index > 0 && interrupted(); };
  for (int64_t first = 0; first < size; first += batch) {
    const int64_t count = std::min(batch, size - first);
    std::vector<Sample> samples;
    std::vector<char> executed(static_cast<size_t>(count), 0);
    for (int64_t i = 0; i < count; ++i) {
      samples.push_back(dataset.load(first + i));
      check_shape(*plan, samples.back(), first + i, options.steps);
      sessions[static_cast<size_t>(i)]->reset();
    }
    if (options.steps <= chunk) {
      const bool side_by_side = count >= options.threads;
      const auto run = [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          if (stop(first + i)) return;
          const auto s = static_cast<size_t>(i);
          sessions[s]->run_chunk(samples[s].frames, options.steps,
                                 side_by_side ? 1 : options.threads);
          executed[s] = 1;
        }
      };
      if (side_by_side) {
        parallel_for(count, 1, options.threads, run);
      } else {
        run(0, count);
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      const auto s = static_cast<size_t>(i);
      const bool waits = options.steps > chunk;  // has not run yet
      if (waits ? stop(first + i) : executed[s] == 0) return first + i;
      callbacks.begin(first + i, samples[s]);
      if (!waits) {
        callbacks.chunk(*sessions[s]);
      } else {
        for (int64_t step = 0; step < options.steps; step += chunk) {
          const int64_t steps = std::min(chunk, options.steps - step);
          sessions[s]->run_chunk(frames_of(samples[s], repeated, step, steps), steps,
                                 options.threads);
          callbacks.chunk(*sessions[s]);
        }
      }
      callbacks.end(first + i, samples[s], *sessions[s]);
    }
  }
  return size;
}

}  // namespace spikeloom
