// What if: rounded weights, narrow accumulators, dead neurons, lost spikes. No change at all is the
// ordinary run bit for bit; what is changed does not depend on how the run is cut.

#include <cmath>
#include <set>
#include <vector>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/faults/faults.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/graph/round_weights.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

constexpr int64_t kSteps = 4;

SpikeformerConfig small_config() {
  SpikeformerConfig config;
  config.embed_dim = {10, 12, 16, 20};
  config.num_heads = 2;
  config.num_classes = 5;
  config.in_channels = 2;
  config.height = 13;
  config.width = 18;
  config.depths = {1, 1, 1, 1, 1};
  config.strides = {1, 2, 2, 2, 1};
  return config;
}

const Graph& network() {
  static const Graph graph = build_spikeformer(small_config());
  return graph;
}

Tensor image() {
  const SpikeformerConfig config = small_config();
  Tensor frames({1, config.height, config.width, config.in_channels});
  uint64_t index = 0;
  for (float& value : frames.f32()) value = 4.0f * random_uniform(11, 0, index++) - 2.0f;
  return frames;
}

// Every word of every population, then the logits.
struct Record {
  std::vector<std::vector<uint64_t>> spikes;
  std::vector<float> logits;
  bool operator==(const Record&) const = default;
};

struct Cut {
  int64_t chunk = kSteps;
  int threads = 1;
  Schedule schedule = Schedule::kLayerMajor;
  int64_t sample = 0;
};

Record run(const Graph& graph, const Weights& weights, std::shared_ptr<const Backend> backend,
           const Cut& cut = {}) {
  const auto plan = compile(graph, weights, std::move(backend), {cut.schedule, cut.chunk, {}});
  Session session(plan);
  session.reset(cut.sample);
  Record record;
  record.spikes.resize(plan->populations.size());
  for (int64_t done = 0; done < kSteps; done += cut.chunk) {
    const int64_t steps = std::min(cut.chunk, kSteps - done);
    session.run_chunk(image(), steps, cut.threads);
    const SpikeChunk chunk = session.last_chunk();
    for (size_t p = 0; p < record.spikes.size(); ++p) {
      for (int64_t t = 0; t < steps; ++t) {
        const SpikeView view = chunk.spikes(p, t);
        record.spikes[p].insert(record.spikes[p].end(), view.words,
                                view.words + view.rows * view.row_words());
      }
    }
    const Tensor logits = session.value(*graph.find_output("logits"), steps - 1);
    record.logits.assign(logits.f32().begin(), logits.f32().end());
  }
  return record;
}

int64_t spikes_of(const std::vector<uint64_t>& words) {
  int64_t sum = 0;
  for (const uint64_t word : words) sum += std::popcount(word);
  return sum;
}

int64_t spikes_of(const Record& record) {
  int64_t sum = 0;
  for (const auto& words : record.spikes) sum += spikes_of(words);
  return sum;
}

int64_t neurons_of(const Graph& graph) {
  int64_t sum = 0;
  for (const Population& population : populations_of(graph)) sum += element_count(population.shape);
  return sum;
}

Faults lost(double rate, uint64_t seed = 1) {
  return {{}, rate, seed};
}

std::vector<uint8_t> mask_of_share(double share) {
  std::vector<uint8_t> mask(static_cast<size_t>(neurons_of(network())));
  for (size_t i = 0; i < mask.size(); ++i)
    mask[i] = static_cast<double>(random_uniform(3, 5, i)) < share;
  return mask;
}

}  // namespace

TEST_CASE("no spike lost and no neuron dead is the ordinary run") {
  const Weights weights = random_weights(network(), 3);
  const Record plain = run(network(), weights, make_cpu_backend());
  REQUIRE(spikes_of(plain) > 1000);
  CHECK(run(network(), weights, with_faults(make_cpu_backend(), lost(0))) == plain);
  Faults alive;
  alive.dead = split_mask(network(), mask_of_share(0));
  CHECK(run(network(), weights, with_faults(make_cpu_backend(), std::move(alive))) == plain);
}

