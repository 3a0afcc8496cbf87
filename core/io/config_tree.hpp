#pragma once
// The value tree behind Config, with the place of every key and value. Internal to core/io: TOML
// and JSON text become the same tree, so that everything above knows one notation.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

constexpr int64_t kMaxConfigBytes = 100'000'000;

// A place in the sources of a configuration. Line and column count from 1; line 0: the source as a
// whole.
struct ConfigPlace {
  size_t source = 0;  // 0: the file; above: the --set assignments in order
  int64_t line = 0;
  int64_t column = 0;
};

struct ConfigNode {
  enum class Kind { kNull, kFlag, kInteger, kReal, kText, kDate, kArray, kTable };

  Kind kind = Kind::kTable;
  bool flag = false;
  int64_t integer = 0;
  double real = 0;
  std::string text;               // of kText; of kDate as written in TOML
  std::string name;               // key in the parent table
  std::vector<ConfigNode> items;  // elements of kArray, members of kTable
  ConfigPlace key_place, place;
  bool was_read = false;

  // The member of a table, or the element of an array by its number, from 0; null: there is none.
  ConfigNode* member(std::string_view key);
};

// "a.b" -> "a", "b".
std::vector<std::string_view> split_key(std::string_view key);

// Letters, digits, '_' and '-': what TOML allows without quotes.
bool is_bare_key(std::string_view key);

// "string \"abc\"", "integer 3", "an array of 4", "a table": for "found ...".
std::string describe(const ConfigNode& node);

// Parses a whole file; `name` appears in errors and decides by its ending .json between the
// notations. Throws Error(kUsage) "name:line:column: ..." for bad syntax, duplicate keys, text
// above 100 MB, nesting above 64.
ConfigNode parse_config_tree(std::string_view text, const std::string& name);

// The value on the right of an assignment: TOML, or, when it is not, the text itself if it looks
// like a bare word or path (no leading quote or bracket). Every place is `source`. Throws
// Error(kUsage).
ConfigNode parse_config_value(std::string_view text, size_t source);

}  // namespace spikeloom
