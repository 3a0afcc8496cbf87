#pragma once
// safetensors: the project's own weight container.
//
// Reading makes every check of the format: header length, UTF-8 JSON object without duplicate keys,
// string metadata, known fields, no holes or overlaps, sizes that match shapes, no trailing bytes.
// So the file size bounds the memory used. Element types: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL,
// and wider as element_types.hpp says U32 U16 F8_E4M3 F8_E5M2; others of the format are listed by
// open_safetensors and throw Error(kData) by name in the other functions. Functions are
// thread-safe.

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "core/io/weights_file.hpp"
#include "core/weights.hpp"

namespace spikeloom {

struct SafetensorsFile {
  Weights weights;
  std::map<std::string, std::string> metadata;
};

// `what` starts every error message.
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, const std::string& what);
SafetensorsFile read_safetensors(const std::filesystem::path& path);
// What a file holds. The bytes must outlive the result.
WeightsFile open_safetensors(std::span<const std::byte> bytes, const std::string& what);
// Large tensors are read by so many threads.
WeightsFile open_safetensors(const std::filesystem::path& path, int threads = 1);
// The tensors alone.
Weights load_safetensors(const std::filesystem::path& path);

// What to write of a tensor before its values.
struct TensorOutline {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
};

// Layout of the official writer: metadata first (none when empty), tensors by descending element
// type and then by name, header padded with spaces to a multiple of 8. `tensor(i)` is asked for the
// values of outline i, once for each, in the order of the file: no two need to be in memory. Throws
// Error(kData) for a name that the format cannot hold, Error(kRuntime) when the file cannot be
// written.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorOutline> outlines,
                       const std::map<std::string, std::string>& metadata,
                       const std::function<const Tensor&(size_t)>& tensor);
// The same for tensors that are there. Throws Error(kInternal) when one has a scale.
void save_safetensors(const std::filesystem::path& path, const Weights& weights,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace spikeloom
