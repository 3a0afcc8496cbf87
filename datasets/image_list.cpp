#include "datasets/image_list.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "datasets/left_out.hpp"
#include "datasets/links.hpp"
#include "datasets/text_list.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxListBytes = 100'000'000;
constexpr int64_t kMaxLabel = (int64_t{1} << 31) - 1;

[[noreturn]] void fail(const std::string& where, const std::string& reason) {
  throw Error(ErrorCode::kData, where + ": " + reason);
}

// The part behind the last dot, in lower case.
std::string extension_of(const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {};
  std::string end = name.substr(dot + 1);
  for (char& c : end) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return end;
}

bool is_one_of(const std::string& word, std::span<const std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

constexpr std::string_view kRead[] = {"jpg", "jpeg", "png"};
// Images that other programs read from such folders: torchvision's list, and what cameras write.
constexpr std::string_view kNotRead[] = {"bmp", "ppm",  "pgm",  "tif", "tiff", "webp",
                                         "gif", "heic", "avif", "jp2", "jfif", "jpe"};

fs::path real_folder(const fs::path& folder) {
  std::error_code failed;
  fs::path real = fs::canonical(folder, failed);
  if (failed) fail(folder.string(), "cannot be opened: " + failed.message());
  if (!fs::is_directory(real, failed)) fail(folder.string(), "is not a folder");
  return real;
}

// A walk below one folder, with what it leaves out.
struct Walk {
  fs::path root;    // real
  fs::path folder;  // as the user wrote it
  bool follow_links = false;
  const SampleFiles& files = image_files();
  LeftOut left_out{};
};

struct Listing {
  std::vector<std::string> folders, images;
};

// Names in one folder, sorted as bytes; `inside` is the folder's name below walk.folder, empty or
// with a slash at the end.
Listing list(Walk& walk, const std::string& inside) {
  Listing listing;
  const fs::path folder = walk.folder / inside;
  std::vector<std::pair<std::string, std::string>> others;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    std::string name = at->path().filename().string();
    const std::string extension = extension_of(name);
    std::error_code unknown;
    const bool is_folder = at->is_directory(unknown);
    if (name.starts_with('.')) {
      others.emplace_back("hidden", std::move(name));
    } else if (is_folder || is_one_of(extension, walk.files.read)) {
      if (at->is_symlink(unknown)) check_link(walk.root, at->path(), walk.follow_links);
      (is_folder ? listing.folders : listing.images).push_back(std::move(name));
    } else {
      const bool image = is_one_of(extension, walk.files.not_read);
      others.emplace_back(image ? "images of formats that are not read (JPEG and PNG are)"
                                : "files that are no " + std::string(walk.files.endings),
                          std::move(name));
    }
  }
  if (failed) fail(folder.string(), "cannot be listed: " + failed.message());
  std::sort(listing.folders.begin(), listing.folders.end());
  std::sort(listing.images.begin(), listing.images.end());
  std::sort(others.begin(), others.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });
  for (const auto& [reason, name] : others) walk.left_out.add(reason, inside + name);
  return listing;
}

// A folder, whatever leads to it.
using FolderId = std::pair<dev_t, ino_t>;

FolderId id_of(const fs::path& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) fail(folder.string(), "cannot be opened");
  return {info.st_dev, info.st_ino};
}

// The images of a class: in its folder and all below, folder by folder in the byte-wise order of
// their names, as torchvision walks. Links that lead back do not go round: each folder once.
std::vector<std::string> images_below(Walk& walk, const std::string& name) {
  std::set<FolderId> seen{id_of(walk.root)};
  std::map<std::string, std::vector<std::string>> by_folder;  // keys end in a slash
  std::vector<std::string> waiting{name + "/"};
  while (!waiting.empty()) {
    const std::string inside = std::move(waiting.back());
    waiting.pop_back();
    if (!seen.insert(id_of(walk.folder / inside)).second) {
      walk.left_out.add("links to a folder that is read already", inside);
      continue;
    }
    Listing listing = list(walk, inside);
    for (auto at = listing.folders.rbegin(); at != listing.folders.rend(); ++at) {
      waiting.push_back(inside + *at + "/");
    }
    by_folder[inside.substr(0, inside.size() - 1)] = std::move(listing.images);
  }
  std::vector<std::string> images;
  for (const auto& [folder, names] : by_folder) {
    for (const std::string& file : names) images.push_back(folder + "/" + file);
  }
  return images;
}

