// Random networks with every kind of projection, on random mappings: fan-out tables equal synapses
// unrolled one by one, laws hold, levels, casts and numbers of threads agree.

#include <map>
#include <set>

#include "core/rng.hpp"
#include "hw_model/chip/fan_out.hpp"
#include "tests/catch.hpp"
#include "tests/chip/networks.hpp"

using namespace spikeloom;
using namespace spikeloom::test;

namespace {

class Dice {
 public:
  explicit Dice(uint64_t seed) : seed_(seed) {}
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_bits(seed_, 0, next_++) %
                                      static_cast<uint64_t>(high - low + 1));
  }

 private:
  uint64_t seed_, next_ = 0;
};

ChipPopulation map_of(const std::string& name, int64_t height, int64_t width, int64_t channels,
                      UpdateRule rule = UpdateRule::kAll) {
  ChipPopulation population = flat(name, channels, rule);
  population.height = height;
  population.width = width;
  return population;
}

// Cuts a population into boxes at random places, each on a random core.
void add_boxes(const ChipNetwork& network, int p, int64_t cores, bool keep_tokens, Dice& dice,
               Mapping& mapping) {
  const ChipPopulation& shape = network.populations[static_cast<size_t>(p)];
  const auto cut = [&](int64_t size, bool whole_range) {
    const int64_t at = whole_range ? size : dice.between(1, size);
    std::vector<Range> ranges = {{0, at}};
    if (at < size) ranges.push_back({at, size});
    return ranges;
  };
  for (const Range y : cut(shape.height, keep_tokens)) {
    for (const Range x : cut(shape.width, keep_tokens)) {
      for (const Range c : cut(shape.channels, false)) {
        mapping.boxes.push_back({p, y, x, c, dice.between(0, cores - 1)});
      }
    }
  }
}

ChipCase random_case(uint64_t seed, int64_t cores) {
  Dice dice(seed);
  ChipCase out;
  auto& populations = out.network.populations;
  auto& projections = out.network.projections;
  const int64_t groups = dice.between(1, 2), kernel = dice.between(1, 3);
  const int64_t stride = dice.between(1, 2), padding = dice.between(0, kernel - 1);
  const int64_t height = dice.between(4, 7), width = dice.between(4, 7);
  const auto extent = [&](int64_t n) { return (n + 2 * padding - kernel) / stride + 1; };
  populations.push_back(map_of("input", height, width, 2 * groups, UpdateRule::kFired));
  populations.push_back(
      map_of("conv", extent(height), extent(width), 3 * groups, UpdateRule::kTouched));
  projections.push_back({"input->conv", 0, 1,
                         ConvSynapses{kernel, kernel, stride, stride, padding, padding, groups}, "",
                         8});
  populations.push_back(flat("dense", dice.between(1, 20)));
  projections.push_back({"conv->dense", 1, 2, DenseSynapses{dice.between(1, 3)}, "", 3});
  // Recurrent, with double synapses, and a second projection between the same pair.
  SparseSynapses list;
  list.first.push_back(0);
  for (int64_t n = 0; n < populations[2].neurons(); ++n) {
    for (int64_t k = dice.between(0, 4); k > 0; --k) {
      list.targets.push_back(static_cast<uint32_t>(dice.between(0, populations[2].neurons() - 1)));
    }
    list.first.push_back(static_cast<int64_t>(list.targets.size()));
  }
  projections.push_back({"dense->dense", 2, 2, list, "", 8});
  projections.push_back({"conv->dense again", 1, 2, DenseSynapses{}, "", 8});
  // Attention: queries, keys and values of two heads.
  const int64_t tokens = dice.between(2, 5), channels = 2 * dice.between(1, 3);
  for (const char* name : {"q", "k", "v", "attention"}) {
    populations.push_back(map_of(name, 1, tokens, channels));
  }
  projections.push_back({"keys", 4, 6, AttentionSynapses{AttentionRole::kKey, 2, -1}, "", 8});
  projections.push_back({"values", 5, 6, AttentionSynapses{AttentionRole::kValue, 2, 4}, "", 8});
  projections.push_back({"queries", 3, 6, AttentionSynapses{AttentionRole::kQuery, 2, -1}, "", 8});
  // Graded packets, every neuron in every step.
  populations.push_back(flat("real", 5));
  populations.back().payload_bits = 24;
  populations.back().sends_always = true;
  projections.push_back({"real->dense", 7, 2, DenseSynapses{}, "", 8});
  for (int p = 0; p < static_cast<int>(populations.size()); ++p) {
    add_boxes(out.network, p, cores, p == 6, dice, out.mapping);
  }
  out.spikes = silent(out.network, 5);
  out.spikes.sample_starts = {0, 3};
  for (size_t p = 0; p < populations.size(); ++p) {
    if (populations[p].sends_always) continue;
    std::vector<std::vector<uint32_t>> fired(5);
    for (auto& step : fired) {
      for (uint32_t n = 0; n < populations[p].neurons(); ++n) {
        if (dice.between(0, 2) == 0) step.push_back(n);
      }
    }
    set_spikes(out.spikes, p, fired);
  }
  return out;
}

