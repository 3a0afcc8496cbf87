#pragma once
// Byte-level BPE of datasets/tokenizer.hpp.

#include <nlohmann/json_fwd.hpp>

#include "datasets/tokenizer.hpp"

namespace spikeloom {

// Throws Error(kData), starting with `what`, for anything but NFC, ByteLevel and BPE.
BpeTokenizer read_bpe(const nlohmann::json& root, const std::string& what);

// Throws Error(kData) for invalid UTF-8. Pre-tokens take O(n log n) in their length.
std::vector<int32_t> encode_bpe(const BpeTokenizer& bpe, std::string_view text,
                                const std::string& what);

}  // namespace spikeloom
