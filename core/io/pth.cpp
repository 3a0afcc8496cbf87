#include "core/io/pth.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/torch_pickle.hpp"
#include "core/io/zip_archive.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMaxPickleBytes = int64_t{256} << 20;
constexpr int64_t kMaxAmplification = 16;
constexpr int64_t kFreeTensorBytes = 1 << 20;
constexpr int64_t kFreeTotalBytes = 16 << 20;
constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
                                        15);

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::kData, what + ": " + why);
}

// Bytes the tensor takes in C order; checks that its elements lie inside the storage and that
// strides do not blow it up.
int64_t check_tensor(const TorchTensor& tensor, const std::string& where) {
  const TorchStorage& storage = tensor.storage;
  const int64_t need = checked_bytes(tensor.shape, storage.element_bytes, where);
  if (need == 0) return 0;
  int64_t last = tensor.offset;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      fail(where, "strides overflow");
    }
  }
  if (last >= storage.view_count) {
    fail(where, "reaches element " + std::to_string(last) + " of a storage of " +
                    std::to_string(storage.view_count));
  }
  const int64_t stored = storage.count * storage.element_bytes;
  if (need > kFreeTensorBytes && need / kMaxAmplification > stored) {
    fail(where, "needs " + std::to_string(need) + " bytes, but its storage has only " +
                    std::to_string(stored));
  }
  return need;
}

// `bytes` is the whole storage.
Tensor copy_tensor(const TorchTensor& tensor, std::span<const std::byte> bytes) {
  Tensor result(tensor.shape, *tensor.storage.dtype);
  if (result.bytes() == 0) return result;
  const int64_t element = tensor.storage.element_bytes;
  const int64_t first = (tensor.storage.view_begin + tensor.offset) * element;
  gather_strided(bytes.data() + first, element, tensor.shape, tensor.strides, result.data());
  return result;
}

// The bytes a storage must have. Its count is at most what fits in the file.
int64_t storage_bytes(const TorchStorage& storage, const std::string& what) {
  if (storage.element_bytes == 0) fail(what, "storage type '" + storage.type + "' is unknown");
  if (storage.count > (int64_t{1} << 62) / storage.element_bytes) {
    fail(what, "storage '" + storage.key + "' is too large");
  }
  return storage.count * storage.element_bytes;
}

// Fills in the tensors storage by storage, so that at most one storage is in memory besides them.
// `load(storage)` returns the bytes of a storage.
template <typename Load>
PthFile collect(const Pickle& pickle, const std::string& what, int64_t file_bytes, Load&& load) {
  PthFile file;
  file.opaque = opaque_symbols(pickle);
  const std::vector<TorchTensor> tensors = find_state_dict(pickle, what);
  std::map<std::string, std::vector<const TorchTensor*>> users;
  int64_t left = std::max(kFreeTotalBytes, kMaxAmplification * file_bytes);
  for (const TorchTensor& tensor : tensors) {
    if (!tensor.unsupported.empty()) {
      file.left_out.push_back(tensor.name + " (" + tensor.unsupported + ")");
      continue;
    }
    const std::string where = what + ": tensor '" + tensor.name + "'";
    storage_bytes(tensor.storage, where);
    const int64_t need = check_tensor(tensor, where);
    if (need > left) fail(where, "all tensors together need more than 16 times the file");
    left -= need;
    users[tensor.storage.key].push_back(&tensor);
  }
  for (const auto& [key, list] : users) {
    const TorchStorage& first = list.front()->storage;
    const auto bytes = load(first);
    const int64_t need = storage_bytes(first, what);
    if (static_cast<int64_t>(bytes.size()) < need) {
      fail(what, "storage '" + key + "' has " + std::to_string(bytes.size()) + " bytes, expected " +
                     std::to_string(need));
    }
    for (const TorchTensor* tensor : list) {
      if (tensor->storage.dtype != first.dtype || tensor->storage.count != first.count) {
        fail(what, "storage '" + key + "' is described in two ways");
      }
      file.weights.add(tensor->name, copy_tensor(*tensor, bytes));
    }
  }
  return file;
}

// --- zip form

// The prefix before "/data.pkl", shared by all entries.
std::string find_prefix(const ZipArchive& archive) {
  constexpr std::string_view kPickle = "/data.pkl";
  const std::string& what = archive.what();
  std::string prefix;
  for (const ZipEntry& entry : archive.entries()) {
    if (!entry.name.ends_with(kPickle)) continue;
    if (!prefix.empty()) fail(what, "holds more than one data.pkl");
    prefix = entry.name.substr(0, entry.name.size() - kPickle.size() + 1);
  }
  if (prefix.empty()) fail(what, "zip archive without data.pkl");
  for (const ZipEntry& entry : archive.entries()) {
    // PyTorch stores everything as it is; a pickle that inflates would multiply twice.
    if (entry.deflated) fail(what, "entry '" + entry.name + "' is compressed");
    if (!entry.name.starts_with(prefix)) {
      fail(what, "entry '" + entry.name + "' lies outside of '" + prefix + "'");
    }
    const std::string_view name = std::string_view(entry.name).substr(prefix.size());
    if (name == "constants.pkl" || name.starts_with("code/")) {
      fail(what,
           "is a TorchScript archive, which holds a program; save the state dict instead: "
           "torch.save(model.state_dict(), path)");
    }
  }
  return prefix;
}

