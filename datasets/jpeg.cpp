// The order of libjpeg's calls, the colour spaces asked for and a source that never makes up an end
// are those of Pillow's decoder; so the pixels of damaged files are, too.

#include <cstdio>  // before jpeglib.h, which needs it
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <array>
#include <csetjmp>
#include <string>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "datasets/image_rows.hpp"

namespace spikeloom {
namespace {

using Bytes = std::span<const std::byte>;

// A JPEG spends at least one bit on each block of 64 pixels.
constexpr uint64_t kJpegPixelsPerByte = 64 * 8;
constexpr int kMaxScans = 500;
constexpr const char* kCutOff = "the file is cut off";

struct Warning {
  int code;
  const char* text;
};
constexpr Warning kWarnings[] = {
    {JWRN_EXTRANEOUS_DATA, "JPEG: extraneous bytes before a marker"},
    {JWRN_HIT_MARKER, "JPEG: data of a scan end early, the rest is filled"},
    {JWRN_HUFF_BAD_CODE, "JPEG: damaged data of a scan"},
    {JWRN_MUST_RESYNC, "JPEG: a restart marker out of order"},
    {JWRN_NOT_SEQUENTIAL, "JPEG: odd parameters of a sequential scan"},
    {JWRN_BOGUS_PROGRESSION, "JPEG: scans in an odd order"},
    {JWRN_ADOBE_XFORM, "JPEG: unknown Adobe transform"},
    {JWRN_JFIF_MAJOR, "JPEG: unknown JFIF version"},
    {JWRN_TOO_MUCH_DATA, "JPEG: more data than pixels"},
};
constexpr const char* kOtherWarning = "JPEG: another warning of libjpeg";
constexpr const char* kNoEnd = "JPEG: no end of the image";
constexpr const char* kTrailing = "JPEG: bytes behind the end of the image";

[[noreturn]] void fail(const std::string& reason) {
  throw Error(ErrorCode::kData, "JPEG: " + reason);
}

// libjpeg reports errors by longjmp. All that it needs lies here, and the functions that it jumps
// out of own nothing that has a destructor.
struct Jpeg {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_source_mgr source{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape{};
  char reason[JMSG_LENGTH_MAX] = "";
  std::array<bool, std::size(kWarnings) + 1> warned{};
  bool no_end = false;  // all rows are there, the end of the image is not
  Jpeg() = default;
  ~Jpeg() { jpeg_destroy_decompress(&info); }
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;

