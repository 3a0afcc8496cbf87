#include "datasets/pixels.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMaxPad = 1024;

std::vector<float> per_channel(const std::vector<double>& values, double default_value,
                               int64_t channels, const char* what) {
  if (values.size() > 1 && static_cast<int64_t>(values.size()) != channels) {
    throw Error(ErrorCode::kUsage, std::string(what) + ": expected one value or one per channel (" +
                                       std::to_string(channels) + "), found " +
                                       std::to_string(values.size()));
  }
  std::vector<float> result;
  for (int64_t c = 0; c < channels; ++c) {
    const double value =
        values.empty() ? default_value : values[values.size() == 1 ? 0 : static_cast<size_t>(c)];
    result.push_back(static_cast<float>(value));
    if (!std::isfinite(result.back())) {
      throw Error(ErrorCode::kUsage, std::string(what) + ": expected finite numbers");
    }
  }
  return result;
}

class ByteDataset final : public Dataset {
 public:
  ByteDataset(ByteImages images, const DatasetSpec& spec)
      : images_(std::move(images)),
        window_(choose_window(spec, images_.count)),
        normaliser_(spec.mean, spec.std, images_.channels),
        pad_(spec.pad) {
    if (pad_ < 0 || pad_ > kMaxPad) {
      throw Error(ErrorCode::kUsage, "pad: expected 0 to " + std::to_string(kMaxPad) + ", found " +
                                         std::to_string(pad_));
    }
    info_.description = images_.description;
    info_.size = window_.count;
    info_.classes = images_.classes;
    info_.height = images_.height + 2 * pad_;
    info_.width = images_.width + 2 * pad_;
    info_.channels = images_.channels;
  }

  const DatasetInfo& info() const noexcept override { return info_; }

  Sample load(int64_t index) const override {
    if (index < 0 || index >= info_.size) {
      throw Error(ErrorCode::kInternal,
                  "sample " + std::to_string(index) + " of " + std::to_string(info_.size));
    }
    const int64_t stored = window_.first + index;
    std::vector<std::byte> image(
        static_cast<size_t>(images_.channels * images_.height * images_.width));
    images_.read(stored, image);
    Sample sample{Tensor({1, info_.height, info_.width, info_.channels}), -1};
    const auto out = sample.frames.f32();
    size_t at = 0;
    for (int64_t y = -pad_; y < images_.height + pad_; ++y) {
      for (int64_t x = -pad_; x < images_.width + pad_; ++x) {
        const bool inside = y >= 0 && y < images_.height && x >= 0 && x < images_.width;
        for (int64_t c = 0; c < images_.channels; ++c) {
          const int64_t pixel = (c * images_.height + y) * images_.width + x;
          const int raw = inside ? std::to_integer<int>(image[static_cast<size_t>(pixel)]) : 0;
          out[at++] = normaliser_.apply(static_cast<float>(raw) / 255.0f, static_cast<size_t>(c));
        }
      }
    }
    if (!images_.labels.empty()) sample.label = images_.labels[static_cast<size_t>(index)];
    return sample;
  }

 private:
  ByteImages images_;
  SampleWindow window_;
  Normaliser normaliser_;
  int64_t pad_;
  DatasetInfo info_;
};

}  // namespace

std::vector<int64_t> integers_of(const Tensor& tensor, const std::filesystem::path& file,
                                 const char* what) {
  const auto widen = [](auto values) { return std::vector<int64_t>(values.begin(), values.end()); };
  switch (tensor.dtype()) {
    case DType::kI64: return widen(tensor.as<int64_t>());
    case DType::kI32: return widen(tensor.as<int32_t>());
    case DType::kI16: return widen(tensor.as<int16_t>());
    case DType::kI8: return widen(tensor.as<int8_t>());
    case DType::kU8:
    case DType::kBool: return widen(tensor.as<uint8_t>());
    case DType::kF64:
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16: break;
  }
  throw Error(ErrorCode::kData, file.string() + ": expected integer " + what + ", found " +
                                    std::string(name_of(tensor.dtype())));
}

SampleWindow choose_window(const DatasetSpec& spec, int64_t size) {
  if (spec.skip < 0)
    throw Error(ErrorCode::kUsage, "skip: " + std::to_string(spec.skip) + " is negative");
  if (spec.limit < -1) {
    throw Error(ErrorCode::kUsage,
                "limit: expected -1 (all) or more, found " + std::to_string(spec.limit));
  }
  const int64_t left = std::max<int64_t>(size - spec.skip, 0);
  const int64_t count = spec.limit < 0 ? left : std::min(left, spec.limit);
  if (count == 0) {
    throw Error(ErrorCode::kData, spec.path.string() + ": no samples (" + std::to_string(size) +
                                      " stored, skip " + std::to_string(spec.skip) + ", limit " +
                                      std::to_string(spec.limit) + ")");
  }
  return {spec.skip, count};
}

void refuse_image_options(const DatasetSpec& spec) {
  const auto refuse = [&](const char* option) {
    throw Error(ErrorCode::kUsage, std::string(option) + ": only image_folder resizes and crops, " +
                                       spec.kind + " does not");
  };
  if (spec.size != 0) refuse("size");
  if (spec.crop != 0) refuse("crop");
  if (spec.crop_rule != DatasetSpec{}.crop_rule) refuse("crop_rule");
}

Normaliser::Normaliser(const std::vector<double>& mean, const std::vector<double>& std,
                       int64_t channels)
    : mean_(per_channel(mean, 0, channels, "mean")),
      std_(per_channel(std, 1, channels, "std")),
      given_(!mean.empty() || !std.empty()) {
  for (const float value : std_) {
    if (!(value > 0)) throw Error(ErrorCode::kUsage, "std: expected numbers above 0");
  }
}

void check_labels(const std::vector<int64_t>& labels, int64_t classes,
                  const std::filesystem::path& file, int64_t first) {
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes) {
      throw Error(ErrorCode::kData, file.string() + ": label " + std::to_string(labels[i]) +
                                        " at index " +
                                        std::to_string(first + static_cast<int64_t>(i)) +
                                        ", expected 0 to " + std::to_string(classes - 1));
    }
  }
}

std::unique_ptr<Dataset> make_byte_dataset(ByteImages images, const DatasetSpec& spec) {
  return std::make_unique<ByteDataset>(std::move(images), spec);
}

}  // namespace spikeloom
