#include "datasets/image_list.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxListBytes = 100'000'000;
constexpr int64_t kMaxLabel = (int64_t{1} << 31) - 1;

[[noreturn]] void fail(const std::string& where, const std::string& reason) {
  throw Error(ErrorCode::kData, where + ": " + reason);
}

bool has_image_extension(const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return false;
  std::string end = name.substr(dot + 1);
  for (char& c : end) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return end == "jpg" || end == "jpeg" || end == "png";
}

// The real path of a file or folder below `root` (itself real). Empty: it is missing or elsewhere.
fs::path real_path_inside(const fs::path& root, const fs::path& path) {
  std::error_code failed;
  fs::path real = fs::canonical(path, failed);
  if (failed) return {};
  const auto [end, unused] = std::mismatch(root.begin(), root.end(), real.begin(), real.end());
  return end == root.end() ? real : fs::path{};
}

fs::path real_folder(const fs::path& folder) {
  std::error_code failed;
  fs::path real = fs::canonical(folder, failed);
  if (failed) fail(folder.string(), "cannot be opened: " + failed.message());
  if (!fs::is_directory(real, failed)) fail(folder.string(), "is not a folder");
  return real;
}

struct Listing {
  std::vector<std::string> folders, images;
};

// Names in one folder, sorted as bytes.
Listing list(const fs::path& root, const fs::path& folder) {
  Listing listing;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    std::string name = at->path().filename().string();
    if (name.starts_with('.')) continue;
    std::error_code unknown;
    const bool is_folder = at->is_directory(unknown);
    if (!is_folder && !has_image_extension(name)) continue;
    if (at->is_symlink(unknown) && real_path_inside(root, at->path()).empty()) {
      fail(at->path().string(), "a link that leads nowhere or out of the folder");
    }
    (is_folder ? listing.folders : listing.images).push_back(std::move(name));
  }
  if (failed) fail(folder.string(), "cannot be listed: " + failed.message());
  std::sort(listing.folders.begin(), listing.folders.end());
  std::sort(listing.images.begin(), listing.images.end());
  return listing;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// `name label`; messages start with `where`.
ListedImage parse_line(std::string_view line, const std::string& where, int64_t classes) {
  const size_t blank = line.find_last_of(" \t");
  if (blank == std::string_view::npos) {
    fail(where, "expected a file name and a label, found " + in_quotes(line));
  }
  const std::string_view word = line.substr(blank + 1);
  ListedImage image{std::string(trimmed(line.substr(0, blank))), -1};
  const auto [end, fault] = std::from_chars(word.data(), word.data() + word.size(), image.label);
  if (fault == std::errc::invalid_argument || end != word.data() + word.size()) {
    fail(where, "expected an integer label at the end, found " + in_quotes(word));
  }
  const int64_t last = classes == 0 ? kMaxLabel : classes - 1;
  if (fault != std::errc() || image.label < 0 || image.label > last) {
    fail(where, "label " + printable(word) + ", expected 0 to " + std::to_string(last));
  }
  check_name(image.name, where);
  return image;
}

void check_listed(const fs::path& root, const fs::path& folder, const std::string& name,
                  const std::string& where) {
  std::error_code failed;
  if (fs::path(name).is_absolute()) {
    fail(where, in_quotes(name) + " must be relative to " + folder.string());
  }
  if (!fs::exists(folder / name, failed)) {
    fail(where, in_quotes(name) + " is not in " + folder.string());
  }
  if (real_path_inside(root, folder / name).empty()) {
    fail(where, in_quotes(name) + " leads out of " + folder.string());
  }
}

}  // namespace

ImageList list_image_folder(const fs::path& folder) {
  const fs::path root = real_folder(folder);
  Listing top = list(root, folder);
  ImageList result;
  if (top.folders.empty()) {
    for (std::string& name : top.images) result.images.push_back({std::move(name), -1});
  } else if (!top.images.empty()) {
    fail(folder.string(), "has class folders (" + in_quotes(top.folders.front()) +
                              ") and, beside them, images (" + in_quotes(top.images.front()) + ")");
  }
  for (const std::string& name : top.folders) {
    const Listing inside = list(root, folder / name);
    if (inside.images.empty()) {
      fail((folder / name).string(), "no image (.jpg, .jpeg, .png) in this class folder");
    }
    for (const std::string& file : inside.images) {
      result.images.push_back({name + "/" + file, result.classes});
    }
    ++result.classes;
  }
  if (result.images.empty()) fail(folder.string(), "no image (.jpg, .jpeg, .png) in this folder");
  return result;
}

ImageList read_image_list(const fs::path& folder, const fs::path& file, int64_t classes) {
  const fs::path root = real_folder(folder);
  const std::vector<std::byte> bytes = read_file(file, kMaxListBytes);
  std::string_view text = as_text(bytes);
  ImageList result;
  std::unordered_set<std::string> seen;
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t length = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    const std::string where = file.string() + ":" + std::to_string(number);
    ListedImage image = parse_line(line, where, classes);
    check_listed(root, folder, image.name, where);
    if (!seen.insert(image.name).second) fail(where, in_quotes(image.name) + " is there twice");
    result.classes = std::max(result.classes, image.label + 1);
    result.images.push_back(std::move(image));
  }
  if (result.images.empty()) fail(file.string(), "lists no image");
  return result;
}

}  // namespace spikeloom
