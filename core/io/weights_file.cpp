#include "core/io/weights_file.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/bytes.hpp"
#include "core/io/file.hpp"
#include "core/io/npz.hpp"
#include "core/io/pth.hpp"
#include "core/io/safetensors.hpp"
#include "core/io/zip_archive.hpp"

namespace spikeloom {
namespace {

constexpr uint64_t kTellingBytes = 512;  // where tar has its mark, the last of all formats

// A file that is neither is left to the reader it resembles most, for the sake of its error
// message.
bool is_npz(std::span<const std::byte> bytes, const std::string& what) {
  const ZipArchive archive(bytes, what);
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
         !is_legacy_pth(bytes) && !is_tar(bytes);
}

std::string hash_fields(const Tensor& tensor) {
  const std::span<const std::byte> bytes(tensor.data(), static_cast<size_t>(tensor.bytes()));
  std::string fields = "\t";
  fields.append(name_of(tensor.dtype())).append("\t");
  return fields.append(to_string(tensor.shape())).append("\t").append(sha256_hex(bytes));
}

bool has_scale(const WeightTensor& tensor) {
  return tensor.scale.size() > 0 || !tensor.scale.shape().empty();
}

Tensor rounded(const Tensor& tensor, const std::string& name) {
  const Tensor wide = to_f32(tensor);
  Tensor half = to_f16(tensor);
  const auto from = wide.f32();
  const auto to = half.as<uint16_t>();
  for (size_t i = 0; i < to.size(); ++i) {
    const bool was_infinite =
        tensor.dtype() == DType::kF64 ? std::isinf(tensor.as<double>()[i]) : std::isinf(from[i]);
    if (std::isinf(half_to_float(to[i])) && !was_infinite) {
      throw Error(ErrorCode::kData, "tensor '" + name + "', element " + std::to_string(i) +
                                        ": value exceeds the range of float16");
    }
  }
  return half;
}

}  // namespace

Weights parse_weights(std::span<const std::byte> bytes, const std::string& what,
                      std::vector<std::string>* left_out) {
  if (is_zip(bytes) && is_npz(bytes, what)) return parse_npz(bytes, what, left_out);
  if (is_safetensors(bytes)) return parse_safetensors(bytes, what).weights;
  const bool protocol = !bytes.empty() && bytes[0] == std::byte{0x80};
  if (is_zip(bytes) || is_legacy_pth(bytes) || is_tar(bytes) || protocol) {
    PthFile file = parse_pth(bytes, what);
    if (left_out != nullptr) {
      left_out->insert(left_out->end(), file.left_out.begin(), file.left_out.end());
    }
    return std::move(file.weights);
  }
  throw Error(ErrorCode::kData, what +
                                    ": not a weight file; accepted are safetensors, PyTorch .pth "
                                    "(zip or legacy form) and NumPy .npz");
}

Weights load_weights(const std::filesystem::path& path, std::vector<std::string>* left_out) {
  const InputFile file(path);
  std::vector<std::byte> head(std::min<uint64_t>(file.size(), kTellingBytes));
  file.read_at(0, head);
  if (is_safetensors(head)) return read_safetensors(path).weights;
  return parse_weights(read_file(path), path.string(), left_out);
}

std::string weights_hash(const Weights& weights) {
  std::string text;
  for (const std::string& name : weights.names()) {
    const WeightTensor& tensor = weights.at(name);
    text += name + hash_fields(tensor.data);
    if (has_scale(tensor)) text += hash_fields(tensor.scale);
    text += '\n';
  }
  return sha256_hex(text);
}

Weights round_to_f16(const Weights& weights) {
  Weights result;
  for (const std::string& name : weights.names()) {
    const WeightTensor& tensor = weights.at(name);
    Tensor data = is_float(tensor.data.dtype()) ? rounded(tensor.data, name) : clone(tensor.data);
    result.add(name, std::move(data), has_scale(tensor) ? clone(tensor.scale) : Tensor());
  }
  return result;
}

}  // namespace spikeloom
