// Reports of chips: sums, the host's share, files whose rows have all columns.

#include "hw_model/report/chip_report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.hpp"
#include "hw_model/chip/mapper.hpp"
#include "hw_model/report/chip_break_even.hpp"
#include "hw_model/report/chip_compare.hpp"
#include "hw_model/report/chip_timeline.hpp"
#include "hw_model/report/page_chips.hpp"
#include "models/spikegpt/spikegpt.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;
using nlohmann::json;

namespace {

// 3 inputs, all of which fire in each of 5 steps, to 4 neurons on another core.
LoweredNetwork small_network() {
  LoweredNetwork lowered;
  ChipPopulation population;
  for (const auto& [name, neurons] : {std::pair{"in", 3}, std::pair{"out", 4}}) {
    population.name = name;
    population.channels = neurons;
    lowered.network.populations.push_back(population);
    lowered.sources.push_back(SpikeSource::kTrace);
  }
  Projection projection;
  projection.name = "fc, \"dense\"";
  projection.source = 0;
  projection.target = 1;
  lowered.network.projections.push_back(projection);
  lowered.layers.push_back(0);
  return lowered;
}

ChipSpikes firing(const LoweredNetwork& lowered, int64_t steps) {
  ChipSpikes spikes;
  spikes.steps = steps;
  spikes.sample_starts = {0};
  spikes.populations.resize(lowered.network.populations.size());
  ChipSpikes::Population& first = spikes.populations[0];
  first.first.push_back(0);
  for (int64_t s = 0; s < steps; ++s) {
    for (uint32_t n = 0; n < lowered.network.populations[0].neurons(); ++n)
      first.neurons.push_back(n);
    first.first.push_back(static_cast<int64_t>(first.neurons.size()));
  }
  return spikes;
}

ReplayResult replayed(const LoweredNetwork& lowered, const ChipSpec& chip, int64_t steps,
                      Level level = Level::kBottleneck) {
  ReplayOptions options;
  options.level = level;
  options.keep_step_cores = true;
  return replay(lowered.network, chip, map_sequential(lowered.network, chip),
                firing(lowered, steps), options);
}

ChipRun::Verdict find(const ChipRun& run, const std::string& id) {
  for (const ChipRun::Verdict& verdict : run.break_even.verdicts) {
    if (verdict.id == id) return verdict;
  }
  FAIL(id);
  return {};
}

size_t columns_of(const std::string& line) {
  size_t columns = 1;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) ++columns;
  }
  return columns;
}

void check_columns(const std::string& csv, size_t rows) {
  std::istringstream lines(csv);
  std::string line;
  std::getline(lines, line);
  const size_t columns = columns_of(line);
  size_t found = 0;
  while (std::getline(lines, line)) {
    INFO(line);
    CHECK(columns_of(line) == columns);
    ++found;
  }
  CHECK(found == rows);
}

}  // namespace

TEST_CASE("a run is priced per inference, to the last digit of a sum by hand") {
  const ChipSpec chip = load_chip("loihi1");
  const LoweredNetwork lowered = small_network();
  const ChipRun run = price_run(lowered, chip, replayed(lowered, chip, 5), {2, 3});
  CHECK(run.samples == 2);
  CHECK(run.totals.events == 5 * 3 * 4);
  CHECK(run.totals.messages == 15);
  // Synapses 23.6 pJ; 7 neurons accessed in each step at 52; 15 spikes at 29; deliveries at 1.7
  // (the two cores share a tile).
  const double pj = 60 * 23.6 + 35 * 52.0 + 15 * 29.0 + 15 * 1.7;
  CHECK(run.dynamic_j == Approx(pj * 1e-12 / 2).epsilon(1e-12));
  // Reception: 12 events of 3.5 ns; generation: 3 neurons of 8.4 ns; one tile: barrier 113 ns.
  CHECK(run.latency_s == Approx(5 * (42 + 113) * 1e-9 / 2).epsilon(1e-12));
  CHECK(run.static_j == Approx(0.1044 * run.latency_s).epsilon(1e-12));
  CHECK(run.utilisation == Approx((42 + 25.2) / 2 / 155).epsilon(1e-12));
  CHECK(run.critical ==
        "core 1 (chip 0, tile 0, slot 1), receiving: 5 of 5 steps, 100 % of the busy time");
  CHECK(run.total_j == Approx(run.dynamic_j + run.static_j).epsilon(1e-12));
  CHECK(std::count(run.unpriced.begin(), run.unpriced.end(), "energy of barriers") == 1);
  CHECK(run.weakest == 'D');
}

