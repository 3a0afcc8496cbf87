// Energy schemes, verdict, break-even, report formats and comparison, from counts made by hand and
// from the golden operation counts of Meta-SpikeFormer.

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.hpp"
#include "hw_model/report/compare.hpp"
#include "hw_model/report/report.hpp"
#include "hw_model/report/text.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;
using nlohmann::json;

namespace {

const std::string kSource = SPIKELOOM_SOURCE_DIR;

// Relative agreement of sums that were added in another order.
bool near(double a, double b, double tolerance = 1e-12) {
  return std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

// The worked example of docs/energy.md.
struct Example {
  Graph graph;
  RunStatistics run;

  Example() {
    const NodeId image = graph.add("image", Input{{4, 4, 1}, true});
    const NodeId stem = graph.add("stem", Conv2d{1, 2, 3, 1, 1, 1, "stem.weight", ""}, {image});
    const NodeId lif = graph.add("lif", Neuron{}, {stem});
    const NodeId conv = graph.add("conv", Conv2d{2, 2, 3, 1, 1, 1, "conv.weight", ""}, {lif});
    graph.output("logits", conv);
    run.samples = 1;
    run.evaluations = 4;
    PopulationStatistics spikes{32, 4, 8, std::vector<int64_t>(16, 0), {2, 2, 2, 2}};
    spikes.events_per_row[0] = 2;  // two corners
    spikes.events_per_row[15] = 1;
    spikes.events_per_row[5] = 4;  // inner pixels
    spikes.events_per_row[10] = 1;
    run.populations["lif"] = spikes;
  }

  RunCounts counts() const {
    RunCounts all;
    all.as_written = count_run(graph, run);
    all.fused = all.as_written;
    all.fused.ops.form = "fused";
    all.dense_same = count_dense_run(graph, 1);
    all.executed_form = "as_written";
    all.steps = 4;
    return all;
  }
};

ReportInput example_input() {
  ReportInput input;
  input.version = "1.2.3";
  input.generator = "spikeloom 1.2.3";
  input.config = {{"model", {{"family", "meta_spikeformer"}, {"time_steps", 4}}}};
  input.config_sha256 = "c0";
  input.weights_sha256 = "w0";
  input.weights_text = "random, for a test";
  input.backend = "reference";
  input.simd = "none";
  input.schedule = "layer-major";
  input.dataset = "one image";
  input.rate_source = "spikes of this run";
  input.warnings = {"only a test"};
  input.counts = Example().counts();
  input.accuracy = {1, 1, true};
  input.signature = "0123456789abcdef";
  return input;
}

LayerCount layer_of(const json& row) {
  LayerCount layer;
  layer.name = row.at("layer");
  layer.op = row.at("kind");
  layer.dense_macs = layer.dense_macs_once = row.at("dense_macs");
  layer.input_elements = row.at("input_numel");
  layer.spike_operand = row.contains("exact_ac");
  if (layer.spike_operand) {
    layer.input_events = row.at("input_spikes");
    layer.event_adds = row.at("exact_ac");
  } else {
    layer.real_macs = layer.dense_macs;
  }
  return layer;
}

void add_layer(OpCounts& counts, LayerCount layer) {
  CountTotals& totals = counts.totals;
  if (layer.name == "downsample1_1.encode_conv") {
    layer.is_static = true;
    layer.dense_macs_once = layer.dense_macs / 4;
    totals.stem_macs = layer.dense_macs;
    totals.stem_macs_once = layer.dense_macs_once;
  } else {
    totals.real_macs_without_stem += layer.real_macs;
  }
  totals.dense_macs += layer.dense_macs;
  totals.event_adds += layer.event_adds;
  totals.rate_adds += layer.rate_adds();
  counts.layers.push_back(std::move(layer));
}

void add_attention(OpCounts& counts, const json& row, int64_t passes) {
  AttentionCount a;
  a.name = row.at("layer");
  a.tokens = row.at("N");
  a.heads = row.at("heads");
  a.head_dim = row.at("head_dim");
  a.dense_macs_kv = row.at("dense_macs_kv").get<int64_t>() / passes;
  a.dense_macs_qkv = row.at("dense_macs_qkv").get<int64_t>() / passes;
  a.spikes_q = row.at("spikes_q");
  a.spikes_k = row.at("spikes_k");
  a.spikes_v = row.at("spikes_v");
  a.kv_coincidences = row.at("kv_coincidences");
  a.kv_k_gated_adds = row.at("kv_k_gated_adds");
  a.qkv_q_gated_adds = row.at("qkv_q_gated_adds");
  a.qkv_nonzero_adds = row.at("qkv_nonzero_adds");
  counts.totals.dense_macs_attention += a.dense_macs_kv + a.dense_macs_qkv;
  counts.totals.kv_k_gated_adds += a.kv_k_gated_adds;
  counts.totals.qkv_q_gated_adds += a.qkv_q_gated_adds;
  counts.totals.kv_coincidences += a.kv_coincidences;
  counts.attention.push_back(std::move(a));
}

struct Golden {
  json file = json::parse(std::ifstream(kSource + "/tests/golden/meta_spikeformer/opcounts.json"));

  OpCounts empty(const char* form, int64_t evaluations) const {
    OpCounts counts;
    counts.form = form;
    counts.samples = 2;
    counts.evaluations = evaluations;
    return counts;
  }
  OpCounts as_written() const {
    OpCounts counts = empty("as_written", 8);
    for (const json& row : file.at("layers")) add_layer(counts, layer_of(row));
    for (const json& row : file.at("attention")) add_attention(counts, row, 1);
    return counts;
  }
  OpCounts fused() const {
    OpCounts counts = empty("fused", 8);
    for (const json& row : file.at("layers")) {
      const std::string name = row.at("layer");
      const bool merged = name.find(".attn.") != name.npos ||
                          name.find(".Conv.dwconv") != name.npos ||
                          name.find(".Conv.pwconv2") != name.npos;
      if (!merged) add_layer(counts, layer_of(row));
    }
    for (const json& row : file.at("fused_layers")) add_layer(counts, layer_of(row));
    for (const json& row : file.at("attention")) add_attention(counts, row, 1);
    return counts;
  }
  OpCounts dense_same() const {
    OpCounts counts = empty("as_written", 2);
    for (const json& row : file.at("layers")) {
      LayerCount layer = layer_of(row);
      layer.spike_operand = false;
      layer.dense_macs /= 4;
      counts.totals.dense_macs += layer.dense_macs;
      counts.layers.push_back(layer);
    }
    for (const json& row : file.at("attention")) add_attention(counts, row, 4);
    return counts;
  }
};

double sum_of_lines(const SchemeReport& scheme) {
  double sum = 0;
  for (const EnergyLine& line : scheme.lines) {
    CHECK(line.energy_pJ == line.count * line.price_pJ);
    CHECK_FALSE(line.rule.empty());
    CHECK_FALSE(line.price_source.empty());
    sum += line.energy_pJ;
  }
  return sum;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// First and last cells of the tables headed "energy, pJ" in docs/energy.md.
std::map<std::string, double> worked_example() {
  std::ifstream file(kSource + "/docs/energy.md");
  std::map<std::string, double> values;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("| energy, pJ")) inside = true;
    if (!line.starts_with("|")) inside = false;
    if (!inside || line.starts_with("|---") || line.starts_with("| energy")) continue;
    const size_t end = line.rfind('|'), start = line.rfind('|', end - 1);
    values[line.substr(2, line.find(" |", 2) - 2)] =
        std::stod(line.substr(start + 1, end - start - 1));
  }
  return values;
}

std::string error_of(const std::vector<NamedReport>& reports) {
  try {
    compare(reports);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("prices of the 45 nm table") {
  CHECK(activation_bits(1) == 1);
  CHECK(activation_bits(2) == 2);
  CHECK(activation_bits(3) == 2);
  CHECK(activation_bits(4) == 3);
  CHECK(activation_bits(7) == 3);
  CHECK(activation_bits(8) == 4);
  CHECK(activation_bits(15) == 4);
  CHECK(arithmetic_prices(Precision::kFp32, 4).mac.value_pJ == 4.6);
  CHECK(arithmetic_prices(Precision::kFp32, 4).ac.value_pJ == 0.9);
  CHECK(arithmetic_prices(Precision::kInt8, 4).mac.value_pJ == 0.3);
  CHECK(arithmetic_prices(Precision::kQnnEquiv, 4).mac.value_pJ == Approx(0.175));
  CHECK(arithmetic_prices(Precision::kQnnEquiv, 4).mac.mark == 'E');
  const EnergyTable table = horowitz45();
  CHECK(table.at("mac_fp32").value_pJ ==
        Approx(table.at("fp32_mult").value_pJ + table.at("fp32_add").value_pJ));
  CHECK(table.at("mac_int8").value_pJ ==
        Approx(table.at("int8_mult").value_pJ + table.at("int32_add").value_pJ));
  for (const Price& price : table.prices) {
    CHECK(std::string("SPFDEAR").find(price.mark) != std::string::npos);
    CHECK(price.scope == "per_op");
    CHECK(price.node_nm == 45);
    CHECK_FALSE(price.source.empty());
  }
  CHECK_THROWS_AS(table.at("fp64_add"), Error);
}

TEST_CASE("the worked example of docs/energy.md") {
  const auto doc = worked_example();
  REQUIRE(doc.size() == 8);
  const EnergyReport energy = price_run(Example().counts());
  const auto pJ = [&](const char* scheme, Precision precision) {
    return energy.find(scheme, precision)->total_pJ;
  };
  CHECK(pJ("paper", Precision::kFp32) == Approx(doc.at("`paper`")).epsilon(1e-12));
  CHECK(pJ("as_built", Precision::kFp32) == Approx(doc.at("`as_built`")).epsilon(1e-12));
  CHECK(pJ("event", Precision::kFp32) == Approx(doc.at("`event`")).epsilon(1e-12));
  CHECK(pJ("dense_same", Precision::kFp32) == Approx(doc.at("`dense_same` fp32")).epsilon(1e-12));
  CHECK(pJ("dense_same", Precision::kInt8) == Approx(doc.at("`dense_same` int8")).epsilon(1e-12));
  CHECK(pJ("dense_same", Precision::kQnnEquiv) ==
        Approx(doc.at("`dense_same` qnn_equiv")).epsilon(1e-12));
  CHECK(pJ("as_built", Precision::kInt8) == Approx(0.3 * 1152 + 0.1 * 114));

  CountedGraph attention;
  attention.ops.attention.push_back({"attn", true, 2, 1, 2, 8, 8, 2, 3, 3, 4, 6, 4, 4});
  CHECK(as_built_energy(attention, Precision::kFp32).total_pJ ==
        Approx(doc.at("attention in `as_built`")).epsilon(1e-12));
  CHECK(event_energy(attention, Precision::kFp32).total_pJ ==
        Approx(doc.at("attention in `event`")).epsilon(1e-12));
}

TEST_CASE("golden totals of Meta-SpikeFormer to the printed digits") {
  const Golden golden;
  const json& totals = golden.file.at("totals");
  const CountedGraph written{golden.as_written(), {}}, fused{golden.fused(), {}};
  const CountedGraph same{golden.dense_same(), {}};
  REQUIRE(written.ops.totals.event_adds == totals.at("unfused_exact_ac").get<int64_t>());
  REQUIRE(fused.ops.totals.event_adds == totals.at("fused_exact_ac").get<int64_t>());
  REQUIRE(fused.ops.totals.dense_macs == totals.at("dense_macs_fused").get<int64_t>());

  const auto nJ = [](const SchemeReport& scheme) {
    CHECK(near(scheme.total_pJ, sum_of_lines(scheme)));
    return std::round(scheme.total_pJ * 10) / 1e4;  // four decimals of a nanojoule, as printed
  };
  const Precision fp32 = Precision::kFp32;
  CHECK(nJ(paper_energy(fused, fp32)) == totals.at("energy_nJ_fused_rate").get<double>());
  CHECK(nJ(as_built_energy(fused, fp32)) == totals.at("energy_nJ_fused_exact").get<double>());
  CHECK(nJ(as_built_energy(written, fp32)) == totals.at("energy_nJ_unfused_exact").get<double>());
  CHECK(nJ(dense_energy("dense_same", same, fp32, 4)) ==
        totals.at("energy_nJ_dense_ann_unfused_one_pass").get<double>());
  CHECK(nJ(paper_energy(fused, fp32)) == 146231.4684);
  CHECK(nJ(as_built_energy(fused, fp32)) == 125128.4916);
  CHECK(nJ(as_built_energy(written, fp32)) == 200950.733);
  CHECK(nJ(dense_energy("dense_same", same, fp32, 4)) == 316357.824);

  // event by its definition from the totals
  const double stem_once = totals.at("stem_macs").get<double>() / 4;
  const double real = totals.at("unfused_real_macs_without_stem").get<double>();
  const double adds = totals.at("unfused_exact_ac").get<double>() +
                      totals.at("attn_kv_coincidences").get<double>() +
                      totals.at("attn_qkv_q_gated_adds").get<double>();
  CHECK(event_energy(written, fp32).total_pJ ==
        Approx(4.6 * (stem_once + real) + 0.9 * adds).epsilon(1e-12));
  const double macs = (totals.at("dense_macs_unfused").get<double>() +
                       totals.at("dense_macs_attention").get<double>()) /
                      4;
  CHECK(dense_energy("dense_same", same, Precision::kInt8, 4).total_pJ == Approx(0.3 * macs));
  CHECK(dense_energy("dense_same", same, Precision::kQnnEquiv, 4).total_pJ == Approx(0.175 * macs));
  CHECK(as_built_energy(fused, fp32).per_sample_pJ() == as_built_energy(fused, fp32).total_pJ / 2);
}

TEST_CASE("what is not priced is listed with counts") {
  Graph graph;
  const NodeId image = graph.add("image", Input{{2, 2, 2}, true});
  const NodeId norm = graph.add("norm", BatchNorm{2, "norm", 1e-5, 0}, {image});
  const NodeId sum = graph.add("sum", Add{}, {image, norm});
  const NodeId relu = graph.add("relu", Activation{}, {sum});
  const NodeId tokens = graph.add("tokens", View{{4, 2}}, {relu});
  const NodeId mixed =
      graph.add("attn.softmax", SoftmaxAttention{1, 0.5f}, {tokens, tokens, tokens});
  const NodeId mean = graph.add("mean", SpatialMean{}, {mixed});
  graph.output("logits", graph.add("head", Linear{2, 3, 0, "head.weight", "head.bias"}, {mean}));
  const CountedGraph counted = count_dense_run(graph, 5);
  const ElementwiseCounts& e = counted.elementwise;
  CHECK(e.batch_norm == 5 * 8);
  CHECK(e.residual_additions == 5 * 8);
  CHECK(e.activations == 5 * 8);
  CHECK(e.softmax_exponentials == 5 * 16);
  CHECK(e.softmax_divisions == 5 * 16);
  CHECK(e.spatial_mean == 5 * 8);
  CHECK(e.bias_additions == 5 * 3);

  const SchemeReport twin = dense_energy("dense_twin", counted, Precision::kInt8, 4);
  CHECK(twin.total_pJ == Approx(0.3 * 5 * (2 * 3 + 2 * 4 * 4 * 2)));
  std::map<std::string, int64_t> listed;
  for (const UnpricedTerm& term : twin.unpriced) listed[term.text] = term.count;
  CHECK(listed.at("softmax exponentials") == 80);
  CHECK(listed.at("batch normalisation, elements") == 40);
  CHECK(listed.count("neuron updates (decay, charge, compare, reset)") == 0);

  const SchemeReport spiking = as_built_energy(Example().counts().as_written, Precision::kFp32);
  listed.clear();
  for (const UnpricedTerm& term : spiking.unpriced) listed[term.text] = term.count;
  CHECK(listed.at("neuron updates (decay, charge, compare, reset)") == 128);
  CHECK(listed.at("memory: membrane reads and writes") == 256);
  CHECK(listed.at("memory: weight reads without reuse") == 1152 + 114);
  CHECK(listed.at("routing: spikes to be sent") == 8);
}

TEST_CASE("memory bounds use the width that is read") {
  const MemoryTraffic traffic = spiking_traffic(Example().counts().as_written.ops);
  const MemoryLine& weights = traffic.lines.at(0);
  CHECK(weights.accesses == 18 + 36);
  CHECK(weights.low_pJ == Approx(54 * 0.5 * 1300));
  CHECK(weights.high_pJ == Approx(54 * 0.5 * 2600));
  CHECK(traffic.lines.at(1).low_pJ == Approx((1152 + 114) * 0.5 * 10));
  CHECK(dense_traffic("dense_same", Example().counts().dense_same.ops, 8).lines.at(0).low_pJ ==
        Approx(54.0 / 8 * 1300));
}

TEST_CASE("the verdict says who wins") {
  SECTION("the example loses to every baseline") {
    const Report report = make_report(example_input());
    CHECK(report.verdict.headline ==
          "LOSES: as_built 5.402 nJ per sample (fp32) against 259.2 pJ of dense_same (int8); 3 of "
          "3 lost");
    CHECK(to_table(report).starts_with("LOSES: "));
    CHECK(report.verdict.equal_precision ==
          "as_built at equal weight precision: dense_same fp32 1.36x (loses), "
          "dense_same int8 1.38x (loses), dense_same qnn_equiv 2.36x (loses)");
    // event charges the stem once and beats fp32 only
    bool found = false;
    for (const std::string& line : report.verdict.schemes) {
      found |= line.find(
                   "event (as_written, fp32) 1.427 nJ per sample: beats dense_same fp32; loses to "
                   "dense_same int8, dense_same qnn_equiv") != line.npos;
    }
    CHECK(found);
  }
  SECTION("the twin is named before the same network, int8 first") {
    ReportInput input = example_input();
    input.counts.dense_twin = input.counts.dense_same;
    input.twin = TwinInfo{"ReLU", {9, 10, true}, ""};
    const Report report = make_report(input);
    CHECK(report.verdict.headline ==
          "LOSES: as_built 5.402 nJ per sample (fp32) against 259.2 pJ of its dense twin (int8); 6 "
          "of 6 lost");
    CHECK(report.verdict.headline.size() <= 100);
  }
  SECTION("a silent network without stem wins") {
    ReportInput input = example_input();
    for (CountedGraph* counted : {&input.counts.as_written, &input.counts.fused}) {
      counted->ops.layers.erase(counted->ops.layers.begin());
    }
    const Report report = make_report(input);
    CHECK(report.verdict.headline ==
          "WINS: as_built 102.6 pJ per sample (fp32) against 259.2 pJ of dense_same (int8); 3 of 3 "
          "won");
  }
  SECTION("a tie is lost") {
    ReportInput input = example_input();
    input.counts.dense_same.ops.layers = {};
    input.counts.as_written.ops.layers = {};
    CHECK(make_report(input).verdict.headline.starts_with("LOSES: "));
  }
}

TEST_CASE("break-even positions") {
  const BreakEvenReport report = break_even(Example().counts().as_written.ops, 4, 32);
  REQUIRE(report.layers.size() == 1);
  CHECK(report.bit_budget == 128);
  CHECK(report.layers[0].s == Approx(114.0 / 576));
  CHECK(report.layers[0].event_adds_per_weight == Approx(114.0 / 36));
  CHECK(report.layers[0].rate == Approx(8.0 / 128));
  CHECK(report.network.s == Approx(114.0 / 576));
  std::map<std::string, std::string> position;
  for (size_t i = 0; i < report.conditions.size(); ++i) {
    position[report.conditions[i].id] = report.layers[0].positions[i];
  }
  CHECK(position.at("davidson_furber_2021") == "below");
  CHECK(position.at("dampfhoffer_2023") == "inside");
  CHECK(position.at("yan_2024") == "inside");  // 6.25 % between 5.7 and 6.4
  CHECK(position.at("shen_2024") == "below");
  CHECK(position.at("operations_fp32") == "below");
  const BreakEvenCondition limit{"x", "", "s", 0.15, 1.38, "", false};
  CHECK(position_of(limit, 0.149) == "below");
  CHECK(position_of(limit, 0.15) == "inside");
  CHECK(position_of(limit, 1.38) == "inside");
  CHECK(position_of(limit, 1.39) == "above");
  for (const int64_t steps : {1, 4, 5, 6, 10, 12, 16, 17, 64}) {
    for (const BreakEvenCondition& c : break_even_conditions(steps)) {
      CHECK(c.low <= c.high);
      const bool outside = steps < 5 || (steps > 10 && steps <= 16);
      if (c.id == "yan_2024") CHECK(c.nearest == outside);
    }
  }
}

TEST_CASE("report.json carries the agreed keys") {
  const json report = to_json(example_input());
  for (const char* form : {"as_written", "fused"}) {
    const json& counts = report.at("counts").at(form);
    for (const char* key : {"name", "op", "operand", "dense_macs", "input_elements", "input_events",
                            "event_adds", "real_macs"}) {
      CHECK(counts.at("layers").at(1).contains(key));
    }
    CHECK(counts.at("layers").at(1).at("operand") == "spikes");
    CHECK(counts.at("layers").at(0).at("operand") == "real");
    CHECK(counts.at("attention").is_array());
    CHECK(counts.at("neurons").at(0).at("spikes") == 8);
    CHECK(counts.at("totals").at("event_adds") == 114);
  }
  for (const char* scheme : {"paper", "as_built", "event", "dense_same"}) {
    const json& energy = report.at("energy").at(scheme);
    double sum = 0;
    for (const json& line : energy.at("lines")) sum += line.at("energy_pJ").get<double>();
    CHECK(near(sum, energy.at("total_pJ").get<double>()));
    CHECK(near(energy.at("total_nJ").get<double>() * 1e3, energy.at("total_pJ").get<double>()));
    CHECK_FALSE(energy.at("unpriced").empty());
    CHECK_FALSE(energy.at("formula").get<std::string>().empty());
    CHECK(energy.at("prices").at(0).contains("source"));
  }
  CHECK(report.at("energy").at("as_built").at("form") == "as_written");
  CHECK(report.at("energy").at("as_built").at("forms").contains("fused"));
  CHECK(report.at("energy").at("as_built").at("int8_estimate").at("precision") == "int8");
  CHECK(report.at("energy").at("dense_same").at("precisions").contains("qnn_equiv"));
  CHECK(report.at("energy").at("dense_twin").is_null());
  CHECK(report.at("accuracy") == 1.0);
  CHECK(report.at("signature") == "0123456789abcdef");
  for (const char* key :
       {"version", "config_sha256", "weights_sha256", "backend", "simd", "threads"}) {
    CHECK(report.at("provenance").contains(key));
  }
  CHECK(report.at("config").at("model").at("time_steps") == 4);
  CHECK(report.at("verdict").at(0).get<std::string>().starts_with("LOSES"));
  CHECK(report.at("schema_version") == "1.0");

  ReportInput input = example_input();
  input.accuracy.known = false;
  input.counts.fused.ops.totals.dense_macs = (int64_t{1} << 53) + 1;
  const json unknown = to_json(input);
  CHECK(unknown.at("accuracy").is_null());
  CHECK(unknown.at("counts").at("fused").at("totals").at("dense_macs_str") == "9007199254740993");
  CHECK_FALSE(report.at("counts").at("fused").at("totals").contains("dense_macs_str"));
  input.counts.executed_form = "melted";
  CHECK_THROWS_AS(to_json(input), Error);
}

TEST_CASE("report.csv has one column count and one row per layer, product and population") {
  ReportInput input = example_input();
  input.counts.as_written.ops.layers[1].name = "odd, \"name\"";
  input.counts.as_written.ops.attention.push_back(
      {"attn", true, 2, 1, 2, 8, 8, 2, 3, 3, 4, 6, 4, 4});
  const auto lines = lines_of(to_csv(make_report(input)));
  REQUIRE(lines.size() == 1 + (2 + 2 + 1) + (2 + 1));
  CHECK(lines[0].starts_with("form,kind,name,op,operand,weights,dense_macs,"));
  for (const std::string& line : lines) {
    size_t commas = 0;
    bool in_quotes = false;
    for (const char c : line) {
      if (c == '"') in_quotes = !in_quotes;
      if (c == ',' && !in_quotes) ++commas;
    }
    CHECK(commas == 22);
  }
  CHECK(lines[2].find("\"odd, \"\"name\"\"\"") != std::string::npos);
  CHECK(lines[2].ends_with(",,102.60000000000001,102.60000000000001"));
  CHECK(lines[6].starts_with("fused,layer,stem,"));
}

TEST_CASE("the terminal table fits 100 columns of ASCII") {
  ReportInput input = example_input();
  input.counts.dense_twin = input.counts.dense_same;
  input.twin = TwinInfo{"ReLU", {9, 10, true}, ""};
  input.dataset = std::string(30, 'd') +
                  " a long description of the data set that does not fit on one line of text";
  for (const std::string& line : lines_of(to_table(make_report(input)))) {
    CHECK(line.size() <= 100);
    for (const char c : line) CHECK((c >= ' ' && c <= '~'));
  }
}

TEST_CASE("numbers for people") {
  CHECK(energy_text(200950733) == "201.0 uJ");
  CHECK(energy_text(0) == "0.000 pJ");
  CHECK(energy_text(16.7e9) == "16.70 mJ");
  CHECK(count_text(375918) == "375918");
  CHECK(count_text(0.5) == "0.5");
  CHECK(count_text(6472781760.0) == "6.473 G");
  CHECK(percent_text(0.1423) == "14.23 %");
  CHECK(ratio_text(1, 0) == "-");
  CHECK(wrap("  aa bb cc", 4, 7) == "  aa bb\n    cc\n");
}

TEST_CASE("reports side by side") {
  ReportInput other = example_input();
  other.config["model"]["time_steps"] = 8;
  other.counts.executed_form = "fused";
  other.accuracy = {1, 2, true};
  other.weights_sha256 = "w1";
  const NamedReport a{"a.json", to_json(example_input())}, b{"b.json", to_json(other)};
  const ComparisonResult result = compare({a, b});
  std::map<std::string, json> rows;
  for (const json& row : result.json.at("rows")) rows[row.at("name")] = row;
  CHECK(rows.at("accuracy").at("values") == json({1.0, 0.5}));
  CHECK(rows.at("energy as_built, as run").at("ratios").at(1) == 1.0);
  CHECK(near(rows.at("energy paper, fused").at("values").at(0).get<double>(), 5428.8));
  CHECK(rows.at("energy dense_twin fp32").at("values").at(0).is_null());
  std::map<std::string, json> differing;
  for (const json& entry : result.json.at("differences"))
    differing[entry.at("key")] = entry.at("values");
  CHECK(differing.size() == 3);
  CHECK(differing.at("config.model.time_steps") == json({"4", "8"}));
  CHECK(differing.at("form") == json({"\"as_written\"", "\"fused\""}));
  CHECK(differing.count("weights_sha256") == 1);
  CHECK(result.text.find("config.model.time_steps") != std::string::npos);
  for (const std::string& line : lines_of(result.text)) CHECK(line.size() <= 100);
  CHECK(compare({a, a}).text.find("no differing assumptions") != std::string::npos);
  CHECK_THROWS_AS(compare({a}), Error);
}

TEST_CASE("malformed reports are refused, naming file and key") {
  const NamedReport good{"good.json", to_json(example_input())};
  const auto broken = [&](auto change) {
    NamedReport bad = good;
    bad.name = "bad.json";
    change(bad.json);
    return error_of({good, bad});
  };
  CHECK(broken([](json& j) { j = 7; }) == "bad.json: report key / is not an object");
  CHECK(broken([](json& j) { j = json::object(); }) ==
        "bad.json: report key /schema_version is missing");
  CHECK(broken([](json& j) { j["schema_version"] = "2.0"; }).find("/schema_version") !=
        std::string::npos);
  CHECK(broken([](json& j) { j["schema_version"] = 1; }) ==
        "bad.json: report key /schema_version is not a string");
  CHECK(broken([](json& j) { j["energy"].erase("event"); }) ==
        "bad.json: report key /energy/event/per_sample_nJ is missing");
  CHECK(broken([](json& j) {
          j["energy"] = {1, 2};
        }) == "bad.json: report key /energy/paper/per_sample_nJ is missing");
  CHECK(broken([](json& j) { j["energy"]["paper"]["per_sample_nJ"] = "7"; }) ==
        "bad.json: report key /energy/paper/per_sample_nJ is not a number");
  CHECK(broken([](json& j) { j["run"]["samples"] = -1; }).find("/run/samples") !=
        std::string::npos);
  CHECK(broken([](json& j) { j["run"]["samples"] = 0; }).find("/run/samples") != std::string::npos);
  CHECK(broken([](json& j) { j["energy"]["paper"]["prices"] = 3; }) ==
        "bad.json: report key /energy/paper/prices is not an array");
  CHECK(broken([](json& j) {
          j["energy"]["paper"]["prices"] = {3};
        }).find("/energy/paper/prices") != std::string::npos);
  CHECK(broken([](json& j) { j.erase("config"); }) == "bad.json: report key /config is missing");
  CHECK(broken([](json& j) { j["accuracy"] = "high"; }) ==
        "bad.json: report key /accuracy is not a number");
  // every single top-level key may vanish or become nonsense: an Error or a result, nothing else
  for (const auto& [key, value] : good.json.items()) {
    for (const json& nonsense : {json(), json(-1), json("x\n"), json::array(), json::object()}) {
      NamedReport bad = good;
      bad.json[key] = nonsense;
      try {
        compare({bad, good});
      } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::kData);
      }
    }
  }
}
