#include "core/io/config.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "core/io/config_tree.hpp"
#include "core/io/config_unknown.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

using Kind = ConfigNode::Kind;

std::string list_of(const std::vector<std::string>& names) {
  std::string list;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i != 0) list += i + 1 == names.size() ? " or " : ", ";
    list += in_quotes(names[i]);
  }
  return list;
}

template <typename T>
std::string in_range(const std::string& what, T min, T max) {
  const bool below = min != std::numeric_limits<T>::lowest();
  const bool above = max != std::numeric_limits<T>::max();
  const auto print = [](T value) { return nlohmann::json(value).dump(); };
  if (below && above) return what + " from " + print(min) + " to " + print(max);
  if (below) return what + " of at least " + print(min);
  if (above) return what + " of at most " + print(max);
  return what;
}

bool is_array_of_tables(const ConfigNode& node) {
  return node.kind == Kind::kArray && !node.items.empty() &&
         node.items.front().kind == Kind::kTable;
}

}  // namespace

struct Config::Impl {
  std::string name;                  // of the file
  std::vector<std::string> sources;  // "--set a.b=value" of source 1, 2, ...
  ConfigNode root;
  KnownKeys known;
  std::map<std::string, nlohmann::json, std::less<>> values;  // by key

  std::string place_text(const ConfigPlace& place) const {
    if (place.source != 0) return sources[place.source - 1];
    if (place.line == 0) return name;
    return name + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
  }

  Error error(const ConfigPlace& place, std::string_view key, const std::string& message) const {
    const std::string at = place_text(place);
    return {ErrorCode::kUsage,
            (at.empty() ? "" : at + ": ") + "key '" + printable(key) + "': " + message,
            {place.source == 0 ? name : "", place.line, place.column, std::string(key), ""}};
  }

  Error wrong(const ConfigNode& node, std::string_view key, const std::string& expected) const {
    return error(node.place, key, "expected " + expected + ", found " + describe(node));
  }

  // Null when the key is absent; an error when something on the way is not a table.
  ConfigNode* find(std::string_view key) {
    ConfigNode* node = &root;
    for (const std::string_view segment : split_key(key)) {
      if (node->kind != Kind::kTable && node->member(segment) == nullptr) {
        throw wrong(*node, key.substr(0, static_cast<size_t>(segment.data() - key.data()) - 1),
                    "a table");
      }
      node = node->member(segment);
      if (node == nullptr) return nullptr;
    }
    return node;
  }

  ConfigNode* read(std::string_view key) {
    known.add(key);
    ConfigNode* node = find(key);
    if (node != nullptr) node->was_read = true;
    return node;
  }

  // convert(node, key) -> T, or an Error.
  template <typename Convert>
  auto optional_value(std::string_view key, Convert&& convert)
      -> std::optional<decltype(convert(std::declval<const ConfigNode&>(), key))> {
    const ConfigNode* node = read(key);
    if (node == nullptr) return std::nullopt;
    return convert(*node, key);
  }

  template <typename T, typename Convert>
  T value_or(std::string_view key, T default_value, Convert&& convert) {
    T value = optional_value(key, convert).value_or(std::move(default_value));
    values.insert_or_assign(std::string(key), value);
    return value;
  }

  template <typename Convert>
  auto required(std::string_view key, const std::string& what, Convert&& convert) {
    auto value = optional_value(key, convert);
    if (!value) throw missing(key, what);
    values.insert_or_assign(std::string(key), *value);
    return std::move(*value);
  }

