#include "hw_model/report/energy.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace spikeloom {
namespace {

enum class Stem { kEveryStep, kOnce };
enum class KtvRule { kKGated, kCoincidences };

void charge(SchemeReport& report, EnergyLine line, const Price& price) {
  line.price = price.name;
  line.price_pJ = price.value_pJ;
  line.price_source = price.source;
  line.energy_pJ = line.count * price.value_pJ;
  report.lines.push_back(std::move(line));
}

// Counts are added before they are priced: the total then carries one rounding per price, as by
// hand.
double total_of(const SchemeReport& report) {
  double total = 0;
  for (const Price& price : report.prices) {
    double count = 0;
    for (const EnergyLine& line : report.lines) {
      if (line.price == price.name) count += line.count;
    }
    total += count * price.value_pJ;
  }
  return total;
}

void charge_real(SchemeReport& report, const LayerCount& layer, Stem stem) {
  const bool once = layer.is_static && stem == Stem::kOnce;
  const int64_t count = once ? layer.dense_macs_once : layer.dense_macs;
  const char* rule = !layer.is_static ? "dense MACs"
                     : once           ? "dense MACs, once per sample"
                                      : "dense MACs, at every step";
  charge(report, {layer.name, "real", static_cast<double>(count), rule, "", 0, "", 0},
         report.prices[0]);
}

void charge_nonzero(SchemeReport& report, const LayerCount& layer) {
  charge(report,
         {layer.name, "real", static_cast<double>(layer.real_macs),
          fmt::format("MACs of {} inputs that relu^2 left above zero", layer.nonzero_inputs), "", 0,
          "", 0},
         report.prices[0]);
}

// A layer that reads spikes and, as the recurrent memory does, real state of its own as well.
void charge_state(SchemeReport& report, const LayerCount& layer) {
  if (layer.real_macs == 0) return;
  charge(report,
         {layer.name, "real", static_cast<double>(layer.real_macs), "real state at every step", "",
          0, "", 0},
         report.prices[0]);
}

void charge_dense_attention(SchemeReport& report, const AttentionCount& a) {
  const char* rule = a.spiking ? "dense MACs, K^T V first" : "dense MACs, Q K^T first";
  const auto product = [&](const char* name, int64_t macs) {
    charge(report, {a.name + name, "attention", static_cast<double>(macs), rule, "", 0, "", 0},
           report.prices[0]);
  };
  product(a.spiking ? ".kv" : ".qk", a.dense_macs_kv);
  product(a.spiking ? ".qkv" : ".av", a.dense_macs_qkv);
}

void charge_attention(SchemeReport& report, const OpCounts& counts, KtvRule rule) {
  for (const AttentionCount& a : counts.attention) {
    if (!a.spiking) {
      charge_dense_attention(report, a);
      continue;
    }
    const bool gated = rule == KtvRule::kKGated;
    const int64_t kv = gated ? a.kv_k_gated_adds : a.kv_coincidences;
    const std::string kv_rule =
        gated ? fmt::format("ones in K x head size = {} x {}", a.spikes_k, a.head_dim)
              : std::string("sum over tokens and heads of ones(K) x ones(V)");
    charge(report, {a.name + ".kv", "attention", static_cast<double>(kv), kv_rule, "", 0, "", 0},
           report.prices[1]);
    charge(report,
           {a.name + ".qkv", "attention", static_cast<double>(a.qkv_q_gated_adds),
            fmt::format("ones in Q x head size = {} x {}", a.spikes_q, a.head_dim), "", 0, "", 0},
           report.prices[1]);
  }
}

// What a scheme prices besides layers.
struct Priced {
  bool attention = true;
  bool elements = false;  // neurons, normalisation, biases
};

void list_unpriced(SchemeReport& report, const CountedGraph& counted, Priced priced = {}) {
  const auto add = [&](const char* text, int64_t count) {
    if (count > 0) report.unpriced.push_back({text, count});
  };
  const CountTotals& totals = counted.ops.totals;
  const ElementwiseCounts& e = counted.elementwise;
  if (!priced.attention) {
    add("attention additions, gated by K and Q", totals.kv_k_gated_adds + totals.qkv_q_gated_adds);
  }
  if (!priced.elements) {
    add("neuron updates (decay, charge, compare, reset)", totals.neuron_updates);
    add("batch normalisation, elements", e.batch_norm);
    add("of these, not to be folded into weights", e.batch_norm_unfoldable);
    add("bias additions", e.bias_additions);
  }
  add("residual additions", e.residual_additions);
  add("multiplications by a constant", e.scalings);
  add("spatial means, elements added", e.spatial_mean);
  add("step means, elements added", e.step_mean);
  add("ReLU evaluations", e.activations);
  add("sigmoids", e.sigmoids);
  add("layer normalisations, elements", e.layer_norm_elements);
  add("token shifts (a*m + b*(1-m)), elements", e.token_mix);
  add("WKV channel updates (4 exponentials, 1 division each)", e.wkv);
  add("element-wise products", e.products);
  add("embedding values read", e.embedding_values);
  add("comparisons of the binary embedding", e.comparisons);
  add("softmax exponentials", e.softmax_exponentials);
  add("softmax divisions", e.softmax_divisions);
  add("memory: weight reads without reuse", totals.weight_reads);
  add("memory: membrane reads and writes", totals.state_accesses);
  add("routing: spikes to be sent", totals.spikes);
}

SchemeReport begin(std::string scheme, const CountedGraph& counted, Arithmetic precision,
                   int64_t steps) {
  SchemeReport report;
  report.scheme = std::move(scheme);
  report.form = counted.ops.form;
  report.precision = precision;
  const ArithmeticPrices prices = arithmetic_prices(precision, steps);
  report.prices = {prices.mac, prices.ac};
  report.samples = counted.ops.samples;
  return report;
}

SchemeReport exact_energy(const char* scheme, const CountedGraph& counted, Arithmetic precision,
                          Stem stem, KtvRule rule) {
  SchemeReport report = begin(scheme, counted, precision, 0);
  for (const LayerCount& layer : counted.ops.layers) {
    if (layer.nonzero_inputs >= 0) {  // exact zeros of relu^2 are skipped
      charge_nonzero(report, layer);
      continue;
    }
    if (!layer.spike_operand) {
      charge_real(report, layer, stem);
      continue;
    }
    charge(report,
           {layer.name, "spikes", static_cast<double>(layer.event_adds),
            fmt::format("deliveries of {} spikes to existing outputs", layer.input_events), "", 0,
            "", 0},
           report.prices[1]);
    charge_state(report, layer);
  }
  charge_attention(report, counted.ops, rule);
  report.total_pJ = total_of(report);
  list_unpriced(report, counted);
  return report;
}

// SpikeGPT's publication; the head as the MACs it is.
SchemeReport paper_of_stream(const CountedGraph& counted, Arithmetic precision) {
  SchemeReport report = begin("paper", counted, precision, 0);
  report.formula =
      "E = E_AC * sum over projections(dense MACs * firing rate of the neurons behind them) + "
      "E_MAC "
      "* (7 per WKV channel + MACs of the output head); the published ratio leaves the head out";
  for (const ProjectionCount& p : counted.stream->projections) {
    if (p.neurons.empty()) {
      charge(report,
             {p.layer, "real", static_cast<double>(p.dense_macs), "dense MACs", "", 0, "", 0},
             report.prices[0]);
      continue;
    }
    charge(report,
           {p.layer, "spikes", p.rate() * static_cast<double>(p.dense_macs),
            fmt::format("rate of {} x dense MACs = {} / {} x {}", p.neurons, p.spikes, p.updates,
                        p.dense_macs),
            "", 0, "", 0},
           report.prices[1]);
  }
  charge(report,
         {"wkv", "real", 7 * static_cast<double>(counted.stream->wkv_updates),
          fmt::format("7 MACs a channel and token, {} of them", counted.stream->wkv_updates), "", 0,
          "", 0},
         report.prices[0]);
  report.total_pJ = total_of(report);
  list_unpriced(report, counted);
  return report;
}

}  // namespace

