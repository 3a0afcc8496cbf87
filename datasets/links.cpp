#include "datasets/links.hpp"

#include <algorithm>
#include <system_error>

#include "core/error.hpp"

namespace spikeloom {

namespace fs = std::filesystem;

fs::path real_path_inside(const fs::path& root, const fs::path& path) {
  std::error_code failed;
  fs::path real = fs::canonical(path, failed);
  if (failed) return {};
  const auto [end, unused] = std::mismatch(root.begin(), root.end(), real.begin(), real.end());
  return end == root.end() ? real : fs::path{};
}

void check_link(const fs::path& root, const fs::path& link, bool follow_links) {
  std::error_code failed;
  if (!fs::exists(link, failed))
    throw Error(ErrorCode::kData, link.string() + ": a link that leads nowhere");
  if (follow_links || !real_path_inside(root, link).empty()) return;
  throw Error(ErrorCode::kData, link.string() +
                                    ": a link that leads out of the folder; "
                                    "dataset.follow_links = true follows it");
}

}  // namespace spikeloom