TEST_CASE("the host's work is counted densely, sample by sample") {
  SpikeGptConfig config;
  config.layers = 1;
  config.width = 8;
  config.vocabulary = 77;
  const ChipSpec chip = load_chip("horowitz45");
  const LoweredNetwork lowered = lower(build_spikegpt(config), chip);
  const ChipRun run = price_run(lowered, chip, replayed(lowered, chip, 5), {2, 3});
  int64_t macs = 0, wanted = 0;
  for (const ChipRun::HostWork& work : run.host) macs += work.macs;
  for (const Node& node : lowered.graph.nodes()) {
    if (const auto* linear = std::get_if<Linear>(&node.op))
      wanted += 5 * linear->in_features * linear->out_features;
  }
  CHECK(macs == wanted);
  CHECK(run.host_j == Approx(static_cast<double>(wanted) * 74.6e-12 / 2).epsilon(1e-12));
  CHECK(run.total_j == Approx(run.dynamic_j + run.host_j).epsilon(1e-12));

  // Tokens: every step tells another value. Work on the host leaves a victory open, not a defeat.
  CHECK(run.break_even.value_steps == 1);
  AcceleratorRow row;
  for (const double factor : {0.5, 2.0}) {
    row.joules = factor * run.total_j;
    const ChipRun judged = price_run(lowered, chip, replayed(lowered, chip, 5), {2, 3},
                                     {{load_dense("dense_systolic"), row}});
    REQUIRE(judged.break_even.verdicts.back().id == "measured");
    CHECK(judged.break_even.verdicts.back().verdict ==
          (factor < 1 ? Judgement::kLoses : Judgement::kUndecided));
  }
}