  Error missing(std::string_view key, const std::string& what) {
    const size_t dot = key.rfind('.');
    const std::string_view table = dot == key.npos ? std::string_view() : key.substr(0, dot);
    const ConfigNode* parent = table.empty() ? &root : find(table);
    ConfigPlace place;
    std::string hint;
    if (parent != nullptr && parent->kind == Kind::kTable) {
      if (parent != &root) place = parent->key_place;
      std::vector<std::string> unread;
      for (const ConfigNode& item : parent->items) {
        if (!item.was_read) unread.push_back(item.name);
      }
      const std::string near = nearest(dot == key.npos ? key : key.substr(dot + 1), unread);
      for (const ConfigNode& item : parent->items) {
        if (!near.empty() && item.name == near) {
          const std::string at = place_text(item.key_place);
          hint = " (is it '" + printable(near) + (at.empty() ? "'?)" : "' at " + at + "?)");
        }
      }
    }
    return error(place, key, "missing; expected " + what + hint);
  }

  // Conversions of one value.
  auto to_text(const std::string& expected = "a string") const {
    return [this, expected](const ConfigNode& node, std::string_view key) {
      if (node.kind != Kind::kText) throw wrong(node, key, expected);
      return node.text;
    };
  }

  auto to_choice(const std::vector<std::string>& allowed) const {
    return [this, &allowed](const ConfigNode& node, std::string_view key) {
      const std::string expected =
          allowed.size() > 1 ? "one of " + list_of(allowed) : list_of(allowed);
      if (node.kind != Kind::kText) throw wrong(node, key, expected);
      if (std::find(allowed.begin(), allowed.end(), node.text) == allowed.end()) {
        const std::string near = nearest(node.text, allowed);
        const std::string hint = near.empty() ? "" : " (did you mean " + in_quotes(near) + "?)";
        throw error(node.place, key, "expected " + expected + ", found " + describe(node) + hint);
      }
      return node.text;
    };
  }

  auto to_integer(int64_t min, int64_t max) const {
    return [=, this](const ConfigNode& node, std::string_view key) {
      if (node.kind != Kind::kInteger || node.integer < min || node.integer > max) {
        throw wrong(node, key, in_range<int64_t>("an integer", min, max));
      }
      return node.integer;
    };
  }

  auto to_real(double min, double max) const {
    return [=, this](const ConfigNode& node, std::string_view key) {
      const bool whole = node.kind == Kind::kInteger;
      const double value = whole ? static_cast<double>(node.integer) : node.real;
      if ((!whole && node.kind != Kind::kReal) || !std::isfinite(value) || value < min ||
          value > max) {
        throw wrong(node, key, in_range<double>("a finite number", min, max));
      }
      return value;
    };
  }

  auto to_flag() const {
    return [this](const ConfigNode& node, std::string_view key) {
      if (node.kind != Kind::kFlag) throw wrong(node, key, "true or false");
      return node.flag;
    };
  }

  // An array, each element by `convert`; elements are named key[index] in errors.
  template <typename Convert>
  auto to_array(const std::string& what, Convert convert) const {
    return [this, what, convert](const ConfigNode& node, std::string_view key) {
      if (node.kind != Kind::kArray) throw wrong(node, key, "an array of " + what);
      std::vector<decltype(convert(node, key))> values_read;
      for (const ConfigNode& item : node.items) {
        values_read.push_back(
            convert(item, std::string(key) + "[" + std::to_string(values_read.size()) + "]"));
      }
      return values_read;
    };
  }

  auto to_tables() const {
    return [this](const ConfigNode& node, std::string_view key) {
      if (node.kind != Kind::kArray) throw wrong(node, key, "tables [[" + std::string(key) + "]]");
      std::vector<TableRow> rows;
      for (const ConfigNode& item : node.items) {
        const std::string at = std::string(key) + "." + std::to_string(rows.size());
        if (item.kind != Kind::kTable) throw wrong(item, at, "a table");
        TableRow& row = rows.emplace_back();
        for (const ConfigNode& value : item.items)
          row.emplace(value.name, to_table_value(value, at + "." + value.name));
      }
      return rows;
    };
  }

