#pragma once
// Between the decoders of images and what becomes of their rows; internal to image_decode.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "datasets/rgb_image.hpp"

namespace spikeloom {

// Takes an image row by row, from the top: 3 * width bytes each.
struct RowSink {
  std::function<void(const ImageSize&)> start;
  std::function<void(std::span<const uint8_t>)> row;
};

using ImageNotes = std::vector<std::string>;

// What a decoder may hold besides its rows: the coefficients of a JPEG of several scans, all of an
// interlaced PNG; in bytes. With the largest image behind it, half a GiB in all.
constexpr uint64_t kMaxDecoderBytes = uint64_t{192} << 20;

// Throws Error(kData) when a declared size breaks a limit; `could_hold`: whether a file of this
// length can have so many pixels.
void check_declared(uint64_t width, uint64_t height, const std::function<bool()>& could_hold);

bool is_jpeg(std::span<const std::byte> file);
ImageSize read_jpeg_size(std::span<const std::byte> file);
void decode_jpeg(std::span<const std::byte> file, const RowSink& sink, ImageNotes& notes);

bool is_png(std::span<const std::byte> file);
ImageSize read_png_size(std::span<const std::byte> file);
void decode_png(std::span<const std::byte> file, const RowSink& sink, ImageNotes& notes);

}  // namespace spikeloom
