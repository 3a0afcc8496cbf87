#pragma once
// A checked experiment file: every value is read by name and type, and what nobody read is an
// error.
//
// Keys are dotted paths of tables ("run.threads"). Precedence: default < file < set(). A read marks
// its key as known and records the value for resolved(). All faults are Error(kUsage) that start
// with the place, "file:line:column" or "--set a.b=value", then name the key, what was expected and
// what was found. Not thread-safe: reads record.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/error.hpp"
#include "core/table_row.hpp"

namespace spikeloom {

class Config {
 public:
  // TOML 1.0, or JSON of the same structure when the name ends in ".json". Refused: bad syntax,
  // duplicate keys, more than 100 MB, nesting above 64. `name` appears in errors; its folder is the
  // base of relative paths.
  static Config load(const std::filesystem::path& path);
  static Config parse(std::string_view text, std::string name);
  // Of values that a program holds, an object of tables: errors name keys, no place; paths are
  // relative to the current folder.
  static Config of(const nlohmann::json& values);

  Config(Config&&) noexcept;
  Config& operator=(Config&&) noexcept;
  ~Config();

  // "a.b=value" from the command line: creates or replaces the key. The value is TOML; a bare word
  // or path that is not TOML is text ("run.backend=cpu").
  void set(std::string_view assignment);

  // Optional keys. An integer is accepted where a real number is expected, nothing else is
  // converted.
  std::string text(std::string_view key, std::string default_value);
  std::string choice(std::string_view key, std::string default_value,
                     const std::vector<std::string>& allowed);
  // Of an enum whose values are positions in `names`.
  template <class E, size_t N>
  requires std::is_enum_v<E> E choice(std::string_view key, E default_value,
                                      const char* const (&names)[N]) {
    const std::vector<std::string> all(std::begin(names), std::end(names));
    return position<E>(choice(key, all[static_cast<size_t>(default_value)], all), all);
  }
  int64_t integer(std::string_view key, int64_t default_value, int64_t min = kLowest,
                  int64_t max = kHighest);
  // NaN and infinity are refused; bounds are inclusive.
  double real(std::string_view key, double default_value, double min = -kLargest,
              double max = kLargest);
  bool flag(std::string_view key, bool default_value);
  std::vector<int64_t> integers(std::string_view key, std::vector<int64_t> default_value,
                                int64_t min = kLowest, int64_t max = kHighest);
  std::vector<double> reals(std::string_view key, std::vector<double> default_value);
  // One number or an array of numbers.
  std::vector<double> real_or_reals(std::string_view key, std::vector<double> default_value);
  // "all" (empty, also the default), n >= 1 for 0..n-1, or an array of indices >= 0.
  std::vector<int64_t> indices(std::string_view key);
  std::vector<std::string> texts(std::string_view key, std::vector<std::string> default_value);
  // One text or an array of texts.
  std::vector<std::string> text_or_texts(std::string_view key,
                                         std::vector<std::string> default_value);
  // The tables of an array of tables, [[key]], with values, no tables, in them; none when absent.
  // What their keys mean is the caller's to say: "key.0.name" names one for error_at() and set().
  std::vector<TableRow> tables(std::string_view key);
  // A path; see resolve_path. The default is returned as it is.
  std::filesystem::path path_of(std::string_view key, const std::string& default_value);

  // Required keys: Error(kUsage) when absent.
  std::string require_text(std::string_view key);
  std::string require_choice(std::string_view key, const std::vector<std::string>& allowed);
  template <class E, size_t N>
  E require_choice(std::string_view key, const char* const (&names)[N]) {
    const std::vector<std::string> all(std::begin(names), std::end(names));
    return position<E>(require_choice(key, all), all);
  }
  int64_t require_integer(std::string_view key, int64_t min = kLowest, int64_t max = kHighest);
  double require_real(std::string_view key, double min = -kLargest, double max = kLargest);
  bool require_flag(std::string_view key);
  std::vector<int64_t> require_integers(std::string_view key, int64_t min = kLowest,
                                        int64_t max = kHighest);
  std::vector<double> require_reals(std::string_view key);
  std::vector<std::string> require_texts(std::string_view key);
  std::vector<std::string> require_text_or_texts(std::string_view key);
  std::filesystem::path require_path(std::string_view key);

  // Is the key (a value or a table) there? Marks it as known; the members of a table still want to
  // be read.
  bool has(std::string_view key);
  // Is the key there, and a table? Marks it as has() does.
  bool is_table(std::string_view key);
  // Names of the members of a table whose names are free, for instance a price list; empty when
  // absent.
  std::vector<std::string> keys(std::string_view table);

  // Where `path`, written as (part of) the value of `key`, points: absolute paths stay, others are
  // relative to the folder of the file, or to the current folder when the value came from set() or
  // is a default. "" stays "".
  std::filesystem::path resolve_path(std::string_view key, const std::string& path) const;

  // One Error(kUsage) for all keys and tables nobody read, with their places and the nearest known
  // keys. Call it after the last read.
  void reject_unknown() const;

  // Every value read so far, defaults included, nested by table. Paths are as written.
  nlohmann::json resolved() const;

  // An Error(kUsage) "place: key 'a.b': message" for a check of the caller's own.
  Error error_at(std::string_view key, const std::string& message) const;

 private:
  template <class E>
  static E position(const std::string& word, const std::vector<std::string>& all) {
    return static_cast<E>(std::find(all.begin(), all.end(), word) - all.begin());
  }
  static constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();
  static constexpr double kLargest = std::numeric_limits<double>::max();

  struct Impl;
  explicit Config(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

nlohmann::json to_json(const std::vector<TableRow>& rows);

}  // namespace spikeloom
