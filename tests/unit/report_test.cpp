// Energy schemes, verdict and break-even from counts made by hand and from the golden operation
// counts of Meta-SpikeFormer.

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "tests/catch.hpp"
#include "tests/unit/report_fixture.hpp"

using namespace spikeloom;
using nlohmann::json;

namespace {

const std::string kSource = SPIKELOOM_SOURCE_DIR;

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

  OpCounts empty(GraphForm form, int64_t evaluations) const {
    OpCounts counts;
    counts.form = form;
    counts.samples = 2;
    counts.evaluations = evaluations;
    return counts;
  }
  OpCounts as_written() const {
    OpCounts counts = empty(GraphForm::kAsWritten, 8);
    for (const json& row : file.at("layers")) add_layer(counts, layer_of(row));
    for (const json& row : file.at("attention")) add_attention(counts, row, 1);
    return counts;
  }
  OpCounts fused() const {
    OpCounts counts = empty(GraphForm::kFused, 8);
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
    OpCounts counts = empty(GraphForm::kAsWritten, 2);
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

}  // namespace

TEST_CASE("prices of the 45 nm table") {
  CHECK(activation_bits(1) == 1);
  CHECK(activation_bits(2) == 2);
  CHECK(activation_bits(3) == 2);
  CHECK(activation_bits(4) == 3);
  CHECK(activation_bits(7) == 3);
  CHECK(activation_bits(8) == 4);
  CHECK(activation_bits(15) == 4);
  CHECK(arithmetic_prices(Arithmetic::kFp32, 4).mac.value_pJ == 4.6);
  CHECK(arithmetic_prices(Arithmetic::kFp32, 4).ac.value_pJ == 0.9);
  CHECK(arithmetic_prices(Arithmetic::kInt8, 4).mac.value_pJ == 0.3);
  CHECK(arithmetic_prices(Arithmetic::kQnnEquiv, 4).mac.value_pJ == Approx(0.175));
  CHECK(arithmetic_prices(Arithmetic::kQnnEquiv, 4).mac.mark == 'E');
  CHECK(arithmetic_prices(Arithmetic::kInt16, 4).ac.value_pJ == 0.05);
  CHECK(arithmetic_prices(Arithmetic::kInt16, 4).mac.value_pJ == 0.9);
  CHECK(arithmetic_prices(Arithmetic::kInt16, 4).mac.source.find("interpolated") !=
        std::string::npos);
  CHECK(arithmetic_prices(Arithmetic::kBf16, 4).mac.value_pJ == 4.6);
  CHECK(widened_mac(DType::kBF16).name == "mac_fp32_of_bfloat16");
  for (const Precision precision :
       {Precision::kF32, Precision::kAcc16, Precision::kInt8, Precision::kBF16})
    CHECK(name_of(arithmetic_of(precision)) == name_of(precision));
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

double pJ_of(const EnergyReport& energy, Scheme scheme) {
  return energy.find(scheme, Arithmetic::kFp32)->total_pJ;
}

// Published ImageNet figures of the syops tool: G AC, G MAC, mJ.
TEST_CASE("published totals of the syops tool follow from its counts at our prices") {
  const double published[][3] = {
      {0.10, 0.14, 0.734}, {0.50, 2.75, 13.10}, {1.69, 0.20, 2.44}, {0, 1.82, 8.372}};
  for (const auto& [ac, mac, mJ] : published) {
    CountedGraph counted;
    counted.syops = {{"ac", "", true, ac * 1e9}, {"mac", "", false, mac * 1e9}};
    const double total = syops_energy(counted, Arithmetic::kFp32).total_pJ / 1e9;
    CHECK(std::abs(total - mJ) < 0.005 * mJ + 1e-9);
  }
}

TEST_CASE("syops rules: padding and biases count, normalisation twice, attention never") {
  Graph graph;
  const NodeId image = graph.add("image", Input{{4, 4, 1}, true});
  const NodeId stem = graph.add("stem", Conv2d{1, 2, 3, 1, 1, 1, "stem.w", "stem.b"}, {image});
  const NodeId norm = graph.add("norm", BatchNorm{2, "norm", 1e-5, 0}, {stem});
  const NodeId spikes = graph.add("lif", Neuron{}, {norm});
  const NodeId tokens = graph.add("tokens", View{{16, 2}}, {spikes});
  const NodeId pointwise = graph.add("q", Linear{2, 4, 1, "q.w", "q.b"}, {tokens});
  const NodeId q = graph.add("q_lif", Neuron{}, {pointwise});
  const NodeId kv = graph.add("attn.kv", KtV{2}, {q, q});
  const NodeId qkv = graph.add("attn.qkv", QApply{2, 1.0f}, {q, kv});
  graph.output("attended", qkv);
  const NodeId pre = graph.add("pre", Linear{4, 4, 0, "pre.w", ""}, {q});
  const NodeId mean = graph.add("mean", SpatialMean{}, {pre});
  graph.output("logits", graph.add("fc", Linear{4, 3, 0, "fc.w", "fc.b"}, {mean}));
  RunStatistics run;
  run.samples = 2;
  run.evaluations = 6;  // 3 steps each
  run.populations["lif"] = {32, 6, 48, {}, {}};
  run.populations["q_lif"] = {64, 6, 96, {}, {}};
  std::map<std::string, SyopsLine> lines;
  for (const SyopsLine& line : count_syops(graph, run)) lines[line.layer] = line;
  CHECK(lines.size() == 7);
  CHECK(lines["stem"].count == 6 * (32 * 9 + 32));  // bias at every position
  CHECK_FALSE(lines["stem"].ac);
  CHECK(lines["norm"].count == 6 * 2 * 32);
  CHECK_FALSE(lines["norm"].ac);
  CHECK(lines["lif"].count == 6 * 32);
  CHECK(lines["lif"].ac);
  CHECK(lines["q"].count == Approx(0.25 * 6 * (64 * 2 + 64)));  // rate 48 / 192
  CHECK(lines["q"].ac);
  CHECK(lines["pre"].count == Approx(0.25 * 6 * 16 * 16));  // no bias; rate 96 / 384
  CHECK(lines["fc"].count == 6 * 12 + 2 * 3);               // bias once per call
  CHECK_FALSE(lines["fc"].ac);
  CHECK(lines.count("attn.kv") == 0);
  CHECK(lines.count("mean") == 0);
}

TEST_CASE("the worked example of docs/energy.md") {
  const auto doc = worked_example();
  REQUIRE(doc.size() == 10);
  RunCounts counts = Example().counts();
  // The image has no zeros and no binary values, the weights no zeros.
  NeuroBenchCounts harness;
  harness.layers = {{"stem", 800, 0, 800, 18, 0}, {"conv", 0, 114, 1600, 36, 0}};
  harness.samples = 1;
  counts.neurobench = harness;
  const EnergyReport energy = price_run(counts);
  CHECK(pJ_of(energy, Scheme::kNeurobench) == Approx(doc.at("`neurobench`")).epsilon(1e-12));
  CHECK(pJ_of(energy, Scheme::kSyops) == Approx(doc.at("`syops`")).epsilon(1e-12));
  const auto pJ = [&](Scheme scheme, Arithmetic precision) {
    return energy.find(scheme, precision)->total_pJ;
  };
  CHECK(pJ(Scheme::kPaper, Arithmetic::kFp32) == Approx(doc.at("`paper`")).epsilon(1e-12));
  CHECK(pJ(Scheme::kAsBuilt, Arithmetic::kFp32) == Approx(doc.at("`as_built`")).epsilon(1e-12));
  CHECK(pJ(Scheme::kEvent, Arithmetic::kFp32) == Approx(doc.at("`event`")).epsilon(1e-12));
  CHECK(pJ(Scheme::kDenseSame, Arithmetic::kFp32) ==
        Approx(doc.at("`dense_same` fp32")).epsilon(1e-12));
  CHECK(pJ(Scheme::kDenseSame, Arithmetic::kInt8) ==
        Approx(doc.at("`dense_same` int8")).epsilon(1e-12));
  CHECK(pJ(Scheme::kDenseSame, Arithmetic::kQnnEquiv) ==
        Approx(doc.at("`dense_same` qnn_equiv")).epsilon(1e-12));
  CHECK(pJ(Scheme::kAsBuilt, Arithmetic::kInt8) == Approx(0.3 * 1152 + 0.1 * 114));

  CountedGraph attention;
  attention.ops.attention.push_back({"attn", true, 2, 1, 2, 8, 8, 2, 3, 3, 4, 6, 4, 4});
  CHECK(as_built_energy(attention, Arithmetic::kFp32).total_pJ ==
        Approx(doc.at("attention in `as_built`")).epsilon(1e-12));
  CHECK(event_energy(attention, Arithmetic::kFp32).total_pJ ==
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
  const Arithmetic fp32 = Arithmetic::kFp32;
  CHECK(nJ(paper_energy(fused, fp32)) == totals.at("energy_nJ_fused_rate").get<double>());
  CHECK(nJ(as_built_energy(fused, fp32)) == totals.at("energy_nJ_fused_exact").get<double>());
  CHECK(nJ(as_built_energy(written, fp32)) == totals.at("energy_nJ_unfused_exact").get<double>());
  CHECK(nJ(dense_energy(Scheme::kDenseSame, same, fp32, 4)) ==
        totals.at("energy_nJ_dense_ann_unfused_one_pass").get<double>());
  CHECK(nJ(paper_energy(fused, fp32)) == 146231.4684);
  CHECK(nJ(as_built_energy(fused, fp32)) == 125128.4916);
  CHECK(nJ(as_built_energy(written, fp32)) == 200950.733);
  CHECK(nJ(dense_energy(Scheme::kDenseSame, same, fp32, 4)) == 316357.824);

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
  CHECK(dense_energy(Scheme::kDenseSame, same, Arithmetic::kInt8, 4).total_pJ ==
        Approx(0.3 * macs));
  CHECK(dense_energy(Scheme::kDenseSame, same, Arithmetic::kQnnEquiv, 4).total_pJ ==
        Approx(0.175 * macs));
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

  const SchemeReport twin = dense_energy(Scheme::kDenseTwin, counted, Arithmetic::kInt8, 4);
  CHECK(twin.total_pJ == Approx(0.3 * 5 * (2 * 3 + 2 * 4 * 4 * 2)));
  std::map<std::string, int64_t> listed;
  for (const UnpricedTerm& term : twin.unpriced) listed[term.text] = term.count;
  CHECK(listed.at("softmax exponentials") == 80);
  CHECK(listed.at("batch normalisation, elements") == 40);
  CHECK(listed.count("neuron updates (decay, charge, compare, reset)") == 0);

  const SchemeReport spiking = as_built_energy(Example().counts().as_written, Arithmetic::kFp32);
  listed.clear();
  for (const UnpricedTerm& term : spiking.unpriced) listed[term.text] = term.count;
  CHECK(listed.at("neuron updates (decay, charge, compare, reset)") == 128);
  CHECK(listed.at("memory: membrane reads and writes") == 256);
  CHECK(listed.at("memory: weight reads without reuse") == 1152 + 114);
  CHECK(listed.at("routing: spikes to be sent") == 8);
}

TEST_CASE("memory bounds use the width that is read") {
  const MemoryTraffic traffic = spiking_traffic(Example().counts().as_written, Arithmetic::kFp32);
  const MemoryLine& weights = traffic.lines.at(0);
  CHECK(weights.accesses == 18 + 36);
  CHECK(weights.low_pJ == Approx(54 * 0.5 * 1300));
  CHECK(weights.high_pJ == Approx(54 * 0.5 * 2600));
  CHECK(traffic.lines.at(1).low_pJ == Approx((1152 + 114) * 0.5 * 10));
  const MemoryTraffic dense =
      dense_traffic(Scheme::kDenseSame, Example().counts().dense_same.ops, Arithmetic::kInt8);
  CHECK(dense.lines.at(1).accesses == 288 + 576);
  CHECK(dense.lines.at(2).accesses == 16 + 32);
  CHECK(dense.lines.at(0).low_pJ == Approx(54.0 / 8 * 1300));
  // A run with 8-bit weights in the layer that reads spikes: a line for each width.
  const CountedGraph narrow = Example().counts(Precision::kInt8).as_written;
  const MemoryTraffic ran = spiking_traffic(narrow, Arithmetic::kInt8);
  REQUIRE(ran.lines.size() == 6);
  CHECK(ran.lines[0].bits == 32);
  CHECK(ran.lines[0].accesses == 18);
  CHECK(ran.lines[1].bits == 8);
  CHECK(ran.lines[1].accesses == 36);
  CHECK(ran.lines[3].accesses == 114);
}

TEST_CASE("break-even positions") {
  const BreakEvenReport report = break_even(Example().counts().as_written.ops, 4, 32);
  REQUIRE(report.layers.size() == 1);
  CHECK(report.bit_budget == 128);
  CHECK(report.layers[0].s == Approx(114.0 / 576));
  CHECK(report.layers[0].event_adds_per_weight == Approx(114.0 / 36));
  CHECK(report.layers[0].rate == Approx(8.0 / 128));
  CHECK(report.network.s == Approx(114.0 / 576));
  std::map<std::string, Position> position;
  for (size_t i = 0; i < report.conditions.size(); ++i) {
    position[report.conditions[i].id] = report.layers[0].positions[i];
  }
  CHECK(position.at("davidson_furber_2021") == Position::kBelow);
  CHECK(position.at("dampfhoffer_2023") == Position::kInside);
  CHECK(position.at("yan_2024") == Position::kInside);  // 6.25 % between 5.7 and 6.4
  CHECK(position.at("shen_2024") == Position::kBelow);
  CHECK(position.at("operations_fp32") == Position::kBelow);
  CHECK(position_of(0.15, 1.38, 0.149) == Position::kBelow);
  CHECK(position_of(0.15, 1.38, 0.15) == Position::kInside);
  CHECK(position_of(0.15, 1.38, 1.38) == Position::kInside);
  CHECK(position_of(0.15, 1.38, 1.39) == Position::kAbove);
  for (const int64_t steps : {1, 4, 5, 6, 10, 12, 16, 17, 64}) {
    for (const BreakEvenCondition& c : break_even_conditions(steps)) {
      CHECK(c.low <= c.high);
      const bool outside = steps < 5 || (steps > 10 && steps <= 16);
      if (c.id == "yan_2024") CHECK(c.nearest == outside);
    }
  }
}