  [[noreturn]] void fail_here() const { fail(printable(reason)); }
  [[nodiscard]] bool stop(const char* why) noexcept {
    std::snprintf(reason, sizeof reason, "%s", why);
    return false;
  }
};

Jpeg& owner_of(j_common_ptr info) {
  return *static_cast<Jpeg*>(info->client_data);
}

[[noreturn]] void on_error(j_common_ptr info) {
  Jpeg& jpeg = owner_of(info);
  info->err->format_message(info, jpeg.reason);
  std::longjmp(jpeg.escape, 1);
}

void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;  // not a warning
  size_t which = 0;
  while (which < std::size(kWarnings) && kWarnings[which].code != info->err->msg_code) ++which;
  owner_of(info).warned[which] = true;
}

// Against files of endless scans.
void on_progress(j_common_ptr info) {
  Jpeg& jpeg = owner_of(info);
  if (jpeg.info.input_scan_number <= kMaxScans) return;
  std::snprintf(jpeg.reason, sizeof jpeg.reason, "has more than %d scans", kMaxScans);
  std::longjmp(jpeg.escape, 1);
}

void skip_input(j_decompress_ptr info, long count) {
  const auto skipped =
      std::min(static_cast<size_t>(std::max(count, 0L)), info->src->bytes_in_buffer);
  info->src->next_input_byte += skipped;
  info->src->bytes_in_buffer -= skipped;
}

bool open_jpeg(Jpeg& jpeg, Bytes file) noexcept {
  jpeg.info.err = jpeg_std_error(&jpeg.errors);
  jpeg.errors.error_exit = on_error;
  jpeg.errors.emit_message = on_message;
  jpeg.errors.output_message = [](j_common_ptr) {};
  jpeg.info.client_data = &jpeg;
  if (setjmp(jpeg.escape) != 0) return false;
  jpeg_create_decompress(&jpeg.info);
  jpeg.source.next_input_byte = reinterpret_cast<const JOCTET*>(file.data());
  jpeg.source.bytes_in_buffer = file.size();
  jpeg.source.init_source = [](j_decompress_ptr) {};
  // No more data: the decoder stops where it is, instead of making up an end of the image.
  jpeg.source.fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };
  jpeg.source.skip_input_data = skip_input;
  jpeg.source.resync_to_restart = jpeg_resync_to_restart;
  jpeg.source.term_source = [](j_decompress_ptr) {};
  jpeg.info.src = &jpeg.source;
  jpeg.progress.progress_monitor = on_progress;
  jpeg.info.progress = &jpeg.progress;
  return jpeg_read_header(&jpeg.info, TRUE) == JPEG_HEADER_OK || jpeg.stop(kCutOff);
}

bool start_rows(Jpeg& jpeg, J_COLOR_SPACE colours) noexcept {
  if (setjmp(jpeg.escape) != 0) return false;
  jpeg.info.out_color_space = colours;
  return jpeg_start_decompress(&jpeg.info) || jpeg.stop(kCutOff);
}

bool read_row(Jpeg& jpeg, JSAMPLE* row) noexcept {
  if (setjmp(jpeg.escape) != 0) return false;
  return jpeg_read_scanlines(&jpeg.info, &row, 1) == 1 || jpeg.stop(kCutOff);
}

bool finish(Jpeg& jpeg) noexcept {
  if (setjmp(jpeg.escape) != 0) return false;
  jpeg.no_end = !jpeg_finish_decompress(&jpeg.info);
  return true;
}

void check_size(const Jpeg& jpeg, Bytes file) {
  const uint64_t width = jpeg.info.image_width, height = jpeg.info.image_height;
  check_declared(width, height, [&] { return width * height / kJpegPixelsPerByte <= file.size(); });
}

// A file of several scans is decoded as a whole before its first row comes.
void check_coefficients(Jpeg& jpeg, Bytes file) {
  if (!jpeg_has_multiple_scans(&jpeg.info)) return;
  uint64_t bytes = 0;
  for (int c = 0; c < jpeg.info.num_components; ++c) {
    const jpeg_component_info& part = jpeg.info.comp_info[c];
    bytes += uint64_t{part.width_in_blocks} * part.height_in_blocks * sizeof(JBLOCK);
  }
  if (bytes > kMaxDecoderBytes + 16 * file.size()) {
    fail("has several scans, whose coefficients take " + std::to_string(bytes) +
         " bytes; the limit is " + std::to_string(kMaxDecoderBytes) + " and 16 times the file");
  }
}

// Ink values to RGB, Pillow's integers: it takes every CMYK JPEG as stored inverted, so 255 - c is
// the stored byte, and rgb = k - round(c * k / 255) with the stored k.
void ink_to_rgb(std::span<const uint8_t> ink, std::span<uint8_t> rgb) {
  size_t to = 0;
  for (size_t from = 0; from < ink.size(); from += 4) {
    const int white = ink[from + 3];
    for (size_t c = 0; c < 3; ++c) {
      const int product = (255 - ink[from + c]) * white + 128;
      rgb[to++] = static_cast<uint8_t>(std::max(0, white - ((product / 256 + product) / 256)));
    }
  }
}

}  // namespace

bool is_jpeg(Bytes file) {
  constexpr int kStart[] = {0xff, 0xd8, 0xff};
  return file.size() >= 3 && std::equal(std::begin(kStart), std::end(kStart), file.begin(),
                                        [](int a, std::byte b) { return std::byte(a) == b; });
}

ImageSize read_jpeg_size(Bytes file) {
  Jpeg jpeg;
  // A frame header is enough, whatever becomes of the rest.
  if (!open_jpeg(jpeg, file) && jpeg.info.image_width == 0) jpeg.fail_here();
  check_size(jpeg, file);
  return {jpeg.info.image_width, jpeg.info.image_height};
}

void decode_jpeg(Bytes file, const RowSink& sink, ImageNotes& notes) {
  Jpeg jpeg;
  if (!open_jpeg(jpeg, file)) jpeg.fail_here();
  check_size(jpeg, file);
  const int channels = jpeg.info.num_components;
  if (channels != 1 && channels != 3 && channels != 4)
    fail("has " + std::to_string(channels) + " components");
  check_coefficients(jpeg, file);
  const ImageSize size{jpeg.info.image_width, jpeg.info.image_height};
  if (!start_rows(jpeg, channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK)) {
    jpeg.fail_here();
  }
  sink.start(size);
  const auto width = static_cast<size_t>(size.width);
  std::vector<uint8_t> stored(width * static_cast<size_t>(channels)), rgb(width * 3);
  for (int64_t y = 0; y < size.height; ++y) {
    if (!read_row(jpeg, channels == 3 ? rgb.data() : stored.data())) jpeg.fail_here();
    if (channels == 4) ink_to_rgb(stored, rgb);
    if (channels == 1) {
      for (size_t x = 0; x < width; ++x)
        std::fill_n(rgb.begin() + static_cast<std::ptrdiff_t>(3 * x), 3, stored[x]);
    }
    sink.row(rgb);
  }
  if (!finish(jpeg)) jpeg.fail_here();
  for (size_t w = 0; w < jpeg.warned.size(); ++w) {
    if (jpeg.warned[w])
      notes.emplace_back(w < std::size(kWarnings) ? kWarnings[w].text : kOtherWarning);
  }
  if (jpeg.no_end) notes.emplace_back(kNoEnd);
  if (!jpeg.no_end && jpeg.source.bytes_in_buffer > 0) notes.emplace_back(kTrailing);
}

}  // namespace spikeloom
