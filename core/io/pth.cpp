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
#include "core/weight_names.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMaxPickleBytes = int64_t{256} << 20;
constexpr int64_t kMaxAmplification = 16;
constexpr int64_t kFreeTensorBytes = 1 << 20;
constexpr int64_t kFreeTotalBytes = 16 << 20;
constexpr int64_t kHeldBytes = 16 << 20;
constexpr std::string_view kLegacyMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 13);

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::kData, what + ": " + why);
}

// Bytes the tensor takes in C order; checks that its elements lie inside the storage and that
// strides do not blow it up.
int64_t check_tensor(const TorchTensor& tensor, const std::string& where) {
  const TorchStorage& storage = *tensor.storage;
  const int64_t element = tensor.element.bytes;
  const int64_t need =
      checked_bytes(tensor.shape, std::max(element, size_of(*tensor.element.dtype)), where);
  if (need == 0) return 0;
  int64_t last = tensor.offset;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      fail(where, "strides overflow");
    }
  }
  const int64_t elements = storage.view_count * storage.element.bytes / element;
  if (last >= elements) {
    fail(where, "reaches element " + std::to_string(last) + " of a storage of " +
                    std::to_string(elements));
  }
  const int64_t stored = storage.count * storage.element.bytes;
  if (need > kFreeTensorBytes && need / kMaxAmplification > stored) {
    fail(where, "needs " + std::to_string(need) + " bytes, but its storage has only " +
                    std::to_string(stored));
  }
  return need;
}

// `bytes` is the whole storage.
Tensor copy_tensor(const TorchTensor& tensor, std::span<const std::byte> bytes) {
  Tensor result(tensor.shape, *tensor.element.dtype);
  if (result.bytes() == 0) return result;
  const int64_t element = tensor.element.bytes;
  const std::byte* first = bytes.data() +
                           tensor.storage->view_begin * tensor.storage->element.bytes +
                           tensor.offset * element;
  if (tensor.element.widening == Widening::kNone) {
    gather_strided(first, element, tensor.shape, tensor.strides, result.data());
    return result;
  }
  std::vector<std::byte> stored(static_cast<size_t>(result.size() * element));
  gather_strided(first, element, tensor.shape, tensor.strides, stored.data());
  widen_elements(stored, tensor.element.widening, result);
  return result;
}

// The bytes a storage must have. Its count is at most what fits in the file.
int64_t storage_bytes(const TorchStorage& storage, const std::string& what) {
  if (storage.element.bytes == 0) {
    fail(what, "storage type '" + printable(storage.type, 80) + "' is unknown");
  }
  if (storage.count > (int64_t{1} << 62) / storage.element.bytes) {
    fail(what, "storage '" + storage.key + "' is too large");
  }
  return storage.count * storage.element.bytes;
}

// Bytes of a storage, and what keeps them in memory.
struct StorageBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};
using LoadStorage = std::function<StorageBytes(const TorchStorage& storage)>;

// What is read when a tensor is asked for.
struct OpenPth {
  std::string what;
  std::vector<TorchDict> dicts;
  LoadStorage load;
  // Storages in memory: small ones stay until there are many, so that tensors that take turns do
  // not read them again and again; of large ones there is one.
  struct Held {
    std::shared_ptr<const TorchStorage> storage;
    StorageBytes data;
  };
  std::unordered_map<std::string, Held> held;
  int64_t held_bytes = 0;

  const Held& hold(const std::shared_ptr<const TorchStorage>& storage) {
    const auto found = held.find(storage->key);
    if (found != held.end()) return found->second;
    const int64_t need = storage_bytes(*storage, what);
    if (need > kHeldBytes - std::min(held_bytes, kHeldBytes)) {
      held.clear();  // before the next one comes
      held_bytes = 0;
    }
    held_bytes += need;
    return held.emplace(storage->key, Held{storage, load(*storage)}).first->second;
  }

