#pragma once
// Token ids of a text or an array, as rows that a model reads from its initial state.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/io/npy.hpp"
#include "datasets/tokenizer.hpp"

namespace spikeloom {

struct TokenRows {
  std::vector<std::vector<int32_t>> rows;  // none empty; one of a text, B of an array
  std::string description;
  int64_t unknown = 0;  // characters outside the vocabulary, replaced
  // Windows of the file before the first of these rows; `cut`: the file holds more tokens.
  int64_t first_window = 0;
  bool cut = false;
};

// What a run reads of rows that are cut into windows of `length` tokens (0: whole rows).
struct WantedWindows {
  int64_t length = 0;
  int64_t skip = 0;    // windows left out at the start
  int64_t limit = -1;  // at most so many after them; -1: all

  // Windows in a row of so many tokens.
  int64_t in(int64_t tokens) const noexcept {
    return length == 0 ? 1 : (tokens + length - 1) / length;
  }
  // The first window that is not wanted.
  int64_t end() const noexcept {
    return limit < 0 || skip > INT64_MAX - limit ? INT64_MAX : skip + limit;
  }
};

// The parts of a text that the authors of SpikeGPT train on, validate with and test with: the first
// 90 % of its bytes, the next 5 %, the rest (of enwik8 90, 5 and 5 million).
constexpr const char* kTextSplits[] = {"train", "validation", "test"};

// A whole file, or the part `split` of it unless that is empty, as one row. UTF-16 with a byte
// order mark is accepted (the bytes of the split are then those of UTF-8), for bytes kept as it is.
// A boundary inside a character moves behind it. Throws Error(kData) when nothing is there, for
// invalid UTF-8 and what the tokenizer refuses.
TokenRows load_text_rows(const std::filesystem::path& path, const Tokenizer& tokenizer,
                         const std::string& split);
// The same from bytes; `what` names them in errors.
TokenRows text_rows(std::string_view bytes, const std::string& what, const Tokenizer& tokenizer,
                    const std::string& split);

// Integers [B, T] or [T] of a .npy file, each in [0, vocabulary); of them the rows with the wanted
// windows, of one long row those windows and the token behind them. Throws Error(kData) naming the
// first token that is not in the vocabulary. `memory`: the array, which the path then only names.
TokenRows load_npy_rows(const std::filesystem::path& path, int64_t vocabulary,
                        const WantedWindows& wanted = {}, const NpyMemory* memory = nullptr);

// The id as a token. Throws Error(kData) "<what>: token <id> at place <place> is not in the
// vocabulary ..." when it is outside [0, vocabulary).
int32_t checked_token(int64_t id, int64_t vocabulary, size_t place, const std::string& what);

}  // namespace spikeloom
