#pragma once
// The run signature (docs/trace.md): per population FNV-1a 64 over the little-endian u32 spike
// count of each step (of levels their magnitudes added up), in order of samples and steps; then FNV-1a 64 over (name, hash) of all
// populations in graph order, the hash as 8 little-endian bytes. Printed as 16 hex digits. It
// belongs to one form.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/plan/trace_sink.hpp"

namespace spikeloom {

// The two steps of the definition, for whoever recounts a trace: one more spike count, then all
// populations (hashes start at kFnvStart).
uint64_t hash_spike_count(uint32_t count, uint64_t hash) noexcept;
std::string signature_text(std::span<const std::string> names, std::span<const uint64_t> hashes);

class Signature final : public TraceSink {
 public:
  explicit Signature(const Graph& graph);
  void begin_sample(const SampleStart&) override {}
  void chunk(const SpikeChunk& chunk) override;
  void end_sample(const SampleEnd&) override {}
  std::string text() const;
  // By population in graph order: what a signature continues from.
  const std::vector<uint64_t>& hashes() const noexcept { return hashes_; }
  void restore(std::vector<uint64_t> hashes) { hashes_ = std::move(hashes); }

 private:
  std::vector<std::string> names_;
  std::vector<uint64_t> hashes_;
};

}  // namespace spikeloom
