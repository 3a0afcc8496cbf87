#include "sim/backends/cuda/cuda.hpp"

#include <algorithm>
#include <mutex>

#include "sim/backends/cuda/prepare.hpp"

namespace spikeloom {
namespace {

using namespace cuda;

// Threads of a row: whole warps over all floats and words of it.
int32_t width_of(int64_t channels) {
  return static_cast<int32_t>(64 * words_for(channels));
}

// The same call from step t on.
UnitIo from_step(const UnitIo& io, int64_t t) {
  UnitIo later = io;
  const auto skip = [t](ValueRef& value) {
    if (value.real != nullptr) value.real += t * value.step_stride;
    if (value.bits != nullptr) value.bits += t * value.step_stride;
  };
  for (ValueRef& in : later.in) skip(in);
  for (ValueRef* value : {&later.other, &later.real, &later.spikes}) skip(*value);
  later.steps_before += t;
  later.steps = 1;
  later.brief = io.brief && t == 0;
  return later;
}

class CudaBackend final : public Backend {
 public:
  CudaBackend(DeviceInfo info, const CudaOptions& options)
      : info_(std::move(info)),
        options_(options),
        loading_(make_queue(info_.number, {.graphs = false})) {}

  std::string name() const override { return "cuda"; }
  std::string simd() const override { return info_.architecture(); }
  std::string device() const override { return info_.name + ", CUDA " + toolkit_version(); }
  bool groups_units() const noexcept override { return true; }

  std::shared_ptr<const void> prepare(const Graph& graph, const Unit& unit,
                                      const Weights& weights) const override {
    const std::lock_guard lock(mutex_);
    auto prepared = std::make_shared<Prepared>();
    Loader load(info_.number, *loading_, prepared->arrays);
    const Node& node = graph.node(unit.main);
    const int64_t rows = rows_of(node.shape), channels = channels_of(node.shape);
    Epilogue& e = prepared->epilogue;
    e.rows = static_cast<int32_t>(rows);
    e.channels = static_cast<int32_t>(channels);
    e.width = width_of(channels);
    prepare_main({graph, unit, node, weights, options_.limits}, load, *prepared);
    prepare_epilogue(graph, unit, weights, load, *prepared);
    prepared->row_bytes = 4 * rows * padded(channels);
    return prepared;
  }

  std::shared_ptr<void> workspace(const void* prepared) const override {
    const auto& p = *static_cast<const Prepared*>(prepared);
    const bool needs_rows = p.makes_rows && p.has_epilogue;
    if (!needs_rows && p.scratch_bytes == 0 && !p.host_workspace) return nullptr;
    auto memory = std::make_shared<Workspace>();
    if (needs_rows) {
      const int64_t steps = std::max<int64_t>(p.whole_steps, 1);
      memory->rows = device_memory(info_.number, p.row_bytes * steps);
    }
    if (p.scratch_bytes > 0) memory->scratch = device_memory(info_.number, p.scratch_bytes);
    if (p.host_workspace) memory->host = p.host_workspace();
    return memory;
  }

  void run(const Graph&, const Unit&, const void* prepared,
           const UnitIo& io) const noexcept override {
    const auto& p = *static_cast<const Prepared*>(prepared);
    if (!p.makes_rows || !p.has_epilogue) return run_main(p, io, epilogue_of(p, io));
    if (p.whole_steps > 0) return run_rows(p, io);
    for (int64_t t = 0; t < io.steps; ++t) run_rows(p, from_step(io, t));
  }

