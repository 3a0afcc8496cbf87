#include "core/io/weights_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/bytes.hpp"
#include "core/io/file.hpp"
#include "core/io/npz.hpp"
#include "core/io/pth.hpp"
#include "core/io/safetensors.hpp"
#include "core/io/weights_index.hpp"
#include "core/io/zip_archive.hpp"
#include "core/parallel.hpp"

namespace spikeloom {
namespace {

constexpr uint64_t kTellingBytes = 512;  // where tar has its mark, the last of all formats

// A file that is neither is left to the reader it resembles most, for the sake of its error
// message.
bool is_npz(const ZipArchive& archive) {
  const auto& entries = archive.entries();
  const auto ends_with = [&](const char* suffix) {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const ZipEntry& entry) { return entry.name.ends_with(suffix); });
  };
  return entries.empty() || (!ends_with("/data.pkl") && ends_with(".npy"));
}

// The first bytes tell.
bool is_safetensors(std::span<const std::byte> bytes) {
  return bytes.size() > 8 && bytes[8] == std::byte{'{'} && !is_zip(bytes) &&
         !is_legacy_pth(bytes) && !is_tar(bytes) && !is_weights_index(bytes);
}

[[noreturn]] void refuse_unknown(const std::string& what) {
  throw Error(ErrorCode::kData,
              what +
                  ": not a weight file; accepted are safetensors, PyTorch .pth "
                  "(zip or legacy form), NumPy .npz and the index.json of shards");
}

bool is_pickled(std::span<const std::byte> head) {
  return is_legacy_pth(head) || is_tar(head) || (!head.empty() && head[0] == std::byte{0x80});
}

WeightsFile open_zip(const std::shared_ptr<const ZipArchive>& archive) {
  return is_npz(*archive) ? open_npz(archive) : open_pth(archive);
}

// A file that is no index.
WeightsFile open_whole(const std::filesystem::path& path, int threads) {
  std::vector<std::byte> head;
  {
    const InputFile file(path);
    head.resize(std::min<uint64_t>(file.size(), kTellingBytes));
    file.read_at(0, head);
  }
  const std::string what = path.string();
  if (is_zip(head)) return open_zip(std::make_shared<const ZipArchive>(path));
  if (is_safetensors(head)) return open_safetensors(path, threads);
  if (!is_pickled(head)) refuse_unknown(what);
  return open_pth(std::make_shared<const std::vector<std::byte>>(read_file(path)), what);
}

// A tensor or a scale on the way to its line.
struct HashedTensor {
  const Tensor* tensor;
  Digest digest;

  std::string fields() const {
    return fmt::format("\t{}\t{}\t{}", name_of(tensor->dtype()), to_string(tensor->shape()),
                       hex(digest));
  }
};

bool has_scale(const WeightTensor& tensor) {
  return tensor.scale.size() > 0 || !tensor.scale.shape().empty();
}

StoredWeights read_chosen(const WeightsFile& file, ChosenTensors chosen) {
  StoredWeights result;
  const std::vector<StoredTensor>& stored = file.groups[chosen.group].tensors;
  std::sort(chosen.tensors.begin(), chosen.tensors.end(), [&](const auto& a, const auto& b) {
    return stored[a.index].place < stored[b.index].place;
  });
  for (ChosenTensor& tensor : chosen.tensors) {
    if (stored[tensor.index].dtype) {
      result.tensors.add(std::move(tensor.name), file.read(chosen.group, tensor.index));
    } else {
      result.unsupported.emplace(std::move(tensor.name), stored[tensor.index].type);
    }
  }
  result.notes = std::move(chosen.notes);
  return result;
}

Weights all_of(const WeightsFile& file, std::vector<std::string>* left_out) {
  StoredWeights stored = read_chosen(file, choose_tensors(file, {}));
  for (const auto& [name, type] : stored.unsupported) {
    if (left_out != nullptr) left_out->push_back(name + " (" + type + ")");
  }
  return std::move(stored.tensors);
}

}  // namespace

