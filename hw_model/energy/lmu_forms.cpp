#include "hw_model/energy/lmu_forms.hpp"

#include "hw_model/energy/energy_table.hpp"

namespace spikeloom {
namespace {

// The graph with its memories in another form; `executed`: they all had it already.
Graph in_form(const Graph& graph, LmuForm form, bool& executed) {
  Graph result;
  result.form = graph.form;
  executed = true;
  for (const Node& node : graph.nodes()) {
    Op op = node.op;
    if (auto* memory = std::get_if<LmuMemory>(&op)) {
      executed = executed && memory->form == form;
      memory->form = form;
    }
    result.add(node.name, op, node.inputs);
  }
  return result;
}

}  // namespace

std::vector<LmuFormCost> lmu_form_costs(const Graph& graph, const RunStatistics& statistics) {
  std::vector<LmuFormCost> costs;
  for (const LmuForm form : {LmuForm::kEvent, LmuForm::kRecurrent, LmuForm::kFft}) {
    LmuFormCost cost;
    cost.form = form;
    const Graph variant = in_form(graph, form, cost.executed);
    bool found = false;
    for (const LayerCount& layer : count_operations(variant, statistics).layers) {
      if (!layer.legendre_memory) continue;
      found = true;
      cost.additions += layer.event_adds;
      cost.macs += layer.real_macs;
      cost.stored_values += layer.weights;
    }
    if (!found) return {};
    const auto price = [&](Arithmetic precision) {
      const ArithmeticPrices prices = arithmetic_prices(precision, 1);
      return static_cast<double>(cost.additions) * prices.ac.value_pJ +
             static_cast<double>(cost.macs) * prices.mac.value_pJ;
    };
    cost.fp32_pJ = price(Arithmetic::kFp32);
    cost.int8_pJ = price(Arithmetic::kInt8);
    costs.push_back(cost);
  }
  return costs;
}

}  // namespace spikeloom
