#include "datasets/token_rows.hpp"

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/npy.hpp"
#include "datasets/pixels.hpp"
#include "datasets/utf8.hpp"

namespace spikeloom {

TokenRows load_text_rows(const std::filesystem::path& path, const Tokenizer& tokenizer) {
  const auto file = read_file(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
  if (bytes.empty()) throw Error(ErrorCode::kData, path.string() + ": is empty");
  const bool raw = std::holds_alternative<ByteTokenizer>(tokenizer);
  Encoded encoded = encode(tokenizer, raw ? std::string(bytes) : text_to_utf8(bytes, path.string()),
                           path.string());
  TokenRows result;
  result.unknown = encoded.unknown;
  result.description = "text of " + std::to_string(bytes.size()) + " bytes as " +
                       std::to_string(encoded.ids.size()) + " tokens (" + describe(tokenizer) + ")";
  result.rows.push_back(std::move(encoded.ids));
  return result;
}

TokenRows load_npy_rows(const std::filesystem::path& path, int64_t vocabulary) {
  const Tensor tensor = load_npy(path);
  const Shape& shape = tensor.shape();
  if (shape.empty() || shape.size() > 2 || tensor.size() == 0) {
    throw Error(ErrorCode::kData,
                path.string() + ": expected tokens [B,T] or [T], found " + to_string(shape));
  }
  const auto ids = integers_of(tensor, path, "tokens");
  const auto length = static_cast<size_t>(shape.back());
  TokenRows result;
  result.description = "tokens " + to_string(shape);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocabulary) {
      throw Error(ErrorCode::kData, path.string() + ": token " + std::to_string(ids[i]) +
                                        " at place " + std::to_string(i) +
                                        " is not in the vocabulary of " +
                                        std::to_string(vocabulary));
    }
    if (i % length == 0) result.rows.emplace_back();
    result.rows.back().push_back(static_cast<int32_t>(ids[i]));
  }
  return result;
}

}  // namespace spikeloom
