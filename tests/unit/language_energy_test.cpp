// Energies of SpikeGPT: the published arithmetic, its tables, and the decomposition into events.

#include "hw_model/energy/language_energy.hpp"
#include "hw_model/energy/verdict.hpp"
#include "models/ann/rwkv4.hpp"
#include "models/families.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

constexpr int64_t kTokens = 1000;

PublishedClaim published() {
  const EnergyClaim claim = find_family("spikegpt")->claim.value();
  return {claim.mac_pJ, claim.ac_pJ, claim.rate, claim.width};
}

SpikeGptConfig shape(int64_t layers, int64_t width, int64_t vocabulary) {
  SpikeGptConfig config;
  config.layers = layers;
  config.width = width;
  config.vocabulary = vocabulary;
  return config;
}

// Tokens whose neurons fire as `rate(population)` says; of relu^2 everything stays.
template <typename Rate>
RunStatistics run_of(const Graph& graph, Rate&& rate) {
  RunStatistics run = uniform_run(kTokens, 1);
  for (const Population& population : populations_of(graph)) {
    PopulationStatistics& entry = run.populations[population.name];
    entry.neurons = element_count(population.shape);
    entry.evaluations = kTokens;
    const double share = population.name.ends_with(".nonzero") ? 1.0 : rate(population.name);
    entry.events = std::llround(share * static_cast<double>(entry.neurons * kTokens));
    entry.events_per_row = {entry.events};
    entry.events_per_step = {entry.events};
  }
  return run;
}

template <typename Rate>
RunCounts counts_of(const SpikeGptConfig& config, Rate&& rate) {
  const Graph graph = build_spikegpt(config), twin = build_rwkv4(config);
  const RunStatistics run = run_of(graph, rate);
  RunCounts counts;
  counts.as_written = count_run(graph, run);
  counts.as_written.stream = count_residual_stream(graph, run, published());
  counts.fused = counts.as_written;
  counts.dense_same = count_dense_run(graph, run);
  counts.dense_twin = count_dense_run(twin, run);
  counts.other_baselines.push_back({"dense_twin_skipping", "", count_run(twin, run)});
  counts.executed_form = GraphForm::kAsWritten;
  counts.steps = 1;
  return counts;
}

HeadSplit row_of(const LanguageEnergy& language, Scheme scheme) {
  for (const HeadSplit& row : language.rows) {
    if (row.scheme == scheme && row.pricing.precision == Arithmetic::kFp32) return row;
  }
  FAIL("no row " << SchemeName(scheme).text());
  return {};
}

}  // namespace

TEST_CASE("the published 32.2 follows from its formula") {
  CHECK(published().ratio() == Approx(32.2).margin(0.05));
  CHECK(assumptions_of(published(), 0.25).size() == 6);
}

TEST_CASE("the paper's arithmetic gives the reference's table at every rate") {
  struct Row {
    double rate, without, small_head, medium_head;  // 12 x 512, V 205 and 5,458
    double big_without, big_head;                   // 18 x 768, V 50,277
  };
  const Row rows[] = {
      {0.05, 92.3, 74.8, 13.5, 95.4, 4.41}, {0.10, 48.5, 43.2, 12.0, 49.3, 4.27},
      {0.15, 32.9, 30.4, 10.8, 33.3, 4.13}, {0.20, 24.9, 23.5, 9.84, 25.1, 4.00},
      {0.30, 16.7, 16.1, 8.34, 16.8, 3.77}, {0.40, 12.6, 12.2, 7.24, 12.7, 3.57},
  };
  for (const Row& row : rows) {
    INFO("rate " << row.rate);
    const auto rate = [&](const std::string&) { return row.rate; };
    const auto paper = [&](int64_t layers, int64_t width, int64_t vocabulary) {
      const RunCounts counts = counts_of(shape(layers, width, vocabulary), rate);
      return row_of(*language_energy(price_run(counts), counts), Scheme::kPaper);
    };
    // Three printed digits.
    const auto is = [](double expected) { return Approx(expected).epsilon(0.006); };
    CHECK(paper(12, 512, 205).times_without_head == is(row.without));
    CHECK(paper(12, 512, 205).times_with_head == is(row.small_head));
    CHECK(paper(12, 512, 5458).times_with_head == is(row.medium_head));
    CHECK(paper(18, 768, 50277).times_without_head == is(row.big_without));
    CHECK(paper(18, 768, 50277).times_with_head == is(row.big_head));
  }
}

