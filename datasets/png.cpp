// libpng decodes the pixels; which chunks it gets to see, and what a damaged or missing one means,
// follows Pillow: chunks before the pixels need right checksums, those of pixels and behind do not.

#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"
#include "datasets/image_rows.hpp"
#include "datasets/png_head.hpp"

namespace spikeloom {
namespace {

using Bytes = std::span<const std::byte>;

constexpr const char* kBadChecksum = "PNG: a wrong checksum of pixels";
constexpr const char* kNoEnd = "PNG: no IEND at the end";
constexpr const char* kTrailing = "PNG: bytes behind the end of the image";
constexpr const char* kUnknown = "PNG: a critical chunk that is unknown";
constexpr const char* kGrey16 = "PNG: 16-bit grey is clipped at 255, as Pillow does";
constexpr const char* kNoColour =
    "PNG: palette indices without a colour are shown as grey, as Pillow does";

[[noreturn]] void fail(const std::string& reason) {
  throw Error(ErrorCode::kData, "PNG: " + reason);
}

std::string big_endian(uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255);
  return text;
}

// What libpng reads: the signature, a header and a palette made new, then the chunks of pixels as
// they follow each other.
struct PngStream {
  std::string made;  // given before `data`
  Bytes file;
  size_t next = 0;  // offset of the chunk behind `data`
  size_t made_at = 0;
  Bytes data{};
  size_t checksum = 0;  // bytes of the checksum behind `data` still to be given
  bool ended = false;
  bool cut = false;  // by the end of the file
};

std::string made_chunk(const std::string& name, const std::string& data) {
  return big_endian(static_cast<uint32_t>(data.size())) + name + data + std::string(4, '\0');
}

PngStream stream_of(const PngHead& head, Bytes file) {
  std::string made(kPngSignature);
  made += made_chunk("IHDR", big_endian(head.width) + big_endian(head.height) +
                                 static_cast<char>(head.depth) + static_cast<char>(head.colours) +
                                 std::string(2, '\0') + (head.interlaced ? '\1' : '\0'));
  if (head.is_palette()) {
    made += made_chunk("PLTE", std::string(size_t{3} << head.depth, '\0'));
  }
  return {std::move(made), file, head.pixels_at};
}

// libpng reports errors by longjmp. All that it needs lies here, and the functions that it jumps
// out of own nothing that has a destructor.
struct Png {
  PngStream stream;
  char reason[160] = "";
  png_structp png = nullptr;
  png_infop info = nullptr;
  explicit Png(PngStream from) : stream(std::move(from)) {}
  ~Png() { png_destroy_read_struct(&png, &info, nullptr); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;

  [[noreturn]] void fail_here() const {
    fail(stream.cut ? "the file is cut off" : printable(reason));
  }
};

[[noreturn]] void on_png_error(png_structp png, png_const_charp message) {
  auto* state = static_cast<Png*>(png_get_error_ptr(png));
  std::snprintf(state->reason, sizeof state->reason, "%s", message);
  png_longjmp(png, 1);
}

void on_png_warning(png_structp, png_const_charp) {}

// The next chunk of pixels, or, once, the end behind the last; libpng looks for it even when it has
// all pixels.
bool next_piece(PngStream& stream) {
  if (stream.ended) return false;
  PngChunk chunk;
  stream.cut = !next_chunk(stream.file, stream.next, chunk);
  stream.made_at = 0;
  stream.ended = stream.cut || chunk.name != "IDAT";
  if (stream.ended) {
    stream.made = made_chunk("IEND", "");
    return true;
  }
  stream.made = big_endian(static_cast<uint32_t>(chunk.data.size())) + "IDAT";
  stream.data = chunk.data;
  stream.checksum = 4;
  stream.next = chunk.end;
  return true;
}

void on_png_read(png_structp png, png_bytep out, size_t count) {
  PngStream& stream = static_cast<Png*>(png_get_io_ptr(png))->stream;
  while (count > 0) {
    size_t given = std::min(count, stream.made.size() - stream.made_at);
    if (given > 0) {
      std::memcpy(out, stream.made.data() + stream.made_at, given);
      stream.made_at += given;
    } else if (!stream.data.empty()) {
      given = std::min(count, stream.data.size());
      std::memcpy(out, stream.data.data(), given);
      stream.data = stream.data.subspan(given);
    } else if (stream.checksum > 0) {  // never looked at
      given = std::min(count, stream.checksum);
      std::memset(out, 0, given);
      stream.checksum -= given;
    } else if (!next_piece(stream)) {
      png_error(png, "data after the end");
    }
    out += given;
    count -= given;
  }
}

// Header chunks, then the transforms that give one byte per palette index, two of 16-bit grey and
// RGB otherwise.
bool start_png(Png& state) noexcept {
  if (setjmp(png_jmpbuf(state.png)) != 0) return false;
  png_set_read_fn(state.png, &state, on_png_read);
  png_set_user_limits(state.png, kMaxImageSide, kMaxImageSide);
  png_set_benign_errors(state.png, 1);
  png_set_crc_action(state.png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
  png_read_info(state.png, state.info);
  png_set_packing(state.png);
  const png_byte colours = png_get_color_type(state.png, state.info);
  const bool grey16 =
      colours == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(state.png, state.info) == 16;
  if (colours != PNG_COLOR_TYPE_PALETTE && !grey16) {
    png_set_strip_16(state.png);
    png_set_strip_alpha(state.png);
    if (colours == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(state.png);
    if ((colours & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(state.png);
  }
  png_set_interlace_handling(state.png);
  png_read_update_info(state.png, state.info);
  return true;
}

bool read_row(Png& state, png_bytep row) noexcept {
  if (setjmp(png_jmpbuf(state.png)) != 0) return false;
  png_read_row(state.png, row, nullptr);
  return true;
}

bool read_all(Png& state, png_bytepp rows) noexcept {
  if (setjmp(png_jmpbuf(state.png)) != 0) return false;
  png_read_image(state.png, rows);
  return true;
}

// Rows of libpng as RGB.
class RowColours {
 public:
  explicit RowColours(const PngHead& head) : head_(head), rgb_(size_t{3} * head.width) {
    for (size_t i = 0; i < std::size(palette_); ++i) palette_[i] = static_cast<uint8_t>(i / 3);
    colours_ = head.palette.size() / 3;
    std::copy_n(head.palette.begin(), 3 * colours_, palette_);
  }

  std::span<const uint8_t> rgb_of(const uint8_t* row) {
    if (!head_.is_palette() && !head_.is_grey16()) return {row, rgb_.size()};
    for (size_t x = 0; x < head_.width; ++x) {
      if (head_.is_palette()) {
        beyond_ |= row[x] >= colours_;
        std::copy_n(palette_ + 3 * size_t{row[x]}, 3, rgb_.data() + 3 * x);
      } else {
        std::fill_n(rgb_.data() + 3 * x, 3, row[2 * x] > 0 ? uint8_t{255} : row[2 * x + 1]);
      }
    }
    return rgb_;
  }
  // An index had no colour.
  bool beyond() const { return beyond_; }

 private:
  const PngHead& head_;
  std::vector<uint8_t> rgb_;
  uint8_t palette_[kMaxPalette];
  size_t colours_ = 0;
  bool beyond_ = false;
};

// Filtered bytes of a whole image: of each row of each pass one more than its pixels take.
uint64_t filtered_bytes(const PngHead& head) {
  const uint64_t bits = pixel_bits(head);
  if (!head.interlaced) return head.height * (1 + (head.width * bits + 7) / 8);
  uint64_t bytes = 0;
  for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; ++pass) {
    const uint64_t columns = PNG_PASS_COLS(head.width, pass),
                   rows = PNG_PASS_ROWS(head.height, pass);
    if (columns > 0) bytes += rows * (1 + (columns * bits + 7) / 8);
  }
  return bytes;
}

// Whether the chunks of pixels, which libpng did not like to the end, hold all pixels without a
// fault; asked only after such an end.
bool has_all_pixels(const PngHead& head, Bytes file) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) throw Error(ErrorCode::kRuntime, "zlib cannot start");
  uint64_t left = filtered_bytes(head);
  std::vector<Bytef> block(size_t{1} << 16);
  PngChunk chunk;
  bool fine = true;
  for (size_t at = head.pixels_at; fine && next_chunk(file, at, chunk) && chunk.name == "IDAT";
       at = chunk.end) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(chunk.data.data()));
    stream.avail_in = static_cast<uInt>(chunk.data.size());
    while (fine && left > 0 && stream.avail_in > 0) {
      const auto room = static_cast<uInt>(std::min<uint64_t>(left, block.size()));
      stream.next_out = block.data();
      stream.avail_out = room;
      const int result = inflate(&stream, Z_NO_FLUSH);
      left -= room - stream.avail_out;
      fine = result == Z_OK || (result == Z_STREAM_END && left == 0);
    }
  }
  inflateEnd(&stream);
  return fine && left == 0;
}

// The last row is there before libpng looks for the end of the stream; `done` says whether a call
// for it, or for all rows, came to that end.
void accept_missing_end(const Png& state, const PngHead& head, Bytes file, bool done) {
  if (!done && (!state.stream.ended || !has_all_pixels(head, file))) state.fail_here();
}

void decode_rows(Png& state, const PngHead& head, Bytes file, const RowSink& sink,
                 RowColours& colours) {
  const size_t pitch = head.width * head.pixel_bytes();
  if (png_get_rowbytes(state.png, state.info) != pitch)
    throw Error(ErrorCode::kInternal, "libpng gives rows of another length");
  std::vector<uint8_t> pixels(head.interlaced ? pitch * head.height : pitch);
  if (head.interlaced) {
    std::vector<png_bytep> rows(head.height);
    for (size_t y = 0; y < head.height; ++y) rows[y] = pixels.data() + y * pitch;
    accept_missing_end(state, head, file, read_all(state, rows.data()));
  }
  sink.start({head.width, head.height});
  for (size_t y = 0; y < head.height; ++y) {
    if (!head.interlaced) {
      const bool done = read_row(state, pixels.data());
      if (!done && y + 1 < head.height) state.fail_here();
      accept_missing_end(state, head, file, done);
    }
    sink.row(colours.rgb_of(pixels.data() + (head.interlaced ? y * pitch : 0)));
  }
}

// What Pillow looks at once the pixels are there: it refuses a file that ends inside a chunk.
void note_the_rest(const PngHead& head, Bytes file, ImageNotes& notes) {
  bool checked = true;
  size_t at = head.pixels_at;
  PngChunk chunk;
  for (; next_chunk(file, at, chunk) && chunk.name != "IEND"; at = chunk.end) {
    if (chunk.name == "IDAT") {
      checked &= chunk.checked;
    } else if (!chunk.whole) {
      fail("the file is cut off");
    }
  }
  if (!checked) notes.emplace_back(kBadChecksum);
  if (at + 8 > file.size() || chunk.name != "IEND") {
    notes.emplace_back(kNoEnd);
  } else if (chunk.end < file.size()) {
    notes.emplace_back(kTrailing);
  }
}

}  // namespace