  bool uses_host_memory() const noexcept override { return false; }
  std::shared_ptr<void> queue() const override {
    return make_queue(info_.number,
                      {.graphs = options_.graphs, .synchronous = options_.synchronous});
  }
  std::shared_ptr<std::byte> allocate(int64_t bytes) const override {
    return device_memory(info_.number, bytes);
  }
  std::shared_ptr<std::byte> allocate_host(int64_t bytes) const override {
    return pinned_memory(info_.number, bytes);
  }
  void fill(void* queue, float* to, float value, int64_t rows,
            int64_t channels) const noexcept override {
    const int64_t row = padded(channels);
    const FillRows::Params p{to, value, rows * row, static_cast<int32_t>(channels),
                             static_cast<int32_t>(row)};
    launch<FillRows>(of(queue), blocks_for(p.count, 256), 256, p);
  }
  void clear(void* queue, void* to, int64_t bytes) const noexcept override {
    cuda::clear(of(queue), to, bytes);
  }
  void move(void* queue, void* to, const void* from, int64_t bytes) const noexcept override {
    cuda::move(of(queue), to, from, bytes);
  }
  void copy_in(void* queue, void* to, const void* from, int64_t bytes) const noexcept override {
    cuda::copy_in(of(queue), to, from, bytes);
  }
  void copy_out(void* queue, void* to, const void* from, int64_t bytes) const noexcept override {
    cuda::copy_out(of(queue), to, from, bytes);
  }
  bool begin_chunk(void* queue, int64_t steps_done,
                   std::span<const int64_t> key) const noexcept override {
    return cuda::begin_chunk(of(queue), steps_done, key);
  }
  void end_chunk(void* queue) const noexcept override { cuda::end_chunk(of(queue)); }
  void finish(void* queue) const override { cuda::finish(of(queue)); }

 private:
  static Queue& of(void* queue) noexcept { return *static_cast<Queue*>(queue); }

  static void prepare_epilogue(const Graph& graph, const Unit& unit, const Weights& weights,
                               Loader& load, Prepared& to) {
    Epilogue& e = to.epilogue;
    if (unit.affine >= 0) {
      const Affine affine = affine_of(std::get<BatchNorm>(graph.node(unit.affine).op), weights);
      e.scale = load.array(std::vector<float>(affine.scale.begin(), affine.scale.end()));
      e.shift = load.array(std::vector<float>(affine.shift.begin(), affine.shift.end()));
    }
    e.adds = unit.residual >= 0;
    if (unit.neuron >= 0) {
      const NeuronSpec& spec = std::get<Neuron>(graph.node(unit.neuron).op).spec;
      const NeuronCoefficients k = coefficients_of(spec);
      std::copy(k.values.begin(), k.values.end(), e.k);
      e.model = static_cast<int32_t>(spec.model);
      e.rules = spec.rules;
    }
    to.has_epilogue = unit.affine >= 0 || unit.residual >= 0 || unit.neuron >= 0;
  }

  static Epilogue epilogue_of(const Prepared& p, const UnitIo& io) noexcept {
    Epilogue e = p.epilogue;
    e.real = value_of(io.real);
    e.spikes = value_of(io.spikes);
    if (e.adds) e.other = value_of(io.other);
    if (e.model >= 0) e.state = io.state;
    return e;
  }

  static Steps steps_of(const UnitIo& io) noexcept {
    const Queue& queue = of(io.queue);
    return {steps_done(queue), io.steps_before - steps_done_now(queue),
            static_cast<int32_t>(io.steps), io.brief};
  }

  static void run_main(const Prepared& p, const UnitIo& io, const Epilogue& e) noexcept {
    p.main({of(io.queue), io, e, steps_of(io)});
  }

  // An operator that makes rows, and what follows it: one step, or the whole sequence.
  static void run_rows(const Prepared& p, const UnitIo& io) noexcept {
    const auto& workspace = *static_cast<const Workspace*>(io.workspace);
    Epilogue rows;
    rows.rows = p.epilogue.rows;
    rows.channels = p.epilogue.channels;
    rows.width = p.epilogue.width;
    rows.real.real = reinterpret_cast<float*>(workspace.rows.get());
    rows.real.rows = rows.rows;
    rows.real.channels = rows.channels;
    rows.real.row = static_cast<int32_t>(padded(rows.channels));
    rows.real.step = p.whole_steps > 0 ? int64_t{rows.rows} * rows.real.row : 0;
    run_main(p, io, rows);
    const Epilogue e = epilogue_of(p, io);
    run_pass<IdentityMain>({of(io.queue), io, e, steps_of(io)}, {rows.real});
  }

  DeviceInfo info_;
  CudaOptions options_;
  std::shared_ptr<Queue> loading_;
  mutable std::mutex mutex_;  // of loading_
};

}  // namespace

std::shared_ptr<const Backend> make_cuda_backend(int device, const CudaOptions& options) {
  return std::make_shared<CudaBackend>(open_device(device), options);
}

}  // namespace spikeloom