// The targets of a neuron, one per synapse, from the definition. Not for attention.
std::vector<int64_t> unrolled(const ChipNetwork& network, const Projection& projection, int64_t n) {
  const ChipPopulation& source = network.populations[static_cast<size_t>(projection.source)];
  const ChipPopulation& target = network.populations[static_cast<size_t>(projection.target)];
  std::vector<int64_t> targets;
  if (const auto* dense = std::get_if<DenseSynapses>(&projection.synapses)) {
    for (int64_t t = 0; t < target.neurons(); ++t) {
      targets.insert(targets.end(), static_cast<size_t>(dense->taps), t);
    }
  } else if (const auto* sparse = std::get_if<SparseSynapses>(&projection.synapses)) {
    const auto i = static_cast<size_t>(n);
    for (int64_t k = sparse->first[i]; k < sparse->first[i + 1]; ++k) {
      targets.push_back(sparse->targets[static_cast<size_t>(k)]);
    }
  } else if (const auto* conv = std::get_if<ConvSynapses>(&projection.synapses)) {
    const int64_t c = n % source.channels, y = n / source.channels / source.width;
    const int64_t x = n / source.channels % source.width;
    for (int64_t t = 0; t < target.neurons(); ++t) {
      const int64_t o = t % target.channels, oy = t / target.channels / target.width;
      const int64_t ox = t / target.channels % target.width;
      const int64_t ky = y + conv->padding_y - oy * conv->stride_y;
      const int64_t kx = x + conv->padding_x - ox * conv->stride_x;
      if (c / (source.channels / conv->groups) == o / (target.channels / conv->groups) && ky >= 0 &&
          ky < conv->kernel_y && kx >= 0 && kx < conv->kernel_x) {
        targets.push_back(t);
      }
    }
  }
  return targets;
}

void check_equal(const ReplayResult& a, const ReplayResult& b) {
  CHECK(a.by_core == b.by_core);
  CHECK(a.by_layer == b.by_layer);
  CHECK(a.link_flits == b.link_flits);
  CHECK(a.events == b.events);
  REQUIRE(a.steps.size() == b.steps.size());
  for (size_t step = 0; step < a.steps.size(); ++step) {
    CHECK(a.steps[step].fired == b.steps[step].fired);
    CHECK(a.steps[step].updated == b.steps[step].updated);
    CHECK(a.steps[step].messages == b.steps[step].messages);
    CHECK(a.steps[step].deliveries == b.steps[step].deliveries);
    CHECK(a.steps[step].hops == b.steps[step].hops);
    CHECK(a.steps[step].events == b.steps[step].events);
  }
}

}  // namespace

TEST_CASE("fan-out tables equal synapses unrolled one by one", "[chip]") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    const ChipCase run = random_case(seed, 12);
    const auto cores = cores_of_neurons(run.network, grid_chip(4, 3), run.mapping);
    Mapping by_neuron;
    by_neuron.cores = cores;
    for (const Projection& projection : run.network.projections) {
      INFO(projection.name);
      const FanOut table = fan_out_of(run.network, projection, run.mapping, cores);
      const FanOut walked = fan_out_of(run.network, projection, by_neuron, cores);
      CHECK(table.first == walked.first);
      if (format_of(projection.synapses) == SynapseFormat::kAttention) continue;
      const auto source = static_cast<size_t>(projection.source);
      for (uint32_t n = 0; n < run.network.populations[source].neurons(); ++n) {
        std::map<int64_t, int64_t> expected, got, got_walked;
        for (const int64_t t : unrolled(run.network, projection, n)) {
          ++expected[cores[static_cast<size_t>(projection.target)][static_cast<size_t>(t)]];
        }
        for (const auto entry : table.row(table.row_of(n))) got[entry.core] += entry.synapses;
        for (const auto entry : walked.row(walked.row_of(n))) {
          got_walked[entry.core] += entry.synapses;
        }
        REQUIRE(got == expected);
        REQUIRE(got_walked == expected);
      }
    }
  }
}

