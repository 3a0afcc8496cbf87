// spikeloom convert: any readable weights to safetensors, the samples of a data set to .npy.

#include <fmt/format.h>

#include "cli/export_features.hpp"
#include "cli/notice.hpp"
#include "cli/options.hpp"
#include "core/error.hpp"
#include "core/io/safetensors.hpp"
#include "core/io/weights_file.hpp"

namespace spikeloom {
namespace {

// Float tensors as fp32, others unchanged.
Weights widen(const Weights& weights) {
  Weights result;
  for (const std::string& name : weights.names()) {
    const Tensor& tensor = weights.at(name).data;
    result.add(name, is_float(tensor.dtype()) ? to_f32(tensor) : clone(tensor));
  }
  return result;
}

int convert_features(const std::string& input, const std::string& output,
                     const options::variables_map& values) {
  if (!values["dtype"].defaulted())
    throw Error(ErrorCode::kUsage, "--dtype: an option of weights; features are fp32");
  Config config = load_experiment(input, values);
  if (config.text("model.family", "") == "spikegpt")
    throw config.error_at("model.family", "--features: token networks read no features");
  export_features(read_experiment(config), output);
  return 0;
}

int convert_weights(const std::string& input, const std::string& output, const std::string& dtype) {
  if (dtype != "fp32" && dtype != "fp16") {
    throw Error(ErrorCode::kUsage, "--dtype is fp32 or fp16, not '" + dtype + "'");
  }
  std::vector<std::string> left_out;
  const Weights weights = load_weights(input, &left_out);
  const Weights converted = dtype == "fp16" ? round_to_f16(weights) : widen(weights);
  save_safetensors(output, converted, {{"format", "pt"}});
  for (const std::string& name : left_out) notice("left out {}", name);
  fmt::print("{} tensors, {} bytes ({}) -> {}\n", converted.size(), converted.bytes(), dtype,
             output);
  return 0;
}

}  // namespace

int command_convert(const Arguments& arguments) {
  CommandLine line;
  line.usage =
      "spikeloom convert WEIGHTS OUTPUT.safetensors [--dtype fp32|fp16], or spikeloom convert "
      "EXPERIMENT.toml FOLDER --features [--set key=value]...";
  line.about =
      "Reads PyTorch (.pth, zip or legacy; never executed), NumPy (.npz) or safetensors weights, "
      "told apart by\n"
      "content, and writes safetensors. With --features: the sequences of an experiment's data "
      "set, as its\n"
      "network reads them, as features.npy, labels.npy and names.txt, to train on.";
  line.named.add_options()("dtype", options::value<std::string>()->default_value("fp32"),
                           "element type of float tensors: fp32 or fp16 (to nearest even)")(
      "features", "export the data set of an experiment file instead of weights");
  add_set_option(line);
  line.hidden.add_options()("input", options::value<std::string>()->required())(
      "output", options::value<std::string>()->required());
  line.words.add("input", 1).add("output", 1);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  const std::string input = (*values)["input"].as<std::string>(),
                    output = (*values)["output"].as<std::string>();
  if (values->count("features")) return convert_features(input, output, *values);
  if (values->count("set"))
    throw Error(ErrorCode::kUsage, "--set: an option of --features; weights have no keys");
  return convert_weights(input, output, (*values)["dtype"].as<std::string>());
}

}  // namespace spikeloom
