#include "core/io/npz.hpp"

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/npy.hpp"

namespace spikeloom {

WeightsFile open_npz(const std::shared_ptr<const ZipArchive>& archive) {
  constexpr std::string_view kSuffix = ".npy";
  WeightsFile file;
  file.what = archive->what();
  file.groups.resize(1);
  for (const ZipEntry& entry : archive->entries()) {
    const std::string where = file.what + ": entry '" + entry.name + "'";
    if (!entry.name.ends_with(kSuffix) || entry.name.size() == kSuffix.size()) {
      throw Error(ErrorCode::kData, where + " is not a named .npy array");
    }
    NpyHeader header = parse_npy_header(archive->read_start(entry, kMaxNpyHeaderBytes), where);
    const auto place = static_cast<int64_t>(file.groups[0].tensors.size());
    file.groups[0].tensors.push_back({entry.name.substr(0, entry.name.size() - kSuffix.size()),
                                      header.descr, header.dtype, std::move(header.shape), place});
  }
  file.read = [archive](size_t, size_t tensor) {
    const ZipEntry& entry = archive->entries()[tensor];
    const std::string where = archive->what() + ": entry '" + entry.name + "'";
    const NpyHeader header =
        parse_npy_header(archive->read_start(entry, kMaxNpyHeaderBytes), where);
    // The array's own header bounds what is inflated; parse_npy then insists on equality.
    const int64_t cap = static_cast<int64_t>(header.data_offset) + header.data_bytes;
    return parse_npy(archive->read(entry, cap, ZipCrc::kCheck), where);
  };
  return file;
}

namespace {

Weights read_all(const WeightsFile& file, std::vector<std::string>* left_out) {
  Weights weights;
  const std::vector<StoredTensor>& tensors = file.groups[0].tensors;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].dtype) {
      weights.add(tensors[i].name, file.read(0, i));
    } else if (left_out != nullptr) {
      left_out->push_back(tensors[i].name + " (" + tensors[i].type + ")");
    }
  }
  return weights;
}

}  // namespace

Weights parse_npz(std::span<const std::byte> bytes, const std::string& what,
                  std::vector<std::string>* left_out) {
  return read_all(open_npz(std::make_shared<const ZipArchive>(bytes, what)), left_out);
}

Weights load_npz(const std::filesystem::path& path, std::vector<std::string>* left_out) {
  return read_all(open_npz(std::make_shared<const ZipArchive>(path)), left_out);
}

}  // namespace spikeloom