TEST_CASE("break-even verdicts of a run, by hand") {
  const LoweredNetwork lowered = small_network();
  const auto priced = [&](const char* chip_name, int64_t steps,
                          const std::vector<DenseSide>& dense = {}) {
    const ChipSpec chip = load_chip(chip_name);
    return price_run(lowered, chip, replayed(lowered, chip, steps), {steps}, dense);
  };
  // 60 events at 12 synapses; 15 spikes of 7 neurons in 5 steps.
  const ChipRun loihi = priced("loihi1", 5);
  CHECK(loihi.break_even.value_steps == 5);
  CHECK(loihi.break_even.macs == 12);
  CHECK(loihi.break_even.spikes_per_synapse == 5);
  CHECK(loihi.break_even.rate == Approx(15.0 / 35));
  REQUIRE(loihi.break_even.layers.size() == 1);
  CHECK(loihi.break_even.layers[0].spikes_per_synapse == 5);
  CHECK(loihi.break_even.layers[0].rate == 1);
  CHECK(find(loihi, "davidson_furber_2021").verdict == Judgement::kLoses);
  CHECK(find(loihi, "operations_fp32").low == Approx(4.6 / 0.9));
  CHECK(find(loihi, "operations_fp32").verdict == Judgement::kWins);
  CHECK(find(loihi, "operations_int8").verdict == Judgement::kLoses);
  CHECK(find(loihi, "yan_2024").verdict == Judgement::kLoses);
  // Against the arithmetic of dense_systolic, 0.3 pJ; neurons have 3 synapses and 52 pJ.
  const ChipRun::Verdict constants = find(loihi, "constants");
  CHECK(constants.low == Approx((0.3 - 5 * 52.0 / 3) / 23.6));
  CHECK_THAT(constants.why, Catch::Contains("14 nm against 45 nm"));
  const ChipRun::Verdict general = find(loihi, "general_form");
  const double event_pj = (60 * 23.6 + 15 * 29.0 + 15 * 1.7) / 60;
  CHECK(general.value == Approx(5));
  CHECK(general.low ==
        Approx((12 * 0.3 - 35 * 52.0 - loihi.static_j * 1e12) / (12 * event_pj)).epsilon(1e-12));
  CHECK(std::none_of(loihi.break_even.verdicts.begin(), loihi.break_even.verdicts.end(),
                     [](const auto& verdict) { return verdict.id == "measured"; }));

  // In the units of Davidson and Furber the run's own energies give their 12E / 7E, and one spike
  // per synapse is below it, five are above.
  const DenseSide furber{load_dense("davidson_furber22_ann"), std::nullopt};
  for (const int64_t steps : {1, 5}) {
    const ChipRun run = priced("davidson_furber22", steps, {furber});
    for (const char* id : {"davidson_furber_2021", "constants", "general_form"}) {
      INFO(id << " in " << steps << " steps");
      CHECK(find(run, id).low == Approx(12.0 / 7.0));
      CHECK(find(run, id).value == Approx(steps));
      CHECK(find(run, id).verdict == (steps == 1 ? Judgement::kWins : Judgement::kLoses));
    }
  }

  // Against an accelerator that ran; a tie is lost.
  AcceleratorRow row;
  for (const double factor : {0.5, 1.0, 2.0}) {
    row.joules = factor * loihi.total_j;
    const ChipRun run = priced("loihi1", 5, {{furber.spec, row}});
    CHECK(find(run, "measured").verdict == (factor > 1 ? Judgement::kWins : Judgement::kLoses));
    CHECK(find(run, "general_form").verdict == find(run, "measured").verdict);
  }
  CHECK(find(priced("loihi1", 5, {{load_dense("eyeriss65"), std::nullopt}}), "constants").verdict ==
        Judgement::kNotApplicable);
}

TEST_CASE("a run in turns is judged by all it spent, loading included") {
  LoweredNetwork lowered = small_network();
  lowered.network.populations.push_back(lowered.network.populations[1]);
  lowered.network.populations[2].name = "last";
  lowered.sources.push_back(SpikeSource::kTrace);
  lowered.network.projections.push_back({"next", 1, 2, DenseSynapses{}, "", 8});
  lowered.layers.push_back(0);
  ChipSpikes spikes = firing(lowered, 5);
  spikes.populations[1] = spikes.populations[0];
  const ChipSpec large = load_chip("loihi1");
  const ChipSpec chip = load_chip(
      "loihi1", {"chip.rows=1", "chip.cols=1", "chip.usable_cores=2", "core.limits.neurons=4",
                 "reload.energy_pj_per_byte=100", "reload.ns_per_byte=2"});
  const InTurnResult turns = replay_in_turn(lowered.network, chip, spikes);
  REQUIRE(turns.turns.size() == 2);
  const ChipRun run = price_turns(lowered, chip, turns, {5});
  const ChipRun whole = price_run(
      lowered, large,
      replay(lowered.network, large, map_sequential(lowered.network, large), spikes, {}), {5});
  // 12 and 16 synapses; 2 x 15 spikes of 3 and 4 neurons, each to four synapses.
  CHECK(run.break_even.macs == 28);
  CHECK(run.break_even.spikes_per_synapse == Approx(120.0 / 28));
  CHECK(whole.break_even.macs == 28);
  CHECK(whole.break_even.spikes_per_synapse == run.break_even.spikes_per_synapse);
  CHECK(whole.break_even.rate == run.break_even.rate);
  // Bytes of 28 weights, and 15 spikes of two bits that are written and read.
  CHECK(run.loaded_bytes == 28);
  CHECK(run.spike_bytes == 2 * 4);
  const double neurons = 5 * 11 * 52, time = run.static_j * 1e12 + 100 * 28;
  const double event = (run.dynamic_j * 1e12 - neurons + 100 * 8) / 120;
  const ChipRun::Verdict general = find(run, "general_form");
  CHECK(general.low == Approx((28 * 0.3 - neurons - time) / (28 * event)).epsilon(1e-12));
  CHECK_THAT(general.why, Catch::Contains("static, idle, barriers and loading"));
  CHECK_THAT(find(whole, "general_form").why, Catch::Contains("static, idle and barriers"));
  AcceleratorRow row;
  row.joules = run.total_j - run.reload_j / 2;
  const ChipRun beside = price_turns(lowered, chip, turns, {5}, {{load_dense("eyeriss65"), row}});
  CHECK(find(beside, "measured").value == run.total_j);
  CHECK(find(beside, "measured").verdict == Judgement::kLoses);
}

