// Dense accelerators: SCALE-Sim's cycle counts, closed forms, conservation, presets.

#include "hw_model/chip/systolic.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "hw_model/chip/dense.hpp"
#include "hw_model/energy/energy_table.hpp"
#include "models/ann/gpt.hpp"
#include "models/ann/kwt.hpp"
#include "models/dense_twin.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/counts/op_counts.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;
using Catch::Matchers::Contains;

namespace {

constexpr Dataflow kAll[] = {Dataflow::kWeightStationary, Dataflow::kOutputStationary,
                             Dataflow::kInputStationary};

int64_t up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

Graph twin_of_image_network() {
  SpikeformerConfig config;
  config.embed_dim = {8, 16, 24, 32};
  config.depths = {1, 1, 1, 1, 1};
  config.num_heads = 2;
  config.num_classes = 5;
  config.in_channels = 3;
  config.height = config.width = 32;
  return dense_twin(build_spikeformer(config));
}

// One fully connected layer of `in` to `out` on `rows` tokens.
Graph one_linear(int64_t rows, int64_t in, int64_t out) {
  Graph graph;
  const NodeId input = graph.add("input", Input{{rows, in}});
  graph.output("logits", graph.add("fc", Linear{in, out, 0, "fc.weight", ""}, {input}));
  return graph;
}

// A machine whose every price is told apart by a decimal place of its own.
DenseSpec machine(const std::vector<std::string>& sets = {}) {
  Config config = Config::parse(R"(schema_version = 1
name = "small"
[dense]
rows = 4
cols = 8
clock_hz = 1e9
static_w = 0.001
[dense.price]
fp32_mac = 1
int8_mac = 0.5
int8_multiply = 0.4
[dense.inputs]
bytes = 1000000
access_bits = 32
price = 2
[dense.weights]
bytes = 1000000
access_bits = 32
price = 3
[dense.outputs]
bytes = 1000000
access_bits = 32
price = 5
[dense.dram]
access_bits = 8
price = 7
bytes_per_s = 1e12
)",
                                "small.toml");
  for (const std::string& set : sets) config.set(set);
  return read_dense(config);
}

std::string fault(const std::string& set) {
  try {
    machine({set});
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kUsage);
    return error.what();
  }
  return "accepted";
}

void check_sums(const DenseResult& result) {
  DenseRow sum;
  for (const DenseRow& row : result.rows) {
    CHECK(row.cycles >= row.array_cycles);
    CHECK(row.utilisation > 0);
    CHECK(row.utilisation <= 1);
    sum.macs += row.macs;
    sum.cycles += row.cycles;
    sum.dram.inputs += row.dram.inputs;
    sum.dram.weights += row.dram.weights;
    sum.dram.outputs += row.dram.outputs;
    sum.energy += row.energy;
  }
  CHECK(sum.macs == result.total.macs);
  CHECK(sum.cycles == result.total.cycles);
  CHECK(sum.dram.total() == result.total.dram.total());
  CHECK(sum.energy.total() == Approx(result.total.energy.total()).epsilon(1e-12));
}

}  // namespace

TEST_CASE("the nine cycle counts of SCALE-Sim on a 32 x 32 array", "[dense]") {
  const struct {
    Gemm gemm;  // m, k, n
    int64_t weight, output, input;
  } rows[] = {{{64, 64, 64}, 631, 503, 631},
              {{196, 64, 256}, 4639, 7055, 4899},
              {{100, 70, 50}, 1163, 1055, 1727}};
  for (const auto& row : rows) {
    CHECK(gemm_cycles(row.gemm, {32, 32, Dataflow::kWeightStationary}) == row.weight);
    CHECK(gemm_cycles(row.gemm, {32, 32, Dataflow::kOutputStationary}) == row.output);
    CHECK(gemm_cycles(row.gemm, {32, 32, Dataflow::kInputStationary}) == row.input);
  }
}

