#include "nir/describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "nir/lower.hpp"

namespace spikeloom::nir {
namespace {

// From where to where numbers go: "0.002", "0.002 to 0.004".
struct Range {
  double low = 0, high = 0;
  std::string text() const {
    return low == high ? fmt::format("{:.6g}", low) : fmt::format("{:.6g} to {:.6g}", low, high);
  }
};

Range range_of(int64_t count, const std::function<double(int64_t)>& value) {
  Range range{value(0), value(0)};
  for (int64_t i = 1; i < count; ++i) {
    range.low = std::min(range.low, value(i));
    range.high = std::max(range.high, value(i));
  }
  return range;
}

double number(const Node& node, std::string_view field, int64_t i) {
  const Array& array = node[field];
  return array.at(array.size() == 1 ? 0 : i);
}

// What one node is, step by step.
class Describer {
 public:
  Describer(const Node& node, const Shape& shape, const Choices& choices)
      : node_(node), choices_(choices), count_(element_count(shape)) {
    for (const Field& field : node.type().fields) {
      if (node.has(field.name)) widest_ = std::max(widest_, node[field.name].size());
    }
    count_ = std::min(count_, widest_);
  }

  std::vector<std::string> parameters() const {
    std::vector<std::string> texts;
    for (const Field& field : node_.type().fields) {
      if (!node_.has(field.name)) continue;
      const Array& array = node_[field.name];
      if (field.kind == FieldKind::kIntegers || field.kind == FieldKind::kPadding) {
        texts.push_back(fmt::format("{} {}", field.name, integers(array)));
        continue;
      }
      const Range range = range_of(array.size(), [&](int64_t i) { return array.at(i); });
      const bool whole = field.kind == FieldKind::kNumbers;
      texts.push_back(
          whole ? fmt::format("{} {} {}", field.name, to_string(array.shape()), range.text())
                : fmt::format("{} {}", field.name, range.text()));
    }
    if (node_.same) texts.emplace_back("padding same");
    return texts;
  }

  std::string leak() const {
    if (choices_.dt == 0) return "";
    if (node_.has("tau")) return share("tau").text();
    if (!node_.has("tau_mem")) return "";
    return fmt::format("{} (mem), {} (syn)", share("tau_mem").text(), share("tau_syn").text());
  }

  std::string gain() const {
    if (choices_.dt == 0 || !node_.has("r")) return "";
    if (node_.has("tau")) return weighed("r", "tau").text();
    if (node_.has("tau_mem")) {
      const std::string into =
          node_.has("w_in") ? weighed("w_in", "tau_syn").text() : of_tau("tau_syn").text();
      return fmt::format("{} (mem), {} (syn)", weighed("r", "tau_mem").text(), into);
    }
    if (adds_unit(node_, choices_)) return "1";
    return range_of(count_, [&](int64_t i) { return choices_.dt * number(node_, "r", i); }).text();
  }

 private:
  static std::string integers(const Array& array) {
    std::string text;
    for (int64_t i = 0; i < array.size(); ++i)
      text += fmt::format("{}{}", i == 0 ? "" : "x", array.at(i));
    return text;
  }
  double a(std::string_view tau, int64_t i) const {
    return choices_.dt / (number(node_, tau, i) * choices_.tau_scale);
  }
  Range share(std::string_view tau) const {
    return range_of(count_, [&](int64_t i) { return a(tau, i); });
  }
  // What a step takes of its input before the parameter that weighs it.
  double taken(std::string_view tau, int64_t i) const {
    switch (choices_.form) {
      case Form::kEuler: return a(tau, i);
      case Form::kExact: return 1 - std::exp(-a(tau, i));
      default: return 1;
    }
  }
  Range of_tau(std::string_view tau) const {
    return range_of(count_, [&](int64_t i) { return taken(tau, i); });
  }
  Range weighed(std::string_view by, std::string_view tau) const {
    const bool ignored = choices_.form == Form::kSinabs || choices_.form == Form::kRockpool;
    return range_of(
        count_, [&](int64_t i) { return taken(tau, i) * (ignored ? 1 : number(node_, by, i)); });
  }