TEST_CASE("a network without spiking projections is judged by nothing that needs them") {
  LoweredNetwork lowered = small_network();
  lowered.network.populations[0].payload_bits = 32;
  const ChipSpec chip = load_chip("loihi2");
  const ChipRun run = price_run(lowered, chip, replayed(lowered, chip, 2), {2});
  for (const ChipRun::Verdict& verdict : run.break_even.verdicts) {
    INFO(verdict.id);
    CHECK((verdict.verdict == Judgement::kNotApplicable) == (verdict.id != "general_form"));
  }
  ChipReport report;
  report.runs = {run};
  CHECK_THAT(chip_table(report, 300), Catch::Contains("no projection on the chip reads spikes"));
}

TEST_CASE("files have all columns, and comparisons read what reports write") {
  const ChipSpec chip = load_chip("loihi1");
  const LoweredNetwork lowered = small_network();
  ChipReport report;
  report.runs.push_back(price_run(lowered, chip, replayed(lowered, chip, 5), {5}));
  report.runs.push_back(report.runs[0]);
  report.runs[1].label = "loihi1, \"twice\"";
  ChipRun& refused = report.runs.emplace_back();
  refused.label = refused.chip = "small";
  refused.refused = "too small, by far";
  for (ChipRun& run : report.runs) run.settings = {{"noc.cast", "unicast"}};
  AcceleratorRow row;
  row.name = "array";
  row.network = "dense_twin";
  row.joules = 2 * report.runs[0].total_j;
  row.seconds = 1e-3;
  report.dense.push_back(row);
  check_columns(sweep_csv(report), 3);
  const ChipRun& first = report.runs[0];
  check_columns(chip_csv(report),
                2 * (first.operations.size() + first.layers.size() + first.core_rows.size()));
  const json stored = json::parse(chip_json(report));
  REQUIRE(is_chip_report(stored));
  const ComparisonResult result = compare_chips({{"a", stored}});
  CHECK(result.json["runs"][1]["ratio"] == 1.0);
  CHECK(result.json["runs"][2]["refused"] == "too small, by far");
  CHECK(result.json["differences"].empty());
  CHECK_THAT(chip_compare_text({{"a", stored}}, result, 100),
             Catch::Contains("[1] array, dense_twin") && Catch::Contains("2.00x"));
  CHECK_THAT(chip_table(report), Catch::Contains("chip: axon_in.axons"));
  for (const char* key : {"/signature", "/runs/0/samples", "/runs/1/energy_per_inference/dynamic_j",
                          "/runs/2/label", "/dense/0/joules"}) {
    json damaged = stored;
    damaged[json::json_pointer(key)] = json::array();
    CHECK_THROWS_WITH(compare_chips({{"a", damaged}}),
                      Catch::Contains(std::string("a: report key ") + key));
  }
}

TEST_CASE("a timeline needs times") {
  const ChipSpec chip = load_chip("loihi1");
  const LoweredNetwork lowered = small_network();
  CHECK_THROWS_AS(chip_timeline(chip, replayed(lowered, chip, 2, Level::kCounts)), Error);
  const json events = json::parse(chip_timeline(chip, replayed(lowered, chip, 2)))["traceEvents"];
  double receiving = 0;
  for (const json& event : events) {
    if (event["name"] == "receives") receiving += event["dur"].get<double>();
  }
  CHECK(receiving == Approx(2 * 0.042).epsilon(1e-12));
}
