#include "run/export_weights.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/safetensors.hpp"
#include "core/io/weights_file.hpp"

namespace spikeloom {
namespace {

// A name that promises what the file will not be.
void refuse_other_formats(const std::string& output) {
  const std::string ending = std::filesystem::path(output).extension().string();
  for (const char* other : {".npz", ".npy", ".pth", ".pt", ".bin", ".h5"}) {
    if (ending != other) continue;
    throw Error(ErrorCode::kUsage, output + ": what is written is a safetensors file, which " +
                                       ending + " does not say");
  }
}

}  // namespace

ExportedWeights export_weights(const std::string& input, const std::string& output, DType to,
                               const std::string& select) {
  if (!std::filesystem::exists(input)) const InputFile missing(input);  // says so
  refuse_other_formats(output);
  WeightsRequest request;
  request.select = select;
  const WeightsFile file = open_weights(input);
  const ChosenTensors chosen = choose_tensors(file, request);
  const std::vector<StoredTensor>& stored = file.groups[chosen.group].tensors;
  std::vector<TensorOutline> outlines;
  std::vector<size_t> indices;
  ExportedWeights made;
  made.notes = chosen.notes;
  for (const ChosenTensor& tensor : chosen.tensors) {
    const StoredTensor& from = stored[tensor.index];
    if (!from.dtype) {
      made.left_out.push_back(fmt::format("{} ({})", printable(tensor.name, 80), from.type));
      continue;
    }
    outlines.push_back({tensor.name, is_float(*from.dtype) ? to : *from.dtype, from.shape});
    indices.push_back(tensor.index);
    made.bytes += element_count(from.shape) * size_of(outlines.back().dtype);
  }
  Tensor current;
  write_safetensors(output, outlines, {{"format", "pt"}}, [&](size_t i) -> const Tensor& {
    current = {};  // before the next one comes
    current = to_float_type(file.read(chosen.group, indices[i]), to, outlines[i].name);
    return current;
  });
  made.tensors = outlines.size();
  return made;
}

}  // namespace spikeloom
