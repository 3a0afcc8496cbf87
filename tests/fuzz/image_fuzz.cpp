// JPEG and PNG: header, decoder, resize and crop.

#include "core/io/file.hpp"
#include "datasets/image_decode.hpp"
#include "datasets/resample.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = fuzz::bytes(data, size);
  fuzz::errors_only([&] { read_image_size(file); });
  return fuzz::errors_only([&] {
    const RgbImage image = decode_image(file);
    const ImageSize resized = short_side_size({image.width, image.height}, 7);
    if (resized.width * resized.height > 1 << 14) return;  // slow, and arithmetic only
    centre_crop(resize_bicubic(image, resized.width, resized.height), 6, CropRule::kRoundHalfEven);
  });
}
