#include "hw_model/chip/dense.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace spikeloom {
namespace {

constexpr double kMostCycles = 1e15;  // of a layer: sums stay far below 2^63

int64_t up(int64_t a, int64_t b) noexcept {
  return (a + b - 1) / b;
}
int64_t bytes_of(int64_t bits) noexcept {
  return up(bits, 8);
}

// A product cut into blocks of rows that run one after the other, the last with what is left.
struct Blocks {
  Blocks(const Gemm& gemm, int64_t blocks) : parts{gemm, gemm} {
    parts[0].m = up(gemm.m, blocks);
    count = up(gemm.m, parts[0].m);
    parts[0].repeats = gemm.repeats * (count - 1);
    parts[1].m = gemm.m - (count - 1) * parts[0].m;
  }
  const Gemm& largest() const noexcept { return parts[0]; }

  Gemm parts[2];  // all but the last, the last
  int64_t count = 1;
};

void add_up(BufferTraffic& sum, const BufferTraffic& more) {
  sum.input_reads += more.input_reads;
  sum.weight_reads += more.weight_reads;
  sum.output_writes += more.output_writes;
  sum.output_reads += more.output_reads;
}

// The rules of one pass with its widths and prices at hand.
class Pass {
 public:
  Pass(const DenseSpec& spec, const DenseRun& run)
      : spec_(spec),
        run_(run),
        bits_(bits_of(spec.format, run.rate_steps)),
        mac_(mac_price(spec, run.rate_steps)) {}

  DenseRow row_of(const DenseLayer& layer) const {
    DenseRow row;
    row.layer = layer.name;
    row.op = layer.op;
    row.gemm = layer.gemm;
    row.macs = layer.gemm.macs();
    const Blocks blocks = cut(layer);
    row.blocks = blocks.count;
    row.dram = dram_of(layer, blocks);
    for (const Gemm& part : blocks.parts) {
      row.array_cycles += gemm_cycles(part, spec_.array);
      add_up(row.buffers, buffer_traffic(part, spec_.array));
    }
    // A held operand or partial sum stays in its register, the two others pass through.
    const bool sums_stay = spec_.array.dataflow == Dataflow::kOutputStationary;
    row.register_accesses = row.macs * (sums_stay ? 2 : 1);
    row.neighbour_passes = row.macs * 2;
    row.cycles = std::max(row.array_cycles, dram_cycles(layer, row.dram));
    const auto zeros = run_.zeros.find(layer.name);
    if (spec_.zero_gating && zeros != run_.zeros.end()) row.zeros = zeros->second;
    price(layer, row);
    row.utilisation = utilisation(row);
    return row;
  }

  double utilisation(const DenseRow& row) const {
    return static_cast<double>(row.macs) /
           (static_cast<double>(spec_.array.rows) * static_cast<double>(spec_.array.cols) *
            static_cast<double>(row.cycles));
  }

  int64_t second_bits(const DenseLayer& layer) const {
    return layer.has_weights ? bits_.weight : bits_.activation;
  }

 private:
  // Half of a buffer works while the other half is filled.
  static bool fits(int64_t bits, const DenseBuffer& buffer) noexcept {
    return buffer.bytes == 0 || bytes_of(bits) <= buffer.bytes / 2;
  }

  // Partial sums alive at a time: those of one column fold. Output stationary, the array holds
  // them.
  int64_t live_sums(const Gemm& block) const {
    switch (spec_.array.dataflow) {
      case Dataflow::kWeightStationary: return block.m * std::min(block.n, spec_.array.cols);
      case Dataflow::kInputStationary: return block.n * std::min(block.m, spec_.array.cols);
      case Dataflow::kOutputStationary: break;
    }
    return 0;
  }

  bool sums_fit(const Gemm& block) const {
    return fits(live_sums(block) * bits_.sum, spec_.outputs);
  }

  int64_t input_bits_of_block(const DenseLayer& layer, int64_t blocks) const {
    return up(layer.inputs * bits_.activation, layer.gemm.repeats * blocks);
  }

  // Blocks of rows of `layer`: as few as have the least DRAM traffic.
  Blocks cut(const DenseLayer& layer) const {
    const int64_t rows = layer.gemm.m;
    const auto smallest = [&](const auto& good) {  // good is monotonic in the number of blocks
      int64_t low = 1, high = rows;
      while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (good(Blocks(layer.gemm, middle))) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      return low;
    };
    const int64_t for_sums =
        smallest([&](const Blocks& blocks) { return sums_fit(blocks.largest()); });
    const int64_t for_inputs = smallest([&](const Blocks& blocks) {
      return fits(input_bits_of_block(layer, blocks.count), spec_.inputs);
    });
    Blocks best(layer.gemm, 1);
    for (const int64_t count : {std::min(for_sums, for_inputs), std::max(for_sums, for_inputs)}) {
      const Blocks blocks(layer.gemm, count);
      if (dram_of(layer, blocks).total() < dram_of(layer, best).total()) best = blocks;
    }
    return best;
  }

