#include "sim/backends/faults/faults.hpp"

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/rng.hpp"

namespace spikeloom {
namespace {

struct Prepared {
  std::shared_ptr<const void> inner;
  const SpikeTensor* dead = nullptr;
  uint64_t key = 0;  // of the population, whatever its node is called in this form
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
    const auto dead = faults_.dead.find(name);
    if (dead != faults_.dead.end()) prepared->dead = &dead->second;
    prepared->key = mix64(faults_.drop_seed) ^
                    fnv1a({reinterpret_cast<const uint8_t*>(name.data()), name.size()});
    return prepared;
  }

  std::shared_ptr<void> workspace(const void* prepared) const override {
    return inner_->workspace(static_cast<const Prepared*>(prepared)->inner.get());
  }

  void run(const Graph& graph, const Unit& unit, const void* prepared,
           const UnitIo& io) const noexcept override {
    const auto& p = *static_cast<const Prepared*>(prepared);
    inner_->run(graph, unit, p.inner.get(), io);
    const Node& last = graph.node(unit.last());
    if (!std::holds_alternative<Neuron>(last.op) || last.kind != EdgeKind::kSpikes) return;
    for (int64_t t = 0; t < io.steps; ++t) {
      const MutableSpikeView spikes = io.spikes.bits_at(t);
      if (p.dead != nullptr) silence(spikes, p.dead->view());
      if (faults_.drop_rate > 0) drop(spikes, stream_of(p, io, t));
    }
  }

 private:
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
