#pragma once
// One door to every weight format: safetensors, PyTorch, NumPy, each whole or in shards. A file is
// opened (what it holds is listed), tensors are chosen (which dict, which prefix), then read.
//
// Functions are thread-safe; an open WeightsFile is not. Errors are Error(kData) unless said
// otherwise.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/weight_names.hpp"
#include "core/weights.hpp"

namespace spikeloom {

// A tensor of a file whose values have not been read.
struct StoredTensor {
  std::string name;
  std::string type;            // of its elements, in the words of the format: "F8_E4M3", "<c8"
  std::optional<DType> dtype;  // as it is read; empty: a Tensor cannot hold it
  Shape shape;                 // where there is a dtype
  int64_t place = 0;           // tensors read in this order take every part of the file once
};

// The tensors of one dict of a checkpoint; other formats have one, without a path.
struct TensorGroup {
  std::string path;  // of keys: "", "state_dict", "ema.module"
  std::vector<StoredTensor> tensors;
};

struct WeightsFile {
  std::string what;                 // starts every error message
  std::vector<TensorGroup> groups;  // the most usual to run first; at least one
  // Symbols of pickles without a meaning for tensors, sorted; they were not run.
  std::vector<std::string> opaque;
  std::function<Tensor(size_t group, size_t tensor)> read;
};

// The format is told by the content, never by the name: safetensors, .pth (zip or legacy), .npz, or
// the index.json of shards of these ("weight_map"); a folder is the one index in it.
// Large tensors of safetensors are read by so many threads.
WeightsFile open_weights(const std::filesystem::path& path, int threads = 1);
// The bytes must outlive the result; no index, whose shards are other files.
WeightsFile open_weights(std::span<const std::byte> bytes, const std::string& what);

// Which of a file's tensors are wanted.
struct WeightsRequest {
  std::string select;               // path of a dict or prefix of names; "": the most usual
  std::vector<std::string> ignore;  // patterns of names to leave out
  NameSet expected;                 // the network's names, or some of them; empty: unknown
  std::string select_key = "weights.select";  // how texts call `select`
  int threads = 1;                            // that read
};

struct ChosenTensor {
  std::string name;  // the network's
  size_t index = 0;  // into the group
};

struct ChosenTensors {
  size_t group = 0;
  std::vector<ChosenTensor> tensors;  // by name
  std::vector<std::string> notes;     // as in StoredWeights
};

// The dict and the prefix under which most of the network's names stand, the most usual of equals
// (state_dict before state_dict_ema); what else would have fitted is told in a note. Error(kUsage)
// when `select` names nothing, Error(kData) when two are equally good and equally unusual, or two
// tensors end up under one name.
ChosenTensors choose_tensors(const WeightsFile& file, const WeightsRequest& request);

// Opens, chooses and reads.
StoredWeights load_weights(const std::filesystem::path& path, const WeightsRequest& request);
// All tensors, by name; wrappers' words that all names begin with are removed. Those that a Tensor
// cannot hold are listed as "name (type)".
Weights load_weights(const std::filesystem::path& path,
                     std::vector<std::string>* left_out = nullptr);
Weights parse_weights(std::span<const std::byte> bytes, const std::string& what,
                      std::vector<std::string>* left_out = nullptr);

// Identity of the numbers of a network, whatever file they came from: the SHA-256 of one line
// "<name>\t<dtype>\t<shape>\t<SHA-256 of its little-endian bytes>\n" per tensor in byte order of
// the names, the shape as "[2, 3]"; a tensor with a scale has its dtype, shape and hash as three
// more fields. Tensors are hashed side by side on that many threads.
std::string weights_hash(const Weights& weights, int threads = 1);

// A float tensor in another float type (fp32, float16, bfloat16; to nearest, ties to even), others
// as they are. Throws Error(kData) naming the tensor when a finite value exceeds the range of
// float16 (65504) or bfloat16.
Tensor to_float_type(Tensor tensor, DType dtype, const std::string& name);
// All float tensors in float16, scales kept.
Weights round_to_f16(const Weights& weights);

}  // namespace spikeloom
