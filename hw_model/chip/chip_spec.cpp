#include "hw_model/chip/chip_spec.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "hw_model/chip/constant_reader.hpp"

namespace spikeloom {
namespace {

constexpr double kMostPj = 1e15, kMostNs = 1e15, kMostW = 1e6;
constexpr int64_t kMostCores = int64_t{1} << 22;

struct KindName {
  UnitKind kind;
  const char* name;
};
constexpr KindName kKinds[] = {
    {UnitKind::kAxonIn, "axon_in"},        {UnitKind::kSynapse, "synapse"},
    {UnitKind::kMultiply, "multiply"},     {UnitKind::kOuterProduct, "outer_product"},
    {UnitKind::kAccumulate, "accumulate"}, {UnitKind::kSoma, "soma"},
    {UnitKind::kAxonOut, "axon_out"},
};

bool is_chip_file(const std::string& name_or_path) {
  return name_or_path.find_first_of("./") != name_or_path.npos;
}

// Reads costs besides plain constants.
class SpecReader : public ConstantReader {
 public:
  SpecReader(Config& config, ChipSpec& chip)
      : ConstantReader(config, chip.evidence, chip.source, chip.evidence_of),
        config_(config),
        chip_(chip) {}

  // `prefix` "access_" gives the keys access_energy_pj, access_latency_ns, access_latency_cycles.
  OpCost cost(const std::string& table, const std::string& prefix = "") {
    OpCost cost;
    cost.energy_pj = constant(table + "." + prefix + "energy_pj", 0, kMostPj);
    cost.latency_ns = constant(table + "." + prefix + "latency_ns", 0, kMostNs);
    const std::string cycles_key = table + "." + prefix + "latency_cycles";
    MaybeConstant cycles = constant(cycles_key, 0, kMostNs);
    if (!cycles) return cost;
    if (cost.latency_ns) throw config_.error_at(cycles_key, "a latency is given in ns as well");
    if (!chip_.power.clock_hz) throw config_.error_at(cycles_key, "needs chip.clock_hz");
    cycles->value *= 1e9 / chip_.power.clock_hz->value;
    cost.latency_ns = cycles;
    return cost;
  }