  // Activations wait for the next layer in the input buffer where half of it holds them.
  bool stays(int64_t bits) const { return spec_.keep_activations && fits(bits, spec_.inputs); }

  DenseDramBits dram_of(const DenseLayer& layer, const Blocks& blocks) const {
    const OperandPasses passes = operand_passes(blocks.largest(), spec_.array);
    const int64_t inputs = layer.inputs * bits_.activation;
    const int64_t second = layer.second * second_bits(layer);
    const bool inputs_fit = fits(input_bits_of_block(layer, blocks.count), spec_.inputs);
    const bool second_fits = fits(up(second, layer.gemm.repeats), spec_.weights);
    const bool second_stays = layer.has_weights ? spec_.weights_resident : stays(second);
    DenseDramBits dram;
    if (layer.reads_network_input || !stays(inputs)) {
      dram.inputs = inputs * (inputs_fit ? 1 : passes.inputs);
    }
    if (!second_stays) dram.weights = second * (second_fits ? 1 : blocks.count * passes.weights);
    const int64_t outputs = layer.outputs * bits_.activation;
    if (layer.is_network_output || !stays(outputs)) dram.outputs = outputs;
    if (!sums_fit(blocks.largest())) {
      dram.outputs += 2 * (passes.outputs - 1) * layer.outputs * bits_.sum;
    }
    return dram;
  }

  int64_t dram_cycles(const DenseLayer& layer, const DenseDramBits& dram) const {
    if (!spec_.dram_bytes_per_s || !spec_.clock_hz) return 0;
    const double cycles = std::ceil(static_cast<double>(bytes_of(dram.total())) /
                                    spec_.dram_bytes_per_s->value * spec_.clock_hz->value);
    if (cycles > kMostCycles) {
      throw Error(ErrorCode::kCapacity, fmt::format("{}: {} waits for DRAM for {:.3g} cycles",
                                                    spec_.name, layer.name, cycles));
    }
    return static_cast<int64_t>(cycles);
  }

  static double energy(int64_t accesses, int64_t bits, const DenseMemory& memory) {
    return memory.price ? static_cast<double>(accesses * bits) /
                              static_cast<double>(memory.access_bits) * memory.price->value
                        : 0.0;
  }

  double register_energy(const DenseLayer& layer, const DenseRow& row) const {
    const DensePrices& prices = spec_.prices;
    const auto price = [&](const MaybeConstant& constant, int64_t bits) {
      return constant ? constant->value * static_cast<double>(bits) /
                            static_cast<double>(prices.register_bits)
                      : 0.0;
    };
    const int64_t second = second_bits(layer);
    double per_mac = 0;
    switch (spec_.array.dataflow) {
      case Dataflow::kWeightStationary:
        per_mac = price(prices.register_access, second) +
                  price(prices.neighbour, bits_.activation + bits_.sum);
        break;
      case Dataflow::kInputStationary:
        per_mac = price(prices.register_access, bits_.activation) +
                  price(prices.neighbour, second + bits_.sum);
        break;
      case Dataflow::kOutputStationary:
        per_mac = price(prices.register_access, 2 * bits_.sum) +
                  price(prices.neighbour, bits_.activation + second);
        break;
    }
    return per_mac * static_cast<double>(row.macs);
  }

  void price(const DenseLayer& layer, DenseRow& row) const {
    const double active = row.zeros >= 0 ? 1 - row.zeros : 1.0;
    row.energy.mac = mac_ ? mac_->value * static_cast<double>(row.macs) * active : 0.0;
    row.energy.registers = register_energy(layer, row) * active;
    row.energy.sram =
        energy(row.buffers.input_reads, bits_.activation, spec_.inputs) +
        energy(row.buffers.weight_reads, second_bits(layer), spec_.weights) +
        energy(row.buffers.output_writes + row.buffers.output_reads, bits_.sum, spec_.outputs);
    row.energy.dram = energy(row.dram.total(), 1, spec_.dram);
    if (spec_.static_w && spec_.clock_hz && !spec_.relative) {
      row.energy.idle =
          spec_.static_w->value * static_cast<double>(row.cycles) / spec_.clock_hz->value * 1e12;
    }
  }

