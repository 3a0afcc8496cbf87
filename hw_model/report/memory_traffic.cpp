#include "hw_model/report/memory_traffic.hpp"

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

MemoryLine weights_once(const OpCounts& counts, int bits) {
  return line_of("stored weights, once per sample, DRAM", counts.totals.weights * counts.samples,
                 bits, "dram_low", "dram_high");
}

}  // namespace

MemoryTraffic spiking_traffic(const OpCounts& counts) {
  const CountTotals& totals = counts.totals;
  MemoryTraffic traffic{"as_built", counts.form, {}};
  traffic.lines.push_back(weights_once(counts, 32));
  traffic.lines.push_back(line_of("weight reads, none reused, SRAM 8 KB to 1 MB",
                                  totals.weight_reads, 32, "sram_8KB", "sram_1MB"));
  traffic.lines.push_back(line_of("membrane reads, SRAM 8 KB to 1 MB", totals.neuron_updates, 32,
                                  "sram_8KB", "sram_1MB"));
  traffic.lines.push_back(line_of("membrane writes, SRAM 8 KB to 1 MB", totals.neuron_updates, 32,
                                  "sram_8KB", "sram_1MB"));
  return traffic;
}

MemoryTraffic dense_traffic(const std::string& scheme, const OpCounts& counts, int bits) {
  MemoryTraffic traffic{scheme, counts.form, {}};
  int64_t inputs = 0;
  for (const LayerCount& layer : counts.layers) inputs += layer.input_elements;
  traffic.lines.push_back(weights_once(counts, bits));
  traffic.lines.push_back(line_of("weight reads, none reused, SRAM 8 KB to 1 MB",
                                  counts.totals.weight_reads, bits, "sram_8KB", "sram_1MB"));
  traffic.lines.push_back(line_of("layer inputs, each read once, SRAM 8 KB to 1 MB", inputs, bits,
                                  "sram_8KB", "sram_1MB"));
  return traffic;
}

std::vector<MemoryTraffic> memory_traffic(const RunCounts& run) {
  std::vector<MemoryTraffic> all{spiking_traffic(run.as_written.ops),
                                 spiking_traffic(run.fused.ops)};
  for (const int bits : {32, 8})
    all.push_back(dense_traffic("dense_same", run.dense_same.ops, bits));
  if (run.dense_twin) {
    for (const int bits : {32, 8})
      all.push_back(dense_traffic("dense_twin", run.dense_twin->ops, bits));
  }
  return all;
}

}  // namespace spikeloom
