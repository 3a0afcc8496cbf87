#pragma once
// Which files an image folder holds and what their labels are: names only, no image is opened.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

// Which files of a folder are samples.
struct SampleFiles {
  std::string_view name;                             // "image"
  std::string_view endings;                          // ".jpg, .jpeg or .png"
  std::span<const std::string_view> read, not_read;  // extensions; those of other such files
};
const SampleFiles& image_files() noexcept;

struct ListedImage {
  std::string name;    // relative to the folder
  int64_t label = -1;  // -1: none
};

struct ImageList {
  std::vector<ListedImage> images;
  int64_t classes = 0;                // class folders, or the greatest label + 1; 0: no labels
  std::vector<std::string> warnings;  // what was left out, counted, and images in deeper folders
};

// Files are .jpg, .jpeg and .png in any case; hidden names and all others are left out, with a
// warning. A link may lead out of the folder only with `follow_links`. Faults are Error(kData)
// naming the path.

// With class sub-folders: label = rank of the folder's name in byte-wise order; the files in it and
// in all folders below, by folder, then by name, as torchvision's ImageFolder does; a class without
// images and images beside the classes are errors, because labels would shift or be missing.
// Without sub-folders: files by name, no labels.
ImageList list_image_folder(const std::filesystem::path& folder, bool follow_links = false,
                            const SampleFiles& files = image_files());

// A text file, UTF-8 with or without a byte order mark: one `name label` a line, the label being
// the last word, an integer >= 0; the name (which may hold blanks) is relative to `folder` and may
// have any extension. Samples keep the order of the lines; blank lines and lines that begin with #
// are skipped. Faults carry file:line: no label, a name that is missing, twice there or outside the
// folder; labels >= `classes` unless that is 0.
ImageList read_image_list(const std::filesystem::path& folder, const std::filesystem::path& file,
                          int64_t classes, bool follow_links = false);

// Throws Error(kData) starting with `where` for a listed name that is missing or leads out of the
// folder.
void check_listed(const std::filesystem::path& folder, const std::string& name,
                  const std::string& where, bool follow_links);

}  // namespace spikeloom
