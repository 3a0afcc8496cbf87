#include "datasets/declared_events.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom {
namespace {

bool is_binary(float value) noexcept {
  return value == 0.0f || value == 1.0f;
}

// "[2, 0, 5]": the place of an element, counted from 0.
std::string place_in(const Shape& shape, int64_t element) {
  Shape place = shape;
  for (size_t axis = shape.size(); axis-- > 0; element /= shape[axis])
    place[axis] = element % shape[axis];
  return to_string(place);
}

class DeclaredEvents final : public Dataset {
 public:
  explicit DeclaredEvents(std::unique_ptr<Dataset> values)
      : values_(std::move(values)), info_(values_->info()) {
    info_.events = true;
  }

  const DatasetInfo& info() const noexcept override { return info_; }

  Sample load(int64_t index) const override {
    Sample sample = values_->load(index);
    const auto values = sample.frames.f32();
    const auto bad = std::find_if_not(values.begin(), values.end(), is_binary);
    if (bad == values.end()) return sample;
    std::string value = std::to_string(*bad);
    value.erase(value.find_last_not_of('0') + 1);
    if (value.ends_with('.')) value.pop_back();
    throw Error(ErrorCode::kData,
                "sample " + std::to_string(index) + " holds " + value + " at " +
                    place_in(sample.frames.shape(), bad - values.begin()) +
                    ": dataset.events says that values are 0 or 1; counts of several events are "
                    "priced as real values, without the key");
  }

 private:
  std::unique_ptr<Dataset> values_;
  DatasetInfo info_;
};

}  // namespace

std::unique_ptr<Dataset> declared_events(std::unique_ptr<Dataset> values) {
  return std::make_unique<DeclaredEvents>(std::move(values));
}

bool all_binary(std::span<const float> values) noexcept {
  return std::all_of(values.begin(), values.end(), is_binary);
}

}  // namespace spikeloom