// `name label`; messages start with `where`.
ListedImage parse_line(std::string_view line, const std::string& where, int64_t classes) {
  const size_t blank = line.find_last_of(" \t");
  if (blank == std::string_view::npos) {
    fail(where, "expected a file name and a label, found " + in_quotes(line));
  }
  const std::string_view word = line.substr(blank + 1);
  std::string_view name = line.substr(0, blank);
  ListedImage image{std::string(take_line(name)), -1};
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

void check_listed(const Walk& walk, const std::string& name, const std::string& where) {
  std::error_code failed;
  const std::string folder = walk.folder.string();
  if (fs::path(name).is_absolute()) {
    fail(where, in_quotes(name) + " must be relative to " + folder);
  }
  if (!fs::exists(walk.folder / name, failed)) {
    fail(where, in_quotes(name) + " is not in " + folder);
  }
  const bool climbs = fs::path(name).lexically_normal().string().starts_with("..");
  if (climbs || (!walk.follow_links && real_path_inside(walk.root, walk.folder / name).empty())) {
    fail(where, in_quotes(name) + " leads out of " + folder +
                    (climbs ? "" : "; dataset.follow_links = true follows links"));
  }
}

}  // namespace

const SampleFiles& image_files() noexcept {
  static constexpr SampleFiles kImages{"image", ".jpg, .jpeg or .png", kRead, kNotRead};
  return kImages;
}

void check_listed(const fs::path& folder, const std::string& name, const std::string& where,
                  bool follow_links) {
  check_listed(Walk{real_folder(folder), folder, follow_links}, name, where);
}

ImageList list_image_folder(const fs::path& folder, bool follow_links, const SampleFiles& files) {
  Walk walk{real_folder(folder), folder, follow_links, files};
  const std::string none =
      "no " + std::string(files.name) + " (" + std::string(files.endings) + ")";
  Listing top = list(walk, "");
  ImageList result;
  if (top.folders.empty()) {
    for (std::string& name : top.images) result.images.push_back({std::move(name), -1});
  } else if (!top.images.empty()) {
    fail(folder.string(), "has class folders (" + in_quotes(top.folders.front()) +
                              ") and, beside them, " + std::string(files.name) + "s (" +
                              in_quotes(top.images.front()) + ")");
  }
  int64_t deeper = 0;
  std::string first_deeper;
  for (const std::string& name : top.folders) {
    std::vector<std::string> images = images_below(walk, name);
    if (images.empty()) {
      fail((folder / name).string(), none + " in this class folder");
    }
    for (std::string& image : images) {
      if (image.find('/', name.size() + 1) != std::string::npos && ++deeper == 1) {
        first_deeper = image;
      }
      result.images.push_back({std::move(image), result.classes});
    }
    ++result.classes;
  }
  if (result.images.empty()) fail(folder.string(), none + " in this folder");
  if (deeper > 0) {
    result.warnings.push_back(
        std::string(files.name) + "s in folders below a class folder: " + std::to_string(deeper) +
        ", the first " + printable(first_deeper, 100) + "; their class is the folder at the top");
  }
  for (std::string& line : walk.left_out.lines()) result.warnings.push_back(std::move(line));
  return result;
}

ImageList read_image_list(const fs::path& folder, const fs::path& file, int64_t classes,
                          bool follow_links) {
  const Walk walk{real_folder(folder), folder, follow_links};
  const std::vector<std::byte> bytes = read_file(file, kMaxListBytes);
  std::string_view text = list_text(bytes, file.string());
  ImageList result;
  std::unordered_set<std::string> seen;
  for (int64_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text);
    if (line.empty() || line.starts_with('#')) continue;
    const std::string where = file.string() + ":" + std::to_string(number);
    ListedImage image = parse_line(line, where, classes);
    check_listed(walk, image.name, where);
    if (!seen.insert(image.name).second) fail(where, in_quotes(image.name) + " is there twice");
    result.classes = std::max(result.classes, image.label + 1);
    result.images.push_back(std::move(image));
  }
  if (result.images.empty()) fail(file.string(), "lists no image");
  return result;
}

}  // namespace spikeloom
