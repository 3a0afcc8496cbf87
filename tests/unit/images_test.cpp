// Images: decoding, the resize and the crop against what Pillow made of the same files, the
// worked example, and files that lie, end early or are damaged.

#include <zlib.h>

#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include "core/io/hint.hpp"
#include "datasets/image_decode.hpp"
#include "datasets/resample.hpp"
#include "tests/allocation_watch.hpp"
#include "tests/catch.hpp"
#include "tests/unit/io_helpers.hpp"

using namespace spikeloom;
using io_test::error_of;
namespace fs = std::filesystem;

namespace {

using Bytes = std::vector<std::byte>;

Bytes fixture(const std::string& name) {
  return read_file(io_test::data_file("images/" + name));
}

void append(Bytes& bytes, std::string_view text) {
  const auto more = as_bytes_of(text);
  bytes.insert(bytes.end(), more.begin(), more.end());
}

std::string big_endian(uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255);
  return text;
}

uint32_t crc_of(std::string_view text) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

void append_chunk(Bytes& png, const std::string& name, const std::string& data) {
  append(png, big_endian(static_cast<uint32_t>(data.size())) + name + data +
                  big_endian(crc_of(name + data)));
}

std::string deflated(const std::string& data) {
  uLongf size = compressBound(data.size());
  std::string out(size, '\0');
  compress2(reinterpret_cast<Bytef*>(out.data()), &size,
            reinterpret_cast<const Bytef*>(data.data()), data.size(), 9);
  out.resize(size);
  return out;
}

Bytes png(uint32_t width, uint32_t height, int depth, int colours, const std::string& stream,
          const std::string& palette = "") {
  Bytes bytes;
  append(bytes, "\x89PNG\r\n\x1a\n");
  append_chunk(bytes, "IHDR",
               big_endian(width) + big_endian(height) + static_cast<char>(depth) +
                   static_cast<char>(colours) + std::string(3, '\0'));
  if (!palette.empty()) append_chunk(bytes, "PLTE", palette);
  append_chunk(bytes, "IDAT", stream);
  append_chunk(bytes, "IEND", "");
  return bytes;
}

// The JPEG with other dimensions in its frame header.
Bytes with_size(Bytes jpeg, int height, int width) {
  size_t at = 2;
  while (std::to_integer<int>(jpeg[at + 1]) != 0xc0) {
    at += 2 + (std::to_integer<size_t>(jpeg[at + 2]) << 8 | std::to_integer<size_t>(jpeg[at + 3]));
  }
  for (const int value : {height >> 8, height, width >> 8, width}) {
    jpeg[5 + at++] = static_cast<std::byte>(value & 255);
  }
  return jpeg;
}

RgbImage apply(RgbImage image, const std::string& operation, int64_t a, int64_t b) {
  if (operation == "resize") return resize_bicubic(std::move(image), a, b);
  if (operation == "short" || operation == "eval") {
    const ImageSize size = short_side_size({image.width, image.height}, a);
    image = resize_bicubic(std::move(image), size.width, size.height);
    return operation == "short" ? image : centre_crop(image, b, CropRule::kRoundHalfEven);
  }
  if (operation == "crop") {
    return centre_crop(image, a, b == 0 ? CropRule::kRoundHalfEven : CropRule::kFloorPlusHalf);
  }
  REQUIRE(operation == "decode");
  return image;
}

// Every line of manifest.txt, written by pillow_images.py. Returns how many were compared.
int compare(const fs::path& folder) {
  std::ifstream manifest(folder / "manifest.txt");
  int compared = 0;
  for (std::string line; std::getline(manifest, line); ++compared) {
    INFO(line);
    std::istringstream words(line);
    std::string name, operation;
    int64_t a = 0, b = 0, width = 0, height = 0;
    uint32_t crc = 0;
    REQUIRE(words >> name >> operation >> a >> b >> width >> height >> crc);
    const Bytes bytes = read_file(folder / name);
    RgbImage image = decode_image(bytes);
    const ImageSize size = read_image_size(bytes);
    REQUIRE(size.width == image.width);
    REQUIRE(size.height == image.height);
    image = apply(std::move(image), operation, a, b);
    REQUIRE(image.width == width);
    REQUIRE(image.height == height);
    REQUIRE(image.rgb.size() == static_cast<size_t>(3 * width * height));
    REQUIRE(crc32(0, image.rgb.data(), static_cast<uInt>(image.rgb.size())) == crc);
  }
  return compared;
}

