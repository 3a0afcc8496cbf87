#include "datasets/audio/clip_list.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "datasets/audio/clips.hpp"
#include "datasets/left_out.hpp"
#include "datasets/links.hpp"
#include "datasets/text_list.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

// The authors' class index, label_vocabulary of LMUFormer's Speech Commands recipe.
constexpr std::array<std::string_view, 35> kWords = {
    "backward", "follow", "five", "bed",    "zero",  "on",   "learn", "two",     "house",
    "tree",     "dog",    "stop", "seven",  "eight", "down", "six",   "forward", "cat",
    "right",    "visual", "four", "wow",    "no",    "nine", "off",   "three",   "left",
    "marvin",   "yes",    "up",   "sheila", "happy", "bird", "go",    "one"};

constexpr int64_t kMaxListBytes = 64 << 20;

// A folder of clips, as the user wrote it.
struct ClipFolder {
  fs::path path, root;  // root: real
  bool follow_links = false;

  ClipFolder(const fs::path& folder, bool follows) : path(folder), follow_links(follows) {
    std::error_code error;
    root = fs::canonical(folder, error);
    if (error)
      throw Error(ErrorCode::kData, folder.string() + ": cannot be listed: " + error.message());
  }
};

// Names directly in it, or in a folder in it, sorted.
std::vector<std::string> names_in(const ClipFolder& clips, const std::string& inside,
                                  bool folders) {
  const fs::path folder = inside.empty() ? clips.path : clips.path / inside;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error)
    throw Error(ErrorCode::kData, folder.string() + ": cannot be listed: " + error.message());
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : entries) {
    const bool lost = entry.is_symlink(error) && !entry.exists(error);  // refused when it is wanted
    if ((folders ? entry.is_directory(error) : lost || entry.is_regular_file(error)))
      names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void check_name(const ClipFolder& clips, const std::string& name) {
  std::error_code error;
  const fs::path path = clips.path / name;
  if (fs::is_symlink(path, error)) check_link(clips.root, path, clips.follow_links);
}

std::set<std::string> read_list(const fs::path& file) {
  const auto bytes = read_file(file, kMaxListBytes);
  std::string_view text = list_text(bytes, file.string());
  std::set<std::string> names;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (!line.empty()) names.emplace(line);
  }
  return names;
}

// Which split a clip belongs to: by the two lists, or by the hash when neither exists.
class Splits {
 public:
  explicit Splits(const fs::path& folder) {
    const fs::path validation = folder / "validation_list.txt", test = folder / "testing_list.txt";
    const bool first = fs::exists(validation), second = fs::exists(test);
    if (first != second) {
      throw Error(ErrorCode::kData, (first ? test : validation).string() +
                                        ": missing, while the other list is there");
    }
    if (!first) return;
    listed_ = true;
    validation_ = read_list(validation);
    test_ = read_list(test);
  }
  bool listed() const { return listed_; }
  std::string of(const std::string& word, const std::string& file) const {
    if (!listed_) return speech_commands_split(file);
    const std::string name = word + "/" + file;
    return validation_.count(name) ? "validation" : test_.count(name) ? "test" : "train";
  }

 private:
  bool listed_ = false;
  std::set<std::string> validation_, test_;
};

using Fields = std::map<std::string, std::string>;

// Text and named fields in turn: text[0] field[0] text[1] field[1] .. text[n].
struct Pattern {
  std::vector<std::string> text{""}, fields;

  explicit Pattern(const std::string& pattern) {
    const auto refuse = [&](const std::string& reason) {
      throw Error(ErrorCode::kUsage, "pattern " + in_quotes(pattern) + ": " + reason);
    };
    for (size_t at = 0; at < pattern.size(); ++at) {
      if (pattern[at] != '{') {
        text.back() += pattern[at];
        continue;
      }
      const size_t end = pattern.find('}', at);
      if (end == std::string::npos) refuse("a { without }");
      const std::string field = pattern.substr(at + 1, end - at - 1);
      if (field.empty() || std::count(fields.begin(), fields.end(), field) > 0)
        refuse("fields need names, each its own");
      if (!fields.empty() && text.back().empty()) refuse("two fields need text between them");
      fields.push_back(field);
      text.emplace_back();
      at = end;
    }
    if (fields.empty()) refuse("needs a field, such as {label}.wav");
  }

  std::optional<Fields> match(const std::string& name) const {
    if (!name.starts_with(text[0])) return std::nullopt;
    Fields found;
    size_t at = text[0].size();
    for (size_t i = 0; i < fields.size(); ++i) {
      const bool last = i + 1 == fields.size();
      const std::string& next = text[i + 1];
      if (last && (name.size() < at + next.size() || !name.ends_with(next))) return std::nullopt;
      const size_t end = last ? name.size() - next.size() : name.find(next, at);
      if (end == std::string::npos || end == at) return std::nullopt;
      found[fields[i]] = name.substr(at, end - at);
      at = end + next.size();
    }
    return found;
  }
};

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Numbers by value before all other texts, which go by bytes.
bool comes_before(const std::string& a, const std::string& b) {
  const auto x = number_of(a), y = number_of(b);
  if (x && y && *x != *y) return *x < *y;
  if (x.has_value() != y.has_value()) return x.has_value();
  return a < b;
}

struct Condition {
  std::string field, relation, value;

