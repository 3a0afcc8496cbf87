#include "run/sample_loop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "core/parallel.hpp"

namespace spikeloom {
namespace {

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
                     place_text(sample.frames.shape(), bad - values.begin()),
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
  std::optional<Error> failure;  // of the run itself
  Observed kept;
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

// Feeds a sample to a session that was reset; `part` follows every chunk that brought steps out.
template <typename Part>
void feed(Session& session, const Sample& sample, int64_t steps, int threads, Part&& part) {
  const Plan& plan = session.plan();
  const bool repeated = plan.graph.node(0).is_static;
  const int64_t chunk = plan.options.chunk_steps, ticks = steps + plan.look_ahead;
  for (int64_t tick = 0; tick < ticks; tick += chunk) {
    const int64_t length = std::min(chunk, ticks - tick);
    const int64_t now = std::clamp<int64_t>(steps - tick, 0, length);
    // All of a static image, else the chunk's own frames.
    const bool all = now == 0 || repeated || now == sample.frames.shape()[0];
    const Tensor own = all ? Tensor() : part_of(sample.frames, tick, now);
    session.run_chunk(all ? sample.frames : own, now, threads, length - now);
    if (session.last_chunk().steps > 0) part();
  }
}

// One call of run_samples.
class Loop {
 public:
  Loop(const std::shared_ptr<const Plan>& plan, const Dataset& dataset, const LoopOptions& options,
       const LoopCallbacks& callbacks)
      : dataset_(dataset),
        options_(options),
        callbacks_(callbacks),
        size_(dataset.info().size),
        in_one_chunk_(options.longest + plan->look_ahead <= plan->options.chunk_steps &&
                      options.steps > 0) {
    sessions_.push_back(std::make_unique<Session>(plan));
    const int64_t batch = most_in_flight();
    while (static_cast<int64_t>(sessions_.size()) < batch)
      sessions_.push_back(std::make_unique<Session>(plan));
  }

  int64_t run() {
    const auto batch = static_cast<int64_t>(sessions_.size());
    for (int64_t first = options_.first; first < size_; first += batch) {
      const int64_t count = std::min(batch, size_ - first);
      load(first, count);
      const bool side_by_side = count >= options_.threads && (in_one_chunk_ || count > 1);
      if (in_one_chunk_ || side_by_side) execute(first, side_by_side);
      for (int64_t i = 0; i < count; ++i) {
        const bool executed = slots_[static_cast<size_t>(i)].executed;
        if (in_one_chunk_ || side_by_side ? !executed : stop(first + i)) return first + i;
        hand_on(first, i);
      }
    }
    return size_;
  }

 private:
  // The very first sample always ends: there is something to report.
  bool stop(int64_t index) const { return index > options_.first && options_.cancel.cancelled(); }

  int64_t steps_of(const Sample& sample) const {
    return options_.steps > 0 ? options_.steps : sample.frames.shape()[0];
  }

  // Samples of several chunks run alone, unless what they show can wait for its turn: sinks see
  // samples one after the other.
  int64_t most_in_flight() const {
    const int64_t batch = std::clamp<int64_t>(options_.batch, 1, std::max<int64_t>(size_, 1));
    if (in_one_chunk_) return batch;
    if (!callbacks_.aside.keep) return 1;
    const Session& session = *sessions_[0];
    const int64_t bytes =
        session.plan().session_bytes() + callbacks_.aside.step_bytes(session) * options_.longest;
    return std::clamp<int64_t>(kMostBytesAside / std::max<int64_t>(bytes, 1), 1, batch);
  }

  void load(int64_t first, int64_t count) {
    slots_.clear();
    slots_.resize(static_cast<size_t>(count));
    load_all(dataset_, first, options_, slots_);
    for (int64_t i = 0; i < count; ++i) {
      const Slot& slot = slots_[static_cast<size_t>(i)];
      if (slot.fault.empty()) {
        check_shape(sessions_[0]->plan(), slot.sample, first + i, steps_of(slot.sample));
      } else if (!callbacks_.broken || slot.fault_code != ErrorCode::kData) {
        throw Error(slot.fault_code, slot.fault);
      }
      sessions_[static_cast<size_t>(i)]->reset(first + i);
    }
  }