bool is_png(Bytes file) {
  return as_text(file).starts_with(kPngSignature);
}

ImageSize read_png_size(Bytes file) {
  const PngHead head = read_png_head(file, false);
  return {head.width, head.height};
}

void decode_png(Bytes file, const RowSink& sink, ImageNotes& notes) {
  const PngHead head = read_png_head(file, true);
  const uint64_t whole = uint64_t{head.width} * head.height * head.pixel_bytes();
  if (head.interlaced && whole > kMaxDecoderBytes) {
    fail("is interlaced and takes " + std::to_string(whole) + " bytes at once; the limit is " +
         std::to_string(kMaxDecoderBytes));
  }
  Png state(stream_of(head, file));
  state.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, on_png_error, on_png_warning);
  if (state.png != nullptr) state.info = png_create_info_struct(state.png);
  if (state.info == nullptr) throw Error(ErrorCode::kRuntime, "libpng cannot start");
  if (!start_png(state)) state.fail_here();
  RowColours colours(head);
  decode_rows(state, head, file, sink, colours);
  if (head.unknown) notes.emplace_back(kUnknown);
  if (head.is_grey16()) notes.emplace_back(kGrey16);
  if (colours.beyond()) notes.emplace_back(kNoColour);
  note_the_rest(head, file, notes);
}

}  // namespace spikeloom
