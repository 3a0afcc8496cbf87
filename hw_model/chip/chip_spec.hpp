#pragma once
// A chip, described in TOML: chips > tiles > cores > units > memories, the network on chip, limits
// and power. Every constant carries its evidence.
//
// Units: pJ, ns, W, Hz, as the suffix of each key says; what is absent is unpriced (counted, but
// worth nothing) or unlimited. A constant is a number, or {value, mark, scope, source}; marks as in
// energy_table.hpp. Thread-safe: plain values. Keys: docs/chip.md.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/config.hpp"

namespace spikeloom {

struct Constant {
  double value = 0;
  char mark = 'E';
  std::string scope = "per_op";
  std::string source;
};
using MaybeConstant = std::optional<Constant>;

struct OpCost {
  MaybeConstant energy_pj, latency_ns;
};

enum class UnitKind {
  kAxonIn,        // one event per packet received
  kSynapse,       // one per synaptic event of spikes
  kMultiply,      // one per synaptic event of graded packets
  kOuterProduct,  // one per pair of key and value, one per matrix element a query reads
  kAccumulate,    // one per event of the three above that reaches a neuron (not: outer products)
  kSoma,          // access, update, fire
  kAxonOut,       // one per packet sent
};

// How the synapses of a projection are stored; no unit of synapses has those of attention.
enum class SynapseFormat { kDense, kConv, kSparse, kAttention };
inline constexpr const char* kSynapseFormatNames[] = {"dense", "conv", "sparse", "attention"};

struct UnitSpec {
  std::string name;
  UnitKind kind = UnitKind::kSynapse;
  std::vector<SynapseFormat> formats;  // synapse units; empty: all
  OpCost event;                        // all kinds but soma
  OpCost access, update, fire;         // soma
  bool access_every_step = true;       // soma: every neuron, or only updated ones
  bool integrates = false;             // soma: neurons may never fire, and their membrane be read
  int64_t lanes = 1;                   // events a latency covers, within one packet
};

struct MemorySpec {
  std::string name;
  bool holds_weights = false;  // read for synaptic events; otherwise state: read and written per
                               // updated neuron
  int64_t width_bits = 64;     // of one access
  MaybeConstant read_pj, write_pj, leakage_w;  // leakage per core
};

struct CoreLimits {
  std::optional<int64_t> neurons, weight_bytes, state_bytes, memory_bytes, axons_in, axons_out,
      fan_in, weight_bits;
  std::optional<int64_t> delay_steps;  // a spike can be held back; absent: none
  bool shared_kernels = true;          // a convolution's weights are stored once per core
};

enum class Topology { kMesh, kTorus };
enum class Cast { kUnicast, kMulticast, kBroadcast };

struct NocSpec {
  Topology topology = Topology::kMesh;
  Cast cast = Cast::kUnicast;
  int64_t flit_bits = 32, packet_flits = 1;  // a graded packet adds ceil(payload/flit_bits)
  int64_t buffer_flits = 8;                  // of every queue
  OpCost hop_x, hop_y;                       // per flit and hop; latency of the head
  OpCost delivery;                           // router to core, per flit
  MaybeConstant link_ns_per_flit;
  OpCost interchip;  // replaces the hop where a packet changes chips
  MaybeConstant interchip_ns_per_flit;
};

enum class SyncMode { kBarrier, kFixedTick, kFreeRun };

struct SyncSpec {
  SyncMode mode = SyncMode::kBarrier;
  double tick_ns = 0;
  bool per_chips = false;             // the table counts chips instead of tiles in use
  std::vector<int64_t> barrier_from;  // ascending, starts at 1
  std::vector<double> barrier_ns;
  char barrier_mark = 'E';
  std::string barrier_source;
  MaybeConstant energy_pj;  // per step and chip
};

struct PowerSpec {
  MaybeConstant static_w, static_w_per_core, idle_w_per_mhz;  // per chip, core, chip
  MaybeConstant clock_hz;
  bool gate_unused_cores = false;
};

struct ChipSpec {
  std::string name, source;
  char evidence = 'E';  // mark of bare numbers
  int64_t node_nm = 0;
  double supply_v = 0;
  int64_t rows = 1, cols = 1;  // tiles of one chip
  int64_t cores_per_tile = 1, chips_x = 1, chips_y = 1;
  std::optional<int64_t> usable_cores;  // per chip, the first ones
  bool column_major = false;            // numbering of tiles: x = id / rows
  PowerSpec power;
  MaybeConstant host_mac_pj;  // of the processor that runs what cores cannot
  MaybeConstant reload_pj_per_byte, reload_ns_per_byte;  // to and from a memory outside the chip
  SyncSpec sync;
  NocSpec noc;
  CoreLimits limits;
  std::vector<UnitSpec> units;
  std::vector<MemorySpec> memories;
  // Every number of the file, in the order it was read.
  struct Evidence {
    std::string key;
    Constant constant;
  };
  std::vector<Evidence> evidence_of;

  int64_t tiles_per_chip() const noexcept { return rows * cols; }
  int64_t cores_per_chip() const noexcept { return tiles_per_chip() * cores_per_tile; }
  int64_t chips() const noexcept { return chips_x * chips_y; }
  int64_t cores() const noexcept { return chips() * cores_per_chip(); }
};

// Reads a description. Throws Error(kUsage) "file:line:column: key ...: allowed range" for wrong
// types, values out of range, unknown keys, a unit kind without a unit where packets need one.
ChipSpec read_chip(Config& config);

// The presets shipped with the library, by name, in alphabetic order.
struct ChipPreset {
  std::string_view name, text;
};
const std::vector<ChipPreset>& chip_presets();

// `name_or_path`: a preset, or a TOML file when it has a dot or a slash. `sets`: assignments
// "noc.link_ns_per_flit=0.5" on top. Throws Error(kUsage) with the nearest preset.
ChipSpec load_chip(const std::string& name_or_path, const std::vector<std::string>& sets = {});

// The description load_chip() reads, as it stands. Errors as there.
std::string chip_text(const std::string& name_or_path);

// Weakest of two marks: S, P, F, D, A, R, E from strong to weak.
char weaker_mark(char a, char b) noexcept;

std::string_view name_of(UnitKind kind) noexcept;

// Index of the unit of this kind that is called `name` or, when that is empty, the first by name
// that lists `format`, else the first that lists no formats. Nothing when the chip has none.
std::optional<size_t> find_unit(const ChipSpec& chip, UnitKind kind, std::string_view name = "",
                                std::optional<SynapseFormat> format = {});

}  // namespace spikeloom