TEST_CASE("buffer traffic is that of SCALE-Sim", "[dense]") {
  const int64_t m = 100, k = 70, n = 50, rows = 32, cols = 16;
  const Gemm gemm{m, k, n};
  CHECK(buffer_traffic(gemm, {rows, cols, Dataflow::kWeightStationary}) ==
        BufferTraffic{m * k * up(n, cols), k * n, m * n * up(k, rows), m * n * (up(k, rows) - 1)});
  CHECK(buffer_traffic(gemm, {rows, cols, Dataflow::kOutputStationary}) ==
        BufferTraffic{m * k * up(n, cols), k * n * up(m, rows), m * n, 0});
  CHECK(buffer_traffic(gemm, {rows, cols, Dataflow::kInputStationary}) ==
        BufferTraffic{m * k, k * n * up(m, cols), m * n * up(k, rows), m * n * (up(k, rows) - 1)});
}

TEST_CASE("long streams fill the array, repeats multiply, transposing swaps the dataflows",
          "[dense]") {
  // A held tile that fills the array and a stream that outlasts filling it.
  const Gemm stream{1 << 20, 16, 16};
  CHECK(static_cast<double>(stream.macs()) /
            (256.0 * static_cast<double>(gemm_cycles(stream, {16, 16}))) >
        0.9999);
  const Gemm once{30, 40, 50}, often{30, 40, 50, 7};
  for (const Dataflow dataflow : kAll) {
    const SystolicArray array{8, 8, dataflow};
    CHECK(gemm_cycles(often, array) == 7 * gemm_cycles(once, array));
    CHECK(buffer_traffic(often, array).input_reads == 7 * buffer_traffic(once, array).input_reads);
  }
  CHECK(gemm_cycles({30, 40, 50}, {8, 16, Dataflow::kWeightStationary}) ==
        gemm_cycles({50, 40, 30}, {8, 16, Dataflow::kInputStationary}));
  // Depthwise convolutions use one column.
  const Gemm depthwise{49, 9, 1, 64};
  const SystolicArray array{9, 32};
  CHECK(static_cast<double>(depthwise.macs()) /
            (9.0 * 32 * static_cast<double>(gemm_cycles(depthwise, array))) <
        1.0 / 32);
}

TEST_CASE("one layer by hand: cycles, traffic, every category of energy", "[dense]") {
  // 6 tokens, 10 inputs, 20 outputs on 4 x 8: 3 x 3 folds of 2*4 + 8 + 6 - 2 = 20 cycles.
  const Graph graph = one_linear(6, 10, 20);
  const DenseResult result = dense_accelerator(graph, 1, machine({"dense.format=fp32"}));
  REQUIRE(result.rows.size() == 1);
  const DenseRow& row = result.rows[0];
  CHECK(row.gemm == Gemm{6, 10, 20, 1});
  CHECK(row.array_cycles == 9 * 20 - 1);
  CHECK(row.cycles == row.array_cycles);
  CHECK(result.seconds == Approx(179e-9));
  CHECK(row.utilisation == Approx(1200.0 / (32 * 179)));
  CHECK(row.dram.inputs == 60 * 32);
  CHECK(row.dram.weights == 200 * 32);
  CHECK(row.dram.outputs == 120 * 32);
  CHECK(row.energy.mac == 1200);
  CHECK(row.energy.sram == 60 * 3 * 2 + 200 * 3 + 120 * (3 + 2) * 5);
  CHECK(row.energy.dram == (60 + 200 + 120) * 4 * 7);
  CHECK(row.energy.registers == 0);
  CHECK(row.energy.idle == Approx(0.001 * 179e-9 * 1e12));
  CHECK(result.weakest == 'E');
  REQUIRE(result.unpriced.size() == 2);
  CHECK(result.unpriced[0] == "register accesses: 1200");
  check_sums(result);
}