TEST_CASE("neurons that fire several times a step are refused, not left alone", "[fast]") {
  Graph graph;
  NeuronSpec several = neuron("IF");
  several.rules.reset = Reset::kMulti;
  graph.output("logits", graph.add("many", Neuron{several}, {graph.add("in", Input{{2}, false})}));
  CHECK_THROWS_WITH(compile(graph, Weights(), with_faults(make_cpu_backend(), lost(0.5)),
                            {Schedule::kLayerMajor, 1, {}}),
                    Catch::Contains("many fires several times a step"));
}

TEST_CASE("faults do not depend on backend, threads, chunks or schedule") {
  const Weights weights = random_weights(network(), 3);
  Faults faults = lost(0.2, 9);
  faults.dead = split_mask(network(), mask_of_share(0.1));
  const Record expected = run(network(), weights, with_faults(make_reference_backend(), faults));
  REQUIRE(spikes_of(expected) > 1000);
  for (const Cut& cut : {Cut{}, Cut{1}, Cut{3}, Cut{kSteps, 3}, Cut{2, 2, Schedule::kStepMajor}}) {
    CHECK(run(network(), weights, with_faults(make_cpu_backend(), faults), cut) == expected);
  }
  // Another sample and another seed lose other spikes.
  CHECK_FALSE(run(network(), weights, with_faults(make_cpu_backend(), faults), {.sample = 1}) ==
              expected);
  Faults other = faults;
  other.drop_seed = 10;
  CHECK_FALSE(run(network(), weights, with_faults(make_cpu_backend(), other)) == expected);
}

TEST_CASE("a cloned and a loaded session lose the same spikes") {
  const Weights weights = random_weights(network(), 3);
  const auto plan =
      compile(network(), weights, with_faults(make_cpu_backend(), lost(0.3)), {{}, kSteps, {}});
  Session session(plan), loaded(plan);
  session.reset(7);
  loaded.reset(7);
  session.run_chunk(image(), 2, 1);
  Session cloned(session);
  loaded.load(session.save());
  loaded.run_chunk(image(), 2, 1);
  session.run_chunk(image(), 2, 1);
  cloned.run_chunk(image(), 2, 1);
  const NodeId logits = *network().find_output("logits");
  const Tensor expected = session.value(logits, 1);
  for (const Session* other : {&cloned, &loaded}) {
    const Tensor values = other->value(logits, 1);
    CHECK(std::equal(values.f32().begin(), values.f32().end(), expected.f32().begin()));
  }
}

TEST_CASE("the share of lost spikes is the rate; all lost is silence") {
  const Weights weights = random_weights(network(), 3);
  const Record plain = run(network(), weights, make_cpu_backend());
  const Record third = run(network(), weights, with_faults(make_cpu_backend(), lost(0.3)));
  // The first population hears nothing of lost spikes: it sends what it always sends.
  const auto sent = static_cast<double>(spikes_of(plain.spikes[0])),
             arrived = static_cast<double>(spikes_of(third.spikes[0]));
  REQUIRE(sent > 1000);
  CHECK(std::abs(arrived / sent - 0.7) < 5 * std::sqrt(0.3 * 0.7 / sent));
  for (size_t i = 0; i < plain.spikes[0].size(); ++i)
    REQUIRE((third.spikes[0][i] & ~plain.spikes[0][i]) == 0);
  CHECK(spikes_of(run(network(), weights, with_faults(make_cpu_backend(), lost(1)))) == 0);
}

