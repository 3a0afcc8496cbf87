#include "sim/plan/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.hpp"

namespace spikeloom {

namespace {

void check_tokens(std::span<const float> tokens, int64_t vocabulary, int64_t first) {
  for (size_t t = 0; t < tokens.size(); ++t) {
    const float token = tokens[t];
    if (token >= 0 && token < static_cast<float>(vocabulary) && token == std::floor(token))
      continue;
    throw Error(ErrorCode::kData,
                fmt::format("token {} at position {} is not in the vocabulary of {}", token,
                            first + static_cast<int64_t>(t), vocabulary));
  }
}

void check_events(const Tensor& frames) {
  const auto values = frames.f32();
  if (all_binary(values)) return;
  const auto bad = std::find_if(values.begin(), values.end(),
                                [](float value) { return value != 0.0f && value != 1.0f; });
  throw Error(ErrorCode::kData, fmt::format("an input of events holds {} at element {} of {}", *bad,
                                            bad - values.begin(), to_string(frames.shape())));
}

void check_levels(const Tensor& frames, LevelRange range) {
  const auto values = frames.f32();
  const auto bad = std::find_if(values.begin(), values.end(), [&](float value) {
    return !(value >= static_cast<float>(range.low) && value <= static_cast<float>(range.high) &&
             value == std::floor(value));
  });
  if (bad == values.end()) return;
  throw Error(
      ErrorCode::kData,
      fmt::format("an input of levels from {} holds {} at element {} of {}", range_text(range),
                  *bad, bad - values.begin(), to_string(frames.shape())));
}

// Rows of 0 and 1 into rows of bits.
void pack_events(const float* from, const MutableSpikeView& to) {
  std::fill_n(to.words, to.rows * to.row_words(), uint64_t{0});
  for (int64_t row = 0; row < to.rows; ++row, from += to.channels) {
    for (int64_t c = 0; c < to.channels; ++c)
      to.row(row)[c >> 6] |= static_cast<uint64_t>(from[c] != 0.0f) << (c & 63);
  }
}

}  // namespace

Session::Session(std::shared_ptr<const Plan> plan)
    : plan_(std::move(plan)), memory_(plan_), population_bits_(plan_->populations.size()) {
  for (const auto& prepared : plan_->prepared)
    workspaces_.push_back(plan_->backend->workspace(prepared.get()));
  for (size_t p = 0; p < plan_->populations.size(); ++p) {
    const PlaneSlot& planes = plan_->planes[p];
    population_words_.push_back(
        planes.offset >= 0 ? planes.words : plan_->slot_of(plan_->populations[p].node).step_stride);
  }
  reset();
}

Session::Session(const Session& other) : Session(other.plan_) {
  memory_.copy_from(other.memory_);
  steps_done_ = other.steps_done_;
  sample_ = other.sample_;
  length_ = other.length_;
  last_ticks_ = other.last_ticks_;
  chunk_start_ = other.chunk_start_;
  chunk_steps_ = other.chunk_steps_;
  statics_valid_ = other.statics_valid_;
  show_chunk();
}

void Session::start_state(const StateLayout& state) {
  plan_->backend->fill(memory_.queue(), memory_.state() + state.offset, state.slot.initial,
                       rows_of(state.slot.shape), channels_of(state.slot.shape));
}

void Session::reset(int64_t sample) {
  sample_ = sample;
  for (size_t u = 0; u < plan_->units.size(); ++u) {
    if (plan_->is_brief(u)) continue;
    for (const StateLayout& state : plan_->states_of(u)) start_state(state);
  }
  for (NodeId id = 0; id < plan_->graph.size(); ++id) {
    const ValueSlot& slot = plan_->values[static_cast<size_t>(id)];
    if (slot.history > 0) clear(id, -slot.history, slot.history);
  }
  steps_done_ = last_ticks_ = 0;
  length_ = -1;
  chunk_start_ = chunk_steps_ = 0;
  statics_valid_ = false;
  show_chunk();
}

ValueRef Session::empty_ref(NodeId id) const {
  const Shape& shape = plan_->graph.node(id).shape;
  ValueRef value;
  value.shape = &shape;
  value.rows = rows_of(shape);
  value.channels = channels_of(shape);
  value.step_stride = plan_->slot_of(id).step_stride;
  return value;
}

ValueRef Session::ref(NodeId id, int64_t tick, MemorySide side) const {
  const ValueSlot& slot = plan_->slot_of(id);
  ValueRef value = empty_ref(id);
  // A feedback is as late as what it shows, which it shows one step later.
  for (NodeId at = source_of(plan_->graph, id); plan_->graph.node(at).feedback >= 0; --tick)
    at = source_of(plan_->graph, plan_->graph.node(at).feedback);
  if (!slot.exists) return value;
  const auto node = static_cast<size_t>(&slot - plan_->values.data());
  const int64_t at = (slot.history + tick) * slot.step_stride;
  if (slot.is_bits) {
    value.bits = memory_.bits(node, side) + at;
  } else if (float* first = memory_.real(node, side)) {
    value.real = first + at;
  }
  return value;
}

UnitIo Session::io_of(size_t index, int64_t tick) const {
  const Unit& unit = plan_->units[index];
  const Graph& graph = plan_->graph;
  const auto delay = [&](NodeId id) { return plan_->delays[static_cast<size_t>(id)]; };
  // The same step of an input that is less delayed came earlier.
  const auto input = [&](NodeId id) {
    return ref(id, tick - delay(unit.main) + delay(id), MemorySide::kBackend);
  };
  UnitIo io;
  const auto& inputs = graph.node(unit.main).inputs;
  for (size_t i = 0; i < inputs.size(); ++i) io.in[i] = input(inputs[i]);
  if (unit.residual_other >= 0) io.other = input(unit.residual_other);
  const bool main_spikes = graph.node(unit.main).kind == EdgeKind::kSpikes;
  if (main_spikes) {
    io.spikes = ref(unit.main, tick, MemorySide::kBackend);
  } else {
    io.real = ref(unit.real_last(), tick, MemorySide::kBackend);
    if (unit.neuron >= 0) io.spikes = ref(unit.neuron, tick, MemorySide::kBackend);
  }
  const int64_t state = plan_->state_of_unit[index];
  if (state >= 0) io.state = memory_.state() + plan_->states[static_cast<size_t>(state)].offset;
  return io;
}

// Only the steps that belong to the sample; around them the values are zero.
void Session::run_unit(size_t index, int64_t tick, int64_t ticks, int threads) {
  const Unit& unit = plan_->units[index];
  const int64_t first_step = steps_done_ + tick - plan_->delays[static_cast<size_t>(unit.main)];
  const int64_t begin = std::clamp<int64_t>(-first_step, 0, ticks);
  const int64_t end = length_ < 0 ? ticks : std::clamp<int64_t>(length_ - first_step, begin, ticks);
  if (begin > 0 || end < ticks) {
    for (const NodeId id : {unit.real_last(), unit.neuron}) {
      if (id < 0 || plan_->values[static_cast<size_t>(id)].history == 0) continue;
      clear(id, tick, begin);
      clear(id, tick + end, ticks - end);
    }
  }
  if (begin == end) return;
  if (plan_->membrane_of_unit[index] >= 0) {
    run_with_membranes(index, tick + begin, end - begin, threads);
    return;
  }
  if (plan_->is_brief(index)) {
    for (const StateLayout& state : plan_->states_of(index)) {
      if (!std::holds_alternative<Neuron>(plan_->graph.node(state.node).op)) start_state(state);
    }
  }
  run_steps(index, tick + begin, end - begin, threads, plan_->is_brief(index));
}

void Session::run_steps(size_t index, int64_t tick, int64_t steps, int threads, bool brief) {
  const Unit& unit = plan_->units[index];
  UnitIo io = io_of(index, tick);
  io.steps = steps;
  io.steps_before = steps_done_ + tick - plan_->delays[static_cast<size_t>(unit.main)];
  io.sample = sample_;
  io.brief = brief;
  io.threads = threads;
  io.workspace = workspaces_[index].get();
  io.queue = memory_.queue();
  plan_->backend->run(plan_->graph, unit, plan_->prepared[index].get(), io);
}

// One step after the other, so that the membrane behind each is seen.
void Session::run_with_membranes(size_t index, int64_t tick, int64_t steps, int threads) {
  if (plan_->is_brief(index)) {
    for (const StateLayout& state : plan_->states_of(index)) start_state(state);
  }
  const auto& trace = plan_->membranes[static_cast<size_t>(plan_->membrane_of_unit[index])];
  const float* state = memory_.state() + plan_->states[static_cast<size_t>(trace.state)].offset;
  float* to = memory_.membranes(MemorySide::kBackend) + trace.offset + trace.history * trace.stride;
  for (int64_t t = tick; t < tick + steps; ++t) {
    run_steps(index, t, 1, threads, false);
    plan_->backend->move(memory_.queue(), to + t * trace.stride, state, 4 * trace.stride);
  }
}

void Session::clear(NodeId id, int64_t tick, int64_t ticks) {
  const ValueRef at = ref(id, tick, MemorySide::kBackend);
  const int64_t elements = ticks * at.step_stride;
  if (elements == 0) return;
  if (at.bits != nullptr) plan_->backend->clear(memory_.queue(), at.bits, 8 * elements);
  if (at.real != nullptr) plan_->backend->clear(memory_.queue(), at.real, 4 * elements);
}

// The last steps of every value that has a history move in front of the chunk to come.
void Session::shift_histories(int64_t ticks) {
  const auto shift = [&](auto* first, int64_t stride, int64_t history) {
    if (history == 0 || ticks == 0) return;
    plan_->backend->move(memory_.queue(), first, first + ticks * stride,
                         history * stride * static_cast<int64_t>(sizeof(*first)));
  };
  for (size_t id = 0; id < plan_->values.size(); ++id) {
    const ValueSlot& slot = plan_->values[id];
    if (slot.is_bits) {
      shift(memory_.bits(id, MemorySide::kBackend), slot.step_stride, slot.history);
    } else {
      shift(memory_.real(id, MemorySide::kBackend), slot.step_stride, slot.history);
    }
  }
  for (const MembraneTrace& trace : plan_->membranes)
    shift(memory_.membranes(MemorySide::kBackend) + trace.offset, trace.stride, trace.history);
}

void Session::load_input(NodeId input, const Tensor& frames, int64_t ticks) {
  const ValueRef value = ref(input, 0, MemorySide::kHost);
  const float* from = frames.f32().data();
  const auto node = static_cast<size_t>(input);
  if (value.bits != nullptr) {
    for (int64_t t = 0; t < ticks; ++t, from += value.rows * value.channels)
      pack_events(from, value.bits_at(t));
    return memory_.bring_in(node, plan_->values[node].history, ticks);
  }
  for (int64_t t = 0; t < ticks; ++t) {
    for (int64_t row = 0; row < value.rows; ++row, from += value.channels) {
      float* to = value.real_row(t, row);
      std::copy_n(from, value.channels, to);
      std::fill(to + value.channels, to + padded(value.channels), 0.0f);
    }
  }
  memory_.bring_in(node, plan_->values[node].history, ticks);
}

void Session::check_chunk(int64_t steps, int64_t drained) const {
  if (steps < 0 || drained < 0 || steps + drained < 1 ||
      steps + drained > plan_->options.chunk_steps) {
    throw Error(ErrorCode::kInternal,
                "a chunk of " + std::to_string(steps + drained) + " steps does not fit the plan");
  }
  const int64_t drained_before = length_ < 0 ? 0 : steps_done_ - length_;
  if ((length_ >= 0 && steps > 0) || drained_before + drained > plan_->look_ahead)
    throw Error(ErrorCode::kInternal, "the sample has ended");
  if (plan_->options.whole_samples && (steps_done_ > 0 || drained != plan_->look_ahead))
    throw Error(ErrorCode::kInternal, "the plan is for whole samples");
  const int64_t whole = plan_->whole_sequence;
  if (whole > 0 && (steps != whole || steps_done_ > 0 || drained != plan_->look_ahead)) {
    throw Error(ErrorCode::kUsage, "the fft memory takes a whole sequence of " +
                                       std::to_string(whole) +
                                       " steps at once; event and recurrent run step by step");
  }
  if (plan_->most_steps > 0 && steps_done_ + steps > plan_->most_steps) {
    throw Error(ErrorCode::kUsage, "the network has learned positions for " +
                                       std::to_string(plan_->most_steps) + " steps, not for more");
  }
}

// Shape and values.
void Session::check_frames(NodeId id, const Tensor& frames, int64_t steps) const {
  const Node& input = plan_->graph.node(id);
  const Shape& shape = frames.shape();
  const int64_t wanted = input.is_static ? 1 : steps;
  const bool fits = shape.size() == input.shape.size() + 1 && shape[0] == wanted;
  if (!fits || !std::equal(input.shape.begin(), input.shape.end(), shape.begin() + 1)) {
    Shape expected = input.shape;
    expected.insert(expected.begin(), wanted);
    const std::string which = plan_->inputs.size() > 1 ? "input " + input.name : "input";
    throw Error(ErrorCode::kData, which + " has shape " + to_string(frames.shape()) +
                                      ", the network expects " + to_string(expected));
  }
  const auto& op = std::get<Input>(input.op);
  if (op.vocabulary > 0) check_tokens(frames.f32(), op.vocabulary, steps_done_);
  if (op.events) check_events(frames);
  if (op.has_levels()) check_levels(frames, input.levels);
}

void Session::run_statics(int threads) {
  for (size_t u = 0; u < plan_->units.size(); ++u) {
    if (plan_->unit_is_static[u]) run_unit(u, 0, 1, threads);
  }
}

// Which steps of a unit belong to the sample, and whether statics run, follows from the key.
void Session::run_all(int64_t ticks, int64_t drained, int threads) {
  const Backend& backend = *plan_->backend;
  const int64_t key[] = {ticks, drained, std::min(steps_done_, plan_->look_ahead),
                         length_ < 0 ? -1 : steps_done_ - length_, statics_valid_};
  if (backend.begin_chunk(memory_.queue(), steps_done_, key)) return;
  if (!statics_valid_) run_statics(threads);
  run_units(ticks, threads);
  backend.end_chunk(memory_.queue());
}

void Session::run_units(int64_t ticks, int threads) {
  // Step by step through some units.
  const auto pass = [&](size_t first, size_t end) {
    for (int64_t tick = 0; tick < ticks; ++tick) {
      for (size_t u = first; u < end; ++u) {
        if (!plan_->unit_is_static[u]) run_unit(u, tick, 1, threads);
      }
    }
  };
  if (plan_->options.schedule == Schedule::kStepMajor) return pass(0, plan_->units.size());
  auto loop = plan_->loops.begin();
  for (size_t u = 0; u < plan_->units.size(); ++u) {
    if (loop != plan_->loops.end() && u == loop->first) {
      pass(loop->first, loop->second);
      u = loop->second - 1;
      ++loop;
    } else if (!plan_->unit_is_static[u]) {
      run_unit(u, 0, ticks, threads);
    }
  }
}

void Session::run_chunk(const Tensor& frames, int64_t steps, int threads, int64_t drained) {
  const Tensor* const only = &frames;
  run_chunk(std::span(&only, 1), steps, threads, drained);
}

void Session::run_chunk(std::span<const Tensor* const> frames, int64_t steps, int threads,
                        int64_t drained) {
  const std::vector<NodeId>& inputs = plan_->inputs;
  if (frames.size() != inputs.size())
    throw Error(ErrorCode::kUsage,
                fmt::format("the network has {} inputs, frames were given for {}", inputs.size(),
                            frames.size()));
  check_chunk(steps, drained);
  for (size_t i = 0; steps > 0 && i < inputs.size(); ++i)
    check_frames(inputs[i], *frames[i], steps);
  shift_histories(last_ticks_);
  if (drained > 0 && length_ < 0) length_ = steps_done_ + steps;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (plan_->graph.node(inputs[i]).is_static) {
      if (!statics_valid_) load_input(inputs[i], *frames[i], 1);
      continue;
    }
    if (steps > 0) load_input(inputs[i], *frames[i], steps);
    clear(inputs[i], steps, drained);
  }
  const int64_t ticks = steps + drained;
  run_all(ticks, drained, threads);
  statics_valid_ = true;
  chunk_start_ = std::max<int64_t>(0, steps_done_ - plan_->look_ahead);
  chunk_steps_ = std::max<int64_t>(0, steps_done_ + ticks - plan_->look_ahead - chunk_start_);
  steps_done_ += ticks;
  last_ticks_ = ticks;
  memory_.bring_out_all(ticks);
  show_chunk();
}

