// Token ids of NumPy arrays, and texts in parts through a character vocabulary and as bytes.

#include "datasets/token_rows.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

namespace {

void check(const TokenRows& rows, int64_t vocabulary) {
  for (const auto& row : rows.rows) {
    if (row.empty()) std::abort();
    for (const int32_t id : row) {
      if (id < 0 || id >= vocabulary) std::abort();
    }
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Tokenizer characters =
      parse_tokenizer(R"({"0": " ", "1": "e", "2": "\u00e9"})", "v");
  static const Tokenizer bytes{ByteTokenizer{}};
  const std::string_view text = fuzz::text(data, size);
  for (const char* split : {"", kTextSplits[0], kTextSplits[1], kTextSplits[2]}) {
    fuzz::errors_only([&] { check(text_rows(text, "t", characters, split), 3); });
    fuzz::errors_only([&] { check(text_rows(text, "t", bytes, split), 256); });
  }
  return fuzz::errors_only([&] {
    const fuzz::InputFile file(data, size);
    check(load_npy_rows(file.path(), 77), 77);
  });
}
