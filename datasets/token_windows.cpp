#include "datasets/token_windows.hpp"

#include <algorithm>

namespace spikeloom {

TokenWindows::TokenWindows(TokenRows rows, const WantedWindows& wanted) : rows_(std::move(rows)) {
  int64_t number = rows_.first_window;
  for (size_t r = 0; r < rows_.rows.size(); ++r) {
    const size_t size = rows_.rows[r].size();
    const size_t step = wanted.length == 0 ? size : static_cast<size_t>(wanted.length);
    for (size_t first = 0; first < size && number < wanted.end(); ++number) {
      const size_t end = first + std::min(step, size - first);
      if (number >= wanted.skip) windows_.push_back({r, first, end});
      first = end;
    }
  }
  starts_.push_back(0);
  for (const Window& window : windows_)
    starts_.push_back(starts_.back() + static_cast<int64_t>(window.end - window.first));
  info_.description = rows_.description;
  info_.unit = "window";
  info_.size = static_cast<int64_t>(windows_.size());
  info_.frames = longest();
  info_.channels = 1;
}

int64_t TokenWindows::longest() const {
  int64_t longest = 0;
  for (const Window& window : windows_)
    longest = std::max(longest, static_cast<int64_t>(window.end - window.first));
  return longest;
}

Sample TokenWindows::load(int64_t index) const {
  const Window& window = windows_[static_cast<size_t>(index)];
  const std::vector<int32_t>& row = rows_.rows[window.row];
  Sample sample;
  sample.frames = Tensor({static_cast<int64_t>(window.end - window.first), 1});
  sample.targets.reserve(window.end - window.first);
  for (size_t at = window.first; at < window.end; ++at) {
    sample.frames.f32()[at - window.first] = static_cast<float>(row[at]);
    sample.targets.push_back(at + 1 < row.size() ? row[at + 1] : -1);
  }
  return sample;
}

std::vector<int32_t> TokenWindows::predicted(int64_t count) const {
  std::vector<int32_t> tokens;
  for (int64_t w = 0; w < count; ++w) {
    const Window& window = windows_[static_cast<size_t>(w)];
    const std::vector<int32_t>& row = rows_.rows[window.row];
    const auto end = static_cast<int64_t>(std::min(window.end + 1, row.size()));
    tokens.insert(tokens.end(), row.begin() + static_cast<int64_t>(window.first) + 1,
                  row.begin() + end);
  }
  return tokens;
}

}  // namespace spikeloom