SchemeReport decomposed_energy(const CountedGraph& counted, Arithmetic precision) {
  SchemeReport report = begin("event_decomposed", counted, precision, 0);
  report.formula =
      "E = E_AC * sum over projections of the stream(outputs * tokens read * spikes in the stream) "
      "+ E_MAC * (products with a real embedding + MACs of gated and squared inputs)";
  int64_t corrections = 0;
  for (const ProjectionCount& p : counted.stream->projections) {
    if (!p.reads_stream) {
      const auto& layers = counted.ops.layers;
      const LayerCount& layer = *std::find_if(
          layers.begin(), layers.end(), [&](const LayerCount& l) { return l.name == p.layer; });
      if (layer.nonzero_inputs >= 0) {
        charge_nonzero(report, layer);
      } else {
        charge_real(report, layer, Stem::kEveryStep);
      }
      continue;
    }
    charge(report,
           {p.layer, "spikes", static_cast<double>(p.column_adds()),
            fmt::format("outputs x tokens read x spikes in the stream = {} x {} x {}", p.outputs,
                        p.tokens_read, p.column_events),
            "", 0, "", 0},
           report.prices[1]);
    if (p.root_macs > 0) {
      charge(report,
             {p.layer, "real", static_cast<double>(p.root_macs), "MACs of the real embedding", "",
              0, "", 0},
             report.prices[0]);
    }
    corrections += p.outputs * p.tokens_read * counted.ops.evaluations;
  }
  report.total_pJ = total_of(report);
  list_unpriced(report, counted);
  report.unpriced.push_back({"corrections for mean and deviation, 2 MACs each", corrections});
  return report;
}

