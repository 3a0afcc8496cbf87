#pragma once
// A dense accelerator, described in TOML: systolic array, three buffers, DRAM, prices, and how it
// is used. Every constant carries its evidence, as in chip_spec.hpp.
//
// Prices are in pJ or, `relative`, in multiples of the array's own multiply-accumulate, for sources
// that publish ratios only. What is absent is unpriced (counted, but worth nothing) or unlimited.
// Thread-safe: plain values. Keys: docs/chip_dense.md.

#include <string>
#include <string_view>
#include <vector>

#include "hw_model/chip/chip_spec.hpp"
#include "hw_model/chip/systolic.hpp"

namespace spikeloom {

// Number format of a run. kQnnEquiv: 8-bit weights, activations of as many bits as a rate code of T
// steps can tell apart (Yan et al., arXiv 2409.08290).
enum class DenseFormat { kFp32, kFp16, kInt16, kInt8, kQnnEquiv };
std::string_view name_of(DenseFormat format) noexcept;  // "fp32", "fp16", "int16", "int8", ...

// Bits of one value of each kind. Sums of 8-bit products take 32 bits.
struct DenseBits {
  int64_t weight = 32, activation = 32, sum = 32;
};
// `rate_steps`: T of the spiking network, used by kQnnEquiv only.
DenseBits bits_of(DenseFormat format, int64_t rate_steps) noexcept;

struct DenseMemory {
  int64_t access_bits = 64;  // that one price pays for
  MaybeConstant price;
};

struct DenseBuffer : DenseMemory {
  int64_t bytes = 0;  // half of it prefetches; 0: as large as it takes
};

struct DensePrices {
  MaybeConstant fp32_mac, fp16_mac, int16_mac, int8_mac;
  MaybeConstant int8_multiply;  // the share of int8_mac that shrinks with the activation's bits
  MaybeConstant register_access, neighbour;  // of one operand: in the element, to the next one
  int64_t register_bits = 16;                // of the operand these two pay for
};

struct DenseSpec {
  std::string name, source;
  char evidence = 'E';  // mark of bare numbers
  int64_t node_nm = 0;
  double supply_v = 0;
  SystolicArray array;
  MaybeConstant clock_hz;
  bool relative = false;
  DensePrices prices;
  DenseBuffer inputs, weights, outputs;
  DenseMemory dram;
  MaybeConstant dram_bytes_per_s;
  MaybeConstant static_w;
  // How it is used.
  DenseFormat format = DenseFormat::kInt8;
  int64_t batch = 1;              // samples that share a pass over the weights
  bool weights_resident = false;  // fetched once for ever, not once per batch
  bool keep_activations = false;  // what fits the buffers does not go through DRAM
  bool zero_gating = false;       // a MAC with a zero activation does not switch
  std::vector<ChipSpec::Evidence> evidence_of;
};

// Reads a description. Throws Error(kUsage) "file:line:column: key ...: allowed range".
DenseSpec read_dense(Config& config);

// The presets shipped with the library, by name, in alphabetic order.
const std::vector<ChipPreset>& dense_presets();

// `name_or_path`: a preset, or a TOML file when it has a dot or a slash. `sets`: assignments
// "dense.batch=8" on top. Throws Error(kUsage) with the nearest preset.
DenseSpec load_dense(const std::string& name_or_path, const std::vector<std::string>& sets = {});

// One multiply-accumulate in the format; nothing when the description has no price for it.
MaybeConstant mac_price(const DenseSpec& spec, int64_t rate_steps);

}  // namespace spikeloom