  Tensor read(size_t dict, size_t index) {
    const TorchTensor& tensor = dicts[dict].tensors[index];
    const std::string where = what + ": tensor '" + printable(tensor.name, 80) + "'";
    check_tensor(tensor, where);
    const TorchStorage& storage = *tensor.storage;
    const auto& [first, loaded] = hold(tensor.storage);
    if (storage.element.bytes != first->element.bytes || storage.count != first->count) {
      fail(what, "storage '" + storage.key + "' is described in two ways");
    }
    const int64_t need = storage_bytes(storage, what);
    if (static_cast<int64_t>(loaded.bytes.size()) < need) {
      fail(what, "storage '" + storage.key + "' has " + std::to_string(loaded.bytes.size()) +
                     " bytes, expected " + std::to_string(need));
    }
    return copy_tensor(tensor, loaded.bytes);
  }
};

// Refuses a dict whose tensors are more than its file can justify.
void check_budget(const TorchDict& dict, const std::string& what, int64_t file_bytes) {
  int64_t left = std::max(kFreeTotalBytes, kMaxAmplification * file_bytes);
  for (const TorchTensor& tensor : dict.tensors) {
    if (!tensor.readable) continue;
    const std::string where = what + ": tensor '" + printable(tensor.name, 80) + "'";
    storage_bytes(*tensor.storage, where);
    const int64_t need = check_tensor(tensor, where);
    if (need > left) fail(where, "all tensors together need more than 16 times the file");
    left -= need;
  }
}

