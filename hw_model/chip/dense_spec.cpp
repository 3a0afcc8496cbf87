#include "hw_model/chip/dense_spec.hpp"

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "hw_model/chip/constant_reader.hpp"
#include "hw_model/energy/energy_table.hpp"

namespace spikeloom {
namespace {

constexpr double kMostPrice = 1e15, kMostW = 1e6;
constexpr int64_t kMostBytes = int64_t{1} << 40, kMostBits = 1 << 20;

constexpr DenseFormat kFormats[] = {DenseFormat::kFp32, DenseFormat::kFp16, DenseFormat::kInt16,
                                    DenseFormat::kInt8, DenseFormat::kQnnEquiv};
constexpr Dataflow kDataflows[] = {Dataflow::kWeightStationary, Dataflow::kInputStationary,
                                   Dataflow::kOutputStationary};

template <typename Enum, size_t N>
Enum choose(Config& config, const std::string& key, Enum fallback, const Enum (&values)[N]) {
  std::vector<std::string> names;
  for (const Enum value : values) names.emplace_back(name_of(value));
  const std::string chosen = config.choice(key, std::string(name_of(fallback)), names);
  for (const Enum value : values) {
    if (chosen == name_of(value)) return value;
  }
  return fallback;
}

void read_memory(ConstantReader& read, const std::string& table, DenseMemory& memory) {
  memory.access_bits = read.count(table + ".access_bits", 1, kMostBits).value_or(64);
  memory.price = read.constant(table + ".price", 0, kMostPrice);
}

void read_buffer(ConstantReader& read, const std::string& table, DenseBuffer& buffer) {
  buffer.bytes = read.count(table + ".bytes", 1, kMostBytes).value_or(0);
  read_memory(read, table, buffer);
}

void read_prices(Config& config, ConstantReader& read, DenseSpec& spec) {
  spec.relative = config.choice("dense.price.unit", "pJ", {"pJ", "MAC"}) == "MAC";
  DensePrices& prices = spec.prices;
  prices.fp32_mac = read.constant("dense.price.fp32_mac", 0, kMostPrice);
  prices.fp16_mac = read.constant("dense.price.fp16_mac", 0, kMostPrice);
  prices.int16_mac = read.constant("dense.price.int16_mac", 0, kMostPrice);
  prices.int8_mac = read.constant("dense.price.int8_mac", 0, kMostPrice);
  prices.int8_multiply = read.constant("dense.price.int8_multiply", 0,
                                       prices.int8_mac ? prices.int8_mac->value : kMostPrice);
  prices.register_access = read.constant("dense.price.register_access", 0, kMostPrice);
  prices.neighbour = read.constant("dense.price.neighbour", 0, kMostPrice);
  prices.register_bits = read.count("dense.price.register_bits", 1, kMostBits).value_or(16);
}

}  // namespace

std::string_view name_of(DenseFormat format) noexcept {
  switch (format) {
    case DenseFormat::kFp32: return "fp32";
    case DenseFormat::kFp16: return "fp16";
    case DenseFormat::kInt16: return "int16";
    case DenseFormat::kInt8: return "int8";
    case DenseFormat::kQnnEquiv: return "qnn_equiv";
  }
  return "";
}

DenseBits bits_of(DenseFormat format, int64_t rate_steps) noexcept {
  switch (format) {
    case DenseFormat::kFp32: return {32, 32, 32};
    case DenseFormat::kFp16:
    case DenseFormat::kInt16: return {16, 16, 16};
    case DenseFormat::kInt8: return {8, 8, 32};
    case DenseFormat::kQnnEquiv: return {8, activation_bits(rate_steps), 32};
  }
  return {};
}

DenseSpec read_dense(Config& config) {
  DenseSpec spec;
  ConstantReader read(config, spec.evidence, spec.source, spec.evidence_of);
  config.require_integer("schema_version", 1, 1);
  spec.name = config.require_text("name");
  spec.evidence = config.choice("evidence", "E", {"S", "P", "F", "D", "A", "R", "E"})[0];
  spec.source = config.text("source", "");
  spec.node_nm = config.integer("node_nm", 0, 0, 1000);
  spec.supply_v = config.real("supply_v", 0, 0, 10);
  spec.array.rows = read.count("dense.rows", 1, 65536).value_or(1);
  spec.array.cols = read.count("dense.cols", 1, 65536).value_or(1);
  spec.array.dataflow = choose(config, "dense.dataflow", spec.array.dataflow, kDataflows);
  spec.clock_hz = read.constant("dense.clock_hz", 1, 1e12);
  spec.static_w = read.constant("dense.static_w", 0, kMostW);
  spec.format = choose(config, "dense.format", spec.format, kFormats);
  spec.batch = config.integer("dense.batch", 1, 1, 65536);
  spec.weights_resident =
      config.choice("dense.weight_memory", "streamed", {"streamed", "resident"}) == "resident";
  spec.keep_activations =
      config.choice("dense.activation_memory", "dram", {"dram", "kept"}) == "kept";
  spec.zero_gating = config.flag("dense.zero_gating", false);
  read_prices(config, read, spec);
  read_buffer(read, "dense.inputs", spec.inputs);
  read_buffer(read, "dense.weights", spec.weights);
  read_buffer(read, "dense.outputs", spec.outputs);
  read_memory(read, "dense.dram", spec.dram);
  spec.dram_bytes_per_s = read.constant("dense.dram.bytes_per_s", 1, 1e18);
  config.reject_unknown();
  return spec;
}

DenseSpec load_dense(const std::string& name_or_path, const std::vector<std::string>& sets) {
  const auto open = [&]() -> Config {
    if (name_or_path.find_first_of("./") != name_or_path.npos) return Config::load(name_or_path);
    std::vector<std::string> names;
    for (const ChipPreset& preset : dense_presets()) {
      if (preset.name == name_or_path) {
        return Config::parse(preset.text, "dense accelerator " + std::string(preset.name));
      }
      names.emplace_back(preset.name);
    }
    const std::string near = nearest(name_or_path, names);
    throw Error(ErrorCode::kUsage, "no dense accelerator is called " + in_quotes(name_or_path) +
                                       (near.empty() ? "" : " (did you mean " + near + "?)"));
  };
  Config config = open();
  for (const std::string& assignment : sets) config.set(assignment);
  return read_dense(config);
}

MaybeConstant mac_price(const DenseSpec& spec, int64_t rate_steps) {
  const DensePrices& prices = spec.prices;
  switch (spec.format) {
    case DenseFormat::kFp32: return prices.fp32_mac;
    case DenseFormat::kFp16: return prices.fp16_mac;
    case DenseFormat::kInt16: return prices.int16_mac;
    case DenseFormat::kInt8: return prices.int8_mac;
    case DenseFormat::kQnnEquiv: break;
  }
  if (!prices.int8_mac || !prices.int8_multiply) return std::nullopt;
  const auto bits = static_cast<double>(bits_of(spec.format, rate_steps).activation);
  Constant price = *prices.int8_mac;
  price.value -= prices.int8_multiply->value * (1 - bits / 8);
  price.mark = 'E';
  price.source += "; multiplier taken linear in the activation's bits";
  return price;
}

}  // namespace spikeloom