SchemeReport paper_energy(const CountedGraph& fused, Arithmetic precision) {
  if (fused.stream) return paper_of_stream(fused, precision);
  SchemeReport report = begin("paper", fused, precision, 0);
  report.formula =
      "E = E_MAC * (stem MACs at every step + MACs of other real-operand layers) + E_AC * sum over "
      "spike "
      "layers(input spikes / input elements * dense MACs, padding included) + E_AC * (ones(K) * d "
      "+ "
      "ones(Q) * d)";
  for (const LayerCount& layer : fused.ops.layers) {
    if (!layer.spike_operand) {
      charge_real(report, layer, Stem::kEveryStep);
      continue;
    }
    charge(report,
           {layer.name, "spikes", layer.rate_adds(),
            fmt::format("input rate x dense MACs = {} / {} x {}", layer.input_events,
                        layer.input_elements, layer.dense_macs - layer.real_macs),
            "", 0, "", 0},
           report.prices[1]);
    charge_state(report, layer);
  }
  charge_attention(report, fused.ops, KtvRule::kKGated);
  report.total_pJ = total_of(report);
  list_unpriced(report, fused);
  return report;
}

SchemeReport as_built_energy(const CountedGraph& counted, Arithmetic precision) {
  SchemeReport report =
      exact_energy("as_built", counted, precision, Stem::kEveryStep, KtvRule::kKGated);
  report.formula =
      "E = E_MAC * (stem MACs at every step + MACs of other real-operand layers) + E_AC * exact "
      "spike "
      "deliveries + E_AC * (ones(K) * d + ones(Q) * d)";
  return report;
}

SchemeReport event_energy(const CountedGraph& counted, Arithmetic precision) {
  SchemeReport report =
      exact_energy("event", counted, precision, Stem::kOnce, KtvRule::kCoincidences);
  report.formula =
      "E = E_MAC * (stem MACs once per sample + MACs of other real-operand layers) + E_AC * exact "
      "spike "
      "deliveries + E_AC * (coincidences of K and V + ones(Q) * d)";
  return report;
}

SchemeReport neurobench_energy(const NeuroBenchCounts& counts, const CountedGraph& counted,
                               Arithmetic precision) {
  SchemeReport report = begin("neurobench", counted, precision, 0);
  report.formula =
      "E = E_MAC * Effective_MACs + E_AC * Effective_ACs (zero weights, padding, attention "
      "products "
      "and neurons not counted; AC where a call's inputs are all -1, 0 or 1)";
  for (const NeuroBenchLayer& layer : counts.layers) {
    const auto line = [&](const char* operand, int64_t count, const char* rule, size_t price) {
      if (count == 0) return;
      charge(report, {layer.name, operand, static_cast<double>(count), rule, "", 0, "", 0},
             report.prices[price]);
    };
    line("spikes", layer.effective_acs, "non-zero inputs x non-zero weights, binary calls", 1);
    line("real", layer.effective_macs, "non-zero inputs x non-zero weights, other calls", 0);
  }
  report.total_pJ = total_of(report);
  list_unpriced(report, counted, {false, false});
  return report;
}

