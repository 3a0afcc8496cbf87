// Tokenizer files; text through whatever tokenizer came out, and through all kinds of decoding.

#include "core/io/utf8.hpp"
#include "datasets/tokenizer.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text(data, size);
  lossy_utf8(text);
  if (complete_prefix(text) > text.size()) std::abort();
  fuzz::errors_only([&] { refine_prompt(text); });
  return fuzz::errors_only([&] {
    const Tokenizer tokenizer = parse_tokenizer(text, "t");
    const Encoded encoded = encode(tokenizer, text.substr(0, 4096), "t");
    for (const int32_t id : encoded.ids) {
      if (id < 0 || id >= vocabulary_of(tokenizer)) std::abort();
    }
    decode(tokenizer, encoded.ids);
  });
}
