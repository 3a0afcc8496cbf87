#include "tests/chip/networks.hpp"

#include <zlib.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace spikeloom::test {

ChipPopulation flat(std::string name, int64_t neurons, UpdateRule update) {
  ChipPopulation population;
  population.name = std::move(name);
  population.channels = neurons;
  population.update = update;
  return population;
}

Box whole(const ChipNetwork& network, int population, int64_t core) {
  const ChipPopulation& shape = network.populations[static_cast<size_t>(population)];
  return {population, {0, shape.height}, {0, shape.width}, {0, shape.channels}, core};
}

ChipSpikes silent(const ChipNetwork& network, int64_t steps) {
  ChipSpikes spikes;
  spikes.steps = steps;
  spikes.sample_starts = {0};
  spikes.populations.resize(network.populations.size());
  return spikes;
}

void set_spikes(ChipSpikes& spikes, size_t population,
                const std::vector<std::vector<uint32_t>>& fired) {
  ChipSpikes::Population& out = spikes.populations[population];
  out.first = {0};
  out.neurons.clear();
  for (const auto& step : fired) {
    out.neurons.insert(out.neurons.end(), step.begin(), step.end());
    out.first.push_back(static_cast<int64_t>(out.neurons.size()));
  }
}

void fire_always(const ChipNetwork& network, size_t population, ChipSpikes& spikes) {
  std::vector<uint32_t> all(static_cast<size_t>(network.populations[population].neurons()));
  for (size_t n = 0; n < all.size(); ++n) all[n] = static_cast<uint32_t>(n);
  set_spikes(spikes, population,
             std::vector<std::vector<uint32_t>>(static_cast<size_t>(spikes.steps), all));
}

ChipCase pair_case(int64_t core, int64_t steps) {
  ChipCase out;
  out.network.populations = {flat("a", 64), flat("b", 64, UpdateRule::kTouched)};
  out.network.projections = {{"a->b", 0, 1, DenseSynapses{}, "", 8}};
  out.mapping.boxes = {whole(out.network, 0, 0), whole(out.network, 1, core)};
  out.spikes = silent(out.network, steps);
  fire_always(out.network, 0, out.spikes);
  return out;
}

ChipCase hotspot_case(int64_t steps) {
  ChipCase out;
  out.network.populations = {flat("target", 32, UpdateRule::kTouched)};
  out.mapping.boxes = {whole(out.network, 0, 0)};
  for (int s = 0; s < 16; ++s) {
    out.network.populations.push_back(flat("source" + std::to_string(s), 32));
    out.network.projections.push_back({"", s + 1, 0, DenseSynapses{}, "", 8});
    out.mapping.boxes.push_back(whole(out.network, s + 1, (16 + s) * 4));
  }
  out.spikes = silent(out.network, steps);
  for (size_t s = 1; s <= 16; ++s) fire_always(out.network, s, out.spikes);
  return out;
}

ChipCase uniform_case(int64_t steps) {
  constexpr int64_t kNeurons = 8192, kSynapses = 16;
  ChipCase out;
  out.network.populations = {flat("n", kNeurons)};
  SparseSynapses synapses;
  uint64_t state = 1;
  synapses.first.push_back(0);
  for (int64_t n = 0; n < kNeurons; ++n) {
    for (int64_t k = 0; k < kSynapses; ++k) {
      state = (1103515245 * state + 12345) % (uint64_t{1} << 31);
      synapses.targets.push_back(static_cast<uint32_t>(state / 65536 % kNeurons));
    }
    synapses.first.push_back(static_cast<int64_t>(synapses.targets.size()));
  }
  out.network.projections = {{"n->n", 0, 0, synapses, "", 8}};
  out.mapping.cores.resize(1);
  for (int64_t n = 0; n < kNeurons; ++n) {
    out.mapping.cores[0].push_back(static_cast<int32_t>(n / 64));
  }
  // Membrane i mod 6, +1 per step, fires above 5, then 0.
  out.spikes = silent(out.network, steps);
  std::vector<std::vector<uint32_t>> fired(static_cast<size_t>(steps));
  for (uint32_t n = 0; n < kNeurons; ++n) {
    uint32_t membrane = n % 6;
    for (auto& step : fired) {
      if (++membrane > 5) {
        step.push_back(n);
        membrane = 0;
      }
    }
  }
  set_spikes(out.spikes, 0, fired);
  return out;
}

