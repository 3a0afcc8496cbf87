#pragma once
// safetensors (formats 3.1): the project's own weight container.
//
// Reading makes every check of the format: header length, UTF-8 JSON object without duplicate keys,
// string metadata, known fields, no holes or overlaps, sizes that match shapes, no trailing bytes.
// So the file size bounds the memory used. Element types: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL;
// others throw Error(kData) by name. Functions are thread-safe.

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "core/weights.hpp"

namespace spikeloom {

struct SafetensorsFile {
  Weights weights;
  std::map<std::string, std::string> metadata;
};

// `what` starts every error message.
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, const std::string& what);
SafetensorsFile read_safetensors(const std::filesystem::path& path);
// The tensors alone.
Weights load_safetensors(const std::filesystem::path& path);

// Layout of the official writer: metadata first (none when empty), tensors by descending element
// type and then by name, header padded with spaces to a multiple of 8. Throws Error(kInternal) when
// a tensor has a scale or an unusable name, Error(kRuntime) when the file cannot be written.
void save_safetensors(const std::filesystem::path& path, const Weights& weights,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace spikeloom
