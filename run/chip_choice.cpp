#include "run/chip_choice.hpp"

namespace spikeloom {

std::optional<ChipChoice> read_chip_choice(Config& config) {
  if (!config.has("chip")) return std::nullopt;
  ChipChoice choice;
  choice.name = config.require_text("chip.name");
  if (choice.name.find_first_of("./") != choice.name.npos)
    choice.name = config.resolve_path("chip.name", choice.name).string();
  choice.sets = config.texts("chip.set", {});
  choice.mapping = config.path_of("chip.mapping", "");
  choice.level = config.choice("chip.level", Level::kBottleneck, kLevelNames);
  choice.lower.update = config.choice("chip.update", UpdateRule::kAll, kUpdateRuleNames);
  choice.host = config.choice("chip.unsupported", "refuse", {"refuse", "host"}) == "host";
  choice.lower.weight_bits = config.integer("chip.weight_bits", choice.lower.weight_bits, 1, 64);
  choice.lower.value_bits = config.integer("chip.value_bits", choice.lower.value_bits, 1, 64);
  return choice;
}

}  // namespace spikeloom