std::string refused(const Bytes& bytes) {
  largest_allocation = 0;
  const std::string message = error_of([&] { decode_image(bytes); });
  CHECK(largest_allocation < 100'000);
  return message;
}

}  // namespace

TEST_CASE("committed images decode, resize and crop to Pillow's pixels") {
  CHECK(compare(io_test::data_file("images")) > 40);
}

TEST_CASE("many images give Pillow's pixels", "[.pillow]") {
  const fs::path folder = std::getenv("SPIKELOOM_IMAGES");
  std::ofstream(folder / "compared.txt") << compare(folder);
}

TEST_CASE("the worked example of the bicubic resize") {
  RgbImage ramp{8, 6, {}};
  for (int y = 0; y < 6; ++y) {
    for (int x = 0; x < 8; ++x) ramp.rgb.insert(ramp.rgb.end(), 3, uint8_t(40 * y + 5 * x));
  }
  const RgbImage small = resize_bicubic(ramp, 4, 3);
  std::vector<int> grey;
  for (size_t i = 0; i < small.rgb.size(); i += 3) {
    grey.push_back(small.rgb[i]);
    CHECK(small.rgb[i + 1] == small.rgb[i]);
    CHECK(small.rgb[i + 2] == small.rgb[i]);
  }
  CHECK(grey == std::vector<int>{25, 34, 45, 54, 103, 112, 123, 132, 181, 190, 201, 210});

  const ResampleTaps taps = bicubic_taps(8, 4);
  CHECK(taps.first == std::vector<int64_t>{0, 0, 1, 3});
  CHECK(taps.count(0) == 5);
  CHECK(taps.count(1) == 7);
  CHECK(taps.weights == std::vector<int32_t>{1947982, 1947982, 508932,  -157945, -52648,  -145748,
                                             469632,  1797559, 1797559, 469632,  -145748, -48583,
                                             -48583,  -145748, 469632,  1797559, 1797559, 469632,
                                             -145748, -52648,  -157945, 508932,  1947982, 1947982});
}