  TableValue to_table_value(const ConfigNode& node, const std::string& key) const {
    switch (node.kind) {
      case Kind::kFlag: return node.flag;
      case Kind::kInteger: return node.integer;
      case Kind::kReal: return to_real(-kLargest, kLargest)(node, key);
      case Kind::kText: return node.text;
      case Kind::kArray: return to_array("numbers", to_real(-kLargest, kLargest))(node, key);
      case Kind::kNull:
      case Kind::kDate:
      case Kind::kTable: break;
    }
    throw wrong(node, key, "true or false, a number, a text or an array of numbers");
  }

  auto to_real_or_reals() const {
    return [this](const ConfigNode& node, std::string_view key) -> std::vector<double> {
      const auto number = to_real(-kLargest, kLargest);
      if (node.kind == Kind::kArray) return to_array("numbers", number)(node, key);
      return {number(node, key)};
    };
  }

  auto to_indices() const {
    return [this](const ConfigNode& node, std::string_view key) -> std::vector<int64_t> {
      if (node.kind == Kind::kText && node.text == "all") return {};
      if (node.kind == Kind::kArray) {
        return to_array("integers", to_integer(0, kHighest))(node, key);
      }
      if (node.kind != Kind::kInteger || node.integer < 1 || node.integer > 1000000) {
        throw wrong(node, key, "\"all\", a number of samples or an array of indices");
      }
      std::vector<int64_t> first(static_cast<size_t>(node.integer));
      std::iota(first.begin(), first.end(), int64_t{0});
      return first;
    };
  }

  auto to_text_or_texts() const {
    return [this](const ConfigNode& node, std::string_view key) -> std::vector<std::string> {
      if (node.kind == Kind::kText) return {node.text};
      if (node.kind != Kind::kArray) throw wrong(node, key, "a string or an array of strings");
      return to_array("strings", to_text())(node, key);
    };
  }
};