WeightsFile open_weights(const std::filesystem::path& path, int threads) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return open_weights(weights_in_folder(path), threads);
  std::vector<std::byte> head;
  {
    const InputFile file(path);
    head.resize(std::min<uint64_t>(file.size(), kTellingBytes));
    file.read_at(0, head);
  }
  const auto open = [threads](const std::filesystem::path& file) {
    return open_whole(file, threads);
  };
  return is_weights_index(head) ? open_index(path, open) : open(path);
}

WeightsFile open_weights(std::span<const std::byte> bytes, const std::string& what) {
  if (is_zip(bytes)) return open_zip(std::make_shared<const ZipArchive>(bytes, what));
  if (is_safetensors(bytes)) return open_safetensors(bytes, what);
  if (!is_pickled(bytes)) refuse_unknown(what);
  return open_pth(std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end()), what);
}

StoredWeights load_weights(const std::filesystem::path& path, const WeightsRequest& request) {
  const WeightsFile file = open_weights(path, request.threads);
  return read_chosen(file, choose_tensors(file, request));
}

Weights load_weights(const std::filesystem::path& path, std::vector<std::string>* left_out) {
  return all_of(open_weights(path), left_out);
}

Weights parse_weights(std::span<const std::byte> bytes, const std::string& what,
                      std::vector<std::string>* left_out) {
  return all_of(open_weights(bytes, what), left_out);
}

std::string weights_hash(const Weights& weights, int threads) {
  const std::vector<std::string> names = weights.names();
  std::vector<HashedTensor> tensors;
  for (const std::string& name : names) {
    const WeightTensor& tensor = weights.at(name);
    tensors.push_back({&tensor.data, {}});
    if (has_scale(tensor)) tensors.push_back({&tensor.scale, {}});
  }
  std::vector<HashedTensor*> order;  // the largest first, so that threads end together
  for (HashedTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const HashedTensor* a, const HashedTensor* b) {
    return a->tensor->bytes() > b->tensor->bytes();
  });
  parallel_samples(static_cast<int64_t>(order.size()), threads, [&](int64_t i) {
    HashedTensor& hashed = *order[static_cast<size_t>(i)];
    hashed.digest = sha256({hashed.tensor->data(), static_cast<size_t>(hashed.tensor->bytes())});
  });
  std::string text;
  auto next = tensors.cbegin();
  for (const std::string& name : names) {
    text += name + next++->fields();
    if (has_scale(weights.at(name))) text += next++->fields();
    text += '\n';
  }
  return sha256_hex(text);
}

Tensor to_float_type(Tensor tensor, DType dtype, const std::string& name) {
  if (!is_float(tensor.dtype()) || tensor.dtype() == dtype) return tensor;
  Tensor wide;
  if (tensor.dtype() != DType::kF32) wide = to_f32(tensor);
  if (dtype == DType::kF32) return wide;
  const bool half = dtype == DType::kF16;
  Tensor narrow(tensor.shape(), dtype);
  const auto from =
      tensor.dtype() == DType::kF32 ? std::as_const(tensor).f32() : std::as_const(wide).f32();
  const auto to = narrow.as<uint16_t>();
  for (size_t i = 0; i < to.size(); ++i) {
    to[i] = half ? float_to_half(from[i]) : float_to_bfloat16(from[i]);
    const bool was_finite = tensor.dtype() == DType::kF64 ? std::isfinite(tensor.as<double>()[i])
                                                          : std::isfinite(from[i]);
    if (was_finite && !std::isfinite(half ? half_to_float(to[i]) : bfloat16_to_float(to[i]))) {
      throw Error(ErrorCode::kData, "tensor '" + name + "', element " + std::to_string(i) +
                                        ": value exceeds the range of " +
                                        (half ? "float16" : "bfloat16"));
    }
  }
  return narrow;
}

Weights round_to_f16(const Weights& weights) {
  Weights result;
  for (const std::string& name : weights.names()) {
    const WeightTensor& tensor = weights.at(name);
    result.add(name, to_float_type(clone(tensor.data), DType::kF16, name),
               has_scale(tensor) ? clone(tensor.scale) : Tensor());
  }
  return result;
}

}  // namespace spikeloom
