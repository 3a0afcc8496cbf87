// spikeloom list: what this program knows, from the tables it uses.

#include <fmt/format.h>

#include "cli/options.hpp"
#include "datasets/open.hpp"
#include "hw_model/chip/chip_spec.hpp"
#include "hw_model/report/energy.hpp"
#include "models/ann/kwt.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "models/spikegpt/spikegpt.hpp"
#include "sim/backends/cpu/cpu.hpp"

namespace spikeloom {

int command_list(const Arguments& arguments) {
  CommandLine line;
  line.usage = "spikeloom list";
  line.about =
      "Lists model families and presets, dataset kinds, devices and SIMD targets, chips, and "
      "energy "
      "schemes.";
  if (!parse(line, arguments)) return 0;
  fmt::print("models: meta_spikeformer (Spike-driven Transformer V2)\n");
  for (const SpikeformerPreset& preset : spikeformer_presets()) {
    const auto& e = preset.embed_dim;
    const int64_t parameters = parameter_count(build_spikeformer(spikeformer_preset(preset.name)));
    fmt::print("  preset {:<4} embed_dim [{}, {}, {}, {}]  {} parameters  {}\n", preset.name, e[0],
               e[1], e[2], e[3], parameters, preset.note);
  }
  fmt::print("models: spikegpt (SpikeGPT; dense twin: RWKV-4)\n");
  for (const SpikeGptPreset& preset : spikegpt_presets()) {
    const int64_t parameters = parameter_count(build_spikegpt(spikegpt_preset(preset.name)));
    fmt::print("  preset {:<4} layers {}, width {}, vocabulary {}  {} parameters  {}\n",
               preset.name, preset.layers, preset.width, preset.vocabulary, parameters,
               preset.note);
  }
  fmt::print("models: lmuformer (LMUFormer and spiking LMUFormer)\n");
  for (const LmuformerPreset& preset : lmuformer_presets()) {
    const LmuformerConfig& c = preset.config;
    const int64_t parameters = parameter_count(build_lmuformer(c));
    fmt::print("  preset {:<15} {} steps of {}, dim {}  {} parameters  {}\n", preset.name,
               c.seq_len, c.in_channels, c.dim, parameters, preset.note);
  }
  fmt::print("models: rwkv4 (RWKV-4, presets of spikegpt), gpt (vanilla GPT)\n");
  fmt::print("models: kwt (Keyword Transformer)\n");
  for (const KwtPreset& preset : kwt_presets()) {
    fmt::print("  preset {:<5} {} frames of {}, dim {}  {} parameters\n", preset.name,
               preset.config.frames, preset.config.in_channels, preset.config.dim,
               parameter_count(build_kwt(preset.config)));
  }
  fmt::print("datasets:\n");
  for (const DatasetKind& kind : dataset_kinds())
    fmt::print("  {:<15}  {}\n", kind.name, kind.summary);
  fmt::print(
      "  text             a text through a tokeniser (spikegpt, rwkv4, gpt)\n"
      "  tokens, binidx   token ids: NumPy array, pair of .idx and .bin (the same)\n");
  fmt::print("devices: cpu (SIMD");
  for (const std::string& simd : cpu_simd_targets()) fmt::print(" {}", simd);
  fmt::print("), reference\nforms: as_written, fused\n");
  fmt::print("chips:\n");
  for (const ChipPreset& preset : chip_presets()) {
    const ChipSpec chip = load_chip(std::string(preset.name));
    fmt::print("  {:<16}  evidence {}; {}\n", preset.name, chip.evidence, chip.source);
  }
  fmt::print(
      "energy schemes: {}; hardware with a chip; baselines dense_same, dense_twin (fp32, int8, "
      "qnn_equiv)\n",
      fmt::join(kSpikingSchemes, ", "));
  return 0;
}

}  // namespace spikeloom
