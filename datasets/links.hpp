#pragma once
// Links in folders of samples: they may lead about the folder, out of it only where the user says
// so.

#include <filesystem>

namespace spikeloom {

// The real path of a file or folder below `root` (itself real). Empty: it is missing or elsewhere.
std::filesystem::path real_path_inside(const std::filesystem::path& root,
                                       const std::filesystem::path& path);

// Throws Error(kData) for a link that leads nowhere, or out of `root` (real) without
// `follow_links`.
void check_link(const std::filesystem::path& root, const std::filesystem::path& link,
                bool follow_links);

}  // namespace spikeloom
