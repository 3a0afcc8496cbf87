#include "core/io/config_tree.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"

namespace spikeloom {
namespace {

using Kind = ConfigNode::Kind;

constexpr int kMaxNesting = 64;

[[noreturn]] void fail_at(const std::string& name, int64_t line, int64_t column,
                          const std::string& message) {
  throw Error(ErrorCode::kUsage,
              name + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + message);
}

[[noreturn]] void fail_nesting(const std::string& name, int64_t line, int64_t column) {
  fail_at(name, line, column, "nested deeper than " + std::to_string(kMaxNesting) + " levels");
}

// toml++ bounds brackets but not dotted keys (a.a.a. ...), whose tables it frees by recursion: one
// look over the text before it is parsed. Strings and comments are stepped over.
class NestingScan {
 public:
  NestingScan(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  void run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
        continue;
      }
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      count(c);
      if (c == '\n') new_line();
      ++at_;
    }
  }

 private:
  void count(char c) {
    if (c == '[' || c == '{') ++brackets_;
    if ((c == ']' || c == '}') && brackets_ > 0) --brackets_;
    if (c == '.') {
      ++dots_;
    } else if (c == '\n' || c == '=' || c == ',' || c == '[' || c == '{' || c == ']' || c == '}') {
      dots_ = 0;
    }
    if (brackets_ > kMaxNesting || dots_ >= kMaxNesting) {
      fail_nesting(name_, line_, static_cast<int64_t>(at_ - line_start_) + 1);
    }
  }

  void new_line() {
    ++line_;
    line_start_ = at_ + 1;
  }

  bool triple(char quote) const { return text_.substr(at_).starts_with(std::string(3, quote)); }

  void skip_string(char quote) {
    const bool multi_line = triple(quote);
    at_ += multi_line ? 3 : 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        if (!multi_line) return;  // unterminated: the parser will say so
        new_line();
      } else if (c == '\\' && quote == '"' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n') {
        ++at_;
      } else if (c == quote && (!multi_line || triple(quote))) {
        at_ += multi_line ? 3 : 1;
        for (int extra = 0; multi_line && extra < 2 && text_.substr(at_).starts_with(quote);
             ++extra) {
          ++at_;  // a multi-line string may end in up to two quotes of its own
        }
        return;
      }
      ++at_;
    }
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
  size_t line_start_ = 0;
  int64_t line_ = 1;
  int brackets_ = 0;
  int dots_ = 0;
};

// Turns toml++'s tree into ours. For an assignment (source > 0) places have no line.
class TomlReader {
 public:
  TomlReader(size_t source, const std::string& name) : source_(source), name_(name) {}

  ConfigNode read(const toml::node& from, int depth) const {
    ConfigNode node;
    node.place = place(from.source());
    if (depth > kMaxNesting && (from.is_table() || from.is_array())) {
      fail_nesting(name_, node.place.line, node.place.column);
    }
    if (const auto* table = from.as_table()) {
      read_table(*table, node, depth);
    } else if (const auto* array = from.as_array()) {
      node.kind = Kind::kArray;
      node.items.reserve(array->size());
      for (const toml::node& item : *array) node.items.push_back(read(item, depth + 1));
    } else {
      read_value(from, node);
    }
    return node;
  }

 private:
  ConfigPlace place(const toml::source_region& region) const {
    if (source_ != 0) return {source_, 0, 0};
    return {0, static_cast<int64_t>(region.begin.line), static_cast<int64_t>(region.begin.column)};
  }

  void read_table(const toml::table& table, ConfigNode& node, int depth) const {
    node.kind = Kind::kTable;
    for (auto&& [key, value] : table) {
      ConfigNode& member = node.items.emplace_back(read(value, depth + 1));
      member.name = std::string(key.str());
      member.key_place = place(key.source());
    }
  }

  static void read_value(const toml::node& from, ConfigNode& node) {
    if (const auto* text = from.as_string()) {
      node.kind = Kind::kText;
      node.text = text->get();
    } else if (const auto* integer = from.as_integer()) {
      node.kind = Kind::kInteger;
      node.integer = integer->get();
    } else if (const auto* real = from.as_floating_point()) {
      node.kind = Kind::kReal;
      node.real = real->get();
    } else if (const auto* flag = from.as_boolean()) {
      node.kind = Kind::kFlag;
      node.flag = flag->get();
    } else {
      node.kind = Kind::kDate;
      std::ostringstream written;
      if (const auto* date = from.as_date()) written << date->get();
      if (const auto* time = from.as_time()) written << time->get();
      if (const auto* both = from.as_date_time()) written << both->get();
      node.text = written.str();
    }
  }

  size_t source_;
  const std::string& name_;
};

ConfigNode parse_toml(std::string_view text, const std::string& name, size_t source) {
  NestingScan(text, name).run();
  toml::table table;
  try {
    table = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    fail_at(name, static_cast<int64_t>(at.line), static_cast<int64_t>(at.column),
            printable(error.description()));
  }
  return TomlReader(source, name).read(table, 0);
}

