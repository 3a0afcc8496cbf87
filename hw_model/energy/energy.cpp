#include "hw_model/energy/energy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace spikeloom {
namespace {

enum class Stem { kEveryStep, kOnce };
enum class KtvRule { kKGated, kCoincidences };

// What the operations of each layer cost.
class Tariff {
 public:
  Tariff(const CountedGraph& counted, Pricing pricing, int64_t steps) {
    const Arithmetic base = pricing.as_run ? Arithmetic::kFp32 : pricing.precision;
    const ArithmeticPrices prices = arithmetic_prices(base, steps);
    prices_ = {prices.mac, prices.ac};
    if (!pricing.as_run) return;
    for (const LayerCount& layer : counted.ops.layers) {
      const auto narrow = counted.narrow.find(layer.name);
      if (narrow == counted.narrow.end()) continue;
      if (layer.spike_operand) {
        acs_[layer.name] = index_of(arithmetic_prices(pricing.precision, steps).ac);
      } else {
        macs_[layer.name] = index_of(widened_mac(narrow->second));
      }
    }
  }
  const Price& mac(const std::string& layer) const { return at(macs_, layer, 0); }
  const Price& ac(const std::string& layer) const { return at(acs_, layer, 1); }
  const std::vector<Price>& all() const { return prices_; }

 private:
  using ByLayer = std::map<std::string, size_t>;
  const Price& at(const ByLayer& own, const std::string& layer, size_t standard) const {
    const auto found = own.find(layer);
    return prices_[found == own.end() ? standard : found->second];
  }
  size_t index_of(const Price& price) {
    for (size_t i = 0; i < prices_.size(); ++i) {
      if (prices_[i].name == price.name) return i;
    }
    prices_.push_back(price);
    return prices_.size() - 1;
  }