TEST_CASE("dead neurons are silent, in every form; others in front of them do not notice") {
  const Weights weights = random_weights(network(), 3);
  const Model fused = fuse(network(), weights, 1);
  const std::vector<uint8_t> mask = mask_of_share(0.5);
  const auto dead = split_mask(network(), mask);
  const auto populations = populations_of(network());
  int64_t set = 0;
  for (const auto& [name, bits] : dead) set += bits.view().count();
  CHECK(set == std::count(mask.begin(), mask.end(), 1));
  const Record plain = run(network(), weights, make_cpu_backend());
  for (const bool is_fused : {false, true}) {
    Faults faults;
    faults.dead = dead;
    const Record record =
        run(is_fused ? fused.graph : network(), is_fused ? fused.weights : weights,
            with_faults(make_cpu_backend(), std::move(faults)));
    CHECK(spikes_of(record) > 0);
    for (size_t p = 0; p < populations.size(); ++p) {
      const SpikeView off = dead.at(populations[p].name).view();
      const auto words = static_cast<size_t>(off.rows * off.row_words());
      for (size_t i = 0; i < record.spikes[p].size(); ++i)
        REQUIRE((record.spikes[p][i] & off.words[i % words]) == 0);
      if (p > 0 || is_fused) continue;
      for (size_t i = 0; i < record.spikes[0].size(); ++i)
        REQUIRE(record.spikes[0][i] == (plain.spikes[0][i] & ~off.words[i % words]));
    }
  }
  CHECK_THROWS_AS(split_mask(network(), std::vector<uint8_t>(mask.size() - 1)), Error);
  CHECK_THROWS_AS(split_mask(network(), std::vector<uint8_t>(mask.size() + 1)), Error);
}

TEST_CASE("weights on a grid of few bits for the whole layer stay, their channels' maxima aside") {
  Graph graph;
  const NodeId x = graph.add("input", Input{{3}, false});
  graph.output("out", graph.add("layer", Linear{3, 2, 0, "w", ""}, {x}));
  const float step = 0.0371f;
  Tensor w({2, 3});
  const int multiples[] = {7, -3, 0, 2, -5, 1};  // the second channel has no 7
  for (size_t i = 0; i < 6; ++i) w.f32()[i] = static_cast<float>(multiples[i]) * step;
  Weights weights;
  weights.add("w", clone(w));
  const RoundedWeights rounded = round_weights(graph, weights, 4);
  CHECK(std::equal(w.f32().begin(), w.f32().end(), rounded.weights.at("w").data.f32().begin()));
  CHECK(rounded.step.at("w") == std::vector<float>{step, step});
  w.f32()[4] = -4.6f * step;  // off the grid
  Weights off;
  off.add("w", std::move(w));
  CHECK(round_weights(graph, off, 4).step.at("w")[1] < step);
}

TEST_CASE("rounded weights: within half a step, few levels, the largest kept, the rest untouched") {
  const Weights weights = random_weights(network(), 3);
  for (const int bits : {2, 3, 4, 8, 12, 16, 24}) {
    const RoundedWeights rounded = round_weights(network(), weights, bits);
    CHECK(rounded.weights.names() == weights.names());
    for (const std::string& name : weights.names()) {
      const auto before = weights.at(name).data.f32(), after = rounded.weights.at(name).data.f32();
      const auto step = rounded.step.find(name);
      if (step == rounded.step.end()) {
        REQUIRE(std::equal(before.begin(), before.end(), after.begin()));
        continue;
      }
      const size_t row = before.size() / step->second.size();
      for (size_t c = 0; c < step->second.size(); ++c) {
        std::set<float> levels;
        for (size_t i = c * row; i < (c + 1) * row; ++i) {
          const float most = 0.5001f * step->second[c] + 1e-7f * std::abs(before[i]);
          REQUIRE(std::abs(after[i] - before[i]) <= most);
          levels.insert(after[i]);
        }
        if (bits < 12) REQUIRE(levels.size() <= (size_t{1} << bits) - 1);
        const auto largest = [&](std::span<const float> values) {
          float sum = 0;
          for (const float w : values.subspan(c * row, row)) sum = std::max(sum, std::abs(w));
          return sum;
        };
        REQUIRE(largest(after) == Approx(largest(before)));
      }
    }
    // Rounding what is rounded changes nothing but the last bit.
    const RoundedWeights again = round_weights(network(), rounded.weights, bits);
    for (const auto& [name, step] : rounded.step) {
      const auto once = rounded.weights.at(name).data.f32(),
                 twice = again.weights.at(name).data.f32();
      for (size_t i = 0; i < once.size(); ++i)
        REQUIRE(std::abs(twice[i] - once[i]) <= 2e-7f * std::abs(once[i]));
    }
  }
}

