#include "core/io/config_unknown.hpp"

#include <algorithm>
#include <tuple>

#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

using Kind = ConfigNode::Kind;

std::string_view leaf_of(std::string_view path) {
  return path.substr(path.rfind('.') + 1);
}
std::string_view table_of(std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot == path.npos ? std::string_view() : path.substr(0, dot);
}

// The nearest of the known paths: by last name, the same table first, or by the whole path.
std::string nearest_path(std::string_view path, const std::set<std::string, std::less<>>& known) {
  constexpr size_t kLongestPath = 128;
  std::string best;
  size_t best_score = SIZE_MAX;
  if (path.size() > kLongestPath) return best;
  for (const std::string& candidate : known) {
    const std::string_view name = leaf_of(path), other = leaf_of(candidate);
    const size_t by_name = edit_distance(name, other);
    const size_t by_path = edit_distance(path, candidate);
    size_t score = SIZE_MAX;
    if (is_slip(by_name, name, other)) {
      score = 2 * by_name + (table_of(path) == table_of(candidate) ? 0 : 1);
    }
    if (is_slip(by_path, path, candidate)) score = std::min(score, 2 * by_path);
    if (score < best_score) {
      best_score = score;
      best = candidate;
    }
  }
  return best;
}

void search(const ConfigNode& table, const std::string& path, const KnownKeys& known,
            std::vector<UnknownKey>& found) {
  for (const ConfigNode& item : table.items) {
    std::string item_path = path.empty() ? path : path + ".";
    item_path += is_bare_key(item.name) ? item.name : in_quotes(item.name);
    const bool is_table = item.kind == Kind::kTable;
    if (is_table && (item.was_read || known.is_table(item_path))) {
      search(item, item_path, known, found);
    } else if (!item.was_read) {
      found.push_back({item_path, "", item.key_place, is_table});
    }
  }
}

}  // namespace

void KnownKeys::add(std::string_view key) {
  keys_.emplace(key);
  for (std::string_view table = table_of(key); !table.empty(); table = table_of(table)) {
    tables_.emplace(table);
  }
}

std::vector<UnknownKey> find_unknown(const ConfigNode& root, const KnownKeys& known) {
  std::vector<UnknownKey> found;
  search(root, "", known, found);
  std::stable_sort(found.begin(), found.end(), [](const UnknownKey& a, const UnknownKey& b) {
    return std::tie(a.place.source, a.place.line, a.place.column) <
           std::tie(b.place.source, b.place.line, b.place.column);
  });
  constexpr size_t kHinted = 100;  // a hostile file may have millions
  for (size_t i = 0; i < std::min(found.size(), kHinted); ++i) {
    found[i].nearest =
        nearest_path(found[i].path, found[i].is_table ? known.tables() : known.keys());
  }
  return found;
}

}  // namespace spikeloom