void check_byte_order(const ZipArchive& archive, const std::string& prefix) {
  const ZipEntry* entry = archive.find(prefix + "byteorder");
  if (entry == nullptr) return;
  const std::vector<std::byte> bytes = archive.read(*entry, 64, ZipCrc::kIgnoreWhenStored);
  if (as_text(bytes) == "little") return;
  fail(archive.what(), "byte order '" + printable(as_text(bytes)) + "', expected 'little'");
}

PthFile parse_zip(std::span<const std::byte> bytes, const std::string& what) {
  const ZipArchive archive(bytes, what);
  const std::string prefix = find_prefix(archive);
  check_byte_order(archive, prefix);
  std::unordered_map<std::string_view, const ZipEntry*> entries;
  for (const ZipEntry& entry : archive.entries()) entries[entry.name] = &entry;

  const std::vector<std::byte> text =
      archive.read(*entries.at(prefix + "data.pkl"), kMaxPickleBytes, ZipCrc::kIgnoreWhenStored);
  const Pickle pickle = parse_pickle(text, what);
  if (pickle.consumed != text.size()) fail(what, "data.pkl goes on after its end");
  return collect(pickle, what, static_cast<int64_t>(bytes.size()),
                 [&](const TorchStorage& storage) {
                   const auto found = entries.find(prefix + "data/" + storage.key);
                   if (found == entries.end())
                     fail(what, "storage '" + storage.key + "' is missing");
                   return archive.read(*found->second, kMaxFileBytes, ZipCrc::kIgnoreWhenStored);
                 });
}

// --- legacy form: pickles of magic, version, system, object and storage keys, then the storages

struct LegacyReader {
  std::span<const std::byte> bytes;
  const std::string& what;
  size_t at = kLegacyMagic.size();

  Pickle next() {
    Pickle pickle = parse_pickle(bytes.subspan(at), what);
    at += pickle.consumed;
    return pickle;
  }

  void check_start() {
    const Pickle version = next();
    if (version.at(version.root).integer != 1001) fail(what, "legacy version is not 1001");
    const Pickle system = next();
    const PickleValue* order = system.find(system.at(system.root), "little_endian");
    if (order == nullptr || order->kind != PickleKind::kBool || order->integer != 1) {
      fail(what, "was not saved by a little-endian machine");
    }
  }

  // The data of every storage key, in the order of the key list.
  std::map<std::string, std::span<const std::byte>> storages(const Pickle& object) {
    std::map<std::string, TorchStorage> known;
    for (const PickleRef ref : object.persistent) {
      TorchStorage storage = read_torch_storage(object, object.at(ref), what);
      std::string key = storage.key;
      known.emplace(std::move(key), std::move(storage));
    }
    const Pickle keys = next();
    if (keys.at(keys.root).kind != PickleKind::kList) fail(what, "storage keys are not a list");
    std::map<std::string, std::span<const std::byte>> result;
    for (const PickleRef ref : keys.at(keys.root).items) {
      const auto found = known.find(keys.at(ref).text);
      if (found == known.end() || result.contains(found->first)) {
        fail(what, "storage key '" + printable(keys.at(ref).text) + "' is unknown or repeated");
      }
      result[found->first] = take_storage(found->second);
    }
    if (at != bytes.size()) fail(what, "goes on after its last storage");
    return result;
  }

  std::span<const std::byte> take_storage(const TorchStorage& storage) {
    const int64_t need = storage_bytes(storage, what);
    if (bytes.size() - at < 8) fail(what, "ends before storage '" + storage.key + "'");
    const auto count = load_le<int64_t>(bytes, at);
    at += 8;
    if (count != storage.count || static_cast<uint64_t>(need) > bytes.size() - at) {
      fail(what, "storage '" + storage.key + "' has another size than its description");
    }
    const auto data = bytes.subspan(at, static_cast<size_t>(need));
    at += static_cast<size_t>(need);
    return data;
  }
};

PthFile parse_legacy(std::span<const std::byte> bytes, const std::string& what) {
  LegacyReader reader{bytes, what};
  reader.check_start();
  const Pickle object = reader.next();
  const auto storages = reader.storages(object);
  return collect(object, what, static_cast<int64_t>(bytes.size()),
                 [&](const TorchStorage& storage) {
                   const auto found = storages.find(storage.key);
                   if (found == storages.end())
                     fail(what, "storage '" + storage.key + "' is missing");
                   return found->second;
                 });
}

}  // namespace

bool is_legacy_pth(std::span<const std::byte> bytes) noexcept {
  return as_text(bytes).starts_with(kLegacyMagic);
}

bool is_tar(std::span<const std::byte> bytes) noexcept {
  constexpr size_t kMagicOffset = 257;
  return bytes.size() > kMagicOffset && as_text(bytes).substr(kMagicOffset).starts_with("ustar");
}

PthFile parse_pth(std::span<const std::byte> bytes, const std::string& what) {
  if (is_zip(bytes)) return parse_zip(bytes, what);
  if (is_legacy_pth(bytes)) return parse_legacy(bytes, what);
  if (is_tar(bytes)) {
    fail(what,
         "is a tar archive, the oldest form of PyTorch files; load and save it with a newer "
         "PyTorch");
  }
  const std::string_view text = as_text(bytes);
  if (text.size() >= 2 && text[0] == '\x80' && text[1] > 2 && text[1] < 6) {
    fail(what, "pickle protocol " + std::to_string(text[1]) +
                   "; save it with torch.save's default protocol 2");
  }
  fail(what, "not a PyTorch file");
}

PthFile load_pth(const std::filesystem::path& path) {
  return parse_pth(read_file(path), path.string());
}

}  // namespace spikeloom