TEST_CASE("the long side is rounded down and an image of the right size is left alone") {
  const auto sides = [](const ImageSize& size) { return std::pair(size.width, size.height); };
  CHECK(sides(short_side_size({500, 375}, 256)) == std::pair<int64_t, int64_t>(341, 256));
  CHECK(sides(short_side_size({375, 500}, 256)) == std::pair<int64_t, int64_t>(256, 341));
  CHECK(sides(short_side_size({3, 2}, 1)) == std::pair<int64_t, int64_t>(1, 1));
  CHECK(sides(short_side_size({256, 300}, 256)) == std::pair<int64_t, int64_t>(256, 300));
  const RgbImage image{2, 1, {1, 2, 3, 250, 251, 252}};
  CHECK(resize_bicubic(image, 2, 1).rgb == image.rgb);
  CHECK_THAT(error_of([&] { resize_bicubic(image, 100'000, 1000); }),
             Catch::Contains("resizing 2x1 to 100000x1000 takes more than 268435456 bytes"));
  CHECK_THAT(error_of([&] {
               resize_bicubic({1, 65500, {}}, 2000, 10);
             }),
             Catch::Contains("takes more than"));
}

TEST_CASE("the crop rules differ where the difference is 4m + 1") {
  const auto first_of = [](size_t length, CropRule rule) {
    RgbImage row{static_cast<int64_t>(length), 1, {}};
    for (size_t x = 0; x < length; ++x) row.rgb.insert(row.rgb.end(), 3, static_cast<uint8_t>(x));
    return static_cast<int>(centre_crop(row, 1, rule).rgb[0]);
  };
  const int even[] = {0, 0, 1, 2, 2, 2, 3, 4}, up[] = {0, 1, 1, 2, 2, 3, 3, 4};
  for (size_t difference = 0; difference < 8; ++difference) {
    CHECK(first_of(1 + difference, CropRule::kRoundHalfEven) == even[difference]);
    CHECK(first_of(1 + difference, CropRule::kFloorPlusHalf) == up[difference]);
  }
  const RgbImage padded = centre_crop({1, 2, {1, 2, 3, 4, 5, 6}}, 4, CropRule::kFloorPlusHalf);
  std::vector<uint8_t> expected(4 * 4 * 3);
  for (size_t i = 0; i < 6; ++i) {
    expected[((1 + i / 3) * 4 + 1) * 3 + i % 3] = static_cast<uint8_t>(i + 1);
  }
  CHECK(padded.rgb == expected);
}

TEST_CASE("the format is told by the content") {
  const auto text = [](std::string_view bytes) {
    const auto span = as_bytes_of(bytes);
    return Bytes(span.begin(), span.end());
  };
  CHECK(refused({}) == "is empty");
  CHECK(refused(text("GIF89a")) == "neither JPEG nor PNG, but GIF");
  CHECK(refused(text("BM6000")) == "neither JPEG nor PNG, but BMP");
  CHECK(refused(text("RIFF0000WEBPVP8 ")) == "neither JPEG nor PNG, but WebP");
  CHECK(refused(text(std::string_view("II*\0", 4))) == "neither JPEG nor PNG, but TIFF");
  CHECK(refused(text("<!DOCTYPE html>")) == "neither JPEG nor PNG, but a web page");
  CHECK(refused(text("abcdef")) == "neither JPEG nor PNG: starts with 61 62 63 64");
  CHECK(refused(text("\xff\xd8")) == "neither JPEG nor PNG: starts with ff d8");
  CHECK_THAT(refused(text("\xff\xd8\xff")), Catch::StartsWith("JPEG: "));
  CHECK(refused(text("\x89PNG\r\n\x1a\n")) == "PNG: the header is cut off");
  CHECK(refused(png(1, 1, 8, 5, "")) == "PNG: unknown colour type 5");
  CHECK_THAT(refused(png(1, 1, 3, 0, "")), Catch::StartsWith("PNG: "));
}

TEST_CASE("what a header declares is refused before it is allocated") {
  CHECK(refused(png(100'000, 100'000, 8, 2, deflated("x"))) ==
        "declares 100000x100000 pixels, a side may have 65500");
  CHECK(refused(png(0, 3, 8, 2, "")) == "declares 0x3 pixels");
  CHECK(refused(png(60'000, 60'000, 1, 0, "")) ==
        "declares 60000x60000 pixels, which take 10800000000 bytes; the limit is 268435456");
  CHECK(refused(png(9000, 9000, 8, 2, deflated("x"))) ==
        "declares 9000x9000 pixels, more than a file of its length can hold");
  const Bytes jpeg = fixture("420-smooth.jpg");
  CHECK_THAT(refused(with_size(jpeg, 65500, 65500)),
             Catch::StartsWith("declares 65500x65500 pixels, which take"));
  CHECK_THAT(refused(with_size(jpeg, 9000, 9000)), Catch::EndsWith("its length can hold"));
  CHECK_THAT(refused(with_size(jpeg, 65535, 16)), Catch::Contains("65500"));
  CHECK_THAT(refused(with_size(jpeg, 0, 16)), Catch::StartsWith("JPEG: "));
  CHECK_THAT(error_of([&] { read_image_size(with_size(jpeg, 65500, 65500)); }),
             Catch::StartsWith("declares 65500x65500 pixels"));
}

TEST_CASE("a PNG whose data inflate to more than its pixels costs no more than they do") {
  const std::string zeros(64 << 20, '\0');
  const Bytes longer = png(16, 16, 8, 2, deflated(zeros));
  largest_allocation = 0;
  CHECK(decode_image(longer).rgb == std::vector<uint8_t>(16 * 16 * 3));
  CHECK(largest_allocation < 300'000);  // the file itself is copied by zlib's caller, not its data
  Bytes profile = png(1, 1, 8, 2, deflated(std::string(4, '\0')));
  Bytes bomb(profile.begin(), profile.begin() + 33);
  append_chunk(bomb, "zTXt", std::string("a\0\0", 3) + deflated(zeros));
  bomb.insert(bomb.end(), profile.begin() + 33, profile.end());
  largest_allocation = 0;
  CHECK(decode_image(bomb).rgb == std::vector<uint8_t>(3));
  CHECK(largest_allocation < 100'000);
}

TEST_CASE("a palette index without a colour is grey, with a note") {
  const std::string row("\0\2", 2);
  std::vector<std::string> notes;
  CHECK(decode_image(png(1, 1, 8, 3, deflated(row), "abcdefghi"), &notes).rgb ==
        std::vector<uint8_t>{'g', 'h', 'i'});
  CHECK(notes.empty());
  CHECK(decode_image(png(1, 1, 8, 3, deflated(row), "abcdef"), &notes).rgb ==
        std::vector<uint8_t>{2, 2, 2});
  CHECK(notes.size() == 1);
  CHECK(refused(png(1, 1, 8, 3, deflated(row), std::string(771, 'x'))) ==
        "PNG: a palette of 771 bytes");
}

TEST_CASE("a file cut at any byte of its pixels is refused") {
  for (const char* name :
       {"grey-smooth.jpg", "420-smooth.jpg", "progressive-422-smooth.jpg", "ycck-smooth.jpg",
        "c2-8.png", "c0-1.png", "c3-4-adam7-trns.png", "c6-16.png", "scaled.png"}) {
    const Bytes whole = fixture(name);
    for (size_t length = 0; length < whole.size(); ++length) {
      INFO(name << " cut to " << length);
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      // What a PNG has behind its pixels may be missing, as for Pillow.
      const bool png = std::string_view(name).ends_with(".png");
      if (!png || length + 24 < whole.size()) {
        error_of([&] { decode_image(cut); });
      } else if (length + 20 >= whole.size()) {
        std::vector<std::string> notes;
        CHECK(decode_image(cut, &notes).rgb == decode_image(whole).rgb);
        CHECK(notes.empty() == (length + 4 >= whole.size()));
      }
    }
  }
}

// Each was tried with Pillow 9.4: the pixels of the whole image, or a refusal.
TEST_CASE("damaged images give Pillow's pixels and notes, or are refused as it does") {
  struct Damage {
    const char* image;
    const char* what;  // replace FROM TO (first), append, cut, insert AT
    std::string_view from, to;
    const char* note;  // null: refused
  };
  const auto z = [](const char* text, size_t size) { return std::string_view(text, size); };
  const Damage damages[] = {
      {"420-smooth.jpg", "replace", "\xff\xda", "abcd\xff\xda",
       "JPEG: extraneous bytes before a marker"},
      {"420-smooth.jpg", "replace", "\xff\xda", "\xff\xff\xff\xda", ""},
      {"progressive-422-smooth.jpg", "replace", "\xff\xda", "abcd\xff\xda",
       "JPEG: extraneous bytes before a marker"},
      {"420-smooth.jpg", "replace", "\xff\xd9", "abcd\xff\xd9", ""},
      {"420-smooth.jpg", "replace", "\xff\xd8", z("\xff\xd8\xff\xe5\0\5abc", 9), ""},
      {"420-smooth.jpg", "replace", "\xff\xd8", z("\xff\xd8\xff\xe2\0\x0eICC_PROFILE\0", 18), ""},
      {"420-smooth.jpg", "replace", z("\x3f\0", 2), z("\x3f\1", 2),
       "JPEG: odd parameters of a sequential scan"},
      {"420-smooth.jpg", "append", "", "trailing", "JPEG: bytes behind the end of the image"},
      {"420-smooth.jpg", "replace", "\xff\xd9", "0000", "JPEG: no end of the image"},
      {"420-smooth.jpg", "replace", "\xff\xd9", "", nullptr},
      {"progressive-422-smooth.jpg", "replace", "\xff\xd9", "", nullptr},
      {"420-smooth.jpg", "replace", "\xff\xd8", "\xff\xd8\xff\x02", nullptr},
      {"c2-8.png", "append", "", "trailing", "PNG: bytes behind the end of the image"},
      {"c2-8.png", "replace", z("\0\0\0\0IEND\xae\x42\x60\x82", 12), "", "PNG: no IEND at the end"},
      {"c2-8.png", "replace", "\xae\x42\x60\x82", "0000", ""},
      {"c2-8.png", "replace", "IDAT", "IDAX", nullptr},
  };
  for (const Damage& damage : damages) {
    const Bytes whole = fixture(damage.image);
    std::string text(as_text(whole));
    if (std::string_view(damage.what) == "append") {
      text += damage.to;
    } else {
      const bool last = damage.from.starts_with("\xff\xd9");
      const size_t at = last ? text.rfind(damage.from) : text.find(damage.from);
      REQUIRE(at != std::string::npos);
      text.replace(at, damage.from.size(), damage.to);
    }
    const auto span = as_bytes_of(text);
    const Bytes damaged(span.begin(), span.end());
    INFO(damage.image << " " << printable(damage.from) << " " << printable(damage.to));
    if (damage.note == nullptr) {
      error_of([&] { decode_image(damaged); });
      continue;
    }
    std::vector<std::string> notes;
    CHECK(decode_image(damaged, &notes).rgb == decode_image(whole).rgb);
    CHECK(notes ==
          (*damage.note == 0 ? std::vector<std::string>{} : std::vector<std::string>{damage.note}));
  }
}

TEST_CASE("checksums are asked for before the pixels, as Pillow does") {
  const std::string pixels = deflated(std::string(1 + 2 * 3, '\0'));
  const Bytes whole = png(2, 1, 8, 2, pixels);
  const auto with = [&](size_t at, const std::string& name, bool right) {
    Bytes chunk;
    append_chunk(chunk, name, "abc");
    if (!right) chunk.back() ^= std::byte{1};
    Bytes file = whole;
    file.insert(file.begin() + static_cast<std::ptrdiff_t>(at), chunk.begin(), chunk.end());
    return file;
  };
  const size_t before = 33, behind = whole.size() - 12;
  std::vector<std::string> notes;
  for (const char* name : {"tEXt", "iCCP", "gAMA", "eXIf", "abCd"}) {
    CHECK(decode_image(with(before, name, true), &notes).rgb.size() == 6);
    CHECK(decode_image(with(behind, name, false), &notes).rgb.size() == 6);
    CHECK(notes.empty());
    CHECK(refused(with(before, name, false)) ==
          std::string("PNG: chunk ") + name + " has a wrong checksum");
  }
  decode_image(with(before, "ABCD", true), &notes);
  CHECK(notes == std::vector<std::string>{"PNG: a critical chunk that is unknown"});
  notes.clear();
  Bytes wrong = whole;
  wrong[wrong.size() - 13] ^= std::byte{1};  // of the pixels
  decode_image(wrong, &notes);
  CHECK(notes == std::vector<std::string>{"PNG: a wrong checksum of pixels"});
}

TEST_CASE("resizing while decoding gives the same bytes") {
  for (const char* name : {"scaled.png", "c3-4-adam7-trns.png", "420-smooth.jpg", "c6-16.png"}) {
    const RgbImage image = decode_image(fixture(name));
    for (const int64_t side : {1, 3, 8, 40}) {
      const ImageSize size = short_side_size({image.width, image.height}, side);
      const RgbImage wanted = resize_bicubic(image, size.width, size.height);
      const RgbImage got = decode_resized(fixture(name), side);
      CHECK(got.width == wanted.width);
      CHECK(got.rgb == wanted.rgb);
    }
  }
}

TEST_CASE("a large image of few bytes takes the memory of its resized rows") {
  std::string rows((1 + 6000 * 3) * 6000, '\0');
  const Bytes bomb = png(6000, 6000, 8, 2, deflated(rows));
  rows = {};
  largest_allocation = 0;
  CHECK(decode_resized(bomb, 64).rgb.size() == 64 * 64 * 3);
  CHECK(largest_allocation <= 6000 * 64 * 3);
}

TEST_CASE("flipped bits give an error or an image, nothing else") {
  std::mt19937 random(7);
  int refusals = 0, tries = 0;
  for (const auto& entry : fs::directory_iterator(io_test::data_file("images"))) {
    const Bytes whole = read_file(entry.path());
    for (int i = 0; i < 150; ++i, ++tries) {
      Bytes changed = whole;
      for (unsigned flips = 1 + random() % 3; flips > 0; --flips) {
        changed[random() % changed.size()] ^= static_cast<std::byte>(1u << random() % 8);
      }
      try {
        const RgbImage image = decode_image(changed);
        REQUIRE(image.rgb.size() == static_cast<size_t>(3 * image.width * image.height));
      } catch (const Error& error) {
        REQUIRE(error.code() == ErrorCode::kData);
        ++refusals;
      }
    }
  }
  CHECK(tries > 5000);
  CHECK(refusals > tries / 4);
  CHECK(refusals < tries);
}
