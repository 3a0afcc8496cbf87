#include "datasets/declared_events.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace spikeloom {
namespace {

class DeclaredEvents final : public Dataset {
 public:
  DeclaredEvents(std::unique_ptr<Dataset> values, LevelRange range)
      : values_(std::move(values)), info_(values_->info()), range_(range) {
    info_.events = range;
  }

  const DatasetInfo& info() const noexcept override { return info_; }

  Sample load(int64_t index) const override {
    Sample sample = values_->load(index);
    const auto values = sample.frames.f32();
    if (range_ == LevelRange() && all_binary(values)) return sample;
    const auto bad = std::find_if_not(values.begin(), values.end(),
                                      [&](float value) { return is_event(value); });
    if (bad == values.end()) return sample;
    std::string value = std::to_string(*bad);
    value.erase(value.find_last_not_of('0') + 1);
    if (value.ends_with('.')) value.pop_back();
    throw Error(
        ErrorCode::kData,
        "sample " + std::to_string(index) + " holds " + value + " at " +
            place_text(sample.frames.shape(), bad - values.begin()) +
            (range_ == LevelRange()
                 ? ": dataset.events says that values are 0 or 1; dataset.levels = [0, most] "
                   "takes counts of several events"
                 : ": dataset.levels says that values are whole numbers from " +
                       range_text(range_)));
  }

 private:
  bool is_event(float value) const noexcept {
    return value >= static_cast<float>(range_.low) && value <= static_cast<float>(range_.high) &&
           value == std::floor(value);
  }

  std::unique_ptr<Dataset> values_;
  DatasetInfo info_;
  LevelRange range_;
};

}  // namespace

std::unique_ptr<Dataset> declared_events(std::unique_ptr<Dataset> values, LevelRange range) {
  return std::make_unique<DeclaredEvents>(std::move(values), range);
}

}  // namespace spikeloom
