#include "sim/graph/op.hpp"

namespace spikeloom {

Layer layer_of(const Op& op) {
  return std::visit([](const Operator auto& o) { return o.layer(); }, op);
}

bool is_layer(const Op& op) {
  return layer_of(op).outputs > 0;
}

std::string weight_of(const Op& op) {
  return layer_of(op).weight;
}

std::string bias_of(const Op& op) {
  return layer_of(op).bias;
}

std::vector<Parameter> parameters_of(const Op& op) {
  return std::visit([](const Operator auto& o) { return o.parameters(); }, op);
}

StepWindow window_of(const Op& op) {
  return std::visit([](const Operator auto& o) { return o.window(); }, op);
}

std::string_view kind_of(const Op& op) {
  return std::visit([](const Operator auto& o) { return std::string_view(o.kKind); }, op);
}

std::optional<PopulationInfo> population_of(const Op& op) {
  return std::visit([](const Operator auto& o) { return o.population(); }, op);
}

std::string describe(const Op& op) {
  return std::visit(
      [](const auto& o) {
        Labeller labeller{o.kKind};
        o.fields(o, labeller);
        return labeller.result;
      },
      op);
}

}  // namespace spikeloom
