// spikeloom convert: any readable weights to safetensors, the samples of a data set to .npy.

#include <fmt/format.h>

#include <filesystem>

#include "cli/interrupt.hpp"
#include "cli/notice.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "cli/recording.hpp"
#include "core/error.hpp"
#include "core/io/file.hpp"
#include "run/export_features.hpp"
#include "run/export_network.hpp"
#include "run/export_weights.hpp"
#include "run/recording_facts.hpp"

namespace spikeloom {
namespace {

int convert_features(const std::string& input, const std::string& output,
                     const options::variables_map& values) {
  refuse_options(values, {"dtype", "select"}, "an option of weights; features are fp32");
  Config config = load_experiment(input, values);
  if (read_family(config).sample == SampleKind::kTokens)
    throw config.error_at("model.family", "--features: token networks read no features");
  const Experiment experiment = read_experiment(std::move(config));
  ProgressBar bar(false);
  const ExportedFeatures made =
      export_features(experiment, output, bar.observer(), interrupt_token());
  for (const std::string& line : made.left_out) notice("{}", line);
  const Shape& shape = made.shape;
  const std::string image = shape.size() == 4 ? fmt::format(" x {} x {}", shape[2], shape[3]) : "";
  fmt::print("{}: {} of {} samples, {} steps x {} channels{} -> {}\n", made.description,
             made.written, made.size, shape[0], shape[1], image, output);
  return 0;
}

// The network of an experiment for other programs.
int convert_network(const std::string& input, const std::string& output,
                    const options::variables_map& values) {
  refuse_options(values, {"dtype", "select"}, "an option of weights; NIR holds a network");
  const Experiment experiment = read_experiment(load_experiment(input, values));
  const ExportedNetwork exported = export_network(experiment, values.count("without-v-reset") == 0);
  OutputFile file(output);
  file.write(exported.bytes);
  file.commit();
  for (const std::string& note : exported.notes) fmt::print("{}\n", note);
  fmt::print("{} nodes, {} edges, {} bytes -> {}\n", exported.nodes, exported.edges,
             exported.bytes.size(), output);
  return 0;
}

DType float_type_named(const std::string& dtype) {
  if (dtype == "fp32") return DType::kF32;
  if (dtype == "fp16") return DType::kF16;
  if (dtype == "bf16") return DType::kBF16;
  throw usage_error("--dtype is fp32, fp16 or bf16, not '" + dtype + "'");
}

int convert_weights(const std::string& input, const std::string& output,
                    const options::variables_map& values) {
  const std::string dtype = text_of(values, "dtype");
  const ExportedWeights made =
      export_weights(input, output, float_type_named(dtype), text_of(values, "select"));
  for (const std::string& line : made.left_out) notice("left out {}", line);
  for (const std::string& note : made.notes) fmt::print("{}\n", note);
  fmt::print("{} tensors, {} bytes ({}) -> {}\n", made.tensors, made.bytes, dtype, output);
  return 0;
}

}  // namespace

int command_convert(const Arguments& arguments) {
  CommandLine line{
      "spikeloom convert WEIGHTS OUTPUT.safetensors [--dtype fp32|fp16|bf16] [--select SET], or "
      "spikeloom convert EXPERIMENT.toml FOLDER --features [--set key=value]..., or spikeloom "
      "convert RECORDING EVENTS.npz [--set dataset.KEY=value]..., or spikeloom convert "
      "EXPERIMENT.toml OUTPUT.nir [--without-v-reset] [--set key=value]...",
      "Reads PyTorch (.pth, zip or legacy; never executed), NumPy (.npz) or safetensors weights, "
      "or the\nindex.json of their shards, told apart by content, and writes safetensors tensor by "
      "tensor. What wrappers\nput in front of all names (\"module.\", \"model.\", ...) goes. With "
      "--features: the sequences of an experiment's data set, as its\nnetwork reads them, as "
      "features.npy, labels.npy and names.txt, to train on; recordings of\nevent cameras as "
      "frames.npy [samples, T, C, H, W]. A recording alone becomes arrays t (int64, us), x, y, p. "
      "To a file .nir: the network of an experiment with its weights, for other simulators."};
  add_options(
      line,
      {{"dtype", text("fp32"),
        "element type of float tensors: fp32, fp16 or bf16 (to nearest even)"},
       {"select", text(""), "dict or prefix of the checkpoint to take, as weights.select"},
       {"features", nullptr, "export the data set of an experiment file instead of weights"}});
  add_options(line, {{"without-v-reset", nullptr,
                      "of OUTPUT.nir: for readers before NIR 1.0.6, which refuse that field"}});
  add_set_option(line);
  add_word(line, "input");
  add_word(line, "output");
  const auto values = parse(line, arguments);
  if (!values) return 0;
  const std::string input = text_of(*values, "input"), output = text_of(*values, "output");
  if (values->count("features")) return convert_features(input, output, *values);
  if (std::filesystem::path(output).extension() == ".nir")
    return convert_network(input, output, *values);
  if (values->count("without-v-reset"))
    throw usage_error("--without-v-reset: an option of OUTPUT.nir");
  if (output.ends_with(".npz") && (values->count("set") || is_recording(input)))
    return convert_recording(input, output, *values);
  if (values->count("set"))
    throw usage_error("--set: an option of --features and of OUTPUT.nir; weights have no keys");
  return convert_weights(input, output, *values);
}

}  // namespace spikeloom