  const Node& node_;
  const Choices& choices_;
  int64_t count_ = 1, widest_ = 1;
};

std::string form_text(const Node& node, const Choices& choices) {
  if (!node.type().is_neuron) return "";
  if (choices.dt == 0) return "give dt";
  const bool integrates = !node.has("tau") && !node.has("tau_mem");
  std::string text = integrates ? (adds_unit(node, choices) ? "unit" : "ode")
                                : kFormWords[static_cast<size_t>(choices.form)];
  if (node.type().fires)
    text += fmt::format(", fires {}, reset {}", choices.fire == Fire::kAt ? ">=" : ">",
                        name_of(choices.reset));
  return text;
}

// What looks as if the file meant something else.
void warn(const Node& node, const Choices& choices, std::vector<std::string>& warnings) {
  const auto add = [&](const std::string& text) {
    warnings.push_back(title_of(node) + ": " + text);
  };
  const auto any = [&](std::string_view field, auto&& is) {
    if (!node.has(field)) return false;
    const Array& array = node[field];
    for (int64_t i = 0; i < array.size(); ++i) {
      if (is(array.at(i))) return true;
    }
    return false;
  };
  for (const char* tau : {"tau", "tau_mem", "tau_syn"}) {
    const auto scaled = [&](double value) { return value * choices.tau_scale; };
    if (choices.origin != Origin::kSinabs &&
        any(tau, [&](double value) { return scaled(value) > 1; }))
      add(fmt::format("{} above 1 s: are these steps, as Sinabs writes? (origin sinabs)", tau));
    if (choices.dt > 0 && any(tau, [&](double value) { return scaled(value) < choices.dt; }))
      add(fmt::format("{} below dt: Norse's export writes tau times dt (tau_scale = 1/dt)", tau));
  }
  const bool integrates = node.type().is_neuron && !node.has("tau") && !node.has("tau_mem");
  if (integrates && choices.dt > 0 && choices.if_gain == IfGain::kAuto &&
      adds_unit(node, choices) &&
      any("r", [&](double r) { return std::abs(choices.dt * r - 1) > 1e-6; }))
    add("r is 1 everywhere: a step adds its input, not dt times it (if_gain unit)");
  const bool takes_away = choices.reset == Reset::kSoft || choices.reset == Reset::kSubtractNext ||
                          choices.reset == Reset::kMulti;
  if (takes_away && any("v_reset", [](double value) { return value != 0; }))
    add(fmt::format("v_reset means nothing with reset {}", name_of(choices.reset)));
}

}  // namespace

Facts describe(const File& file, const Choices& choices) {
  Facts facts;
  facts.warnings = file.network.warnings;
  facts.warnings.insert(facts.warnings.end(), file.wiring.warnings.begin(),
                        file.wiring.warnings.end());
  const double stated = file.network.stated_dt;
  if (stated > 0 && choices.dt > 0 && stated != choices.dt) {
    facts.warnings.push_back(
        fmt::format("metadata of the graph state dt = {} s, chosen is {} s", stated, choices.dt));
  }
  for (const size_t index : file.wiring.order) {
    const Node& node = file.network.nodes[index];
    const Describer of(node, file.wiring.out[index], choices);
    NodeFacts& entry = facts.nodes.emplace_back();
    entry.name = printable(node.name, 60);
    entry.type = node.type().name;
    entry.shape = file.wiring.out[index];
    for (size_t i = 0; i < file.network.inputs[index].size(); ++i) {
      entry.reads.push_back(printable(file.network.nodes[file.network.inputs[index][i]].name, 60) +
                            (file.wiring.later[index][i] ? " (step before)" : ""));
    }
    entry.parameters = of.parameters();
    entry.leak = of.leak();
    entry.gain = of.gain();
    entry.form = form_text(node, choices);
    warn(node, choices, facts.warnings);
  }
  return facts;
}

}  // namespace spikeloom::nir