TEST_CASE("DRAM: bandwidth bounds time, small buffers fetch again, weights may stay", "[dense]") {
  const Graph graph = one_linear(6, 10, 20);
  const auto run = [&](std::vector<std::string> sets) {
    sets.push_back("dense.format=fp32");
    return dense_accelerator(graph, 1, machine(sets));
  };
  // 1520 bytes at 1 byte per cycle.
  const DenseResult slow = run({"dense.dram.bytes_per_s=1e9"});
  CHECK(slow.total.cycles == 1520);
  CHECK(slow.total.array_cycles == 179);
  // Inputs take 240 bytes: half of 480 holds them, half of 479 holds two blocks of 3 tokens, for
  // which the array is filled twice.
  const DenseResult whole = run({"dense.inputs.bytes=480"}), cut = run({"dense.inputs.bytes=479"});
  CHECK(whole.rows[0].blocks == 1);
  CHECK(cut.rows[0].blocks == 2);
  CHECK(cut.total.dram.inputs == 60 * 32);
  CHECK(cut.total.array_cycles == 2 * (9 * (2 * 4 + 8 + 3 - 2) - 1));
  // Weights that had to come twice would cost more than inputs for each of 3 folds of outputs.
  const DenseResult again = run({"dense.inputs.bytes=479", "dense.weights.bytes=1"});
  CHECK(again.rows[0].blocks == 1);
  CHECK(again.total.dram.inputs == 3 * 60 * 32);
  // Partial sums of one fold of outputs: 6 x 8 x 4 bytes. Half of 160 holds those of 2 tokens.
  const DenseResult sums = run({"dense.outputs.bytes=160"});
  CHECK(sums.rows[0].blocks == 3);
  CHECK(sums.total.dram.outputs == 120 * 32);
  // Blocks of 4 and 2 tokens read inputs as often as one of 6, weights twice.
  CHECK(run({"dense.outputs.bytes=256"}).total.buffers.weight_reads == 2 * 200);
  CHECK(run({"dense.outputs.bytes=256"}).total.buffers.input_reads == 3 * 60);
  // Weight stationary reads each weight once, whatever fits.
  CHECK(run({"dense.weights.bytes=1"}).total.dram.weights == 200 * 32);
  // Output stationary reads them for each of 2 folds of tokens, and its sums stay.
  CHECK(run({"dense.weights.bytes=1", "dense.dataflow=output"}).total.dram.weights == 2 * 200 * 32);
  CHECK(run({"dense.outputs.bytes=1", "dense.dataflow=output"}).total.dram.outputs == 120 * 32);
  // Three passes over sums that do not fit: two of them out and back.
  CHECK(run({"dense.outputs.bytes=1"}).total.dram.outputs == (1 + 2 * 2) * 120 * 32);
  CHECK(run({"dense.weight_memory=resident"}).total.dram.weights == 0);
  CHECK_THROWS_WITH(run({"dense.dram.bytes_per_s=1", "dense.clock_hz=1e12"}),
                    Contains("fc waits for DRAM for 1.52e+15 cycles"));
  CHECK_THROWS_WITH(run({"dense.weight_memory=resident", "dense.weights.bytes=799"}),
                    Contains("weights of 800 bytes shall stay in a buffer of 799 bytes"));
  // The network's own input and output pass through DRAM in any case.
  CHECK(run({"dense.activation_memory=kept"}).total.dram.total() == run({}).total.dram.total());
}

TEST_CASE("activations that are kept save DRAM between layers only", "[dense]") {
  const Graph graph = twin_of_image_network();
  const DenseResult dram = dense_accelerator(graph, 1, machine());
  const DenseResult kept = dense_accelerator(graph, 1, machine({"dense.activation_memory=kept"}));
  REQUIRE(dram.rows.size() == kept.rows.size());
  CHECK(kept.total.dram.weights < dram.total.dram.weights);  // keys and values of attention
  CHECK(kept.total.dram.inputs == dram.rows[0].dram.inputs);
  CHECK(kept.total.dram.outputs == dram.rows.back().dram.outputs);
  CHECK(kept.total.energy.sram == dram.total.energy.sram);
}

