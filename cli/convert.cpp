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
#include "core/io/hint.hpp"
#include "core/io/safetensors.hpp"
#include "core/io/weights_file.hpp"
#include "run/export_features.hpp"
#include "run/export_network.hpp"

namespace spikeloom {
namespace {

int convert_features(const std::string& input, const std::string& output,
                     const options::variables_map& values) {
  for (const char* option : {"dtype", "select"}) {
    if (values[option].defaulted()) continue;
    throw usage_error(fmt::format("--{}: an option of weights; features are fp32", option));
  }
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
  for (const char* option : {"dtype", "select"}) {
    if (values[option].defaulted()) continue;
    throw usage_error(fmt::format("--{}: an option of weights; NIR holds a network", option));
  }
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

// A name that promises what the file will not be.
void refuse_other_formats(const std::string& output) {
  const std::string ending = std::filesystem::path(output).extension().string();
  for (const char* other : {".npz", ".npy", ".pth", ".pt", ".bin", ".h5"}) {
    if (ending != other) continue;
    throw usage_error(output + ": what is written is a safetensors file, which " + ending +
                      " does not say");
  }
}

// Tensor by tensor: a checkpoint in shards may be larger than the memory.
int convert_weights(const std::string& input, const std::string& output,
                    const options::variables_map& values) {
  const std::string dtype = values["dtype"].as<std::string>();
  const DType to = float_type_named(dtype);
  if (!std::filesystem::exists(input)) const InputFile missing(input);  // says so
  refuse_other_formats(output);
  WeightsRequest request;
  request.select = values["select"].as<std::string>();
  const WeightsFile file = open_weights(input);
  const ChosenTensors chosen = choose_tensors(file, request);
  const std::vector<StoredTensor>& stored = file.groups[chosen.group].tensors;
  std::vector<TensorOutline> outlines;
  std::vector<size_t> indices;
  int64_t bytes = 0;
  for (const ChosenTensor& tensor : chosen.tensors) {
    const StoredTensor& from = stored[tensor.index];
    if (!from.dtype) {
      notice("left out {} ({})", printable(tensor.name, 80), from.type);
      continue;
    }
    outlines.push_back({tensor.name, is_float(*from.dtype) ? to : *from.dtype, from.shape});
    indices.push_back(tensor.index);
    bytes += element_count(from.shape) * size_of(outlines.back().dtype);
  }
  Tensor current;
  write_safetensors(output, outlines, {{"format", "pt"}}, [&](size_t i) -> const Tensor& {
    current = {};  // before the next one comes
    current = to_float_type(file.read(chosen.group, indices[i]), to, outlines[i].name);
    return current;
  });
  for (const std::string& note : chosen.notes) fmt::print("{}\n", note);
  fmt::print("{} tensors, {} bytes ({}) -> {}\n", outlines.size(), bytes, dtype, output);
  return 0;
}

}  // namespace

int command_convert(const Arguments& arguments) {
  CommandLine line;
  line.usage =
      "spikeloom convert WEIGHTS OUTPUT.safetensors [--dtype fp32|fp16|bf16] [--select SET], or "
      "spikeloom convert "
      "EXPERIMENT.toml FOLDER --features [--set key=value]..., or spikeloom convert RECORDING "
      "EVENTS.npz [--set dataset.KEY=value]..., or spikeloom convert EXPERIMENT.toml OUTPUT.nir "
      "[--without-v-reset] [--set key=value]...";
  line.about =
      "Reads PyTorch (.pth, zip or legacy; never executed), NumPy (.npz) or safetensors weights, "
      "or "
      "the\nindex.json of their shards, told apart by content, and writes safetensors tensor by "
      "tensor. What wrappers\n"
      "put in front of all names (\"module.\", \"model.\", ...) goes. With --features: the "
      "sequences of an experiment's data "
      "set, as its\n"
      "network reads them, as features.npy, labels.npy and names.txt, to train on; recordings of\n"
      "event cameras as frames.npy [samples, T, C, H, W]. A recording alone becomes arrays t "
      "(int64, us), x, y, p. To a file .nir: the network of an experiment with its weights, for "
      "other simulators.";
  line.named.add_options()("dtype", options::value<std::string>()->default_value("fp32"),
                           "element type of float tensors: fp32, fp16 or bf16 (to nearest even)")(
      "select", options::value<std::string>()->default_value(""),
      "dict or prefix of the checkpoint to take, as weights.select")(
      "features", "export the data set of an experiment file instead of weights");
  line.named.add_options()("without-v-reset",
                           "of OUTPUT.nir: for readers before NIR 1.0.6, which refuse that field");
  add_set_option(line);
  line.hidden.add_options()("input", options::value<std::string>()->required())(
      "output", options::value<std::string>()->required());
  line.words.add("input", 1).add("output", 1);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  const std::string input = (*values)["input"].as<std::string>(),
                    output = (*values)["output"].as<std::string>();
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
