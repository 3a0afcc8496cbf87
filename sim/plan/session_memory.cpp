#include "sim/plan/session_memory.hpp"

#include <algorithm>

namespace spikeloom {

SessionMemory::SessionMemory(std::shared_ptr<const Plan> plan)
    : plan_(std::move(plan)),
      backend_(*plan_->backend),
      is_one_(backend_.uses_host_memory()),
      queue_(backend_.queue()),
      host_offset_(plan_->values.size(), -1) {
  for (size_t id = 0; id < host_offset_.size(); ++id) {
    const ValueSlot& slot = plan_->values[id];
    if (!slot.exists || slot.is_bits) continue;
    const bool is_input = std::holds_alternative<Input>(plan_->graph.nodes()[id].op);
    if (is_one_) {
      host_offset_[id] = slot.offset;
    } else if (slot.kept || is_input || slot.history > 0) {
      host_offset_[id] = host_floats_;
      host_floats_ += slot_bytes(slot, plan_->options.chunk_steps) / 4;
    }
  }
  real_ = pair_of(4 * plan_->real_floats, 4 * host_floats_);
  membranes_ = pair_of(4 * plan_->membrane_floats, 4 * plan_->membrane_floats);
  spikes_ = pair_of(8 * plan_->spike_words, 8 * plan_->spike_words);
  state_ = backend_.allocate(4 * plan_->state_floats);
}

SessionMemory::Pair SessionMemory::pair_of(int64_t backend_bytes, int64_t host_bytes) const {
  const Memory memory = backend_.allocate(backend_bytes);
  return {memory, is_one_ ? memory : backend_.allocate_host(host_bytes)};
}

void SessionMemory::copy_from(const SessionMemory& other) {
  backend_.finish(other.queue_.get());  // what was asked of it may still be under way
  const auto move = [&](const Memory& to, const Memory& from, int64_t bytes) {
    backend_.move(queue_.get(), to.get(), from.get(), bytes);
  };
  move(real_.backend, other.real_.backend, 4 * plan_->real_floats);
  move(state_, other.state_, 4 * plan_->state_floats);
  move(membranes_.backend, other.membranes_.backend, 4 * plan_->membrane_floats);
  move(spikes_.backend, other.spikes_.backend, 8 * plan_->spike_words);
  finish();
  if (is_one_) return;
  const auto copy = [](const Memory& to, const Memory& from, int64_t bytes) {
    std::copy_n(from.get(), bytes, to.get());
  };
  copy(real_.host, other.real_.host, 4 * host_floats_);
  copy(membranes_.host, other.membranes_.host, 4 * plan_->membrane_floats);
  copy(spikes_.host, other.spikes_.host, 8 * plan_->spike_words);
}

float* SessionMemory::real(size_t node, MemorySide side) const noexcept {
  if (side == MemorySide::kBackend) return floats(real_.backend) + plan_->values[node].offset;
  return host_offset_[node] < 0 ? nullptr : floats(real_.host) + host_offset_[node];
}

uint64_t* SessionMemory::bits(size_t node, MemorySide side) const noexcept {
  return reinterpret_cast<uint64_t*>(spikes_.at(side).get()) + plan_->values[node].offset;
}

uint64_t* SessionMemory::planes() const noexcept {
  return reinterpret_cast<uint64_t*>(spikes_.host.get());
}

// Of a slot's history and so many steps.
int64_t SessionMemory::slot_bytes(const ValueSlot& slot, int64_t steps) const noexcept {
  if (slot.step_stride > 0)
    return (slot.history + steps) * slot.step_stride * (slot.is_bits ? 8 : 4);
  const Node& node = plan_->graph.nodes()[static_cast<size_t>(&slot - plan_->values.data())];
  const int64_t rows = rows_of(node.shape), channels = channels_of(node.shape);
  return slot.is_bits ? 8 * rows * words_for(channels) : 4 * rows * padded(channels);
}

void SessionMemory::bring_in(size_t node, int64_t first, int64_t steps) const noexcept {
  if (is_one_ || steps == 0) return;
  const ValueSlot& slot = plan_->values[node];
  const int64_t step = slot_bytes(slot, 1 - slot.history);
  const auto copy = [&](void* to, const void* from) {
    backend_.copy_in(queue_.get(), static_cast<std::byte*>(to) + first * step,
                     static_cast<const std::byte*>(from) + first * step, steps * step);
  };
  if (slot.is_bits) return copy(bits(node, MemorySide::kBackend), bits(node, MemorySide::kHost));
  copy(real(node, MemorySide::kBackend), real(node, MemorySide::kHost));
}

void SessionMemory::bring_out(size_t node, int64_t steps) const noexcept {
  const ValueSlot& slot = plan_->values[node];
  if (is_one_ || slot.is_bits || host_offset_[node] < 0) return;
  backend_.copy_out(queue_.get(), real(node, MemorySide::kHost), real(node, MemorySide::kBackend),
                    slot_bytes(slot, steps));
}

void SessionMemory::bring_out_all(int64_t ticks) const {
  if (!is_one_) {
    for (size_t id = 0; id < plan_->values.size(); ++id) {
      if (plan_->values[id].exists && plan_->values[id].kept) bring_out(id, ticks);
    }
    // Planes, which the host makes of levels, lie behind all bits.
    int64_t words = plan_->spike_words;
    for (const PlaneSlot& slot : plan_->planes) {
      if (slot.offset >= 0) words = std::min(words, slot.offset);
    }
    const auto out = [&](const Pair& pair, int64_t bytes) {
      if (bytes > 0) backend_.copy_out(queue_.get(), pair.host.get(), pair.backend.get(), bytes);
    };
    out(spikes_, 8 * words);
    out(membranes_, 4 * plan_->membrane_floats);
  }
  finish();
}

std::span<const float> SessionMemory::read_state(Tensor& scratch) const {
  const auto count = static_cast<size_t>(plan_->state_floats);
  if (is_one_) return {floats(state_), count};
  scratch = Tensor({plan_->state_floats});
  backend_.copy_out(queue_.get(), scratch.data(), state_.get(), scratch.bytes());
  finish();
  return scratch.f32();
}

void SessionMemory::write_state(const Tensor& padded) const {
  backend_.copy_in(queue_.get(), state_.get(), padded.data(), padded.bytes());
  finish();
}

void SessionMemory::finish() const {
  backend_.finish(queue_.get());
}

}  // namespace spikeloom
