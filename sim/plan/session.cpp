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

}  // namespace

Session::Session(std::shared_ptr<const Plan> plan)
    : plan_(std::move(plan)),
      real_(plan_->real_floats),
      state_(plan_->state_floats),
      spikes_(plan_->spike_words) {
  for (const Population& population : plan_->populations) {
    const ValueSlot& slot = plan_->values[static_cast<size_t>(population.node)];
    population_bits_.push_back(spikes_.data() + slot.offset);
    population_words_.push_back(slot.step_stride);
  }
  reset();
}

Session::Session(const Session& other) : Session(other.plan_) {
  const auto copy = [](const Tensor& from, Tensor& to) {
    std::memcpy(to.data(), from.data(), static_cast<size_t>(from.bytes()));
  };
  copy(other.real_.memory, real_.memory);
  copy(other.state_.memory, state_.memory);
  copy(other.spikes_.memory, spikes_.memory);
  steps_done_ = other.steps_done_;
  chunk_start_ = other.chunk_start_;
  chunk_steps_ = other.chunk_steps_;
  statics_valid_ = other.statics_valid_;
}

void Session::reset() {
  for (const StateLayout& state : plan_->states) {
    const int64_t rows = rows_of(state.slot.shape), channels = channels_of(state.slot.shape);
    float* values = state_.data() + state.offset;
    for (int64_t row = 0; row < rows; ++row) {
      float* at = values + row * padded(channels);
      std::fill(at, at + channels, state.slot.initial);
      std::fill(at + channels, at + padded(channels), 0.0f);
    }
  }
  steps_done_ = 0;
  chunk_start_ = chunk_steps_ = 0;
  statics_valid_ = false;
}

Weights Session::save() const {
  Weights saved;
  Tensor steps({1}, DType::kI64);
  steps.as<int64_t>()[0] = steps_done_;
  saved.add("steps_done", std::move(steps));
  for (const StateLayout& state : plan_->states) {
    Tensor values(state.slot.shape);
    const int64_t channels = channels_of(state.slot.shape);
    const float* from = state_.data() + state.offset;
    for (int64_t row = 0; row < rows_of(state.slot.shape); ++row) {
      std::copy_n(from + row * padded(channels), channels, values.f32().data() + row * channels);
    }
    saved.add(plan_->graph.node(state.node).name + "/" + state.slot.name, std::move(values));
  }
  return saved;
}

void Session::load(const Weights& saved) {
  const auto fail = [](const std::string& reason) {
    throw Error(ErrorCode::kData, "saved session: " + reason);
  };
  if (saved.size() != plan_->states.size() + 1) fail("belongs to another network");
  const Tensor& steps = saved.at("steps_done").data;
  if (steps.dtype() != DType::kI64 || steps.size() != 1 || steps.as<int64_t>()[0] < 0)
    fail("steps_done is not a count");
  for (const StateLayout& state : plan_->states) {
    const std::string name = plan_->graph.node(state.node).name + "/" + state.slot.name;
    const Tensor& values = saved.at(name).data;
    if (values.dtype() != DType::kF32 || values.shape() != state.slot.shape) {
      fail(name + " should be float32 " + to_string(state.slot.shape));
    }
  }
  reset();
  steps_done_ = steps.as<int64_t>()[0];
  for (const StateLayout& state : plan_->states) {
    const Tensor& values =
        saved.at(plan_->graph.node(state.node).name + "/" + state.slot.name).data;
    const int64_t channels = channels_of(state.slot.shape);
    float* to = state_.data() + state.offset;
    for (int64_t row = 0; row < rows_of(state.slot.shape); ++row) {
      std::copy_n(values.f32().data() + row * channels, channels, to + row * padded(channels));
    }
  }
}

ValueRef Session::ref(NodeId id, int64_t step) const {
  const NodeId source = source_of(plan_->graph, id);
  const ValueSlot& slot = plan_->values[static_cast<size_t>(source)];
  const Shape& shape = plan_->graph.node(id).shape;
  ValueRef value;
  value.shape = &shape;
  value.rows = rows_of(shape);
  value.channels = channels_of(shape);
  value.step_stride = slot.step_stride;
  if (!slot.exists) return value;
  if (slot.is_bits) {
    value.bits = spikes_.data() + slot.offset + step * slot.step_stride;
  } else {
    value.real = real_.data() + slot.offset + step * slot.step_stride;
  }
  return value;
}

