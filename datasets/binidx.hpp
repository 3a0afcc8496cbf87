#pragma once
// Token files of Megatron ("MMapIndexedDataset"): NAME.idx says where sequences lie in NAME.bin.
//
// Index, little-endian: "MMIDIDX\0\0", u64 version 1, u8 element type, u64 sequences n, u64 marks
// m, n x i32 lengths in tokens, n x i64 offsets in bytes, m x i64 marks: the sequence every
// document starts with, then n. Tokens: integers of the type.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "datasets/token_rows.hpp"

namespace spikeloom {

// One row for each sequence that has a wanted window; empty sequences are left out. `path` is the
// .idx, the .bin lies beside it. Throws Error(kData) for damaged or missing files, types that are
// no integers, sequences beyond or together larger than the .bin, and tokens outside [0,
// vocabulary).
TokenRows load_binidx_rows(const std::filesystem::path& path, int64_t vocabulary,
                           const WantedWindows& wanted = {});

// The same from bytes; the names start every error message.
TokenRows parse_binidx(std::span<const std::byte> index, const std::string& index_name,
                       std::span<const std::byte> tokens, const std::string& tokens_name,
                       int64_t vocabulary, const WantedWindows& wanted = {});

}  // namespace spikeloom