ChipSpec example_chip() {
  Config config = Config::parse(R"(
schema_version = 1
name = "example"
[chip]
cols = 2
cores_per_tile = 4
[noc]
link_ns_per_flit = 0
[core.unit.axons]
kind = "axon_in"
[core.unit.synapses]
kind = "synapse"
energy_pj = 20
latency_ns = 3
[core.unit.lif]
kind = "soma"
access_energy_pj = 20
access_latency_ns = 3
update_energy_pj = 10
update_latency_ns = 1
fire_energy_pj = 60
fire_latency_ns = 30
[core.unit.input]
kind = "soma"
[core.unit.out]
kind = "axon_out"
energy_pj = 100
latency_ns = 5
)",
                                "example.toml");
  return read_chip(config);
}

ChipCase example_case() {
  constexpr int64_t kSteps = 10;
  ChipCase out;
  out.network.populations = {flat("in", 2, UpdateRule::kFired), flat("out", 2, UpdateRule::kGiven)};
  out.network.populations[0].soma = "input";
  out.network.populations[1].soma = "lif";
  out.network.projections = {{"in->out", 0, 1, SparseSynapses{{0, 2, 4}, {0, 1, 0, 1}}, "", 8},
                             {"out->out", 1, 1, SparseSynapses{{0, 0, 1}, {1}}, "", 8}};
  out.mapping.cores = {{0, 1}, {0, 0}};
  out.spikes = silent(out.network, kSteps);
  set_spikes(out.spikes, 0, {{1}, {}, {1}, {}, {}, {}, {}, {}, {}, {}});
  set_spikes(out.spikes, 1, {{}, {1}, {}, {}, {}, {}, {}, {}, {}, {}});
  out.spikes.populations[1].updated = {0, 2, 2, 2, 2, 2, 2, 2, 2, 2};
  return out;
}

ChipSpec grid_chip(int64_t cols, int64_t rows, const std::vector<std::string>& sets) {
  Config config = Config::parse(R"(
schema_version = 1
name = "grid"
[noc]
hop_x_latency_ns = 2
hop_x_energy_pj = 5
hop_y_latency_ns = 3
hop_y_energy_pj = 7
link_ns_per_flit = 1
buffer_flits = 4
[interchip]
hop_latency_ns = 11
hop_energy_pj = 13
ns_per_flit = 2
[core.unit.in]
kind = "axon_in"
latency_ns = 0
[core.unit.synapse]
kind = "synapse"
latency_ns = 0
energy_pj = 1
[core.unit.multiply]
kind = "multiply"
energy_pj = 3
[core.unit.outer]
kind = "outer_product"
energy_pj = 2
[core.unit.dendrite]
kind = "accumulate"
energy_pj = 0.5
[core.unit.soma]
kind = "soma"
access_latency_ns = 1
update_energy_pj = 4
[core.unit.out]
kind = "axon_out"
latency_ns = 0
[core.memory.weights]
holds = "weights"
width_bits = 32
read_pj = 6
[core.memory.state]
holds = "state"
width_bits = 32
read_pj = 1
write_pj = 1
)",
                                "grid.toml");
  config.set("chip.cols=" + std::to_string(cols));
  config.set("chip.rows=" + std::to_string(rows));
  for (const std::string& assignment : sets) config.set(assignment);
  return read_chip(config);
}

std::string gunzip(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path);
  std::string text;
  char buffer[1 << 16];
  int count = 0;
  while ((count = gzread(file, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(count));
  }
  gzclose(file);
  if (count < 0) throw std::runtime_error("damaged: " + path);
  return text;
}

