#include "sim/backends/faults/faults.hpp"

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/rng.hpp"

namespace spikeloom {
namespace {

struct Prepared {
  std::shared_ptr<const void> inner;
  const SpikeTensor* dead = nullptr;
  uint64_t key = 0;   // of the population, whatever its node is called in this form
  int64_t words = 0;  // of a step, where spikes of neurons lie in the memory of a device
};

// Of a device, one step of spikes on the host.
struct Workspace {
  std::shared_ptr<void> inner;
  std::vector<uint64_t> words;
};

class FaultyBackend final : public Backend {
 public:
  FaultyBackend(std::shared_ptr<const Backend> inner, Faults faults)
      : inner_(std::move(inner)), faults_(std::move(faults)) {}

  std::string name() const override { return inner_->name(); }
  std::string simd() const override { return inner_->simd(); }
  bool groups_units() const noexcept override { return inner_->groups_units(); }

  std::shared_ptr<const void> prepare(const Graph& graph, const Unit& unit,
                                      const Weights& weights) const override {
    auto prepared = std::make_shared<Prepared>();
    prepared->inner = inner_->prepare(graph, unit, weights);
    const Node& last = graph.node(unit.last());
    const std::string& name = last.name;
    if (std::holds_alternative<Neuron>(last.op) && last.kind == EdgeKind::kLevels)
      throw Error(ErrorCode::kUsage,
                  name +
                      " fires several times a step: what-ifs of dead neurons and lost spikes are "
                      "for neurons that fire once");
    if (std::holds_alternative<Neuron>(last.op) && last.kind == EdgeKind::kSpikes)
      prepared->words = rows_of(last.shape) * words_for(channels_of(last.shape));
    const auto dead = faults_.dead.find(name);
    if (dead != faults_.dead.end()) prepared->dead = &dead->second;
    prepared->key = mix64(faults_.drop_seed) ^
                    fnv1a({reinterpret_cast<const uint8_t*>(name.data()), name.size()});
    return prepared;
  }

  std::shared_ptr<void> workspace(const void* prepared) const override {
    const auto& p = *static_cast<const Prepared*>(prepared);
    if (inner_->uses_host_memory()) return inner_->workspace(p.inner.get());
    return std::make_shared<Workspace>(
        Workspace{inner_->workspace(p.inner.get()), std::vector<uint64_t>(size_of(p.words))});
  }

  void run(const Graph& graph, const Unit& unit, const void* prepared,
           const UnitIo& io) const noexcept override {
    const auto& p = *static_cast<const Prepared*>(prepared);
    if (!inner_->uses_host_memory()) return run_on_device(graph, unit, p, io);
    inner_->run(graph, unit, p.inner.get(), io);
    const Node& last = graph.node(unit.last());
    if (!std::holds_alternative<Neuron>(last.op) || last.kind != EdgeKind::kSpikes) return;
    for (int64_t t = 0; t < io.steps; ++t) take(p, io, t, io.spikes.bits_at(t));
  }

  bool uses_host_memory() const noexcept override { return inner_->uses_host_memory(); }
  std::string device() const override { return inner_->device(); }
  std::shared_ptr<void> queue() const override { return inner_->queue(); }
  std::shared_ptr<std::byte> allocate(int64_t bytes) const override {
    return inner_->allocate(bytes);
  }
  std::shared_ptr<std::byte> allocate_host(int64_t bytes) const override {
    return inner_->allocate_host(bytes);
  }
  void fill(void* queue, float* to, float value, int64_t rows,
            int64_t channels) const noexcept override {
    inner_->fill(queue, to, value, rows, channels);
  }
  void clear(void* queue, void* to, int64_t bytes) const noexcept override {
    inner_->clear(queue, to, bytes);
  }
  void move(void* queue, void* to, const void* from, int64_t bytes) const noexcept override {
    inner_->move(queue, to, from, bytes);
  }
  void copy_in(void* queue, void* to, const void* from, int64_t bytes) const noexcept override {
    inner_->copy_in(queue, to, from, bytes);
  }
  void copy_out(void* queue, void* to, const void* from, int64_t bytes) const noexcept override {
    inner_->copy_out(queue, to, from, bytes);
  }
  // What is taken away differs from chunk to chunk: none is repeated.
  bool begin_chunk(void* queue, int64_t steps_done,
                   std::span<const int64_t>) const noexcept override {
    return inner_->begin_chunk(queue, steps_done, {});
  }
  void end_chunk(void* queue) const noexcept override { inner_->end_chunk(queue); }
  void finish(void* queue) const override { inner_->finish(queue); }

