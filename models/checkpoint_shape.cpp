#include "models/checkpoint_shape.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom {

int64_t extent_of(const Weights& weights, const std::string& name, size_t axis, size_t rank) {
  if (!weights.contains(name)) return 0;
  const Shape& shape = weights.at(name).data.shape();
  return shape.size() == rank ? shape[axis] : 0;
}

int64_t block_count(const Weights& weights) {
  int64_t count = 0;
  for (const std::string& name : weights.names()) {
    if (!name.starts_with("blocks.")) continue;
    int64_t block = -1;
    for (size_t i = 7; i < name.size() && i < 13 && name[i] >= '0' && name[i] <= '9'; ++i) {
      block = std::max<int64_t>(block, 0) * 10 + (name[i] - '0');
    }
    count = std::max(count, block + 1);
  }
  if (count > static_cast<int64_t>(weights.size())) {
    throw Error(ErrorCode::kData, fmt::format("{} blocks in {} tensors", count, weights.size()));
  }
  return count;
}

void take_stored(const char* key, int64_t& value, int64_t stored) {
  if (value != 0 && value != stored) {
    throw Error(ErrorCode::kUsage,
                fmt::format("model.{} is {}, the checkpoint has {}", key, value, stored));
  }
  value = stored;
}

void require_dimensions(int64_t layers, int64_t width, int64_t vocabulary, const char* preset) {
  if (layers > 0 && width > 0 && vocabulary > 0) return;
  throw Error(ErrorCode::kUsage,
              fmt::format("without weights, give {}layers, width and vocabulary", preset));
}

}  // namespace spikeloom