SchemeReport syops_energy(const CountedGraph& counted, Arithmetic precision) {
  SchemeReport report = begin("syops", counted, precision, 0);
  report.formula =
      "E = E_MAC * (dense MACs of real operands + 2 * normalised elements) + E_AC * (input rate * "
      "dense MACs of spike operands, padding included, + neuron updates); attention products not "
      "counted";
  for (const SyopsLine& line : counted.syops) {
    charge(report, {line.layer, line.ac ? "spikes" : "real", line.count, line.rule, "", 0, "", 0},
           report.prices[line.ac ? 1 : 0]);
  }
  report.total_pJ = total_of(report);
  list_unpriced(report, counted, {false, true});
  int64_t memory = 0;
  for (const LayerCount& layer : counted.ops.layers) {
    if (layer.op.starts_with("lmu memory")) memory += layer.event_adds + layer.real_macs;
  }
  if (memory > 0) report.unpriced.push_back({"additions and MACs of the Legendre memory", memory});
  return report;
}

SchemeReport dense_energy(const std::string& scheme, const CountedGraph& counted,
                          Arithmetic precision, int64_t steps) {
  SchemeReport report = begin(scheme, counted, precision, steps);
  report.prices.pop_back();  // no accumulate-only operations
  report.formula =
      "E = E_MAC * (all dense MACs of one pass per sample + MACs of both attention products)";
  for (const LayerCount& layer : counted.ops.layers) {
    if (layer.nonzero_inputs >= 0) {
      charge_nonzero(report, layer);
      continue;
    }
    charge(report,
           {layer.name, "real", static_cast<double>(layer.dense_macs), "dense MACs", "", 0, "", 0},
           report.prices[0]);
  }
  for (const AttentionCount& a : counted.ops.attention) charge_dense_attention(report, a);
  report.total_pJ = total_of(report);
  list_unpriced(report, counted);
  return report;
}

const SchemeReport* EnergyReport::find(const std::string& scheme, Arithmetic precision,
                                       const std::string& form) const {
  const SchemeReport* any = nullptr;
  for (const SchemeReport& report : schemes) {
    if (report.scheme != scheme || report.precision != precision) continue;
    if (report.form == (form.empty() ? executed_form : form)) return &report;
    if (form.empty() && any == nullptr) any = &report;
  }
  return any;
}

bool RunCounts::spikes_drive_layers() const {
  const auto& layers = executed().ops.layers;
  return std::any_of(layers.begin(), layers.end(),
                     [](const LayerCount& layer) { return layer.spike_operand; });
}

EnergyReport price_run(const RunCounts& run) {
  EnergyReport report;
  report.executed_form = run.executed_form;
  for (const Arithmetic precision : {Arithmetic::kFp32, Arithmetic::kInt8}) {
    report.schemes.push_back(paper_energy(run.fused, precision));
    for (const CountedGraph* counted : {&run.as_written, &run.fused}) {
      report.schemes.push_back(as_built_energy(*counted, precision));
      report.schemes.push_back(event_energy(*counted, precision));
    }
    if (run.executed().stream)
      report.schemes.push_back(decomposed_energy(run.executed(), precision));
    if (run.neurobench) {
      report.schemes.push_back(neurobench_energy(*run.neurobench, run.executed(), precision));
    }
    for (const CountedGraph* counted : {&run.as_written, &run.fused}) {
      report.schemes.push_back(syops_energy(*counted, precision));
    }
  }
  for (const Arithmetic precision : {Arithmetic::kFp32, Arithmetic::kInt8, Arithmetic::kQnnEquiv}) {
    // Activations of as many bits as steps tell apart: only where spikes stand for activations.
    if (precision == Arithmetic::kQnnEquiv && !run.spikes_drive_layers()) continue;
    const auto price = [&](const std::string& scheme, const CountedGraph& counted) {
      report.schemes.push_back(dense_energy(scheme, counted, precision, run.value_steps()));
    };
    price("dense_same", run.dense_same);
    if (run.dense_twin) price("dense_twin", *run.dense_twin);
    for (const DenseBaseline& other : run.other_baselines) price(other.scheme, other.counted);
  }
  return report;
}

}  // namespace spikeloom