TEST_CASE("at the measured rates of a 12 x 512 network the decomposition makes 104.4 M additions") {
  const double first[] = {10.4, 6.9, 5.8, 6.1, 4.0, 11.1, 13.5, 16.5, 18.2, 22.3, 26.8, 41.1};
  const double second[] = {15.7, 11.8, 7.5, 8.6, 10.5, 13.4, 17.3, 22.4, 27.1, 34.7, 43.1, 51.2};
  const auto rate = [&](const std::string& name) {
    if (name == "emb.spikes") return 0.655;
    const auto block = static_cast<size_t>(std::stoi(name.substr(7)));
    return (name.ends_with("lif1") ? first : second)[block] / 100;
  };
  const SpikeGptConfig config = shape(12, 512, 205);
  const RunCounts counts = counts_of(config, rate);
  double adds = 0, dense = 0;
  for (const ProjectionCount& p : counts.as_written.stream->projections) {
    if (p.layer == "head" || !p.reads_stream) continue;
    adds += static_cast<double>(p.column_adds()) / kTokens;
    dense += static_cast<double>(p.dense_macs) / kTokens;
    CHECK(p.tokens_read == 2);
    CHECK(p.root_macs == 0);
  }
  CHECK(dense == 8 * 512 * 512 * 12);
  CHECK(adds == Approx(104.4e6).epsilon(0.001));
  CHECK(adds / dense == Approx(4.15).epsilon(0.002));
  CHECK(counts.as_written.stream->head == "head");

  // A real embedding keeps its dense products, once for each projection.
  SpikeGptConfig real = config;
  real.binary_embedding = false;
  const RunCounts real_counts = counts_of(real, rate);
  for (const ProjectionCount& p : real_counts.as_written.stream->projections)
    CHECK(p.root_macs == (p.reads_stream ? p.dense_macs : 0));
}

TEST_CASE("a network whose spikes drive nothing has no limits on spikes per synapse") {
  const auto rate = [](const std::string&) { return 0.2; };
  const RunCounts counts = counts_of(shape(2, 16, 20), rate);
  const EnergyReport energy = price_run(counts);
  CHECK(energy.find(Scheme::kDenseSame, Arithmetic::kQnnEquiv) == nullptr);
  CHECK(break_even(counts.executed().ops, 1, 32).conditions.empty());
  // As built, SpikeGPT is RWKV-4 that skips the same zeros: a tie, which counts as lost.
  const double built = energy.find(Scheme::kAsBuilt, Arithmetic::kFp32)->total_pJ;
  CHECK(built == energy.find(SchemeName("dense_twin_skipping"), Arithmetic::kFp32)->total_pJ);
  for (const Duel& duel : duels(energy)) {
    if (duel.spiking->scheme == Scheme::kAsBuilt &&
        duel.dense->scheme == SchemeName("dense_twin_skipping"))
      CHECK((duel.wins() == (duel.spiking->pricing.precision == Arithmetic::kInt8 &&
                             duel.dense->pricing.precision == Arithmetic::kFp32)));
  }
}

TEST_CASE("a stream that holds more than an embedding and spikes is not followed") {
  Graph graph;
  NodeId x = graph.add("tokens", Input{{1}, false, 20});
  x = graph.add("emb", Embedding{20, 16, "emb.weight"}, {x});
  const NodeId k = graph.add("k", Linear{16, 16, 0, "k.weight", ""}, {x});
  const NodeId wkv = graph.add("wkv", Wkv{16, "decay", "first"}, {k, k});
  const NodeId fired = graph.add("lif", Neuron{lif(2.0f)}, {wkv});
  NodeId sum = graph.add("add", Add{}, {x, fired});
  const auto obstacle_of = [&](NodeId stream) {
    Graph whole = graph;
    const NodeId norm = whole.add("ln", LayerNorm{16, "ln"}, {stream});
    whole.output("logits", whole.add("head", Linear{16, 20, 0, "head.weight", ""}, {norm}));
    const RunStatistics run = run_of(whole, [](const std::string&) { return 0.1; });
    std::string obstacle;
    const auto counted = count_residual_stream(whole, run, published(), &obstacle);
    CHECK(counted.has_value() == obstacle.empty());
    return obstacle;
  };
  CHECK(obstacle_of(sum).empty());
  sum = graph.add("real", Add{}, {sum, wkv});
  CHECK(obstacle_of(sum) == "real");
  CHECK(obstacle_of(graph.add("relu", Activation{}, {x})) == "relu");
}