TEST_CASE("a spike reaches each core once, whatever the cast", "[chip]") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    const ChipCase run = random_case(seed, 12);
    const auto cores = cores_of_neurons(run.network, grid_chip(4, 3), run.mapping);
    // (spike, core) pairs of the conv layer, both of its projections together.
    int64_t expected = 0;
    for (int64_t step = 0; step < run.spikes.steps; ++step) {
      for (const uint32_t n : run.spikes.at(1, step)) {
        std::set<int32_t> reached;
        for (const int64_t t : unrolled(run.network, run.network.projections[1], n)) {
          reached.insert(cores[2][static_cast<size_t>(t)]);
        }
        expected += static_cast<int64_t>(reached.size());
      }
    }
    int64_t deliveries = -1, unicast_hops = 0;
    for (const char* cast : {"unicast", "multicast", "broadcast"}) {
      const ChipSpec chip = grid_chip(4, 3, {"noc.cast=" + std::string(cast)});
      const ReplayResult result = replay(run.network, chip, run.mapping, run.spikes);
      CHECK(result.deliveries[1] + result.deliveries[3] == expected);
      const StepResult sum = result.total();
      if (deliveries < 0) {
        deliveries = sum.deliveries;
        unicast_hops = sum.hops;
        CHECK(sum.messages == deliveries);
      }
      CHECK(sum.deliveries == deliveries);
      if (std::string(cast) == "multicast") CHECK(sum.hops <= unicast_hops);
    }
  }
}

TEST_CASE("laws hold; levels and numbers of threads agree", "[chip]") {
  const std::vector<std::vector<std::string>> chips = {
      {"noc.cast=unicast"},
      {"noc.cast=multicast", "noc.buffer_flits=1"},
      {"noc.cast=broadcast"},
      {"noc.cast=unicast", "noc.topology=torus", "noc.buffer_flits=2"},
      {"noc.cast=multicast", "noc.topology=torus"},
      {"noc.cast=unicast", "chip.chips_x=2", "chip.chips_y=2"},
      {"noc.cast=multicast", "chip.chips_x=2", "chip.chips_y=2", "noc.topology=torus"},
      {"noc.cast=broadcast", "chip.chips_x=3"},
      {"noc.cast=multicast", "chip.cores_per_tile=3", "chip.numbering=column_major"}};
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    for (const auto& sets : chips) {
      INFO("seed " << seed << ", chip " << sets[0] << " " << sets.back());
      std::vector<std::string> all = sets;
      for (const char* set : {"core.unit.synapse.lanes=3", "core.unit.synapse.latency_ns=5",
                              "core.unit.in.latency_ns=4", "core.unit.out.latency_ns=0.5"}) {
        all.emplace_back(set);
      }
      const ChipSpec chip = grid_chip(3, 2, all);
      const ChipCase run = random_case(seed, chip.cores());
      ReplayOptions options{.level = Level::kCounts, .threads = 1, .keep_core_traffic = true};
      const ReplayResult counts = replay(run.network, chip, run.mapping, run.spikes, options);
      CHECK_NOTHROW(check_result(run.network, chip, run.spikes, counts));
      for (const Level level : {Level::kBottleneck, Level::kEvent}) {
        options.level = level;
        options.threads = 1;
        const ReplayResult one = replay(run.network, chip, run.mapping, run.spikes, options);
        CHECK_NOTHROW(check_result(run.network, chip, run.spikes, one));
        check_equal(one, counts);
        CHECK(energy_of(chip, one).dynamic_j == energy_of(chip, counts).dynamic_j);
        for (const int threads : {2, 5}) {
          options.threads = threads;
          const ReplayResult many = replay(run.network, chip, run.mapping, run.spikes, options);
          check_equal(many, one);
          for (size_t step = 0; step < one.steps.size(); ++step) {
            CHECK(many.steps[step].time_ns == one.steps[step].time_ns);
            CHECK(many.steps[step].latency_ns == one.steps[step].latency_ns);
          }
          CHECK(many.traffic.size() == one.traffic.size());
        }
      }
    }
  }
}