namespace {

struct DvsLayer {
  int64_t channels, size;  // square
};
constexpr DvsLayer kDvs[] = {{1, 32}, {16, 15}, {32, 13}, {64, 11}, {11, 9}, {11, 1}};

// Core of neuron i, numbered channels first, of a layer.
int64_t dvs_core(size_t layer, int64_t i) {
  switch (layer) {
    case 0: return 48;
    case 1: return 40 + i % 240 / 32;
    case 2: return 32 + i % 32 / 4;
    case 3: return 10 + 2 * (i / 704) + i % 64 / 32;
    case 4: return 1 + i / 99;
    default: return 0;
  }
}

// Channels-first index to channels-last.
int64_t channels_last(const DvsLayer& layer, int64_t i) {
  const int64_t pixels = layer.size * layer.size;
  return i % pixels * layer.channels + i / pixels;
}

ChipCase dvs_network() {
  ChipCase out;
  for (size_t p = 0; p < 6; ++p) {
    const DvsLayer& layer = kDvs[p];
    ChipPopulation population = flat("layer" + std::to_string(p), layer.channels);
    population.height = population.width = layer.size;
    population.update = UpdateRule::kGiven;
    out.network.populations.push_back(population);
    auto& cores = out.mapping.cores.emplace_back(static_cast<size_t>(population.neurons()));
    for (int64_t i = 0; i < population.neurons(); ++i) {
      cores[static_cast<size_t>(channels_last(layer, i))] = static_cast<int32_t>(dvs_core(p, i));
    }
    if (p == 0) continue;
    Synapses synapses = DenseSynapses{};
    if (p < 5) synapses = ConvSynapses{3, 3, p == 1 ? 2 : 1, p == 1 ? 2 : 1, 0, 0, 1};
    out.network.projections.push_back(
        {"to " + population.name, static_cast<int>(p) - 1, static_cast<int>(p), synapses, "", 8});
  }
  return out;
}

}  // namespace

ChipCase dvs_case(std::vector<DvsStep>& steps) {
  const std::string folder = SPIKELOOM_SOURCE_DIR "/tests/golden/chip/";
  ChipCase out = dvs_network();
  std::istringstream record(gunzip(folder + "sanafe_dvs128_perf.csv.gz"));
  std::string line;
  std::getline(record, line);  // names of columns
  while (std::getline(record, line)) {
    std::replace(line.begin(), line.end(), ',', ' ');
    std::istringstream row(line);
    DvsStep step;
    double number = 0, time = 0, dendrite = 0;
    row >> number >> step.fired >> step.updated >> step.packets >> step.hops >> step.events >>
        time >> step.synapse_j >> dendrite >> step.soma_j >> step.network_j;
    if (!row) throw std::runtime_error("bad row: " + line);
    steps.push_back(step);
  }
  std::vector<std::vector<std::vector<uint32_t>>> fired(
      6, std::vector<std::vector<uint32_t>>(steps.size()));
  std::istringstream events(gunzip(folder + "sanafe_dvs128_spikes.csv.gz"));
  std::getline(events, line);
  size_t layer = 0, step = 0;
  int64_t index = 0;
  char dot = 0, comma = 0;
  while (events >> layer >> dot >> index >> comma >> step) {
    fired.at(layer).at(step - 1).push_back(
        static_cast<uint32_t>(channels_last(kDvs[layer], index)));
  }
  out.spikes = silent(out.network, static_cast<int64_t>(steps.size()));
  for (size_t p = 0; p < 6; ++p) {
    for (auto& neurons : fired[p]) std::sort(neurons.begin(), neurons.end());
    set_spikes(out.spikes, p, fired[p]);
  }
  for (const DvsStep& given : steps) {
    int64_t left = given.updated;
    for (size_t p = 0; p < 6; ++p) {
      const int64_t here = std::min(left, out.network.populations[p].neurons());
      out.spikes.populations[p].updated.push_back(here);
      left -= here;
    }
  }
  return out;
}

}  // namespace spikeloom::test