 private:
  static size_t size_of(int64_t words) { return static_cast<size_t>(words); }

  void take(const Prepared& p, const UnitIo& io, int64_t t,
            const MutableSpikeView& spikes) const noexcept {
    if (p.dead != nullptr) silence(spikes, p.dead->view());
    if (faults_.drop_rate > 0) drop(spikes, stream_of(p, io, t));
  }

  // The spikes of a step come to the host and go back.
  void run_on_device(const Graph& graph, const Unit& unit, const Prepared& p,
                     const UnitIo& io) const noexcept {
    auto& workspace = *static_cast<Workspace*>(io.workspace);
    UnitIo inner = io;
    inner.workspace = workspace.inner.get();
    inner_->run(graph, unit, p.inner.get(), inner);
    for (int64_t t = 0; p.words > 0 && t < io.steps; ++t) {
      const MutableSpikeView there = io.spikes.bits_at(t);
      const auto bytes = p.words * static_cast<int64_t>(sizeof(uint64_t));
      inner_->copy_out(io.queue, workspace.words.data(), there.words, bytes);
      if (!waited(io.queue)) return;
      take(p, io, t, {workspace.words.data(), there.rows, there.channels});
      inner_->copy_in(io.queue, there.words, workspace.words.data(), bytes);
      if (!waited(io.queue)) return;
    }
  }

  // A failure shows again when the session finishes.
  bool waited(void* queue) const noexcept {
    try {
      inner_->finish(queue);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  static void silence(const MutableSpikeView& spikes, const SpikeView& dead) noexcept {
    for (int64_t w = 0; w < spikes.rows * spikes.row_words(); ++w)
      spikes.words[w] &= ~dead.words[w];
  }

  static uint64_t stream_of(const Prepared& p, const UnitIo& io, int64_t t) noexcept {
    return random_bits(p.key, static_cast<uint64_t>(io.sample),
                       static_cast<uint64_t>(io.steps_before + t));
  }

  void drop(const MutableSpikeView& spikes, uint64_t stream) const noexcept {
    for (int64_t row = 0; row < spikes.rows; ++row) {
      const auto first = static_cast<uint64_t>(row * spikes.channels);
      spikes.for_each(row, [&](int64_t c) {
        const float chance =
            random_uniform(faults_.drop_seed, stream, first + static_cast<uint64_t>(c));
        if (static_cast<double>(chance) < faults_.drop_rate) {
          spikes.row(row)[c >> 6] &= ~(uint64_t{1} << (c & 63));
        }
      });
    }
  }

  std::shared_ptr<const Backend> inner_;
  Faults faults_;
};

}  // namespace

std::map<std::string, SpikeTensor> split_mask(const Graph& graph, std::span<const uint8_t> mask) {
  std::map<std::string, SpikeTensor> dead;
  size_t at = 0;
  for (const Population& population : populations_of(graph)) {
    if (!population.is_neuron) continue;
    const int64_t rows = rows_of(population.shape), channels = channels_of(population.shape);
    SpikeTensor& bits = dead.emplace(population.name, SpikeTensor(rows, channels)).first->second;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t c = 0; c < channels; ++c, ++at) {
        if (at < mask.size() && mask[at] != 0) bits.set(row, c);
      }
    }
  }
  if (at != mask.size()) {
    throw Error(ErrorCode::kData, "the mask has " + std::to_string(mask.size()) +
                                      " entries, the network " + std::to_string(at) + " neurons");
  }
  return dead;
}

std::shared_ptr<const Backend> with_faults(std::shared_ptr<const Backend> backend, Faults faults) {
  return std::make_shared<FaultyBackend>(std::move(backend), std::move(faults));
}

}  // namespace spikeloom