TEST_CASE("steps replayed in parts are those of the whole", "[chip]") {
  ReplayOptions options;
  options.level = Level::kCounts;
  options.keep_step_cores = options.keep_step_links = true;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    const ChipSpec chip = grid_chip(4, 3, {"core.unit.synapse.latency_ns=5"});
    const ChipCase run = random_case(seed, 12);
    const ReplayResult whole = replay(run.network, chip, run.mapping, run.spikes, options);
    ReplayResult parts = whole;
    for (auto* sums : {&parts.by_core, &parts.by_layer, &parts.events, &parts.link_flits})
      std::fill(sums->begin(), sums->end(), 0);
    parts.steps.clear();
    size_t core = 0, link = 0;
    for (const Range range : {Range{0, 2}, Range{2, 3}, Range{3, 5}}) {
      const ReplayResult part =
          replay(run.network, chip, run.mapping, slice_of(run.spikes, range), options);
      parts.steps.insert(parts.steps.end(), part.steps.begin(), part.steps.end());
      const auto add = [&](auto field) {
        for (size_t i = 0; i < (parts.*field).size(); ++i) (parts.*field)[i] += (part.*field)[i];
      };
      add(&ReplayResult::by_core);
      add(&ReplayResult::by_layer);
      add(&ReplayResult::events);
      add(&ReplayResult::link_flits);
      for (const StepCore& at : part.step_cores) {
        const StepCore& wanted = whole.step_cores[core++];
        CHECK(at.updated == wanted.updated);
        CHECK(at.events == wanted.events);
        CHECK(at.packets_in == wanted.packets_in);
        CHECK(at.receive_ns == wanted.receive_ns);
      }
      for (const int64_t flits : part.step_links) CHECK(flits == whole.step_links[link++]);
    }
    check_equal(parts, whole);
    CHECK(core == whole.step_cores.size());
  }
}

TEST_CASE("a packet-level step is never shorter than its busiest part", "[chip]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const ChipSpec chip =
        grid_chip(4, 3, {"core.unit.in.latency_ns=4", "core.unit.out.latency_ns=2"});
    const ChipCase run = random_case(seed, 12);
    const ReplayResult result =
        replay(run.network, chip, run.mapping, run.spikes, {.level = Level::kEvent});
    for (const StepResult& step : result.steps) {
      CHECK(step.busy_ns >= step.generate_ns * (1 - 1e-12));
      CHECK(step.busy_ns >= step.receive_ns * (1 - 1e-12));
      CHECK(step.busy_ns >= step.link_ns * (1 - 1e-12));
    }
  }
}

TEST_CASE("touched neurons: those with a synapse from a spike, now or one step later", "[chip]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    const ChipCase run = random_case(seed, 12);
    for (const int lag : {0, 1}) {
      const ReplayResult result =
          replay(run.network, grid_chip(4, 3), run.mapping, run.spikes, {.touched_lag = lag});
      for (int64_t step = 0; step < run.spikes.steps; ++step) {
        int64_t expected = 0;
        for (size_t p = 0; p < run.network.populations.size(); ++p) {
          if (run.network.populations[p].update == UpdateRule::kAll) {
            expected += run.network.populations[p].neurons();
          }
        }
        expected += static_cast<int64_t>(run.spikes.at(0, step).size());  // inputs: kFired
        std::set<int64_t> touched;
        // Step 3 starts a sample: nothing is left from before.
        if (lag == 0 || (step != 0 && step != 3)) {
          for (const uint32_t n : run.spikes.at(0, step - lag)) {
            for (const int64_t t : unrolled(run.network, run.network.projections[0], n)) {
              touched.insert(t);
            }
          }
        }
        expected += static_cast<int64_t>(touched.size());
        CHECK(result.steps[static_cast<size_t>(step)].updated == expected);
      }
    }
  }
}