  Condition(const std::string& text, const Pattern& pattern) {
    const auto refuse = [&](const std::string& reason) {
      throw Error(ErrorCode::kUsage, "where " + in_quotes(text) + ": " + reason);
    };
    const size_t at = text.find_first_of("=!<>");
    const size_t end = text.find_first_not_of("=!<>", at);
    if (at == std::string::npos || end == std::string::npos)
      refuse("expected FIELD = TEXT, FIELD != TEXT, FIELD < NUMBER or FIELD >= NUMBER");
    const auto trimmed = [](std::string part) {
      part.erase(0, part.find_first_not_of(' '));
      part.erase(part.find_last_not_of(' ') + 1);
      return part;
    };
    field = trimmed(text.substr(0, at));
    relation = text.substr(at, end - at);
    value = trimmed(text.substr(end));
    const auto& known = pattern.fields;
    if (std::find(known.begin(), known.end(), field) == known.end())
      refuse("the pattern has no field " + in_quotes(field));
    const bool ordered = relation == "<" || relation == ">=";
    if (!ordered && relation != "=" && relation != "!=") refuse("relations are =, !=, < and >=");
    if (ordered && !number_of(value)) refuse(in_quotes(value) + " is no number");
  }

  bool holds(const Fields& fields, const std::string& name) const {
    const std::string& found = fields.at(field);
    if (relation == "=") return found == value;
    if (relation == "!=") return found != value;
    const auto number = number_of(found);
    if (!number) {
      throw Error(ErrorCode::kData,
                  name + ": field " + field + " is no number: " + in_quotes(found));
    }
    return relation == "<" ? *number < *number_of(value) : *number >= *number_of(value);
  }
};

}  // namespace

std::string speech_commands_split(const std::string& file_name) {
  const std::string digest = sha1_hex(file_name.substr(0, file_name.find("_nohash_")));
  // The last 27 bits of the digest, as a percentage.
  const auto low = std::strtoull(digest.substr(digest.size() - 8).c_str(), nullptr, 16);
  constexpr int64_t kMost = (int64_t{1} << 27) - 1;
  const double percentage =
      static_cast<double>(static_cast<int64_t>(low) & kMost) * (100.0 / static_cast<double>(kMost));
  return percentage < 10 ? "validation" : percentage < 20 ? "test" : "train";
}

ClipList list_speech_commands(const fs::path& folder, const std::string& split, bool follow_links) {
  if (split != "train" && split != "validation" && split != "test") {
    throw Error(ErrorCode::kUsage,
                "split: speech_commands has \"train\", \"validation\" and \"test\"");
  }
  const ClipFolder clips(folder, follow_links);
  const Splits splits(folder);
  ClipList list;
  list.classes = static_cast<int64_t>(kWords.size());
  LeftOut left_out;
  for (const std::string& word : names_in(clips, "", true)) {
    const auto found = std::find(kWords.begin(), kWords.end(), word);
    if (found == kWords.end()) {
      if (word != "_background_noise_") left_out.add("folders of none of the 35 words", word);
      continue;
    }
    check_name(clips, word);
    for (const std::string& file : names_in(clips, word, false)) {
      if (!file.ends_with(".wav")) {
        left_out.add("files that are no .wav", word + "/" + file);
      } else if (splits.of(word, file) == split) {
        check_name(clips, word + "/" + file);
        list.clips.push_back({word + "/" + file, found - kWords.begin()});
      }
    }
  }
  list.warnings = left_out.lines();
  list.description = "Speech Commands " + split + " by " + (splits.listed() ? "lists" : "hash");
  return list;
}

ClipList list_wav_folder(const fs::path& folder, const std::string& pattern,
                         const std::string& label_field, const std::vector<std::string>& where,
                         bool follow_links) {
  if (pattern.empty() || label_field.empty())
    throw Error(ErrorCode::kUsage, "wav_folder needs pattern and label_field");
  const Pattern parts(pattern);
  if (std::find(parts.fields.begin(), parts.fields.end(), label_field) == parts.fields.end())
    throw Error(ErrorCode::kUsage, "label_field: the pattern has no " + in_quotes(label_field));
  std::vector<Condition> conditions;
  for (const std::string& text : where) conditions.emplace_back(text, parts);
  std::vector<std::pair<std::string, Fields>> matched;
  LeftOut left_out;
  std::vector<std::string> values;
  const ClipFolder clips(folder, follow_links);
  for (const std::string& name : names_in(clips, "", false)) {
    if (auto fields = parts.match(name)) {
      check_name(clips, name);
      values.push_back(fields->at(label_field));
      matched.emplace_back(name, std::move(*fields));
    } else {
      left_out.add("files whose names do not follow the pattern", name);
    }
  }
  if (matched.empty())
    throw Error(ErrorCode::kData, folder.string() + ": no file is named like " + pattern);
  std::sort(values.begin(), values.end(), comes_before);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  ClipList list;
  list.classes = static_cast<int64_t>(values.size());
  list.warnings = left_out.lines();
  for (const auto& [name, fields] : matched) {
    const bool wanted = std::all_of(conditions.begin(), conditions.end(),
                                    [&](const Condition& c) { return c.holds(fields, name); });
    const auto label =
        std::lower_bound(values.begin(), values.end(), fields.at(label_field), comes_before);
    if (wanted) list.clips.push_back({name, label - values.begin()});
  }
  list.description = "WAV folder " + pattern;
  for (const std::string& text : where) list.description += ", " + text;
  return list;
}

}  // namespace spikeloom
