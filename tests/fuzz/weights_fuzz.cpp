// Weights of any format, as a network asks for them: which dict and prefix, which names; the index
// of shards.

#include "core/io/weights_file.hpp"
#include "core/io/weights_index.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

namespace {

// Every shard is the same small one.
WeightsFile open_shard(const std::filesystem::path& path) {
  WeightsFile file;
  file.what = path.string();
  file.groups.push_back({"", {{"w", "F32", DType::kF32, {1}, 0}, {"b", "C64", {}, {}, 1}}});
  file.read = [](size_t, size_t) { return Tensor({1}); };
  return file;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = fuzz::bytes(data, size);
  if (is_weights_index(bytes)) {
    const fuzz::InputFile file(data, size);
    return fuzz::errors_only([&] { open_index(file.path(), open_shard); });
  }
  const WeightsRequest requests[] = {{},
                                     {"", {"*.v"}, {"w", "b"}},
                                     {"", {}, {"head.weight", "head.bias", "emb.weight"}},
                                     {"state_dict_ema", {}, {"w"}}};
  for (const WeightsRequest& request : requests) {
    fuzz::errors_only([&] {
      const WeightsFile file = open_weights(bytes, "a");
      const ChosenTensors chosen = choose_tensors(file, request);
      for (const ChosenTensor& tensor : chosen.tensors) {
        if (file.groups[chosen.group].tensors[tensor.index].dtype) {
          file.read(chosen.group, tensor.index);
        }
      }
    });
  }
  return 0;
}
