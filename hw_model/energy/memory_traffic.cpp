#include "hw_model/energy/memory_traffic.hpp"

#include <functional>
#include <map>

namespace spikeloom {
namespace {

MemoryLine line_of(std::string what, int64_t accesses, int bits, const char* low,
                   const char* high) {
  const EnergyTable table = horowitz45();
  const auto energy = [&](const Price& price) {
    return static_cast<double>(accesses) * bits / price.access_bits * price.value_pJ;
  };
  return {std::move(what),       accesses, bits, low, high, energy(table.at(low)),
          energy(table.at(high))};
}

MemoryLine weights_once(int64_t weights, int64_t samples, int bits) {
  return line_of("stored weights, once per sample, DRAM", weights * samples, bits, "dram_low",
                 "dram_high");
}

MemoryLine weight_reads(int64_t reads, int bits) {
  return line_of("weight reads, none reused, SRAM 8 KB to 1 MB", reads, bits, "sram_8KB",
                 "sram_1MB");
}

int bits_of(DType type) {
  return 8 * static_cast<int>(size_of(type));
}

}  // namespace

MemoryTraffic spiking_traffic(const CountedGraph& counted, Arithmetic precision) {
  const OpCounts& counts = counted.ops;
  MemoryTraffic traffic{Scheme::kAsBuilt, counts.form, precision, {}};
  struct Sum {
    int64_t weights = 0, reads = 0;
  };
  std::map<int, Sum, std::greater<>> by_bits;  // fp32 first
  for (const LayerCount& layer : counts.layers) {
    const auto narrow = counted.narrow.find(layer.name);
    Sum& sum = by_bits[narrow == counted.narrow.end() ? 32 : bits_of(narrow->second)];
    sum.weights += layer.weights;
    sum.reads += layer.event_adds + layer.real_macs;
  }
  for (const auto& [bits, sum] : by_bits)
    traffic.lines.push_back(weights_once(sum.weights, counts.samples, bits));
  for (const auto& [bits, sum] : by_bits) traffic.lines.push_back(weight_reads(sum.reads, bits));
  const int64_t updates = counts.totals.neuron_updates;
  traffic.lines.push_back(
      line_of("membrane reads, SRAM 8 KB to 1 MB", updates, 32, "sram_8KB", "sram_1MB"));
  traffic.lines.push_back(
      line_of("membrane writes, SRAM 8 KB to 1 MB", updates, 32, "sram_8KB", "sram_1MB"));
  return traffic;
}

MemoryTraffic dense_traffic(Scheme scheme, const OpCounts& counts, Arithmetic precision) {
  const int weight_bits = precision == Arithmetic::kFp32   ? 32
                          : precision == Arithmetic::kInt8 ? 8
                                                           : 16;
  const int value_bits = precision == Arithmetic::kBf16 ? 32 : weight_bits;
  MemoryTraffic traffic{scheme, counts.form, precision, {}};
  int64_t inputs = 0;
  for (const LayerCount& layer : counts.layers) inputs += layer.input_elements;
  traffic.lines.push_back(weights_once(counts.totals.weights, counts.samples, weight_bits));
  traffic.lines.push_back(weight_reads(counts.totals.weight_reads, weight_bits));
  traffic.lines.push_back(line_of("layer inputs, each read once, SRAM 8 KB to 1 MB", inputs,
                                  value_bits, "sram_8KB", "sram_1MB"));
  return traffic;
}

std::vector<MemoryTraffic> memory_traffic(const RunCounts& run) {
  const Arithmetic executed = arithmetic_of(run.precision);
  std::vector<MemoryTraffic> all;
  for (const CountedGraph* counted : run.forms())
    all.push_back(spiking_traffic(*counted, executed));
  std::vector<Arithmetic> precisions{Arithmetic::kFp32, Arithmetic::kInt8};
  if (executed == Arithmetic::kInt16 || executed == Arithmetic::kBf16)
    precisions.push_back(executed);
  for (const Arithmetic precision : precisions)
    all.push_back(dense_traffic(Scheme::kDenseSame, run.dense_same.ops, precision));
  if (!run.dense_twin) return all;
  for (const Arithmetic precision : precisions)
    all.push_back(dense_traffic(Scheme::kDenseTwin, run.dense_twin->ops, precision));
  return all;
}

}  // namespace spikeloom
