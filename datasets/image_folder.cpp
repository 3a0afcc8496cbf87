#include "datasets/image_folder.hpp"

#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "datasets/image_decode.hpp"
#include "datasets/image_list.hpp"
#include "datasets/pixels.hpp"
#include "datasets/resample.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kChannels = 3;

std::string sides(const ImageSize& size) {
  return std::to_string(size.width) + "x" + std::to_string(size.height);
}

class ImageFolder final : public Dataset {
 public:
  ImageFolder(const DatasetSpec& spec, ImageList list)
      : folder_(spec.path),
        size_(spec.size),
        crop_(spec.crop),
        crop_rule_(spec.crop_rule),
        images_(std::move(list.images)),
        window_(choose_window(spec, static_cast<int64_t>(images_.size()))),
        normaliser_(spec.mean, spec.std, kChannels) {
    const ImageSize frame = crop_ > 0 ? ImageSize{crop_, crop_} : size_of_first();
    info_.size = window_.count;
    info_.classes = spec.classes == 0 ? list.classes : spec.classes;
    info_.height = frame.height;
    info_.width = frame.width;
    info_.channels = kChannels;
    info_.separate_files = true;
    info_.warnings = std::move(list.warnings);
    info_.description = "image folder, " + std::to_string(images_.size()) + " images";
    if (list.classes > 0) {
      info_.description += " with labels below " + std::to_string(list.classes);
    }
    if (size_ > 0) info_.description += ", short side " + std::to_string(size_) + " (bicubic)";
    if (crop_ > 0) info_.description += ", centre crop " + std::to_string(crop_);
  }

  const DatasetInfo& info() const noexcept override { return info_; }

  Sample load(int64_t index) const override {
    if (index < 0 || index >= info_.size) {
      throw Error(ErrorCode::kInternal,
                  "sample " + std::to_string(index) + " of " + std::to_string(info_.size));
    }
    const ListedImage& listed = images_[static_cast<size_t>(window_.first + index)];
    std::vector<std::string> notes;
    const RgbImage image = transformed(listed, notes);
    Sample sample{Tensor({1, info_.height, info_.width, kChannels}), listed.label, listed.name,
                  std::move(notes)};
    const auto out = sample.frames.f32();
    for (size_t i = 0; i < image.rgb.size(); ++i) {
      out[i] = normaliser_.apply(static_cast<float>(image.rgb[i]) / 255.0f, i % kChannels);
    }
    return sample;
  }

 private:
  std::filesystem::path path_of(const ListedImage& image) const { return folder_ / image.name; }

  RgbImage transformed(const ListedImage& listed, std::vector<std::string>& notes) const {
    const std::filesystem::path path = path_of(listed);
    const auto bytes = read_file(path, kMaxImageBytes);
    try {
      RgbImage image =
          size_ > 0 ? decode_resized(bytes, size_, &notes) : decode_image(bytes, &notes);
      if (crop_ > 0) image = centre_crop(image, crop_, crop_rule_);
      if (image.width != info_.width || image.height != info_.height) {
        throw Error(ErrorCode::kUsage, "an image of " + sides({image.width, image.height}) +
                                           " among images of " +
                                           sides({info_.width, info_.height}) + "; give crop");
      }
      return image;
    } catch (const Error& error) {
      throw error.in_file(path);
    }
  }

  // Of the first image of the window whose header can be read, after the resize.
  ImageSize size_of_first() const {
    std::string first_fault;
    for (int64_t i = 0; i < window_.count; ++i) {
      const auto path = path_of(images_[static_cast<size_t>(window_.first + i)]);
      try {
        const auto bytes = read_file(path, kMaxImageBytes);
        try {
          const ImageSize size = read_image_size(bytes);
          return size_ > 0 ? short_side_size(size, size_) : size;
        } catch (const Error& error) {
          throw error.in_file(path);
        }
      } catch (const Error& error) {
        if (first_fault.empty()) first_fault = error.what();
      }
    }
    throw Error(ErrorCode::kData, "no image can be read; the first: " + first_fault);
  }

  std::filesystem::path folder_;
  int64_t size_, crop_;
  CropRule crop_rule_;
  std::vector<ListedImage> images_;
  SampleWindow window_;
  Normaliser normaliser_;
  DatasetInfo info_;
};

void check_target(int64_t value, const char* option) {
  if (value < 0 || value > kMaxImageTarget) {
    throw Error(ErrorCode::kUsage, std::string(option) + ": expected 0 to " +
                                       std::to_string(kMaxImageTarget) + ", found " +
                                       std::to_string(value));
  }
}

}  // namespace

std::unique_ptr<Dataset> open_image_folder(const DatasetSpec& spec) {
  if (!spec.split.empty())
    throw Error(ErrorCode::kUsage, "split: image_folder names its folder by path");
  if (spec.pad != 0) throw Error(ErrorCode::kUsage, "pad: image_folder has size and crop");
  if (spec.classes < 0) throw Error(ErrorCode::kUsage, "classes: negative");
  check_target(spec.size, "size");
  check_target(spec.crop, "crop");
  if (spec.crop == 0 && spec.crop_rule != DatasetSpec{}.crop_rule)
    throw Error(ErrorCode::kUsage, "crop_rule: says how to round the offset of a crop; give crop");
  ImageList list = spec.labels.empty()
                       ? list_image_folder(spec.path, spec.follow_links)
                       : read_image_list(spec.path, spec.labels, spec.classes, spec.follow_links);
  if (spec.classes != 0 && list.classes > spec.classes) {
    throw Error(ErrorCode::kData, spec.path.string() + ": " + std::to_string(list.classes) +
                                      " class folders, expected at most " +
                                      std::to_string(spec.classes));
  }
  return std::make_unique<ImageFolder>(spec, std::move(list));
}

}  // namespace spikeloom
