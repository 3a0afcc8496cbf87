#include "core/io/json.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxText = 100'000'000;
constexpr size_t kMaxNesting = 64;
// Of JSON pointers: so much for free, or so many times the text.
constexpr size_t kFreePointerBytes = 1 << 20;
constexpr size_t kMaxPointerBytes = 16;

// Feeds the parser and tells how far it has read.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, size_t* consumed) : at_(at), consumed_(consumed) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    ++*consumed_;
    return *this;
  }
  CountingIterator operator++(int) {
    const CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  size_t* consumed_;
};

// Line and column of offsets that never decrease.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  TextPosition at(size_t offset) {
    for (; offset_ < std::min(offset, text_.size()); ++offset_) {
      const auto c = static_cast<unsigned char>(text_[offset_]);
      if (c == '\n') {
        ++position_.line;
        position_.column = 1;
      } else if ((c & 0xC0) != 0x80) {
        ++position_.column;
      }
    }
    return position_;
  }

 private:
  std::string_view text_;
  size_t offset_ = 0;
  TextPosition position_{1, 1};
};

// Builds the value while checking what the library does not: duplicate keys and nesting.
class CheckedBuilder final : public nlohmann::json_sax<Json> {
 public:
  CheckedBuilder(std::string_view text, const std::string& name, JsonPositions* positions)
      : text_(text), name_(name), positions_(positions), cursor_(text) {}

  size_t* consumed() { return &consumed_; }
  Json take() { return std::move(root_); }

  bool null() override { return place(nullptr, word_start()); }
  bool boolean(bool value) override { return place(value, word_start()); }
  bool number_integer(number_integer_t value) override { return place(value, word_start()); }
  bool number_unsigned(number_unsigned_t value) override { return place(value, word_start()); }
  bool number_float(number_float_t value, const string_t&) override {
    return place(value, word_start());
  }
  bool string(string_t& value) override { return place(std::move(value), string_start()); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    const size_t start = string_start();
    Level& level = levels_.back();
    if (level.node->contains(value)) fail(start, "duplicate key \"" + printable(value) + "\"");
    level.key = std::move(value);
    if (positions_ != nullptr) note(positions_->keys, pointer(), start);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    std::string_view what = error.what();
    if (const size_t end = what.find("] "); end != what.npos) what.remove_prefix(end + 2);
    if (what.starts_with("parse error at")) what.remove_prefix(what.find(": ") + 2);
    fail(position == 0 ? 0 : position - 1, printable(what));
  }

 private:
  struct Level {
    Json* node;
    std::string key;
    std::string pointer;  // of the node
  };

  [[noreturn]] void fail(size_t offset, const std::string& message) {
    const TextPosition at = cursor_.at(offset);
    throw Error(ErrorCode::kData, name_ + ":" + std::to_string(at.line) + ":" +
                                      std::to_string(at.column) + ": " + message);
  }

  // JSON pointer of the value that comes next.
  std::string pointer() const {
    if (levels_.empty()) return "";
    const Level& level = levels_.back();
    if (level.node->is_array()) return level.pointer + "/" + std::to_string(level.node->size());
    return level.pointer + "/" + nlohmann::detail::escape(level.key);
  }

  // A long key in front of many values would be repeated in the pointer of each.
  void note(std::map<std::string, TextPosition>& places, const std::string& pointer,
            size_t offset) {
    pointer_bytes_ += pointer.size();
    if (pointer_bytes_ > std::max(kFreePointerBytes, kMaxPointerBytes * text_.size())) {
      fail(offset, "the keys above its values are too long");
    }
    places[pointer] = cursor_.at(offset);
  }

  // The parser stands behind the closing quote of a string: where its opening quote is.
  size_t string_start() const {
    for (size_t start = consumed_ - 1; start > 0;) {
      --start;
      if (text_[start] != '"') continue;
      size_t backslashes = 0;
      while (backslashes < start && text_[start - 1 - backslashes] == '\\') ++backslashes;
      if (backslashes % 2 == 0) return start;
    }
    return 0;
  }

  // The same for a number, true, false or null; the parser has looked at one character more after a
  // number.
  size_t word_start() const {
    const auto in_word = [&](size_t i) {
      return std::isalnum(static_cast<unsigned char>(text_[i])) != 0 || text_[i] == '-' ||
             text_[i] == '+' || text_[i] == '.';
    };
    size_t start = consumed_;
    if (start > 0 && !in_word(start - 1)) --start;
    while (start > 0 && in_word(start - 1)) --start;
    return start;
  }

  bool place(Json value, size_t start) {
    if (positions_ != nullptr) note(positions_->values, pointer(), start);
    attach(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (levels_.size() == kMaxNesting) {
      fail(consumed_ - 1, "nested deeper than " + std::to_string(kMaxNesting) + " levels");
    }
    std::string here = positions_ != nullptr ? pointer() : std::string();
    if (positions_ != nullptr) note(positions_->values, here, consumed_ - 1);
    levels_.push_back({attach(std::move(container)), "", std::move(here)});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  Json* attach(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = levels_.back();
    if (level.node->is_array()) {
      level.node->push_back(std::move(value));
      return &level.node->back();
    }
    return &((*level.node)[level.key] = std::move(value));
  }

  std::string_view text_;
  const std::string& name_;
  JsonPositions* positions_;
  Cursor cursor_;
  size_t consumed_ = 0;
  size_t pointer_bytes_ = 0;  // of all places noted
  Json root_;
  std::vector<Level> levels_;
};

void refuse_non_finite(const Json& value, const std::string& pointer) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    throw Error(ErrorCode::kInternal,
                "JSON value " + (pointer.empty() ? "/" : pointer) + " is not a finite number");
  }
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) refuse_non_finite(member, pointer + "/" + key);
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) {
      refuse_non_finite(value[i], pointer + "/" + std::to_string(i));
    }
  }
}

}  // namespace

Json parse_json(std::string_view text, const std::string& name, JsonPositions* positions) {
  if (static_cast<int64_t>(text.size()) > kMaxText) {
    throw Error(ErrorCode::kData,
                name + ": " + std::to_string(text.size()) + " bytes of JSON, more than 100 MB");
  }
  CheckedBuilder builder(text, name, positions);
  const CountingIterator first(text.data(), builder.consumed());
  const CountingIterator last(text.data() + text.size(), builder.consumed());
  Json::sax_parse(first, last, &builder);
  return builder.take();
}

Json load_json(const std::filesystem::path& path) {
  const auto bytes = read_file(path, kMaxText);
  return parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

std::string dump_json(const Json& value) {
  refuse_non_finite(value, "");
  try {
    return value.dump(2) + "\n";
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kInternal, std::string("JSON: ") + printable(error.what()));
  }
}

}  // namespace spikeloom
