#include "datasets/image_decode.hpp"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

using Bytes = std::span<const std::byte>;

constexpr size_t kPngSignature = 8;
// Signature, and of the IHDR chunk: length, name, width, height, depth, colour type.
constexpr size_t kPngHeader = 26;
// Deflate codes at most 258 bytes in 2 bits.
constexpr uint64_t kDeflateRatio = 258 * 4;
// A JPEG spends at least one bit on each block of 64 pixels.
constexpr uint64_t kJpegPixelsPerByte = 64 * 8;
constexpr uint64_t kUnquestionedBytes = uint64_t{1} << 20;

[[noreturn]] void fail(const std::string& reason) {
  throw Error(ErrorCode::kData, reason);
}

uint8_t byte_at(Bytes file, size_t at) {
  return std::to_integer<uint8_t>(file[at]);
}

bool starts_with(Bytes file, std::initializer_list<uint8_t> magic) {
  return file.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), file.begin(),
                    [](uint8_t a, std::byte b) { return a == std::to_integer<uint8_t>(b); });
}

bool is_jpeg(Bytes file) {
  return starts_with(file, {0xff, 0xd8, 0xff});
}

bool is_png(Bytes file) {
  return starts_with(file, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
}

[[noreturn]] void fail_unknown(Bytes file) {
  if (file.empty()) fail("is empty");
  std::string start;
  for (const std::byte b : file.first(std::min<size_t>(file.size(), 4))) {
    char hex[4];
    std::snprintf(hex, sizeof hex, " %02x", std::to_integer<unsigned>(b));
    start += hex;
  }
  fail("neither JPEG nor PNG: starts with" + start);
}

// Refuses what a header declares when it breaks a limit; `could_hold` says whether a file of this
// length can have so many pixels.
template <typename CouldHold>
void check_declared(uint64_t width, uint64_t height, CouldHold could_hold) {
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

struct Jpeg {
  tjhandle handle = tjInitDecompress();
  int width = -1, height = -1, colours = -1;
  Jpeg() = default;
  ~Jpeg() {
    if (handle != nullptr) tjDestroy(handle);
  }
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;

  [[noreturn]] void fail_here() const { fail("JPEG: " + printable(tjGetErrorStr2(handle))); }
};

const unsigned char* chars_of(Bytes file) {
  return reinterpret_cast<const unsigned char*>(file.data());
}

void read_jpeg_header(Jpeg& jpeg, Bytes file) {
  if (jpeg.handle == nullptr) throw Error(ErrorCode::kRuntime, "libjpeg cannot start");
  int subsampling = -1;
  // It also reports failure for subsamplings it has no name for, and for warnings. Those files
  // have a size, and decompression has the last word on them.
  const int failed = tjDecompressHeader3(jpeg.handle, chars_of(file), file.size(), &jpeg.width,
                                         &jpeg.height, &subsampling, &jpeg.colours);
  if (jpeg.width < 1 || jpeg.height < 1 || jpeg.colours < 0) {
    if (failed != 0) jpeg.fail_here();
    fail("JPEG: no image in it");
  }
  const auto pixels = static_cast<uint64_t>(jpeg.width) * static_cast<uint64_t>(jpeg.height);
  check_declared(static_cast<uint64_t>(jpeg.width), static_cast<uint64_t>(jpeg.height),
                 [&] { return pixels / kJpegPixelsPerByte <= file.size(); });
}

// Ink values to RGB in place, Pillow's integers: it takes every CMYK JPEG as stored inverted, so
// 255 - c is the stored byte, and rgb = k - round(c * k / 255) with the stored k.
void cmyk_to_rgb(std::vector<uint8_t>& pixels) {
  size_t to = 0;
  for (size_t from = 0; from < pixels.size(); from += 4) {
    const int white = pixels[from + 3];
    for (size_t c = 0; c < 3; ++c) {
      const int product = (255 - pixels[from + c]) * white + 128;
      pixels[to++] = static_cast<uint8_t>(std::max(0, white - ((product / 256 + product) / 256)));
    }
  }
  pixels.resize(to);
}

RgbImage decode_jpeg(Bytes file) {
  Jpeg jpeg;
  read_jpeg_header(jpeg, file);
  const bool ink = jpeg.colours == TJCS_CMYK || jpeg.colours == TJCS_YCCK;
  RgbImage image{jpeg.width, jpeg.height, {}};
  image.rgb.resize(static_cast<size_t>(image.width * image.height * (ink ? 4 : 3)));
  // No fast DCT and no fast upsampling: they change pixels.
  if (tjDecompress2(jpeg.handle, chars_of(file), file.size(), image.rgb.data(), jpeg.width, 0,
                    jpeg.height, ink ? TJPF_CMYK : TJPF_RGB,
                    TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0) {
    jpeg.fail_here();
  }
  if (ink) cmyk_to_rgb(image.rgb);
  return image;
}

struct PngHeader {
  uint64_t width, height;
  int depth, colours;
};

PngHeader read_png_header(Bytes file) {
  if (file.size() < kPngHeader) fail("PNG: the header is cut off");
  const auto number = [&](size_t at) {
    uint64_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8 | byte_at(file, at + i);
    return value;
  };
  if (number(kPngSignature) != 13 || std::memcmp(file.data() + 12, "IHDR", 4) != 0) {
    fail("PNG: does not begin with IHDR");
  }
  const PngHeader header{number(16), number(20), byte_at(file, 24), byte_at(file, 25)};
  constexpr uint64_t kChannels[] = {1, 0, 3, 1, 2, 0, 4};
  const uint64_t channels = header.colours < 7 ? kChannels[header.colours] : 0;
  if (channels == 0) fail("PNG: unknown colour type " + std::to_string(header.colours));
  check_declared(header.width, header.height, [&] {
    const uint64_t bits = static_cast<uint64_t>(header.depth) * channels;
    return (header.width * bits + 7) / 8 * header.height / kDeflateRatio <= file.size();
  });
  if (header.depth == 16 && header.colours == PNG_COLOR_TYPE_GRAY) {
    fail("PNG: 16-bit grey has no agreed 8-bit form; convert it first");
  }
  return header;
}

// libpng reports errors by longjmp. All that it needs lies here, and the functions that it jumps
// out of own nothing that has a destructor.
struct Png {
  Bytes left;
  char reason[160] = "";
  png_structp png = nullptr;
  png_infop info = nullptr;
  Png() = default;
  ~Png() { png_destroy_read_struct(&png, &info, nullptr); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;

  [[noreturn]] void fail_here() const { fail("PNG: " + printable(reason)); }
};

[[noreturn]] void on_png_error(png_structp png, png_const_charp message) {
  auto* state = static_cast<Png*>(png_get_error_ptr(png));
  std::snprintf(state->reason, sizeof state->reason, "%s", message);
  png_longjmp(png, 1);
}

void on_png_warning(png_structp, png_const_charp) {}

void on_png_read(png_structp png, png_bytep out, size_t count) {
  auto* state = static_cast<Png*>(png_get_io_ptr(png));
  if (count > state->left.size()) png_error(png, "the file is cut off");
  std::memcpy(out, state->left.data(), count);
  state->left = state->left.subspan(count);
}

// Header chunks, then the transforms that give one byte per palette index and RGB otherwise.
bool start_png(Png& state) noexcept {
  if (setjmp(png_jmpbuf(state.png)) != 0) return false;
  png_set_read_fn(state.png, &state, on_png_read);
  png_set_user_limits(state.png, kMaxImageSide, kMaxImageSide);
  png_set_crc_action(state.png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_benign_errors(state.png, 0);
  // Profiles, texts, times: their checksums are verified, their content is never looked at.
  png_set_keep_unknown_chunks(state.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(state.png, state.info);
  png_set_packing(state.png);
  const png_byte colours = png_get_color_type(state.png, state.info);
  if (colours != PNG_COLOR_TYPE_PALETTE) {
    png_set_strip_16(state.png);
    png_set_strip_alpha(state.png);
    if (colours == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(state.png);
    if ((colours & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(state.png);
  }
  png_set_interlace_handling(state.png);
  png_read_update_info(state.png, state.info);
  return true;
}

bool finish_png(Png& state, png_bytepp rows) noexcept {
  if (setjmp(png_jmpbuf(state.png)) != 0) return false;
  png_read_image(state.png, rows);
  png_read_end(state.png, nullptr);
  return true;
}

std::vector<uint8_t> colours_of(const Png& state, const std::vector<uint8_t>& indices) {
  png_colorp palette = nullptr;
  int count = 0;
  png_get_PLTE(state.png, state.info, &palette, &count);
  std::vector<uint8_t> rgb;
  rgb.reserve(indices.size() * 3);
  for (const uint8_t index : indices) {
    if (index >= count) {
      fail("PNG: palette index " + std::to_string(index) + " of " + std::to_string(count));
    }
    const png_color& colour = palette[index];
    rgb.insert(rgb.end(), {colour.red, colour.green, colour.blue});
  }
  return rgb;
}

RgbImage decode_png(Bytes file) {
  const PngHeader header = read_png_header(file);
  const auto width = static_cast<size_t>(header.width), height = static_cast<size_t>(header.height);
  Png state;
  state.left = file;
  state.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, on_png_error, on_png_warning);
  if (state.png != nullptr) state.info = png_create_info_struct(state.png);
  if (state.info == nullptr) throw Error(ErrorCode::kRuntime, "libpng cannot start");
  if (!start_png(state)) state.fail_here();
  const bool palette = header.colours == PNG_COLOR_TYPE_PALETTE;
  const size_t pitch = width * (palette ? 1 : 3);
  if (png_get_rowbytes(state.png, state.info) != pitch) {
    throw Error(ErrorCode::kInternal, "libpng gives rows of another length");
  }
  std::vector<uint8_t> pixels(pitch * height);
  std::vector<png_bytep> rows(height);
  for (size_t y = 0; y < height; ++y) rows[y] = pixels.data() + y * pitch;
  if (!finish_png(state, rows.data())) state.fail_here();
  return {static_cast<int64_t>(width), static_cast<int64_t>(height),
          palette ? colours_of(state, pixels) : std::move(pixels)};
}

}  // namespace

ImageSize read_image_size(std::span<const std::byte> file) {
  if (is_jpeg(file)) {
    Jpeg jpeg;
    read_jpeg_header(jpeg, file);
    return {jpeg.width, jpeg.height};
  }
  if (!is_png(file)) fail_unknown(file);
  const PngHeader header = read_png_header(file);
  return {static_cast<int64_t>(header.width), static_cast<int64_t>(header.height)};
}

RgbImage decode_image(std::span<const std::byte> file) {
  if (is_jpeg(file)) return decode_jpeg(file);
  if (!is_png(file)) fail_unknown(file);
  return decode_png(file);
}

}  // namespace spikeloom