  // All samples of a batch, before the first of them is handed on.
  void execute(int64_t first, bool side_by_side) {
    if (!in_one_chunk_) {
      for (Slot& slot : slots_) {
        if (slot.fault.empty())
          slot.kept = callbacks_.aside.room(*sessions_[0], steps_of(slot.sample));
      }
    }
    const int each = side_by_side ? 1 : options_.threads;
    parallel_samples(static_cast<int64_t>(slots_.size()), side_by_side ? options_.threads : 1,
                     [&](int64_t i) {
                       if (stop(first + i)) return;
                       Slot& slot = slots_[static_cast<size_t>(i)];
                       Session& session = *sessions_[static_cast<size_t>(i)];
                       slot.executed = true;
                       if (!slot.fault.empty()) return;
                       try {
                         feed(session, slot.sample, steps_of(slot.sample), each, [&] {
                           if (!in_one_chunk_)
                             callbacks_.aside.keep(session, slot.sample, slot.kept);
                         });
                       } catch (const Error& error) {  // nothing is thrown between threads
                         slot.failure = error;
                       } catch (const std::exception& error) {
                         slot.failure = Error(ErrorCode::kRuntime, error.what());
                       }
                     });
  }

  void hand_on(int64_t first, int64_t i) {
    Slot& slot = slots_[static_cast<size_t>(i)];
    Session& session = *sessions_[static_cast<size_t>(i)];
    if (!slot.fault.empty()) return callbacks_.broken(first + i, slot.fault);
    if (slot.failure) throw slot.failure->in(fmt::format("sample {}", first + i));
    callbacks_.begin(first + i, slot.sample);
    if (in_one_chunk_) {
      callbacks_.chunk(session, slot.sample);
    } else if (slot.executed) {
      callbacks_.aside.kept(slot.kept);
    } else {
      feed(session, slot.sample, steps_of(slot.sample), options_.threads,
           [&] { callbacks_.chunk(session, slot.sample); });
    }
    callbacks_.end(first + i, slot.sample);
  }

  const Dataset& dataset_;
  const LoopOptions& options_;
  const LoopCallbacks& callbacks_;
  const int64_t size_;
  const bool in_one_chunk_;  // every sample is one chunk, which its session still shows
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<Slot> slots_;
};

}  // namespace

void keep_aside(LoopCallbacks& calls, NodeId logits, const std::vector<Population>& populations,
                const std::vector<WatchedArray>& arrays,
                std::function<void(const SpikeChunk&, Observed&)> hand_on) {
  calls.aside.step_bytes = [&arrays](const Session& session) {
    auto bytes = static_cast<int64_t>(sizeof(double));
    for (const int64_t words : session.last_chunk().words)
      bytes += words * static_cast<int64_t>(sizeof(uint64_t));
    for (const WatchedArray& array : arrays)
      bytes += element_count(array.row) * static_cast<int64_t>(sizeof(float));
    return bytes;
  };
  calls.aside.room = [&arrays](const Session& session, int64_t steps) {
    const auto words = session.last_chunk().words;
    return room_for(steps, {words.begin(), words.end()}, arrays);
  };
  calls.aside.keep = [logits, &arrays](const Session& session, const Sample& sample,
                                       Observed& kept) {
    observe(session, sample, logits, arrays, true, kept);
  };
  calls.aside.kept = [&populations, hand_on = std::move(hand_on)](Observed& kept) {
    std::vector<const uint64_t*> bits;
    std::vector<int64_t> words;
    hand_on(chunk_of(kept, populations, bits, words), kept);
  };
}

int64_t run_samples(const std::shared_ptr<const Plan>& plan, const Dataset& dataset,
                    const LoopOptions& options, const LoopCallbacks& callbacks) {
  return Loop(plan, dataset, options, callbacks).run();
}

}  // namespace spikeloom