WeightsFile list_file(const Pickle& pickle, const std::string& what, int64_t file_bytes,
                      LoadStorage load) {
  const auto open = std::make_shared<OpenPth>();
  open->what = what;
  open->load = std::move(load);
  for (TorchDict& dict : find_state_dicts(pickle, what)) {
    const bool counts = rank_of_path(dict.path).kind != PathClass::kUnknown;
    try {
      check_budget(dict, what, file_bytes);
    } catch (const Error&) {
      if (counts) throw;  // as in find_state_dicts
      continue;
    }
    open->dicts.push_back(std::move(dict));
  }
  if (open->dicts.empty()) fail(what, "none of its dicts of tensors can be read");
  WeightsFile file;
  file.what = what;
  file.opaque = opaque_symbols(pickle);
  std::unordered_map<std::string_view, int64_t> places;  // of storages
  for (const TorchDict& dict : open->dicts) {
    TensorGroup& group = file.groups.emplace_back();
    group.path = dict.path;
    for (const TorchTensor& tensor : dict.tensors) {
      StoredTensor& stored = group.tensors.emplace_back();
      stored.name = tensor.name;
      stored.type = tensor.type;
      if (!tensor.readable) continue;
      stored.dtype = tensor.element.dtype;
      stored.shape = tensor.shape;
      stored.place =
          places.emplace(tensor.storage->key, static_cast<int64_t>(places.size())).first->second;
    }
  }
  file.read = [open](size_t group, size_t tensor) { return open->read(group, tensor); };
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

WeightsFile open_zip_form(const std::shared_ptr<const ZipArchive>& archive) {
  const std::string& what = archive->what();
  const std::string prefix = find_prefix(*archive);
  check_byte_order(*archive, prefix);
  std::unordered_map<std::string_view, const ZipEntry*> entries;
  int64_t stored = 0;
  for (const ZipEntry& entry : archive->entries()) {
    entries[entry.name] = &entry;
    stored += entry.stored_size;
  }
  const std::vector<std::byte> text =
      archive->read(*entries.at(prefix + "data.pkl"), kMaxPickleBytes, ZipCrc::kIgnoreWhenStored);
  const Pickle pickle = parse_pickle(text, what);
  if (pickle.consumed != text.size()) fail(what, "data.pkl goes on after its end");
  return list_file(pickle, what, stored,
                   [archive, prefix, entries = std::move(entries)](const TorchStorage& storage) {
                     const auto found = entries.find(prefix + "data/" + storage.key);
                     if (found == entries.end()) {
                       fail(archive->what(), "storage '" + storage.key + "' is missing");
                     }
                     const auto bytes = std::make_shared<const std::vector<std::byte>>(
                         archive->read(*found->second, kMaxFileBytes, ZipCrc::kIgnoreWhenStored));
                     return StorageBytes{*bytes, bytes};
                   });
}

// --- legacy form: pickles of magic, version, system, object and storage keys, then the storages

struct LegacyReader {
  std::span<const std::byte> bytes;
  const std::string& what;
  size_t at = 0;

  Pickle next() {
    Pickle pickle = parse_pickle(bytes.subspan(at), what);
    at += pickle.consumed;
    return pickle;
  }

  void check_start() {
    next();  // the magic number
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

WeightsFile open_legacy(const std::shared_ptr<const std::vector<std::byte>>& bytes,
                        const std::string& what) {
  LegacyReader reader{*bytes, what};
  reader.check_start();
  const Pickle object = reader.next();
  auto storages = reader.storages(object);
  return list_file(object, what, static_cast<int64_t>(bytes->size()),
                   [bytes, what, storages = std::move(storages)](const TorchStorage& storage) {
                     const auto found = storages.find(storage.key);
                     if (found == storages.end()) {
                       fail(what, "storage '" + storage.key + "' is missing");
                     }
                     return StorageBytes{found->second, bytes};
                   });
}

PthFile read_first(const WeightsFile& file) {
  PthFile result;
  result.opaque = file.opaque;
  const ChosenTensors chosen = choose_tensors(file, {});
  for (const ChosenTensor& tensor : chosen.tensors) {
    const StoredTensor& stored = file.groups[chosen.group].tensors[tensor.index];
    if (stored.dtype) {
      result.weights.add(tensor.name, file.read(chosen.group, tensor.index));
    } else {
      result.left_out.push_back(tensor.name + " (" + stored.type + ")");
    }
  }
  return result;
}

}  // namespace

bool is_legacy_pth(std::span<const std::byte> bytes) noexcept {
  const std::string_view text = as_text(bytes);
  if (text.size() < 2 || text[0] != '\x80') return false;
  // Protocols from 4 on put a frame of nine bytes in front.
  const size_t frame = text.size() > 2 && text[2] == '\x95' ? 9 : 0;
  return text.size() > 2 + frame && text.substr(2 + frame).starts_with(kLegacyMagic);
}

bool is_tar(std::span<const std::byte> bytes) noexcept {
  constexpr size_t kMagicOffset = 257;
  return bytes.size() > kMagicOffset && as_text(bytes).substr(kMagicOffset).starts_with("ustar");
}

WeightsFile open_pth(const std::shared_ptr<const ZipArchive>& archive) {
  return open_zip_form(archive);
}

WeightsFile open_pth(const std::shared_ptr<const std::vector<std::byte>>& bytes,
                     const std::string& what) {
  if (is_legacy_pth(*bytes)) return open_legacy(bytes, what);
  if (is_tar(*bytes)) {
    fail(what,
         "is a tar archive, the oldest form of PyTorch files; load and save it with a newer "
         "PyTorch");
  }
  const std::string_view text = as_text(*bytes);
  if (text.size() >= 2 && text[0] == '\x80' && text[1] >= 2 && text[1] < 6) {
    fail(what, "is a bare pickle of protocol " + std::to_string(text[1]) +
                   ", not a file of torch.save; save the state dict with it");
  }
  fail(what, "not a PyTorch file");
}

PthFile parse_pth(std::span<const std::byte> bytes, const std::string& what) {
  if (is_zip(bytes)) return read_first(open_pth(std::make_shared<const ZipArchive>(bytes, what)));
  return read_first(
      open_pth(std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end()), what));
}

PthFile load_pth(const std::filesystem::path& path) {
  return parse_pth(read_file(path), path.string());
}

}  // namespace spikeloom
