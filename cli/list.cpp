// spikeloom list: what this program knows, from the tables it uses.

#include <fmt/format.h>

#include "cli/options.hpp"
#include "core/sha256.hpp"
#include "datasets/open.hpp"
#include "hw_model/chip/chip_spec.hpp"
#include "hw_model/energy/energy.hpp"
#include "models/families.hpp"
#include "run/device.hpp"
#include "sim/backends/cpu/cpu.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kUsualExtent = 224;  // of images; no array of a network depends on it

void print_family(const Family& family) {
  constexpr const char* kReads[] = {"images", "sequences", "whole sequences", "tokens", "frames"};
  fmt::print(
      "models: {} ({}), reads {}{}\n", family.name, family.about,
      kReads[static_cast<size_t>(family.sample)],
      family.twin.build != nullptr ? fmt::format("; dense twin: {}", family.twin.description) : "");
  for (const FamilyPreset& preset : family.presets) {
    const ModelSpec spec = family.start(preset.name);
    const ModelShape shape = family.shape(spec);
    if (family.given != nullptr) {  // it has no arrays yet
      fmt::print("  {} {:<15} {}{}{}\n", family.preset_key, preset.name, preset.text,
                 preset.note.empty() ? "" : "  ", preset.note);
      continue;
    }
    const int64_t extent = family.sample == SampleKind::kImage ? kUsualExtent : 0;
    const Graph graph = family.build(
        spec, {.height = extent, .width = extent, .channels = shape.channels, .tables = false});
    fmt::print("  preset {:<15} {}  {} parameters{}{}\n", preset.name, preset.text,
               parameter_count(graph), preset.note.empty() ? "" : "  ", preset.note);
  }
}

}  // namespace

int command_list(const Arguments& arguments) {
  CommandLine line{
      "spikeloom list [devices]",
      "Lists model families and presets, dataset kinds, devices and SIMD targets, chips, and "
      "energy schemes; or the devices of this machine."};
  add_word(line, "what", text(""));
  const auto values = parse(line, arguments);
  if (!values) return 0;
  const std::string what = text_of(*values, "what");
  if (!what.empty() && what != "devices")
    throw usage_error("list takes devices or nothing, not '" + what + "'");
  if (what == "devices") {
    fmt::print("{}", device_lines());
    return 0;
  }
  for (const Family& family : families()) print_family(family);
  fmt::print("datasets:\n");
  for (const DatasetKind& kind : dataset_kinds())
    fmt::print("  {:<15}  {}\n", kind.name, kind.summary);
  fmt::print(
      "  text             a text through a tokeniser ({})\n"
      "  tokens, binidx   token ids: NumPy array, pair of .idx and .bin (the same)\n",
      family_names(SampleKind::kTokens));
  fmt::print("devices: cpu (SIMD");
  for (const std::string& simd : cpu_simd_targets()) fmt::print(" {}", simd);
  fmt::print(
      "), reference, cuda:N (spikeloom list devices)\nforms: as_written, fused\nhashes: SHA-256, "
      "{}\n",
      sha256_instructions());
  fmt::print("chips:\n");
  for (const ChipPreset& preset : chip_presets()) {
    const ChipSpec chip = load_chip(std::string(preset.name));
    fmt::print("  {:<16}  evidence {}; {}\n", preset.name, chip.evidence, chip.source);
  }
  std::vector<std::string> schemes;
  for (const Scheme scheme : kSpikingSchemes) schemes.push_back(SchemeName(scheme).text());
  fmt::print(
      "energy schemes: {}; hardware with a chip; baselines dense_same, dense_twin (fp32, int8, "
      "qnn_equiv)\n",
      fmt::join(schemes, ", "));
  return 0;
}

}  // namespace spikeloom