TEST_CASE("few bits give finite logits, many bits those of the ordinary run nearly") {
  const Weights weights = random_weights(network(), 3);
  const Record plain = run(network(), weights, make_cpu_backend());
  for (int bits = 1; bits <= 16; ++bits) {
    const Record record =
        run(network(), round_weights(network(), weights, bits).weights, make_cpu_backend());
    for (const float value : record.logits) CHECK(std::isfinite(value));
    if (bits <= 4) CHECK_FALSE(record == plain);
  }
  const Record close =
      run(network(), round_weights(network(), weights, 28).weights, make_cpu_backend());
  CHECK(std::abs(static_cast<double>(spikes_of(close) - spikes_of(plain))) <=
        0.001 * static_cast<double>(spikes_of(plain)));
}

TEST_CASE("a wide accumulator is the ordinary run, a narrow one is not, in both forms") {
  const Weights weights = random_weights(network(), 3);
  const Model fused = fuse(network(), weights, 1);
  for (const auto& [graph, stored] :
       {std::pair{&network(), &weights}, std::pair{&fused.graph, &fused.weights}}) {
    const RoundedWeights rounded = round_weights(*graph, *stored, 6);
    const auto held = [&](int bits) {
      return run(*graph, rounded.weights,
                 make_reference_backend(accumulator_limits(*graph, rounded, bits)));
    };
    const Record plain = run(*graph, rounded.weights, make_reference_backend());
    CHECK(held(32) == plain);
    CHECK_FALSE(held(6) == plain);
  }
}

TEST_CASE("saturation happens after every addition, in ascending order") {
  // Spikes of all ten inputs; weights in steps of 1 (2 bits): five of +1, then three of -1, zeros.
  Graph graph;
  const NodeId input = graph.add("input", Input{{10}});
  const NodeId fired = graph.add("fired", Neuron{integrate_and_fire(0.5f)}, {input});
  graph.output("logits", graph.add("fc", Linear{10, 2, 0, "fc.weight", ""}, {fired}));
  Tensor weight({2, 10});
  const float first[] = {1, 1, 1, 1, 1, -1, -1, -1, 0, 0};
  for (size_t i = 0; i < 10; ++i) {
    weight.f32()[i] = first[i];
    weight.f32()[10 + i] = -0.25f * first[i];
  }
  Weights weights;
  weights.add("fc.weight", std::move(weight));
  const RoundedWeights rounded = round_weights(graph, weights, 2);
  CHECK(rounded.step.at("fc.weight") == std::vector<float>{1, 0.25f});
  const struct {
    int bits;
    float sum;
  } rows[] = {{3, 3 - 3}, {4, 5 - 3}, {2, 1 - 2}};
  for (const auto& row : rows) {
    const auto plan =
        compile(graph, rounded.weights,
                make_reference_backend(accumulator_limits(graph, rounded, row.bits)), {{}, 1, {}});
    Session session(plan);
    Tensor ones({1, 10});
    for (float& value : ones.f32()) value = 1;
    session.run_chunk(ones, 1, 1);
    const Tensor logits = session.value(*graph.find_output("logits"), 0);
    CHECK(logits.f32()[0] == row.sum);
    CHECK(logits.f32()[1] == -0.25f * row.sum);
  }
}
