#include "core/shape.hpp"

#include "core/error.hpp"

namespace spikeloom {

int64_t element_count(const Shape& shape) {
  constexpr int64_t kLimit = int64_t{1} << 62;
  int64_t count = 1;
  for (const int64_t extent : shape) {
    if (extent < 0) throw Error(ErrorCode::kData, "negative extent in shape " + to_string(shape));
    if (extent != 0 && count > kLimit / extent) {
      throw Error(ErrorCode::kData, "shape " + to_string(shape) + " overflows");
    }
    count *= extent;
  }
  return count;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

std::string place_text(const Shape& shape, int64_t element) {
  Shape place = shape;
  for (size_t axis = shape.size(); axis-- > 0; element /= shape[axis])
    place[axis] = element % shape[axis];
  return to_string(place);
}

}  // namespace spikeloom
