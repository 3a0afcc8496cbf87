#include "core/io/npz.hpp"

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/npy.hpp"
#include "core/io/zip_archive.hpp"

namespace spikeloom {

Weights parse_npz(std::span<const std::byte> bytes, const std::string& what,
                  std::vector<std::string>* left_out) {
  constexpr std::string_view kSuffix = ".npy";
  const ZipArchive archive(bytes, what);
  Weights weights;
  for (const ZipEntry& entry : archive.entries()) {
    const std::string where = what + ": entry '" + entry.name + "'";
    if (!entry.name.ends_with(kSuffix) || entry.name.size() == kSuffix.size()) {
      throw Error(ErrorCode::kData, where + " is not a named .npy array");
    }
    const NpyHeader header = parse_npy_header(archive.read_start(entry, kMaxNpyHeaderBytes), where);
    std::string name = entry.name.substr(0, entry.name.size() - kSuffix.size());
    if (!header.dtype) {
      if (left_out != nullptr) left_out->push_back(name + " (" + header.descr + ")");
      continue;
    }
    // The array's own header bounds what is inflated; parse_npy then insists on equality.
    const int64_t cap = static_cast<int64_t>(header.data_offset) + header.data_bytes;
    weights.add(std::move(name), parse_npy(archive.read(entry, cap, ZipCrc::kCheck), where));
  }
  return weights;
}

Weights load_npz(const std::filesystem::path& path, std::vector<std::string>* left_out) {
  return parse_npz(read_file(path), path.string(), left_out);
}

}  // namespace spikeloom