TEST_CASE("batch: weights once, everything else for each sample", "[dense]") {
  const Graph graph = twin_of_image_network();
  const DenseSpec one = machine(), eight = machine({"dense.batch=8"});
  const DenseResult single = dense_accelerator(graph, 1, one),
                    batch = dense_accelerator(graph, 1, eight);
  CHECK(batch.batch == 8);
  CHECK(batch.total.macs == 8 * single.total.macs);
  CHECK(batch.total.array_cycles < 8 * single.total.array_cycles);
  for (size_t i = 0; i < batch.rows.size(); ++i) {
    const DenseRow &a = single.rows[i], &b = batch.rows[i];
    INFO(a.layer);
    const bool attention = a.op.find("attention") != std::string::npos;
    CHECK(b.dram.weights == (attention ? 8 : 1) * a.dram.weights);
    CHECK(b.buffers.output_writes == 8 * a.buffers.output_writes);
  }
}

TEST_CASE("zero gating saves switching in measured layers, and no time", "[dense]") {
  const Graph graph = one_linear(6, 10, 20);
  const DenseSpec gated = machine({"dense.zero_gating=true"});
  DenseRun run;
  run.zeros["fc"] = 0.75;
  const DenseResult plain = dense_accelerator(graph, 1, machine(), run),
                    half = dense_accelerator(graph, 1, gated, run),
                    unknown = dense_accelerator(graph, 1, gated);
  CHECK(half.total.energy.mac == Approx(plain.total.energy.mac / 4));
  CHECK(half.total.energy.sram == plain.total.energy.sram);
  CHECK(half.total.cycles == plain.total.cycles);
  CHECK(unknown.total.energy.mac == plain.total.energy.mac);
  CHECK_THAT(unknown.unpriced.back(), Contains("zeros were not measured: 1"));
}

TEST_CASE("MACs are those of the operation counter, in every dataflow and format", "[dense]") {
  const Graph image = twin_of_image_network(), keyword = build_kwt(kwt_preset("KWT-1"));
  for (const Graph* graph : {&image, &keyword}) {
    const CountTotals counted = count_dense(*graph, 1).totals;
    for (const Dataflow dataflow : kAll) {
      const DenseResult result = dense_accelerator(
          *graph, 1, machine({"dense.dataflow=" + std::string(name_of(dataflow))}));
      CHECK(result.total.macs == counted.dense_macs + counted.dense_macs_attention);
      check_sums(result);
    }
  }
  // 3-bit activations at T = 4, 8-bit weights: less of everything but sums.
  DenseRun run;
  run.rate_steps = 4;
  const DenseResult int8 = dense_accelerator(image, 1, machine()),
                    qnn = dense_accelerator(image, 1, machine({"dense.format=qnn_equiv"}), run),
                    fp32 = dense_accelerator(image, 1, machine({"dense.format=fp32"}));
  CHECK(int8.total.energy.mac == Approx(0.5 * static_cast<double>(int8.total.macs)));
  CHECK(qnn.total.energy.mac == Approx((0.1 + 0.4 * 3 / 8) * static_cast<double>(int8.total.macs)));
  CHECK(qnn.total.energy.total() < int8.total.energy.total());
  CHECK(4 * int8.total.dram.weights == fp32.total.dram.weights);
  CHECK(8 * qnn.total.dram.inputs == 3 * int8.total.dram.inputs);
  CHECK(qnn.total.array_cycles == int8.total.array_cycles);
}

TEST_CASE("sequences: one pass over all steps, masks and padding computed", "[dense]") {
  LmuformerConfig config = lmuformer_preset("speech_commands");
  config.spiking = false;
  config.dim = 16;
  config.layer = 2;
  config.memory_size = 8;
  const int64_t steps = config.seq_len;
  for (const LmuForm form : {LmuForm::kEvent, LmuForm::kRecurrent}) {
    config.memory = form;
    const Graph graph = build_lmuformer(config);
    const int64_t counted = count_dense(graph, 1, steps).totals.dense_macs;
    const DenseResult result = dense_accelerator(graph, steps, machine());
    if (form == LmuForm::kRecurrent) {
      CHECK(result.total.macs == counted);
    } else {
      CHECK(result.total.macs > counted);  // the counter leaves out taps before the start
    }
    check_sums(result);
  }
  GptConfig gpt;
  gpt.layers = 2;
  gpt.width = 12;
  gpt.heads = 3;
  gpt.vocabulary = 50;
  gpt.context = 16;
  const DenseResult result = dense_accelerator(build_gpt(gpt), 10, machine());
  const auto scores = std::find_if(result.rows.begin(), result.rows.end(),
                                   [](const DenseRow& row) { return row.layer.ends_with(".qk"); });
  REQUIRE(scores != result.rows.end());
  CHECK(scores->gemm == Gemm{10, 4, 10, 3});
}

