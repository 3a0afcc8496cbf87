// What a session gives as tensors and takes back: state, histories, values.

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {
namespace {

// A value of one step as fp32, without padding; spikes as 0 and 1.
Tensor copy_of(const ValueRef& at) {
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

// The inverse, into zeroed memory; anything but 0 is a spike.
void store(std::span<const float> values, const ValueRef& at) {
  for (int64_t row = 0; row < at.rows; ++row) {
    for (int64_t c = 0; c < at.channels; ++c) {
      const float value = values[static_cast<size_t>(row * at.channels + c)];
      if (at.bits == nullptr) {
        at.real_row(0, row)[c] = value;
      } else if (value != 0.0f) {
        at.bits_at(0).row(row)[c >> 6] |= uint64_t{1} << (c & 63);
      }
    }
  }
}

// The rows of one state array, without padding.
Tensor unpadded(const float* from, const Shape& shape) {
  Tensor values(shape);
  const int64_t channels = channels_of(shape);
  for (int64_t row = 0; row < rows_of(shape); ++row) {
    std::copy_n(from + row * padded(channels), channels, values.f32().data() + row * channels);
  }
  return values;
}

void check_state_stays(const Plan& plan) {
  if (plan.state_is_brief())
    throw Error(ErrorCode::kInternal, "a session of whole samples keeps no state");
}

void pad_into(const Tensor& values, float* to) {
  const int64_t channels = channels_of(values.shape());
  for (int64_t row = 0; row < rows_of(values.shape()); ++row) {
    std::copy_n(values.f32().data() + row * channels, channels, to + row * padded(channels));
  }
}

}  // namespace

// Histories are saved as they lie in memory after the next chunk has moved them: the last `history`
// steps up to now.
Weights Session::save() const {
  check_state_stays(*plan_);
  Weights saved;
  const auto count = [&](const char* name, int64_t value) {
    Tensor tensor({1}, DType::kI64);
    tensor.as<int64_t>()[0] = value;
    saved.add(name, std::move(tensor));
  };
  count("steps_done", steps_done_);
  Tensor scratch;
  const std::span<const float> states = memory_.read_state(scratch);
  for (const StateLayout& state : plan_->states) {
    saved.add(plan_->graph.node(state.node).name + "/" + state.slot.name,
              unpadded(states.data() + state.offset, state.slot.shape));
  }
  if (plan_->look_ahead > 0) count("length", length_);
  for (NodeId id = 0; id < plan_->graph.size(); ++id) {
    const ValueSlot& slot = plan_->values[static_cast<size_t>(id)];
    if (slot.history == 0) continue;
    memory_.bring_out(static_cast<size_t>(id), plan_->options.chunk_steps);
    memory_.finish();
    const Shape& shape = plan_->graph.node(id).shape;
    Tensor values({slot.history, element_count(shape)});
    for (int64_t i = 0; i < slot.history; ++i) {
      const Tensor step = copy_of(ref(id, last_ticks_ - slot.history + i, MemorySide::kHost));
      std::copy(step.f32().begin(), step.f32().end(),
                values.f32().begin() + i * element_count(shape));
    }
    saved.add(plan_->graph.node(id).name + "/history", std::move(values));
  }
  return saved;
}

std::string Session::not_finite_state() const {
  check_state_stays(*plan_);
  Tensor scratch;
  const std::span<const float> states = memory_.read_state(scratch);
  for (const StateLayout& state : plan_->states) {
    const int64_t channels = channels_of(state.slot.shape);
    for (int64_t row = 0; row < rows_of(state.slot.shape); ++row) {
      const float* values = states.data() + state.offset + row * padded(channels);
      if (!std::all_of(values, values + channels, [](float v) { return std::isfinite(v); }))
        return plan_->graph.node(state.node).name;
    }
  }
  return "";
}

void Session::load(const Weights& saved) {
  check_state_stays(*plan_);
  const auto fail = [](const std::string& reason) {
    throw Error(ErrorCode::kData, "saved session: " + reason);
  };
  const auto count = [&](const char* name, int64_t least) {
    const Tensor& value = saved.at(name).data;
    if (value.dtype() != DType::kI64 || value.size() != 1 || value.as<int64_t>()[0] < least)
      fail(std::string(name) + " is not a count");
    return value.as<int64_t>()[0];
  };
  const auto array = [&](const std::string& name, const Shape& shape) -> const Tensor& {
    const Tensor& values = saved.at(name).data;
    if (values.dtype() != DType::kF32 || values.shape() != shape)
      fail(name + " should be float32 " + to_string(shape));
    return values;
  };
  const auto name_of_state = [&](const StateLayout& state) {
    return plan_->graph.node(state.node).name + "/" + state.slot.name;
  };
  const bool looks_ahead = plan_->look_ahead > 0;
  size_t arrays = plan_->states.size() + (looks_ahead ? 2 : 1);
  for (const ValueSlot& slot : plan_->values) arrays += slot.history > 0;
  if (saved.size() != arrays) fail("belongs to another network");
  const int64_t steps = count("steps_done", 0), length = looks_ahead ? count("length", -1) : -1;
  if (length > steps || (length >= 0 && steps - length > plan_->look_ahead))
    fail("length and steps_done contradict each other");
  for (const StateLayout& state : plan_->states) array(name_of_state(state), state.slot.shape);
  const auto history = [&](NodeId id) -> const Tensor& {
    const Node& node = plan_->graph.node(id);
    const ValueSlot& slot = plan_->values[static_cast<size_t>(id)];
    return array(node.name + "/history", {slot.history, element_count(node.shape)});
  };
  for (NodeId id = 0; id < plan_->graph.size(); ++id) {
    if (plan_->values[static_cast<size_t>(id)].history > 0) history(id);
  }
  reset(sample_);
  steps_done_ = steps;
  length_ = length;
  Tensor states({plan_->state_floats});
  for (const StateLayout& state : plan_->states)
    pad_into(array(name_of_state(state), state.slot.shape), states.f32().data() + state.offset);
  memory_.write_state(states);
  for (NodeId id = 0; id < plan_->graph.size(); ++id) {
    const ValueSlot& slot = plan_->values[static_cast<size_t>(id)];
    for (int64_t i = 0; i < slot.history; ++i) {
      const ValueRef at = ref(id, i - slot.history, MemorySide::kHost);
      if (at.bits != nullptr) std::fill_n(at.bits, at.step_stride, uint64_t{0});
      const int64_t elements = at.rows * at.channels;
      store(history(id).f32().subspan(static_cast<size_t>(i * elements),
                                      static_cast<size_t>(elements)),
            at);
    }
    memory_.bring_in(static_cast<size_t>(id), 0, slot.history);
  }
  memory_.finish();
}

Tensor Session::membrane(NodeId neuron, int64_t step) const {
  for (const MembraneTrace& trace : plan_->membranes) {
    const StateLayout& state = plan_->states[static_cast<size_t>(trace.state)];
    if (state.node != neuron || step < 0 || step >= chunk_steps_) continue;
    const int64_t at = trace.history + tick_of(neuron, step);
    return unpadded(memory_.membranes(MemorySide::kHost) + trace.offset + at * trace.stride,
                    state.slot.shape);
  }
  throw Error(ErrorCode::kUsage,
              "the membrane of " + plan_->graph.node(neuron).name + " was not kept");
}

Tensor Session::value(NodeId id, int64_t step) const {
  return copy_of(view(id, step));
}

}  // namespace spikeloom