Config::Config(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Config::Config(Config&&) noexcept = default;
Config& Config::operator=(Config&&) noexcept = default;
Config::~Config() = default;

Config Config::parse(std::string_view text, std::string name) {
  auto impl = std::make_unique<Impl>();
  impl->root = parse_config_tree(text, name);
  impl->name = std::move(name);
  return Config(std::move(impl));
}

Config Config::of(const nlohmann::json& values) {
  Config config = parse(values.dump(), "values.json");
  const auto forget = [](const auto& self, ConfigNode& node) -> void {
    node.key_place = node.place = {};
    for (ConfigNode& item : node.items) self(self, item);
  };
  forget(forget, config.impl_->root);
  config.impl_->name.clear();
  return config;
}

Config Config::load(const std::filesystem::path& path) {
  std::vector<std::byte> bytes;
  try {
    bytes = read_file(path, kMaxConfigBytes);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUsage, error.what());  // a wrong argument, not a damaged data file
  }
  return parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

void Config::set(std::string_view assignment) {
  const std::string label = "--set " + printable(assignment, 80);
  const size_t equals = assignment.find('=');
  if (equals == assignment.npos) {
    throw Error(ErrorCode::kUsage, label + ": expected key=value");
  }
  const std::string_view key = assignment.substr(0, equals);
  const std::vector<std::string_view> segments = split_key(key);
  if (segments.size() > 64 || !std::all_of(segments.begin(), segments.end(), is_bare_key)) {
    throw Error(ErrorCode::kUsage, label +
                                       ": the key must be words of letters, digits, '_' or '-' "
                                       "joined by dots");
  }
  const size_t source = impl_->sources.size() + 1;
  ConfigNode value;
  try {
    value = parse_config_value(assignment.substr(equals + 1), source);
  } catch (const Error& error) {
    throw error.in(label);
  }
  impl_->sources.push_back(label);
  ConfigNode* node = &impl_->root;
  for (const std::string_view segment : segments) {
    if (node->kind != Kind::kTable && node->member(segment) == nullptr) {
      if (is_array_of_tables(*node))
        throw Error(ErrorCode::kUsage, label + ": '" + node->name + "' has no table " +
                                           in_quotes(std::string(segment)) +
                                           "; they count from 0 to " +
                                           std::to_string(node->items.size() - 1));
      throw Error(ErrorCode::kUsage, label + ": '" + node->name + "' is not a table but " +
                                         describe(*node) + " (" + impl_->place_text(node->place) +
                                         ")");
    }
    ConfigNode* next = node->member(segment);
    if (next == nullptr) {
      next = &node->items.emplace_back();
      next->name = segment;
      next->key_place = next->place = {source, 0, 0};
    }
    node = next;
  }
  value.name = segments.back();
  value.key_place = {source, 0, 0};
  *node = std::move(value);
}

std::string Config::text(std::string_view key, std::string default_value) {
  return impl_->value_or(key, std::move(default_value), impl_->to_text());
}
std::string Config::choice(std::string_view key, std::string default_value,
                           const std::vector<std::string>& allowed) {
  return impl_->value_or(key, std::move(default_value), impl_->to_choice(allowed));
}
int64_t Config::integer(std::string_view key, int64_t default_value, int64_t min, int64_t max) {
  return impl_->value_or(key, default_value, impl_->to_integer(min, max));
}
double Config::real(std::string_view key, double default_value, double min, double max) {
  return impl_->value_or(key, default_value, impl_->to_real(min, max));
}
bool Config::flag(std::string_view key, bool default_value) {
  return impl_->value_or(key, default_value, impl_->to_flag());
}
std::vector<int64_t> Config::integers(std::string_view key, std::vector<int64_t> default_value,
                                      int64_t min, int64_t max) {
  return impl_->value_or(key, std::move(default_value),
                         impl_->to_array("integers", impl_->to_integer(min, max)));
}
std::vector<double> Config::reals(std::string_view key, std::vector<double> default_value) {
  return impl_->value_or(key, std::move(default_value),
                         impl_->to_array("numbers", impl_->to_real(-kLargest, kLargest)));
}
std::vector<double> Config::real_or_reals(std::string_view key, std::vector<double> default_value) {
  return impl_->value_or(key, std::move(default_value), impl_->to_real_or_reals());
}
std::vector<int64_t> Config::indices(std::string_view key) {
  return impl_->value_or(key, std::vector<int64_t>{}, impl_->to_indices());
}
std::vector<std::string> Config::texts(std::string_view key,
                                       std::vector<std::string> default_value) {
  return impl_->value_or(key, std::move(default_value),
                         impl_->to_array("strings", impl_->to_text()));
}
std::vector<std::string> Config::text_or_texts(std::string_view key,
                                               std::vector<std::string> default_value) {
  return impl_->value_or(key, std::move(default_value), impl_->to_text_or_texts());
}

std::string Config::require_text(std::string_view key) {
  return impl_->required(key, "a string", impl_->to_text());
}
std::string Config::require_choice(std::string_view key, const std::vector<std::string>& allowed) {
  return impl_->required(key, "one of " + list_of(allowed), impl_->to_choice(allowed));
}
int64_t Config::require_integer(std::string_view key, int64_t min, int64_t max) {
  return impl_->required(key, in_range<int64_t>("an integer", min, max),
                         impl_->to_integer(min, max));
}
double Config::require_real(std::string_view key, double min, double max) {
  return impl_->required(key, in_range<double>("a finite number", min, max),
                         impl_->to_real(min, max));
}
bool Config::require_flag(std::string_view key) {
  return impl_->required(key, "true or false", impl_->to_flag());
}
std::vector<int64_t> Config::require_integers(std::string_view key, int64_t min, int64_t max) {
  return impl_->required(key, "an array of integers",
                         impl_->to_array("integers", impl_->to_integer(min, max)));
}
std::vector<double> Config::require_reals(std::string_view key) {
  return impl_->required(key, "an array of numbers",
                         impl_->to_array("numbers", impl_->to_real(-kLargest, kLargest)));
}
std::vector<std::string> Config::require_texts(std::string_view key) {
  return impl_->required(key, "an array of strings", impl_->to_array("strings", impl_->to_text()));
}
std::vector<std::string> Config::require_text_or_texts(std::string_view key) {
  return impl_->required(key, "a string or an array of strings", impl_->to_text_or_texts());
}

std::vector<TableRow> Config::tables(std::string_view key) {
  auto rows = impl_->optional_value(key, impl_->to_tables()).value_or(std::vector<TableRow>());
  if (!rows.empty()) impl_->values.insert_or_assign(std::string(key), to_json(rows));
  return rows;
}

std::filesystem::path Config::path_of(std::string_view key, const std::string& default_value) {
  const std::string written = impl_->value_or(key, default_value, impl_->to_text("a path"));
  return resolve_path(key, written);
}
std::filesystem::path Config::require_path(std::string_view key) {
  return resolve_path(key, impl_->required(key, "a path", impl_->to_text("a path")));
}

std::filesystem::path Config::resolve_path(std::string_view key, const std::string& path) const {
  const ConfigNode* node = impl_->find(key);
  if (path.find('\0') != path.npos) throw error_at(key, "NUL character in a path");
  if (node == nullptr || node->place.source != 0 || path.empty()) return path;
  return std::filesystem::path(impl_->name).parent_path() / path;
}

bool Config::has(std::string_view key) {
  return impl_->read(key) != nullptr;
}

bool Config::is_table(std::string_view key) {
  const ConfigNode* node = impl_->read(key);
  return node != nullptr && node->kind == Kind::kTable;
}

std::vector<std::string> Config::keys(std::string_view table) {
  const ConfigNode* node = impl_->read(table);
  std::vector<std::string> names;
  if (node == nullptr) return names;
  if (node->kind != Kind::kTable) throw impl_->wrong(*node, table, "a table");
  for (const ConfigNode& item : node->items) names.push_back(item.name);
  return names;
}

void Config::reject_unknown() const {
  const std::vector<UnknownKey> unknown = find_unknown(impl_->root, impl_->known);
  if (unknown.empty()) return;
  constexpr size_t kListed = 20;
  std::string message;
  for (size_t i = 0; i < std::min(unknown.size(), kListed); ++i) {
    const UnknownKey& key = unknown[i];
    const std::string at = impl_->place_text(key.place);
    message += (i == 0 ? "" : "; ") + (at.empty() ? "" : at + ": ") + "unknown " +
               (key.is_table ? "table" : "key") + " '" + key.path + "'";
    if (!key.nearest.empty()) message += " (did you mean " + key.nearest + "?)";
  }
  if (unknown.size() > kListed) {
    message += "; and " + std::to_string(unknown.size() - kListed) + " more";
  }
  const ConfigPlace& first = unknown[0].place;
  throw Error(
      ErrorCode::kUsage, message,
      {first.source == 0 ? impl_->name : "", first.line, first.column, unknown[0].path, ""});
}

nlohmann::json Config::resolved() const {
  nlohmann::json tree = nlohmann::json::object();
  for (const auto& [key, value] : impl_->values) {
    nlohmann::json* node = &tree;
    for (const std::string_view segment : split_key(key)) {
      if (!node->is_object()) {
        throw Error(ErrorCode::kInternal, "key '" + key + "' was read below a value");
      }
      node = &node->emplace(std::string(segment), nlohmann::json::object()).first.value();
    }
    *node = value;
  }
  return tree;
}

Error Config::error_at(std::string_view key, const std::string& message) const {
  const ConfigNode* node = impl_->find(key);
  return impl_->error(node == nullptr ? ConfigPlace{} : node->place, key, message);
}

nlohmann::json to_json(const std::vector<TableRow>& rows) {
  nlohmann::json list = nlohmann::json::array();
  for (const TableRow& row : rows) {
    nlohmann::json& table = list.emplace_back(nlohmann::json::object());
    for (const auto& [key, value] : row)
      std::visit([&table, &key = key](const auto& v) { table[key] = v; }, value);
  }
  return list;
}

}  // namespace spikeloom