TEST_CASE("presets: every constant has a source; formats without a price are listed", "[dense]") {
  std::string before;
  for (const ChipPreset& preset : dense_presets()) {
    INFO(preset.name);
    CHECK(before < preset.name);
    before = preset.name;
    const DenseSpec spec = load_dense(std::string(preset.name));
    CHECK(spec.name == preset.name);
    CHECK(mac_price(spec, 4));
    for (const ChipSpec::Evidence& evidence : spec.evidence_of) {
      INFO(evidence.key);
      CHECK_FALSE(evidence.constant.source.empty());
    }
  }
  CHECK_THROWS_WITH(load_dense("dense_sistolic"), Contains("did you mean dense_systolic?"));
  const DenseSpec eyeriss = load_dense("eyeriss65", {"dense.format=fp32"});
  const DenseResult result = dense_accelerator(one_linear(4, 4, 4), 1, eyeriss);
  CHECK(result.total.energy.mac == 0);
  CHECK(result.unpriced.front() == "fp32 MACs: 64");
  CHECK(result.seconds == -1);
}

TEST_CASE("the array's prices at 45 nm are those of the energy table", "[dense]") {
  const auto price = [](const char* format) {
    return mac_price(load_dense("dense_systolic", {std::string("dense.format=") + format}), 4)
        ->value;
  };
  CHECK(price("fp32") == Approx(arithmetic_prices(Arithmetic::kFp32, 4).mac.value_pJ));
  CHECK(price("int8") == Approx(arithmetic_prices(Arithmetic::kInt8, 4).mac.value_pJ));
  CHECK(price("qnn_equiv") == Approx(arithmetic_prices(Arithmetic::kQnnEquiv, 4).mac.value_pJ));
  const EnergyTable table = horowitz45();
  const DenseSpec spec = load_dense("dense_systolic");
  CHECK(spec.inputs.price->value == table.at("sram_1MB").value_pJ);
  CHECK(spec.outputs.price->value == table.at("sram_32KB").value_pJ);
  CHECK(spec.dram.price->value == table.at("dram_low").value_pJ);
}

TEST_CASE("Eyeriss: registers dominate, DRAM does not, at the published traffic", "[dense]") {
  const DenseSpec spec = load_dense("eyeriss65");
  // Row stationary: two operands and a sum read, the sum written, at every MAC. AlexNet's
  // convolutions: 0.0029 accesses of DRAM per MAC (Chen et al., JSSC 2017).
  const double registers = 4 * spec.prices.register_access->value;
  const double dram = 0.0029 * spec.dram.price->value;
  CHECK(registers > spec.prices.int16_mac->value + dram);
  CHECK(dram < spec.prices.int16_mac->value);
}

TEST_CASE("wrong values of a dense description name the key and what is allowed", "[dense]") {
  CHECK(fault("dense.batch=2") == "accepted");
  CHECK_THAT(fault("dense.rows=0"), Contains("'dense.rows'") && Contains("from 1 to 65536"));
  CHECK_THAT(fault("dense.dataflow=row"), Contains("\"weight\""));
  CHECK_THAT(fault("dense.format=int4"), Contains("\"qnn_equiv\""));
  CHECK_THAT(fault("dense.price.int8_multiply=0.6"), Contains("from 0.0 to 0.5"));
  CHECK_THAT(fault("dense.inputs.bytes=-1"), Contains("'dense.inputs.bytes'"));
  CHECK_THAT(fault("dense.rws=3"), Contains("did you mean dense.rows?"));
  CHECK_THROWS_AS(dense_accelerator(one_linear(2, 2, 2), 0, machine()), Error);
}
