#include "core/io/weights_index.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPlacesPerShard = int64_t{1} << 32;

[[noreturn]] void refuse(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::kData, what + ": " + why);
}

// The names of each shard's tensors, by shard.
std::map<std::string, std::vector<std::string>> read_map(const fs::path& path) {
  const std::string what = path.string();
  const nlohmann::json index = load_json(path);
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) refuse(what, "has no object \"weight_map\"");
  if (map->empty()) refuse(what, "its weight_map is empty");
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, file] : map->items()) {
    check_name(name, what);
    if (!file.is_string()) refuse(what, "the shard of " + in_quotes(name) + " is not a text");
    const auto& text = file.get_ref<const std::string&>();
    check_name(text, what);
    if (text.find_first_of("/\\") != std::string::npos || text == "." || text == "..") {
      refuse(what, "shard " + in_quotes(text) + " is not a plain file name");
    }
    shards[text].push_back(name);
  }
  return shards;
}

// The group of a shard that holds what the index says, else its first.
size_t group_for(const WeightsFile& shard, const std::vector<std::string>& listed) {
  for (size_t g = 0; g < shard.groups.size(); ++g) {
    NameSet names;
    for (const StoredTensor& tensor : shard.groups[g].tensors) names.insert(tensor.name);
    if (std::all_of(listed.begin(), listed.end(), [&](const auto& n) { return names.contains(n); }))
      return g;
  }
  return 0;
}

struct Shards {
  std::vector<WeightsFile> files;
  struct Place {
    size_t file, group, tensor;
  };
  std::vector<Place> places;
  std::map<std::string, size_t, std::less<>> owner;  // shard of each tensor
};

void add_shard(const fs::path& index, const std::string& name, WeightsFile file, Shards& shards,
               WeightsFile& all, const std::vector<std::string>& listed) {
  const size_t number = shards.files.size(), group = group_for(file, listed);
  const std::vector<StoredTensor>& tensors = file.groups[group].tensors;
  for (size_t i = 0; i < tensors.size(); ++i) {
    StoredTensor tensor = tensors[i];
    if (!shards.owner.emplace(tensor.name, number).second) {
      refuse(index.string(), "tensor " + in_quotes(tensor.name) + " is in shard " +
                                 in_quotes(name) + " and in another");
    }
    tensor.place += static_cast<int64_t>(number) * kPlacesPerShard;
    shards.places.push_back({number, group, i});
    all.groups[0].tensors.push_back(std::move(tensor));
  }
  all.opaque.insert(all.opaque.end(), file.opaque.begin(), file.opaque.end());
  shards.files.push_back(std::move(file));
}

}  // namespace

bool is_weights_index(std::span<const std::byte> head) noexcept {
  const std::string_view text = as_text(head);
  const size_t first = text.find_first_not_of(" \t\r\n", text.starts_with("\xef\xbb\xbf") ? 3 : 0);
  if (first == std::string_view::npos || text[first] != '{') return false;
  // Of safetensors the first eight bytes are a length, its upper ones zero.
  return text.substr(0, 8).find('\0') == std::string_view::npos;
}

WeightsFile open_index(const fs::path& path,
                       const std::function<WeightsFile(const fs::path&)>& open) {
  const auto map = read_map(path);
  const auto shards = std::make_shared<Shards>();
  WeightsFile all;
  all.what = path.string();
  all.groups.resize(1);
  for (const auto& [name, listed] : map) {
    const fs::path file = path.parent_path() / name;
    std::error_code ignored;
    if (!fs::exists(file, ignored))
      refuse(path.string(), "shard " + in_quotes(name) + " is missing");
    add_shard(path, name, open(file), *shards, all, listed);
  }
  size_t number = 0;
  for (const auto& [name, listed] : map) {
    for (const std::string& tensor : listed) {
      const auto found = shards->owner.find(tensor);
      if (found != shards->owner.end() && found->second == number) continue;
      refuse(path.string(), "tensor " + in_quotes(tensor) + " is not in shard " + in_quotes(name) +
                                (found == shards->owner.end() ? "" : " but in another"));
    }
    ++number;
  }
  all.read = [shards](size_t, size_t tensor) {
    const Shards::Place& place = shards->places[tensor];
    return shards->files[place.file].read(place.group, place.tensor);
  };
  return all;
}

fs::path weights_in_folder(const fs::path& folder) {
  std::vector<fs::path> best;
  for (const char* ending : {".safetensors.index.json", ".index.json", ".safetensors", ".bin"}) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      if (entry->path().filename().string().ends_with(ending)) best.push_back(entry->path());
    }
    if (error) refuse(folder.string(), "cannot be read: " + error.message());
    if (best.size() == 1) return best[0];
    if (!best.empty()) {
      std::sort(best.begin(), best.end());
      refuse(folder.string(), "holds " + std::to_string(best.size()) + " files *" + ending + ", " +
                                  in_quotes(best[0].filename().string()) + " and " +
                                  in_quotes(best[1].filename().string()) + "; name one");
    }
  }
  refuse(folder.string(), "is a folder without weights: no *.index.json, *.safetensors or *.bin");
}

}  // namespace spikeloom
