#include "cli/sample_loop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cli/interrupt.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"

namespace spikeloom {
namespace {

// "[2, 0, 5]": the place of an element, counted from 0.
std::string place_in(const Shape& shape, int64_t element) {
  Shape place = shape;
  for (size_t axis = shape.size(); axis-- > 0; element /= shape[axis])
    place[axis] = element % shape[axis];
  return to_string(place);
}

// Step range of the frames a chunk needs: all of a static image, else the chunk's own frames.
Tensor frames_of(const Sample& sample, bool repeated, int64_t first, int64_t steps) {
  if (repeated || steps == sample.frames.shape()[0]) return clone(sample.frames);
  return part_of(sample.frames, first, steps);
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

// What is wrong with the values of a sample, or "".
std::string value_fault(const Sample& sample, int64_t index, double largest) {
  const auto values = sample.frames.f32();
  const auto bad = std::find_if(values.begin(), values.end(), [&](float value) {
    return !(std::isfinite(value) && std::abs(static_cast<double>(value)) <= largest);
  });
  if (bad == values.end()) return "";
  return fmt::format("sample {} holds {} at {}{}", index, *bad,
                     place_in(sample.frames.shape(), bad - values.begin()),
                     std::isfinite(*bad) ? fmt::format(", and beyond {:g} sums of this network "
                                                       "could leave the range of fp32",
                                                       largest)
                                         : "");
}

// A sample in flight.
struct Slot {
  Sample sample;
  std::string fault;       // why it could not be read
  ErrorCode fault_code{};  // kData: the file; anything else: the run
  bool executed = false;
};

// Reads side by side; every failure stays in its slot.
void load_all(const Dataset& dataset, int64_t first, const LoopOptions& options,
              std::vector<Slot>& slots) {
  const auto count = static_cast<int64_t>(slots.size());
  parallel_samples(count, options.threads, [&](int64_t i) {
    Slot& slot = slots[static_cast<size_t>(i)];
    try {
      slot.sample = dataset.load(first + i);
      slot.fault = value_fault(slot.sample, first + i, options.largest_input);
      slot.fault_code = ErrorCode::kData;
    } catch (const Error& error) {
      slot.fault = error.what();
      slot.fault_code = error.code();
    } catch (const std::exception& error) {
      slot.fault = error.what();
      slot.fault_code = ErrorCode::kRuntime;
    }
  });
}

}  // namespace

int64_t run_samples(const std::shared_ptr<const Plan>& plan, const Dataset& dataset,
                    const LoopOptions& options, const LoopCallbacks& callbacks) {
  const bool repeated = plan->graph.node(0).is_static;
  const int64_t chunk = plan->options.chunk_steps;
  const int64_t size = dataset.info().size;
  // A sample of several chunks runs alone: sinks see samples one after the other.
  const bool alone = options.steps + plan->look_ahead > chunk;
  const int64_t batch =
      alone ? 1 : std::clamp<int64_t>(options.batch, 1, std::max<int64_t>(size, 1));
  std::vector<std::unique_ptr<Session>> sessions;
  for (int64_t i = 0; i < batch; ++i) sessions.push_back(std::make_unique<Session>(plan));

  // The very first sample always ends: there is something to report.
  const auto stop = [&](int64_t index) { return index > options.first && interrupted(); };
  for (int64_t first = options.first; first < size; first += batch) {
    const int64_t count = std::min(batch, size - first);
    std::vector<Slot> slots(static_cast<size_t>(count));
    load_all(dataset, first, options, slots);
    for (int64_t i = 0; i < count; ++i) {
      const Slot& slot = slots[static_cast<size_t>(i)];
      if (slot.fault.empty()) {
        check_shape(*plan, slot.sample, first + i, options.steps);
      } else if (!callbacks.broken || slot.fault_code != ErrorCode::kData) {
        throw Error(slot.fault_code, slot.fault);
      }
      sessions[static_cast<size_t>(i)]->reset(first + i);
    }
    if (!alone) {
      const bool side_by_side = count >= options.threads;
      parallel_samples(count, side_by_side ? options.threads : 1, [&](int64_t i) {
        if (stop(first + i)) return;
        const auto s = static_cast<size_t>(i);
        if (slots[s].fault.empty()) {
          sessions[s]->run_chunk(slots[s].sample.frames, options.steps,
                                 side_by_side ? 1 : options.threads, plan->look_ahead);
        }
        slots[s].executed = true;
      });
    }
    for (int64_t i = 0; i < count; ++i) {
      const auto s = static_cast<size_t>(i);
      const Slot& slot = slots[s];
      if (alone ? stop(first + i) : !slot.executed) return first + i;
      if (!slot.fault.empty()) {
        callbacks.broken(first + i, slot.fault);
        continue;
      }
      callbacks.begin(first + i, slot.sample);
      if (!alone) {
        callbacks.chunk(*sessions[s]);
      } else {
        const int64_t ticks = options.steps + plan->look_ahead;
        for (int64_t tick = 0; tick < ticks; tick += chunk) {
          const int64_t length = std::min(chunk, ticks - tick);
          const int64_t steps = std::clamp<int64_t>(options.steps - tick, 0, length);
          const Tensor frames =
              steps > 0 ? frames_of(slot.sample, repeated, tick, steps) : Tensor();
          sessions[s]->run_chunk(frames, steps, options.threads, length - steps);
          if (sessions[s]->last_chunk().steps > 0) callbacks.chunk(*sessions[s]);
        }
      }
      callbacks.end(first + i, slot.sample, *sessions[s]);
    }
  }
  return size;
}

}  // namespace spikeloom