UnitIo Session::io_of(size_t index, int64_t step) const {
  const Unit& unit = plan_->units[index];
  const Graph& graph = plan_->graph;
  UnitIo io;
  const auto& inputs = graph.node(unit.main).inputs;
  for (size_t i = 0; i < inputs.size(); ++i) io.in[i] = ref(inputs[i], step);
  if (unit.residual_other >= 0) io.other = ref(unit.residual_other, step);
  const bool main_spikes = graph.node(unit.main).kind == EdgeKind::kSpikes;
  if (main_spikes) {
    io.spikes = ref(unit.main, step);
  } else {
    io.real = ref(unit.real_last(), step);
    if (unit.neuron >= 0) io.spikes = ref(unit.neuron, step);
  }
  const int64_t state = plan_->state_of_unit[index];
  if (state >= 0) io.state = state_.data() + plan_->states[static_cast<size_t>(state)].offset;
  return io;
}

void Session::run_unit(size_t index, int64_t step, int64_t steps, int threads) {
  UnitIo io = io_of(index, step);
  io.steps = steps;
  io.steps_before = steps_done_ + step;
  io.threads = threads;
  plan_->backend->run(plan_->graph, plan_->units[index], plan_->prepared[index].get(), io);
}

void Session::load_input(const Tensor& frames, int64_t step, int64_t steps) {
  const NodeId input = 0;
  const ValueRef value = ref(input, step);
  const float* from = frames.f32().data() + step * value.rows * value.channels;
  for (int64_t t = 0; t < steps; ++t) {
    for (int64_t row = 0; row < value.rows; ++row, from += value.channels) {
      float* to = value.real_row(t, row);
      std::copy_n(from, value.channels, to);
      std::fill(to + value.channels, to + padded(value.channels), 0.0f);
    }
  }
}

void Session::run_chunk(const Tensor& frames, int64_t steps, int threads) {
  const Graph& graph = plan_->graph;
  const Node& input = graph.node(0);
  if (!std::holds_alternative<Input>(input.op))
    throw Error(ErrorCode::kInternal, "node 0 is not the input");
  if (steps < 1 || steps > plan_->options.chunk_steps) {
    throw Error(ErrorCode::kInternal,
                "a chunk of " + std::to_string(steps) + " steps does not fit the plan");
  }
  const bool repeated = input.is_static;
  Shape expected = input.shape;
  expected.insert(expected.begin(), repeated ? 1 : steps);
  if (frames.shape() != expected) {
    throw Error(ErrorCode::kData, "input has shape " + to_string(frames.shape()) +
                                      ", the network expects " + to_string(expected));
  }
  if (const int64_t vocabulary = std::get<Input>(input.op).vocabulary; vocabulary > 0) {
    check_tokens(frames.f32(), vocabulary, steps_done_);
  }
  if (!repeated) load_input(frames, 0, steps);
  if (!statics_valid_) {
    if (repeated) load_input(frames, 0, 1);
    for (size_t u = 0; u < plan_->units.size(); ++u) {
      if (plan_->unit_is_static[u]) run_unit(u, 0, 1, threads);
    }
    statics_valid_ = true;
  }
  const bool layer_major = plan_->options.schedule == Schedule::kLayerMajor;
  const int64_t passes = layer_major ? 1 : steps;
  for (int64_t pass = 0; pass < passes; ++pass) {
    for (size_t u = 0; u < plan_->units.size(); ++u) {
      if (!plan_->unit_is_static[u]) run_unit(u, pass, layer_major ? steps : 1, threads);
    }
  }
  chunk_start_ = steps_done_;
  chunk_steps_ = steps;
  steps_done_ += steps;
}

ValueRef Session::view(NodeId id, int64_t step) const {
  const ValueRef at = ref(id, step);
  const bool readable = at.bits != nullptr || at.real != nullptr;
  if (!readable || step < 0 || step >= chunk_steps_) {
    throw Error(ErrorCode::kUsage, "the value of " + plan_->graph.node(id).name + " was not kept");
  }
  return at;
}

Tensor Session::value(NodeId id, int64_t step) const {
  const ValueRef at = view(id, step);
  Tensor result(*at.shape);
  const auto to = result.f32();
  for (int64_t row = 0; row < at.rows; ++row) {
    for (int64_t c = 0; c < at.channels; ++c) {
      to[static_cast<size_t>(row * at.channels + c)] =
          at.bits != nullptr ? static_cast<float>(at.bits_at(0).test(row, c))
                             : at.real_row(0, row)[c];
    }
  }
  return result;
}

SpikeChunk Session::last_chunk() const {
  return {plan_->populations, chunk_start_, chunk_steps_, population_bits_, population_words_};
}

}  // namespace spikeloom
