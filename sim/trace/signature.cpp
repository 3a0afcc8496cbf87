#include "sim/trace/signature.hpp"

#include <array>

#include "core/error.hpp"
#include "core/hash.hpp"

namespace spikeloom {
namespace {

template <typename T>
uint64_t hash_little_endian(T value, uint64_t hash) noexcept {
  std::array<uint8_t, sizeof(T)> bytes;
  for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<uint8_t>(value >> (8 * i));
  return fnv1a(bytes, hash);
}

}  // namespace

uint64_t hash_spike_count(uint32_t count, uint64_t hash) noexcept {
  return hash_little_endian(count, hash);
}

std::string signature_text(std::span<const std::string> names, std::span<const uint64_t> hashes) {
  uint64_t hash = kFnvStart;
  for (size_t p = 0; p < names.size(); ++p) {
    hash = fnv1a({reinterpret_cast<const uint8_t*>(names[p].data()), names[p].size()}, hash);
    hash = hash_little_endian(hashes[p], hash);
  }
  return hex64(hash);
}

Signature::Signature(const Graph& graph) {
  for (Population& population : populations_of(graph)) {
    names_.push_back(std::move(population.name));
    hashes_.push_back(kFnvStart);
  }
}

void Signature::chunk(const SpikeChunk& chunk) {
  if (chunk.populations.size() != names_.size()) {
    throw Error(ErrorCode::kInternal, "signature: the chunk is of another graph");
  }
  for (size_t p = 0; p < names_.size(); ++p) {
    for (int64_t t = 0; t < chunk.steps; ++t) {
      const auto count =
          static_cast<uint32_t>(count_units(chunk.spikes(p, t), chunk.populations[p].levels));
      hashes_[p] = hash_spike_count(count, hashes_[p]);
    }
  }
}

std::string Signature::text() const {
  return signature_text(names_, hashes_);
}

}  // namespace spikeloom
