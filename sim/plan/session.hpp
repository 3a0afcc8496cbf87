#pragma once
// All mutable state of one sample in flight: membranes, running sums, buffers. There is none
// anywhere else. One session is used by one thread at a time; copying is cloning.

#include <memory>
#include <vector>

#include "core/tensor.hpp"
#include "core/weights.hpp"
#include "sim/plan/plan.hpp"
#include "sim/plan/trace_sink.hpp"

namespace spikeloom {

class Session {
 public:
  explicit Session(std::shared_ptr<const Plan> plan);
  Session(const Session& other);
  Session& operator=(const Session&) = delete;

  // Back to before the first step of a sample.
  void reset();
  int64_t steps_done() const noexcept { return steps_done_; }

  // State as named fp32 tensors "<node>/<slot>" plus "steps_done"; load() accepts exactly what
  // save() of a session of the same graph gives, else throws Error(kData).
  Weights save() const;
  void load(const Weights& saved);

  // Runs `steps` <= chunk_steps further steps. frames: fp32 [1, H, W, C] (repeated) or [steps, H,
  // W, C].
  void run_chunk(const Tensor& frames, int64_t steps, int threads);

  // Value of an output or kept node at step t of the last chunk, without padding (spikes as 0/1,
  // counts as such). Throws Error(kUsage) when the plan does not keep it.
  Tensor value(NodeId node, int64_t step) const;
  // The same without copying, for reading, until the next call.
  ValueRef view(NodeId node, int64_t step) const;
  // The last chunk as a sink sees it; valid until the next call.
  SpikeChunk last_chunk() const;

  const Plan& plan() const noexcept { return *plan_; }

 private:
  UnitIo io_of(size_t unit, int64_t step) const;
  ValueRef ref(NodeId node, int64_t step) const;
  void run_unit(size_t unit, int64_t step, int64_t steps, int threads);
  void load_input(const Tensor& frames, int64_t step, int64_t steps);

  template <typename T>
  struct Block {  // 64-byte aligned, zeroed
    explicit Block(int64_t count)
        : memory({count * static_cast<int64_t>(sizeof(T)) + 64}, DType::kU8) {}
    Tensor memory;
    T* data() const noexcept { return reinterpret_cast<T*>(const_cast<std::byte*>(memory.data())); }
  };

  std::shared_ptr<const Plan> plan_;
  Block<float> real_, state_;
  Block<uint64_t> spikes_;
  int64_t steps_done_ = 0;
  int64_t chunk_start_ = 0, chunk_steps_ = 0;
  bool statics_valid_ = false;
  std::vector<const uint64_t*> population_bits_;
  std::vector<int64_t> population_words_;
};

}  // namespace spikeloom
