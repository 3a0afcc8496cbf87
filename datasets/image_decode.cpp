#include "datasets/image_decode.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string_view>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "datasets/image_rows.hpp"
#include "datasets/resample.hpp"

namespace spikeloom {
namespace {

using Bytes = std::span<const std::byte>;

constexpr uint64_t kUnquestionedBytes = uint64_t{1} << 20;

[[noreturn]] void fail(const std::string& reason) {
  throw Error(ErrorCode::kData, reason);
}

// What else is found under such names, by its first bytes.
struct Magic {
  std::string_view bytes;
  size_t at;
  const char* name;
};
constexpr Magic kOthers[] = {
    {"BM", 0, "BMP"},
    {"GIF8", 0, "GIF"},
    {"WEBP", 8, "WebP"},
    {std::string_view("II*\0", 4), 0, "TIFF"},
    {std::string_view("MM\0*", 4), 0, "TIFF"},
    {std::string_view("II+\0", 4), 0, "TIFF"},
    {"ftypavif", 4, "AVIF"},
    {"ftypheic", 4, "HEIC"},
    {"ftypmif1", 4, "HEIF"},
    {"jP  ", 4, "JPEG 2000"},
    {"\xff\x4f\xff\x51", 0, "JPEG 2000"},
    {"\xff\x0a", 0, "JPEG XL"},
    {"JXL ", 4, "JPEG XL"},
    {"8BPS", 0, "PSD"},
    {"P4\n", 0, "PBM"},
    {"P5\n", 0, "PGM"},
    {"P6\n", 0, "PPM"},
    {"%PDF", 0, "PDF"},
    {"<?xml", 0, "XML"},
    {"<svg", 0, "SVG"},
    {"<!DOCTYPE", 0, "a web page"},
    {"<html", 0, "a web page"},
    {"version https://git-lfs", 0, "a pointer of Git LFS, whose file was not fetched"},
};

[[noreturn]] void fail_unknown(Bytes file) {
  if (file.empty()) fail("is empty");
  const std::string_view text = as_text(file);
  for (const Magic& magic : kOthers) {
    if (text.size() > magic.at && text.substr(magic.at).starts_with(magic.bytes))
      fail(std::string("neither JPEG nor PNG, but ") + magic.name);
  }
  std::string start;
  for (const std::byte b : file.first(std::min<size_t>(file.size(), 4))) {
    char hex[4];
    std::snprintf(hex, sizeof hex, " %02x", std::to_integer<unsigned>(b));
    start += hex;
  }
  fail("neither JPEG nor PNG: starts with" + start);
}

void decode(Bytes file, const RowSink& sink, std::vector<std::string>* notes) {
  ImageNotes found;
  if (is_jpeg(file)) {
    decode_jpeg(file, sink, found);
  } else if (is_png(file)) {
    decode_png(file, sink, found);
  } else {
    fail_unknown(file);
  }
  if (notes != nullptr) notes->insert(notes->end(), found.begin(), found.end());
}

RgbImage image_of(const ImageSize& size) {
  return {size.width, size.height,
          std::vector<uint8_t>(static_cast<size_t>(size.width * size.height * 3))};
}

}  // namespace

void check_declared(uint64_t width, uint64_t height, const std::function<bool()>& could_hold) {
  const std::string size = std::to_string(width) + "x" + std::to_string(height);
  if (width == 0 || height == 0) fail("declares " + size + " pixels");
  if (std::max(width, height) > kMaxImageSide) {
    fail("declares " + size + " pixels, a side may have " + std::to_string(kMaxImageSide));
  }
  const uint64_t bytes = width * height * 3;
  if (bytes > kMaxImageBytes) {
    fail("declares " + size + " pixels, which take " + std::to_string(bytes) +
         " bytes; the limit is " + std::to_string(kMaxImageBytes));
  }
  if (bytes > kUnquestionedBytes && !could_hold()) {
    fail("declares " + size + " pixels, more than a file of its length can hold");
  }
}

ImageSize read_image_size(Bytes file) {
  if (is_jpeg(file)) return read_jpeg_size(file);
  if (is_png(file)) return read_png_size(file);
  fail_unknown(file);
}

RgbImage decode_image(Bytes file, std::vector<std::string>* notes) {
  RgbImage image;
  uint8_t* to = nullptr;
  const RowSink sink{
      [&](const ImageSize& size) {
        image = image_of(size);
        to = image.rgb.data();
      },
      [&](std::span<const uint8_t> row) { to = std::copy(row.begin(), row.end(), to); }};
  decode(file, sink, notes);
  return image;
}

RgbImage decode_resized(Bytes file, int64_t short_side, std::vector<std::string>* notes) {
  RgbImage columns;  // as many rows as the file has, of the new width
  ImageSize wanted;
  std::unique_ptr<ColumnResizer> resizer;
  uint8_t* to = nullptr;
  const RowSink sink{[&](const ImageSize& size) {
                       wanted = short_side_size(size, short_side);
                       check_resize(size, wanted);
                       columns = image_of({wanted.width, size.height});
                       to = columns.rgb.data();
                       if (wanted.width != size.width)
                         resizer = std::make_unique<ColumnResizer>(size.width, wanted.width);
                     },
                     [&](std::span<const uint8_t> row) {
                       if (resizer) {
                         resizer->row(row.data(), to);
                         to += 3 * wanted.width;
                       } else {
                         to = std::copy(row.begin(), row.end(), to);
                       }
                     }};
  decode(file, sink, notes);
  return resize_bicubic(std::move(columns), wanted.width, wanted.height);
}

}  // namespace spikeloom