ConfigPlace find_place(const std::map<std::string, TextPosition>& places,
                       const std::string& pointer) {
  const auto found = places.find(pointer);
  if (found == places.end()) return {};
  return {0, found->second.line, found->second.column};
}

ConfigNode read_json(const nlohmann::json& from, const JsonPositions& places,
                     const std::string& pointer) {
  ConfigNode node;
  node.place = find_place(places.values, pointer);
  const auto add = [&](const nlohmann::json& child, const std::string& step) -> ConfigNode& {
    const std::string path = pointer + "/" + step;
    node.items.push_back(read_json(child, places, path));
    node.items.back().key_place = find_place(places.keys, path);
    return node.items.back();
  };
  if (from.is_object()) {
    node.kind = Kind::kTable;
    for (const auto& [key, member] : from.items()) {
      add(member, nlohmann::detail::escape(key)).name = key;
    }
  } else if (from.is_array()) {
    node.kind = Kind::kArray;
    for (size_t i = 0; i < from.size(); ++i) add(from[i], std::to_string(i));
  } else if (from.is_string()) {
    node.kind = Kind::kText;
    node.text = from.get<std::string>();
  } else if (from.is_boolean()) {
    node.kind = Kind::kFlag;
    node.flag = from.get<bool>();
  } else if (from.is_number_integer() &&
             (!from.is_number_unsigned() || from.get<uint64_t>() <= uint64_t{INT64_MAX})) {
    node.kind = Kind::kInteger;
    node.integer = from.get<int64_t>();
  } else if (from.is_number()) {
    node.kind = Kind::kReal;
    node.real = from.get<double>();
  } else {
    node.kind = Kind::kNull;
  }
  return node;
}

bool looks_bare(std::string_view text) {
  return !text.empty() &&
         std::string_view("\"'[]{}#=,").find(text.front()) == std::string_view::npos &&
         text.front() != ' ' && text.back() != ' ';
}

}  // namespace

std::vector<std::string_view> split_key(std::string_view key) {
  std::vector<std::string_view> segments;
  for (size_t dot; (dot = key.find('.')) != key.npos; key.remove_prefix(dot + 1)) {
    segments.push_back(key.substr(0, dot));
  }
  segments.push_back(key);
  return segments;
}

bool is_bare_key(std::string_view key) {
  const auto in_key = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  };
  return !key.empty() && std::all_of(key.begin(), key.end(), in_key);
}

ConfigNode* ConfigNode::member(std::string_view key) {
  if (kind == Kind::kArray) {
    size_t index = 0;
    const auto [end, fault] = std::from_chars(key.data(), key.data() + key.size(), index);
    const bool whole = fault == std::errc() && end == key.data() + key.size();
    return whole && index < items.size() ? &items[index] : nullptr;
  }
  for (ConfigNode& item : items) {
    if (item.name == key) return &item;
  }
  return nullptr;
}

std::string describe(const ConfigNode& node) {
  switch (node.kind) {
    case Kind::kNull: return "null";
    case Kind::kFlag: return node.flag ? "true" : "false";
    case Kind::kInteger: return "integer " + std::to_string(node.integer);
    case Kind::kReal: {
      std::ostringstream text;
      text.precision(17);
      text << node.real;
      const std::string shortest = nlohmann::json(node.real).dump();
      return "number " + (shortest == "null" ? text.str() : shortest);
    }
    case Kind::kText: return "string " + in_quotes(node.text);
    case Kind::kDate: return "date " + node.text;
    case Kind::kArray: return "an array of " + std::to_string(node.items.size());
    case Kind::kTable: return "a table";
  }
  return "";
}

ConfigNode parse_config_tree(std::string_view text, const std::string& name) {
  if (static_cast<int64_t>(text.size()) > kMaxConfigBytes) {
    throw Error(ErrorCode::kUsage, name + ": " + std::to_string(text.size()) +
                                       " bytes of configuration, more than 100 MB");
  }
  if (!name.ends_with(".json")) return parse_toml(text, name, 0);
  JsonPositions places;
  nlohmann::json value;
  try {
    value = parse_json(text, name, &places);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUsage, error.what());  // the same fault, but in a configuration
  }
  if (!value.is_object()) fail_at(name, 1, 1, "expected an object of keys and values");
  return read_json(value, places, "");
}

ConfigNode parse_config_value(std::string_view text, size_t source) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      throw Error(ErrorCode::kUsage, "control character in the value");
    }
  }
  ConfigNode word;
  word.kind = Kind::kText;
  word.text = text;
  word.place = word.key_place = {source, 0, 0};
  if (text.empty()) return word;
  std::string message;
  try {
    ConfigNode table = parse_toml("value = " + std::string(text), "value", source);
    if (table.items.size() == 1) return std::move(table.items.front());
    message = "one value expected";
  } catch (const Error& error) {
    message = std::string("the value is not TOML (") + error.what() + ")";
  }
  if (!looks_bare(text)) throw Error(ErrorCode::kUsage, message);
  try {
    nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::kUsage, "the value is not valid UTF-8");
  }
  return word;
}

}  // namespace spikeloom
