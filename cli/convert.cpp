// spikeloom convert: any readable weights to safetensors.

#include <fmt/format.h>

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

}  // namespace

int command_convert(const Arguments& arguments) {
  CommandLine line;
  line.usage = "spikeloom convert INPUT OUTPUT.safetensors [--dtype fp32|fp16]";
  line.about =
      "Reads PyTorch (.pth, zip or legacy; never executed), NumPy (.npz) or safetensors weights, "
      "told apart by\n"
      "content, and writes safetensors.";
  line.named.add_options()("dtype", options::value<std::string>()->default_value("fp32"),
                           "element type of float tensors: fp32 or fp16 (to nearest even)");
  line.hidden.add_options()("input", options::value<std::string>()->required())(
      "output", options::value<std::string>()->required());
  line.words.add("input", 1).add("output", 1);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  const std::string dtype = (*values)["dtype"].as<std::string>();
  if (dtype != "fp32" && dtype != "fp16") {
    throw Error(ErrorCode::kUsage, "--dtype is fp32 or fp16, not '" + dtype + "'");
  }
  const std::string input = (*values)["input"].as<std::string>(),
                    output = (*values)["output"].as<std::string>();
  std::vector<std::string> left_out;
  const Weights weights = load_weights(input, &left_out);
  const Weights converted = dtype == "fp16" ? round_to_f16(weights) : widen(weights);
  save_safetensors(output, converted, {{"format", "pt"}});
  for (const std::string& name : left_out) fmt::print(stderr, "spikeloom: left out {}\n", name);
  fmt::print("{} tensors, {} bytes ({}) -> {}\n", converted.size(), converted.bytes(), dtype,
             output);
  return 0;
}

}  // namespace spikeloom
