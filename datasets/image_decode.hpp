#pragma once
// JPEG and PNG to RGB bytes, equal to what Pillow 9.4 gives for convert("RGB").

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/rgb_image.hpp"

namespace spikeloom {

// The format is told by the first bytes, never by a name. Bytes are untrusted: a declared side
// beyond kMaxImageSide, more than kMaxImageBytes decoded, or more pixels than a file of this length
// could hold (only asked above 1 MiB decoded) are refused before anything is allocated. Decoders
// work row by row; a JPEG of several scans (its coefficients) and an interlaced PNG may hold 192
// MiB besides. Faults are Error(kData) with the reason, without a file name. Thread-safe.

// From the header alone.
ImageSize read_image_size(std::span<const std::byte> file);

// JPEG: grey is replicated, CMYK and YCCK are converted as Pillow does (always taken as inverted);
// EXIF orientation is not applied. Lossless, 12-bit and more than 500 scans: refused.
// PNG: grey is replicated, alpha and transparency are dropped (not blended), the low byte of 16-bit
// colours and of 16-bit grey with alpha is dropped; 16-bit grey without alpha is clipped at 255.
// Damage that Pillow loads is loaded to the same pixels, and `notes`, when given, says what was
// forgiven, in words without numbers: extraneous bytes, odd parameters and damaged data of a scan,
// bytes behind the end, a missing IEND, wrong checksums of pixels. What Pillow refuses is refused:
// a file that ends early, a wrong checksum before the pixels.
RgbImage decode_image(std::span<const std::byte> file, std::vector<std::string>* notes = nullptr);

// The same with its short side resized, see resize_bicubic; the whole image is never in memory.
RgbImage decode_resized(std::span<const std::byte> file, int64_t short_side,
                        std::vector<std::string>* notes = nullptr);

}  // namespace spikeloom