  std::vector<Price> prices_;  // MAC and AC of everything else first
  ByLayer macs_, acs_;
};

void charge(SchemeReport& report, const std::string& layer, Operand operand, double count,
            std::string rule, const Price& price) {
  report.lines.push_back({layer, operand, count, std::move(rule), price.name, price.value_pJ,
                          price.source, count * price.value_pJ});
}
void charge(SchemeReport& report, const std::string& layer, Operand operand, int64_t count,
            std::string rule, const Price& price) {
  charge(report, layer, operand, static_cast<double>(count), std::move(rule), price);
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

void charge_real(SchemeReport& report, const Tariff& tariff, const LayerCount& layer, Stem stem) {
  const bool once = layer.is_static && stem == Stem::kOnce;
  const int64_t count = once ? layer.dense_macs_once : layer.dense_macs;
  const char* rule = !layer.is_static ? "dense MACs"
                     : once           ? "dense MACs, once per sample"
                                      : "dense MACs, at every step";
  charge(report, layer.name, Operand::kReal, count, rule, tariff.mac(layer.name));
}

void charge_nonzero(SchemeReport& report, const Tariff& tariff, const LayerCount& layer) {
  charge(report, layer.name, Operand::kReal, layer.real_macs,
         fmt::format("MACs of {} inputs that relu^2 left above zero", layer.nonzero_inputs),
         tariff.mac(layer.name));
}

// A layer that reads spikes and, as the recurrent memory does, real state of its own as well.
void charge_state(SchemeReport& report, const Tariff& tariff, const LayerCount& layer) {
  if (layer.real_macs == 0) return;
  charge(report, layer.name, Operand::kReal, layer.real_macs, "real state at every step",
         tariff.mac(layer.name));
}

void charge_dense_attention(SchemeReport& report, const Tariff& tariff, const AttentionCount& a) {
  const char* rule = a.spiking ? "dense MACs, K^T V first" : "dense MACs, Q K^T first";
  const auto product = [&](const char* name, int64_t macs) {
    charge(report, a.name + name, Operand::kAttention, macs, rule, tariff.mac(a.name));
  };
  product(a.spiking ? ".kv" : ".qk", a.dense_macs_kv);
  product(a.spiking ? ".qkv" : ".av", a.dense_macs_qkv);
}

void charge_attention(SchemeReport& report, const Tariff& tariff, const OpCounts& counts,
                      KtvRule rule) {
  for (const AttentionCount& a : counts.attention) {
    if (!a.spiking) {
      charge_dense_attention(report, tariff, a);
      continue;
    }
    const bool gated = rule == KtvRule::kKGated;
    const int64_t kv = gated ? a.kv_k_gated_adds : a.kv_coincidences;
    const std::string kv_rule =
        gated ? fmt::format("ones in K x head size = {} x {}", a.spikes_k, a.head_dim)
              : std::string("sum over tokens and heads of ones(K) x ones(V)");
    charge(report, a.name + ".kv", Operand::kAttention, kv, kv_rule, tariff.ac(a.name));
    charge(report, a.name + ".qkv", Operand::kAttention, a.qkv_q_gated_adds,
           fmt::format("ones in Q x head size = {} x {}", a.spikes_q, a.head_dim),
           tariff.ac(a.name));
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
  add("pools, elements read by windows", e.pooled);
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
  add("exponentials of neurons", e.neuron_exponentials);
  add("divisions of neurons", e.neuron_divisions);
  add("elements of what is recorded and not named", e.recorded);
  add("memory: weight reads without reuse", totals.weight_reads);
  add("memory: membrane reads and writes", totals.state_accesses);
  add("routing: spikes to be sent", totals.spikes);
}

// Share of the synaptic operations as built that rules without attention and Legendre memories
// price.
double share_without_attention(const CountedGraph& counted) {
  const CountTotals& totals = counted.ops.totals;
  int64_t left_out = totals.kv_k_gated_adds + totals.qkv_q_gated_adds, all = left_out;
  for (const AttentionCount& a : counted.ops.attention) {
    const int64_t macs = a.spiking ? 0 : a.dense_macs_kv + a.dense_macs_qkv;
    left_out += macs;
    all += macs;
  }
  for (const LayerCount& layer : counted.ops.layers) {
    const int64_t operations = layer.event_adds + layer.real_macs;
    if (layer.legendre_memory) left_out += operations;
    all += operations;
  }
  return all > 0 ? 1 - static_cast<double>(left_out) / static_cast<double>(all) : 1;
}

SchemeReport begin(SchemeName scheme, const CountedGraph& counted, Pricing pricing,
                   const Tariff& tariff) {
  SchemeReport report;
  report.scheme = std::move(scheme);
  report.form = counted.ops.form;
  report.pricing = pricing;
  report.prices = tariff.all();
  report.samples = counted.ops.samples;
  return report;
}

SchemeReport exact_energy(Scheme scheme, const CountedGraph& counted, Pricing pricing, Stem stem,
                          KtvRule rule) {
  const Tariff tariff(counted, pricing, 0);
  SchemeReport report = begin(scheme, counted, pricing, tariff);
  for (const LayerCount& layer : counted.ops.layers) {
    if (layer.nonzero_inputs >= 0) {  // exact zeros of relu^2 are skipped
      charge_nonzero(report, tariff, layer);
      continue;
    }
    if (!layer.spike_operand) {
      charge_real(report, tariff, layer, stem);
      continue;
    }
    charge(report, layer.name, Operand::kSpikes, layer.event_adds,
           fmt::format("deliveries of {} spikes to existing outputs", layer.input_events),
           tariff.ac(layer.name));
    charge_state(report, tariff, layer);
  }
  charge_attention(report, tariff, counted.ops, rule);
  report.total_pJ = total_of(report);
  list_unpriced(report, counted);
  return report;
}

// SpikeGPT's publication; the head as the MACs it is.
SchemeReport paper_of_stream(const CountedGraph& counted, Pricing pricing) {
  const Tariff tariff(counted, pricing, 0);
  SchemeReport report = begin(Scheme::kPaper, counted, pricing, tariff);
  report.formula =
      "E = E_AC * sum over projections(dense MACs * firing rate of the neurons behind them) + "
      "E_MAC "
      "* (7 per WKV channel + MACs of the output head); the published ratio leaves the head out";
  for (const ProjectionCount& p : counted.stream->projections) {
    if (p.neurons.empty()) {
      charge(report, p.layer, Operand::kReal, p.dense_macs, "dense MACs", tariff.mac(p.layer));
      continue;
    }
    charge(report, p.layer, Operand::kSpikes, p.rate() * static_cast<double>(p.dense_macs),
           fmt::format("rate of {} x dense MACs = {} / {} x {}", p.neurons, p.spikes, p.updates,
                       p.dense_macs),
           tariff.ac(p.layer));
  }
  charge(report, "wkv", Operand::kReal, 7 * static_cast<double>(counted.stream->wkv_updates),
         fmt::format("7 MACs a channel and token, {} of them", counted.stream->wkv_updates),
         tariff.mac("wkv"));
  report.total_pJ = total_of(report);
  list_unpriced(report, counted);
  return report;
}

}  // namespace

SchemeReport decomposed_energy(const CountedGraph& counted, Pricing pricing) {
  const Tariff tariff(counted, pricing, 0);
  SchemeReport report = begin(Scheme::kEventDecomposed, counted, pricing, tariff);
  report.formula =
      "E = E_AC * sum over projections of the stream(outputs * inputs mixed * spikes in the "
      "stream) + E_MAC * (products with a real embedding + MACs of gated and squared inputs)";
  int64_t corrections = 0;
  for (const ProjectionCount& p : counted.stream->projections) {
    if (!p.reads_stream) {
      const auto& layers = counted.ops.layers;
      const LayerCount& layer = *std::find_if(
          layers.begin(), layers.end(), [&](const LayerCount& l) { return l.name == p.layer; });
      if (layer.nonzero_inputs >= 0) {
        charge_nonzero(report, tariff, layer);
      } else {
        charge_real(report, tariff, layer, Stem::kEveryStep);
      }
      continue;
    }
    charge(report, p.layer, Operand::kSpikes, p.column_adds(),
           fmt::format("outputs x inputs mixed x spikes in the stream = {} x {} x {}", p.outputs,
                       p.tokens_read, p.column_events),
           tariff.ac(p.layer));
    if (p.root_macs > 0) {
      charge(report, p.layer, Operand::kReal, p.root_macs, "MACs of the real embedding",
             tariff.mac(p.layer));
    }
    corrections += p.outputs * p.tokens_read * counted.ops.evaluations;
  }
  report.total_pJ = total_of(report);
  list_unpriced(report, counted);
  report.unpriced.push_back({"corrections for mean and deviation, 2 MACs each", corrections});
  return report;
}

SchemeReport paper_energy(const CountedGraph& fused, Pricing pricing) {
  if (fused.stream) return paper_of_stream(fused, pricing);
  const Tariff tariff(fused, pricing, 0);
  SchemeReport report = begin(Scheme::kPaper, fused, pricing, tariff);
  report.formula =
      "E = E_MAC * (stem MACs at every step + MACs of other real-operand layers) + E_AC * sum over "
      "spike layers(input spikes / input elements * dense MACs, padding included) + E_AC * "
      "(ones(K) * d + ones(Q) * d)";
  for (const LayerCount& layer : fused.ops.layers) {
    if (!layer.spike_operand) {
      charge_real(report, tariff, layer, Stem::kEveryStep);
      continue;
    }
    charge(report, layer.name, Operand::kSpikes, layer.rate_adds(),
           fmt::format("input rate x dense MACs = {} / {} x {}", layer.input_events,
                       layer.input_elements, layer.dense_macs - layer.real_macs),
           tariff.ac(layer.name));
    charge_state(report, tariff, layer);
  }
  charge_attention(report, tariff, fused.ops, KtvRule::kKGated);
  report.total_pJ = total_of(report);
  list_unpriced(report, fused);
  return report;
}

SchemeReport as_built_energy(const CountedGraph& counted, Pricing pricing) {
  SchemeReport report =
      exact_energy(Scheme::kAsBuilt, counted, pricing, Stem::kEveryStep, KtvRule::kKGated);
  report.formula =
      "E = E_MAC * (stem MACs at every step + MACs of other real-operand layers) + E_AC * exact "
      "spike deliveries + E_AC * (ones(K) * d + ones(Q) * d)";
  return report;
}

SchemeReport event_energy(const CountedGraph& counted, Pricing pricing) {
  SchemeReport report =
      exact_energy(Scheme::kEvent, counted, pricing, Stem::kOnce, KtvRule::kCoincidences);
  report.formula =
      "E = E_MAC * (stem MACs once per sample + MACs of other real-operand layers) + E_AC * exact "
      "spike deliveries + E_AC * (coincidences of K and V + ones(Q) * d)";
  return report;
}

SchemeReport neurobench_energy(const NeuroBenchCounts& counts, const CountedGraph& counted,
                               Pricing pricing) {
  const Tariff tariff(counted, pricing, 0);
  SchemeReport report = begin(Scheme::kNeurobench, counted, pricing, tariff);
  report.formula =
      "E = E_MAC * Effective_MACs + E_AC * Effective_ACs (zero weights, padding, attention "
      "products and neurons not counted; AC where a call's inputs are all -1, 0 or 1)";
  for (const NeuroBenchLayer& layer : counts.layers) {
    const auto line = [&](Operand operand, int64_t count, const char* rule, bool is_ac) {
      if (count == 0) return;
      charge(report, layer.name, operand, count, rule,
             is_ac ? tariff.ac(layer.name) : tariff.mac(layer.name));
    };
    line(Operand::kSpikes, layer.effective_acs, "non-zero inputs x non-zero weights, binary calls",
         true);
    line(Operand::kReal, layer.effective_macs, "non-zero inputs x non-zero weights, other calls",
         false);
  }
  report.total_pJ = total_of(report);
  report.priced_share = share_without_attention(counted);
  list_unpriced(report, counted, {false, false});
  return report;
}

SchemeReport syops_energy(const CountedGraph& counted, Pricing pricing) {
  const Tariff tariff(counted, pricing, 0);
  SchemeReport report = begin(Scheme::kSyops, counted, pricing, tariff);
  report.formula =
      "E = E_MAC * (dense MACs of real operands + 2 * normalised elements) + E_AC * (input rate * "
      "dense MACs of spike operands, padding included, + neuron updates); attention products not "
      "counted";
  for (const SyopsLine& line : counted.syops) {
    charge(report, line.layer, line.ac ? Operand::kSpikes : Operand::kReal, line.count, line.rule,
           line.ac ? tariff.ac(line.layer) : tariff.mac(line.layer));
  }
  report.total_pJ = total_of(report);
  report.priced_share = share_without_attention(counted);
  list_unpriced(report, counted, {false, true});
  int64_t memory = 0;
  for (const LayerCount& layer : counted.ops.layers) {
    if (layer.legendre_memory) memory += layer.event_adds + layer.real_macs;
  }
  if (memory > 0) report.unpriced.push_back({"additions and MACs of the Legendre memory", memory});
  return report;
}

SchemeReport dense_energy(SchemeName scheme, const CountedGraph& counted, Arithmetic precision,
                          int64_t steps) {
  const Tariff tariff(counted, precision, steps);
  SchemeReport report = begin(std::move(scheme), counted, precision, tariff);
  report.prices.resize(1);  // no accumulate-only operations
  report.formula =
      "E = E_MAC * (all dense MACs of one pass per sample + MACs of both attention products)";
  for (const LayerCount& layer : counted.ops.layers) {
    if (layer.nonzero_inputs >= 0) {
      charge_nonzero(report, tariff, layer);
      continue;
    }
    charge(report, layer.name, Operand::kReal, layer.dense_macs, "dense MACs",
           tariff.mac(layer.name));
  }
  for (const AttentionCount& a : counted.ops.attention) charge_dense_attention(report, tariff, a);
  report.total_pJ = total_of(report);
  list_unpriced(report, counted);
  return report;
}

}  // namespace spikeloom