  const DenseSpec& spec_;
  const DenseRun& run_;
  const DenseBits bits_;
  const MaybeConstant mac_;
};

void add_up(DenseRow& sum, const DenseRow& row) {
  sum.macs += row.macs;
  sum.blocks += row.blocks;
  sum.array_cycles += row.array_cycles;
  sum.cycles += row.cycles;
  add_up(sum.buffers, row.buffers);
  sum.dram.inputs += row.dram.inputs;
  sum.dram.weights += row.dram.weights;
  sum.dram.outputs += row.dram.outputs;
  sum.register_accesses += row.register_accesses;
  sum.neighbour_passes += row.neighbour_passes;
  sum.energy += row.energy;
}

void check_resident(const DenseWork& work, const DenseSpec& spec, const Pass& pass) {
  if (!spec.weights_resident || spec.weights.bytes == 0) return;
  int64_t bits = 0;
  for (const DenseLayer& layer : work.layers) {
    if (layer.has_weights) bits += layer.second * pass.second_bits(layer);
  }
  if (bytes_of(bits) <= spec.weights.bytes) return;
  throw Error(ErrorCode::kCapacity,
              fmt::format("{}: weights of {} bytes shall stay in a buffer of {} bytes", spec.name,
                          bytes_of(bits), spec.weights.bytes));
}

void list_unpriced(const DenseWork& work, const DenseSpec& spec, const DenseRun& run,
                   DenseResult& result) {
  const DenseRow& sum = result.total;
  const auto need = [&](const MaybeConstant& price, const std::string& text, int64_t count) {
    if (count == 0) return;
    if (price) {
      result.weakest = weaker_mark(result.weakest, price->mark);
    } else {
      result.unpriced.push_back(fmt::format("{}: {}", text, count));
    }
  };
  need(mac_price(spec, run.rate_steps), fmt::format("{} MACs", name_of(spec.format)), sum.macs);
  need(spec.prices.register_access, "register accesses", sum.register_accesses);
  need(spec.prices.neighbour, "operands passed between processing elements", sum.neighbour_passes);
  need(spec.inputs.price, "input buffer, elements read", sum.buffers.input_reads);
  need(spec.weights.price, "weight buffer, elements read", sum.buffers.weight_reads);
  need(spec.outputs.price, "output buffer, elements read and written",
       sum.buffers.output_writes + sum.buffers.output_reads);
  need(spec.dram.price, "DRAM, bytes", bytes_of(sum.dram.total()));
  need(spec.static_w, "static power, cycles", sum.cycles);
  need(spec.clock_hz, "time, cycles", sum.cycles);
  if (!spec.dram_bytes_per_s) result.unpriced.push_back("DRAM taken to be never waited for");
  for (const auto& [what, elements] : work.elementwise) {
    result.unpriced.push_back(fmt::format("{}, elements: {}", what, elements));
  }
  if (!spec.zero_gating) return;
  const auto ungated = std::count_if(result.rows.begin(), result.rows.end(),
                                     [](const DenseRow& row) { return row.zeros < 0; });
  if (ungated > 0) {
    result.unpriced.push_back(
        fmt::format("zero gating of layers whose zeros were not measured: {}", ungated));
  }
}

}  // namespace

DenseEnergy& DenseEnergy::operator+=(const DenseEnergy& more) noexcept {
  mac += more.mac;
  registers += more.registers;
  sram += more.sram;
  dram += more.dram;
  idle += more.idle;
  return *this;
}

DenseResult dense_accelerator(const Graph& graph, int64_t steps, const DenseSpec& spec,
                              const DenseRun& run) {
  const DenseWork work = dense_work(graph, steps, spec.batch);
  const Pass pass(spec, run);
  check_resident(work, spec, pass);
  DenseResult result;
  result.accelerator = spec.name;
  result.format = spec.format;
  result.relative = spec.relative;
  result.batch = spec.batch;
  result.total.layer = "total";
  for (const DenseLayer& layer : work.layers) {
    result.rows.push_back(pass.row_of(layer));
    add_up(result.total, result.rows.back());
  }
  if (result.total.cycles > 0) result.total.utilisation = pass.utilisation(result.total);
  if (spec.clock_hz) {
    result.seconds = static_cast<double>(result.total.cycles) / spec.clock_hz->value;
  }
  list_unpriced(work, spec, run, result);
  return result;
}

}  // namespace spikeloom
