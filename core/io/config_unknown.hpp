#pragma once
// Which keys of a configuration nobody asked for, and what their writer may have meant. Internal to
// core/io.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/config_tree.hpp"

namespace spikeloom {

// The dotted keys somebody read, and the tables they stand in.
class KnownKeys {
 public:
  void add(std::string_view key);
  bool is_table(std::string_view path) const { return tables_.find(path) != tables_.end(); }
  const std::set<std::string, std::less<>>& keys() const { return keys_; }
  const std::set<std::string, std::less<>>& tables() const { return tables_; }

 private:
  std::set<std::string, std::less<>> keys_, tables_;
};

struct UnknownKey {
  std::string path;     // dotted; unusual names in quotes
  std::string nearest;  // dotted path of a known key, or ""
  ConfigPlace place;
  bool is_table = false;
};

// In the order of the sources. An unknown table is one entry; the tables of known keys are
// searched.
std::vector<UnknownKey> find_unknown(const ConfigNode& root, const KnownKeys& known);

}  // namespace spikeloom
