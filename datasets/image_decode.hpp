#pragma once
// JPEG and PNG to RGB bytes, equal to what Pillow 9.4 gives for convert("RGB") (formats 4.3).

#include <cstddef>
#include <cstdint>
#include <span>

#include "datasets/rgb_image.hpp"

namespace spikeloom {

// The format is told by the first bytes, never by a name. Bytes are untrusted: a declared side
// beyond kMaxImageSide, more than kMaxImageBytes decoded, or more pixels than a file of this length
// could hold (only asked above 1 MiB decoded) are refused before anything is allocated. While it
// decodes, one call takes at most 4/3 of the image's RGB bytes, and for a progressive JPEG its
// coefficients (2 bytes per sample) as well. All faults are Error(kData) with the reason, without
// a file name. Thread-safe.

// From the header alone.
ImageSize read_image_size(std::span<const std::byte> file);

// JPEG: grey is replicated, CMYK and YCCK are converted as Pillow does (always taken as inverted);
// EXIF orientation is not applied; any warning of the decoder (premature end, corrupt data, bytes
// between markers) is an error. Lossless, 12-bit and more than 500 scans: refused.
// PNG: grey is replicated, alpha and transparency are dropped (not blended), the low byte of 16-bit
// colours and of 16-bit grey with alpha is dropped; 16-bit grey without alpha is refused, because
// Pillow clips it at 255 instead of scaling it. Every checksum is verified.
RgbImage decode_image(std::span<const std::byte> file);

}  // namespace spikeloom