 private:
  Config& config_;
  ChipSpec& chip_;
};

void read_structure(Config& config, SpecReader& read, ChipSpec& chip) {
  if (config.require_integer("schema_version", 1, 1) != 1) return;
  chip.name = config.require_text("name");
  chip.evidence = config.choice("evidence", "E", {"S", "P", "F", "D", "A", "R", "E"})[0];
  chip.source = config.text("source", "");
  chip.node_nm = config.integer("node_nm", 0, 0, 1000);
  chip.supply_v = config.real("supply_v", 0, 0, 10);
  chip.rows = read.count("chip.rows", 1, 4096).value_or(1);
  chip.cols = read.count("chip.cols", 1, 4096).value_or(1);
  chip.cores_per_tile = read.count("chip.cores_per_tile", 1, 4096).value_or(1);
  chip.chips_x = read.count("chip.chips_x", 1, 1024).value_or(1);
  chip.chips_y = read.count("chip.chips_y", 1, 1024).value_or(1);
  // Each factor is at most 4096: no overflow.
  if (chip.tiles_per_chip() > kMostCores || chip.cores_per_chip() > kMostCores ||
      chip.cores() > kMostCores) {
    throw config.error_at("chip.rows", "more than " + std::to_string(kMostCores) + " cores");
  }
  chip.usable_cores = read.count("chip.usable_cores", 1, chip.cores_per_chip());
  chip.column_major =
      config.choice("chip.numbering", "row_major", {"row_major", "column_major"})[0] == 'c';
}

void read_power(Config& config, SpecReader& read, ChipSpec& chip) {
  chip.power.clock_hz = read.constant("chip.clock_hz", 1, 1e12);
  chip.power.static_w = read.constant("chip.static_w", 0, kMostW);
  chip.power.static_w_per_core = read.constant("chip.static_w_per_core", 0, kMostW);
  chip.power.idle_w_per_mhz = read.constant("chip.idle_w_per_mhz", 0, kMostW);
  if (chip.power.idle_w_per_mhz && !chip.power.clock_hz) {
    throw config.error_at("chip.idle_w_per_mhz", "needs chip.clock_hz");
  }
  chip.power.gate_unused_cores = config.flag("chip.gate_unused_cores", false);
}

void read_sync(Config& config, SpecReader& read, SyncSpec& sync) {
  sync.mode = config.choice("sync.mode", SyncMode::kBarrier, {"barrier", "fixed_tick", "free_run"});
  sync.energy_pj = read.constant("sync.energy_pj", 0, kMostPj);
  if (sync.mode == SyncMode::kFixedTick) {
    const MaybeConstant tick = read.constant("sync.tick_ns", 0, kMostNs);
    if (!tick) throw config.error_at("sync.mode", "a fixed tick needs sync.tick_ns");
    sync.tick_ns = tick->value;
  }
  if (sync.mode != SyncMode::kBarrier || !config.has("sync.barrier_ns")) return;
  sync.per_chips = config.choice("sync.barrier_per", "tiles", {"tiles", "chips"}) == "chips";
  sync.barrier_ns = config.require_reals("sync.barrier_ns");
  sync.barrier_from = config.integers("sync.barrier_from", {1}, 1);
  sync.barrier_mark =
      config.choice("sync.barrier_mark", "E", {"S", "P", "F", "D", "A", "R", "E"})[0];
  sync.barrier_source = config.text("sync.barrier_source", "");
  if (sync.barrier_ns.size() != sync.barrier_from.size()) {
    throw config.error_at("sync.barrier_from", "needs one number per entry of sync.barrier_ns");
  }
  if (sync.barrier_from.empty() || sync.barrier_from.front() != 1 ||
      std::adjacent_find(sync.barrier_from.begin(), sync.barrier_from.end(),
                         std::greater_equal<>()) != sync.barrier_from.end()) {
    throw config.error_at("sync.barrier_from", "must ascend from 1");
  }
  for (const double value : sync.barrier_ns) {
    if (value < 0 || value > kMostNs) {
      throw config.error_at("sync.barrier_ns", "times from 0 to 1e15");
    }
  }
}

void read_noc(Config& config, SpecReader& read, NocSpec& noc) {
  noc.topology = config.choice("noc.topology", Topology::kMesh, {"mesh", "torus"});
  noc.cast = config.choice("noc.cast", Cast::kUnicast, {"unicast", "multicast", "broadcast"});
  noc.flit_bits = read.count("noc.flit_bits", 1, 4096).value_or(32);
  noc.packet_flits = read.count("noc.packet_flits", 1, 64).value_or(1);
  // A ring of a torus keeps one slot free so that it can always move on.
  noc.buffer_flits =
      read.count("noc.buffer_flits", noc.topology == Topology::kTorus ? 2 : 1, 1 << 20).value_or(8);
  noc.hop_x = read.cost("noc", "hop_x_");
  noc.hop_y = read.cost("noc", "hop_y_");
  noc.delivery = read.cost("noc", "delivery_");
  noc.link_ns_per_flit = read.constant("noc.link_ns_per_flit", 0, kMostNs);
  noc.interchip = read.cost("interchip", "hop_");
  noc.interchip_ns_per_flit = read.constant("interchip.ns_per_flit", 0, kMostNs);
}

void read_limits(Config& config, SpecReader& read, CoreLimits& limits) {
  constexpr int64_t kMost = int64_t{1} << 40;
  limits.neurons = read.count("core.limits.neurons", 1, kMost);
  limits.weight_bytes = read.count("core.limits.weight_bytes", 1, kMost);
  limits.state_bytes = read.count("core.limits.state_bytes", 1, kMost);
  limits.memory_bytes = read.count("core.limits.memory_bytes", 1, kMost);
  limits.axons_in = read.count("core.limits.axons_in", 1, kMost);
  limits.axons_out = read.count("core.limits.axons_out", 1, kMost);
  limits.fan_in = read.count("core.limits.fan_in", 1, kMost);
  limits.weight_bits = read.count("core.limits.weight_bits", 1, 64);
  limits.delay_steps = read.count("core.limits.delay_steps", 0, 65535);
  limits.shared_kernels = config.flag("core.limits.shared_kernels", true);
}

UnitSpec read_unit(Config& config, SpecReader& read, const std::string& name) {
  const std::string table = "core.unit." + name;
  std::vector<std::string> kinds;
  for (const KindName& kind : kKinds) kinds.emplace_back(kind.name);
  UnitSpec unit;
  unit.name = name;
  const std::string kind = config.require_choice(table + ".kind", kinds);
  for (const KindName& known : kKinds) {
    if (kind == known.name) unit.kind = known.kind;
  }
  if (unit.kind == UnitKind::kSoma) {
    unit.access = read.cost(table, "access_");
    unit.update = read.cost(table, "update_");
    unit.fire = read.cost(table, "fire_");
    unit.access_every_step =
        config.choice(table + ".access", "every_step", {"every_step", "on_update"}) == "every_step";
    unit.integrates = config.flag(table + ".integrates", false);
    return unit;
  }
  unit.event = read.cost(table);
  if (unit.kind == UnitKind::kSynapse) {
    for (const std::string& word : config.text_or_texts(table + ".format", {})) {
      const auto* end = std::end(kSynapseFormatNames) - 1;  // without those of attention
      const auto* known = std::find(std::begin(kSynapseFormatNames), end, word);
      if (known == end) {
        throw config.error_at(
            table + ".format",
            "expected \"dense\", \"sparse\" or \"conv\", found " + in_quotes(word));
      }
      unit.formats.push_back(static_cast<SynapseFormat>(known - std::begin(kSynapseFormatNames)));
    }
  }
  if (unit.kind != UnitKind::kAxonIn && unit.kind != UnitKind::kAxonOut) {
    unit.lanes = read.count(table + ".lanes", 1, 1 << 20).value_or(1);
  }
  return unit;
}

MemorySpec read_memory(Config& config, SpecReader& read, const std::string& name) {
  const std::string table = "core.memory." + name;
  MemorySpec memory;
  memory.name = name;
  memory.holds_weights = config.require_choice(table + ".holds", {"weights", "state"}) == "weights";
  memory.width_bits = read.count(table + ".width_bits", 1, 1 << 20).value_or(64);
  memory.read_pj = read.constant(table + ".read_pj", 0, kMostPj);
  memory.write_pj = read.constant(table + ".write_pj", 0, kMostPj);
  memory.leakage_w = read.constant(table + ".leakage_w", 0, kMostW);
  return memory;
}

}  // namespace

std::string_view name_of(UnitKind kind) noexcept {
  for (const KindName& known : kKinds) {
    if (known.kind == kind) return known.name;
  }
  return "";
}

ChipSpec read_chip(Config& config) {
  ChipSpec chip;
  SpecReader read(config, chip);
  read_structure(config, read, chip);
  read_power(config, read, chip);
  chip.host_mac_pj = read.constant("host.mac_energy_pj", 0, kMostPj);
  chip.reload_pj_per_byte = read.constant("reload.energy_pj_per_byte", 0, kMostPj);
  chip.reload_ns_per_byte = read.constant("reload.ns_per_byte", 0, kMostNs);
  read_sync(config, read, chip.sync);
  read_noc(config, read, chip.noc);
  read_limits(config, read, chip.limits);
  for (const std::string& name : config.keys("core.unit")) {
    chip.units.push_back(read_unit(config, read, name));
  }
  for (const std::string& name : config.keys("core.memory")) {
    chip.memories.push_back(read_memory(config, read, name));
  }
  for (const bool weights : {true, false}) {
    if (std::count_if(chip.memories.begin(), chip.memories.end(), [&](const MemorySpec& memory) {
          return memory.holds_weights == weights;
        }) > 1) {
      throw config.error_at(
          "core.memory", std::string("two memories hold the ") + (weights ? "weights" : "state"));
    }
  }
  for (const UnitKind kind : {UnitKind::kAxonIn, UnitKind::kSoma, UnitKind::kAxonOut}) {
    if (!find_unit(chip, kind)) {
      throw config.error_at("core.unit", "no unit of kind " + in_quotes(name_of(kind)));
    }
  }
  config.reject_unknown();
  return chip;
}

std::string chip_text(const std::string& name_or_path) {
  if (is_chip_file(name_or_path)) {
    const std::vector<std::byte> bytes = read_file(name_or_path);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::vector<std::string> names;
  for (const ChipPreset& preset : chip_presets()) {
    if (preset.name == name_or_path) return std::string(preset.text);
    names.emplace_back(preset.name);
  }
  const std::string near = nearest(name_or_path, names);
  throw Error(ErrorCode::kUsage, "no chip is called " + in_quotes(name_or_path) +
                                     (near.empty() ? "" : " (did you mean " + near + "?)"));
}

ChipSpec load_chip(const std::string& name_or_path, const std::vector<std::string>& sets) {
  Config config = is_chip_file(name_or_path)
                      ? Config::load(name_or_path)
                      : Config::parse(chip_text(name_or_path), "chip " + name_or_path);
  for (const std::string& assignment : sets) config.set(assignment);
  return read_chip(config);
}

char weaker_mark(char a, char b) noexcept {
  constexpr std::string_view kOrder = "SPFDARE";
  return kOrder.find(a) >= kOrder.find(b) ? a : b;
}

std::optional<size_t> find_unit(const ChipSpec& chip, UnitKind kind, std::string_view name,
                                std::optional<SynapseFormat> format) {
  std::optional<size_t> fallback;
  for (size_t i = 0; i < chip.units.size(); ++i) {
    const UnitSpec& unit = chip.units[i];
    if (unit.kind != kind) continue;
    if (!name.empty()) {
      if (unit.name == name) return i;
      continue;
    }
    if (format &&
        std::find(unit.formats.begin(), unit.formats.end(), *format) != unit.formats.end())
      return i;
    if (unit.formats.empty() && !fallback) fallback = i;
  }
  return fallback;
}

}  // namespace spikeloom
