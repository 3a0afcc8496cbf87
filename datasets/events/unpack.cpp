#include "datasets/events/unpack.hpp"

#include <lz4frame.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <string>

#include "core/error.hpp"

namespace spikeloom {
namespace {

constexpr size_t kPart = 64 << 10;
constexpr size_t kMostUnpacked = size_t{256} << 20, kSmallUnpacked = 1 << 20;
constexpr size_t kMostExpansion = 256;
// Bits of what a decoder sets aside for a frame: as much as may come out, at least what the highest
// levels ask for.
constexpr int kUsualWindow = 23, kLargestWindow = 28;

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

// Room for more behind `size` bytes.
void grow(std::vector<std::byte>& out, size_t size, size_t packed) {
  const size_t most = std::min(std::max(packed * kMostExpansion, kSmallUnpacked), kMostUnpacked);
  if (size >= most) fail("unpacks to more than " + std::to_string(most) + " bytes");
  out.resize(std::min(most, size + std::max(kPart, size / 2)));
}

std::vector<std::byte> unpack_lz4(std::span<const std::byte> packed) {
  LZ4F_dctx* context = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) != 0)
    throw std::bad_alloc();
  const std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> owner(
      context, LZ4F_freeDecompressionContext);
  std::vector<std::byte> out;
  size_t size = 0;
  const size_t all = packed.size();
  bool ended = false;
  while (!packed.empty()) {
    if (size == out.size()) grow(out, size, all);
    size_t made = out.size() - size, taken = packed.size();
    const size_t left =
        LZ4F_decompress(context, out.data() + size, &made, packed.data(), &taken, nullptr);
    if (LZ4F_isError(left) != 0) fail(std::string("damaged LZ4 frame: ") + LZ4F_getErrorName(left));
    if (made == 0 && taken == 0) fail("damaged LZ4 frame");
    size += made;
    packed = packed.subspan(taken);
    ended = left == 0;
  }
  if (!ended) fail("an LZ4 frame without end");
  out.resize(size);
  return out;
}

std::vector<std::byte> unpack_zstd(std::span<const std::byte> packed) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     ZSTD_freeDCtx);
  if (context == nullptr) throw std::bad_alloc();
  const int window = std::bit_width(packed.size() * kMostExpansion);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax,
                         std::clamp(window, kUsualWindow, kLargestWindow));
  std::vector<std::byte> out;
  size_t size = 0, left = 1;
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  while (in.pos < in.size || left != 0) {
    if (size == out.size()) grow(out, size, packed.size());
    ZSTD_outBuffer to{out.data(), out.size(), size};
    const size_t before = in.pos;
    left = ZSTD_decompressStream(context.get(), &to, &in);
    if (ZSTD_isError(left) != 0)
      fail(std::string("damaged Zstandard frame: ") + ZSTD_getErrorName(left));
    if (to.pos == size && in.pos == before) fail("a Zstandard frame without end");
    size = to.pos;
  }
  out.resize(size);
  return out;
}

}  // namespace

std::vector<std::byte> unpack(std::span<const std::byte> packed, Packing packing) {
  if (packing == Packing::kLz4) return unpack_lz4(packed);
  if (packing == Packing::kZstd) return unpack_zstd(packed);
  return {packed.begin(), packed.end()};
}

}  // namespace spikeloom