int64_t Session::tick_of(NodeId id, int64_t step) const {
  const int64_t first = steps_done_ - last_ticks_;  // step of the input at tick 0
  return plan_->graph.node(id).is_static
             ? 0
             : chunk_start_ + step + plan_->delays[static_cast<size_t>(id)] - first;
}

void Session::show_chunk() {
  for (size_t p = 0; p < population_bits_.size(); ++p) {
    const NodeId node = plan_->populations[p].node;
    if (plan_->planes[p].offset >= 0) {
      pack_planes(p);
      continue;
    }
    population_bits_[p] =
        ref(node, chunk_steps_ > 0 ? tick_of(node, 0) : 0, MemorySide::kHost).bits;
  }
}

void Session::pack_planes(size_t p) {
  const Population& population = plan_->populations[p];
  const PlaneSlot& slot = plan_->planes[p];
  uint64_t* to = memory_.planes() + slot.offset;
  population_bits_[p] = to;
  const int64_t steps = slot.words > 0 ? chunk_steps_ : std::min<int64_t>(chunk_steps_, 1);
  for (int64_t step = 0; step < steps; ++step, to += slot.words) {
    const ValueRef value = ref(population.node, tick_of(population.node, step), MemorySide::kHost);
    if (pack_levels(value.real, value.rows, value.channels, padded(value.channels),
                    population.levels, to))
      continue;
    throw Error(ErrorCode::kData,
                fmt::format("{}: a level at step {} is not a whole number from {}", population.name,
                            chunk_start_ + step, range_text(population.levels)));
  }
}

ValueRef Session::view(NodeId id, int64_t step) const {
  const bool in_chunk = step >= 0 && step < chunk_steps_;
  const ValueRef at = in_chunk ? ref(id, tick_of(id, step), MemorySide::kHost) : empty_ref(id);
  if (at.bits == nullptr && at.real == nullptr) {
    throw Error(ErrorCode::kUsage, "the value of " + plan_->graph.node(id).name + " was not kept");
  }
  return at;
}

SpikeChunk Session::last_chunk() const {
  return {plan_->populations, chunk_start_, chunk_steps_, population_bits_, population_words_};
}

}  // namespace spikeloom
