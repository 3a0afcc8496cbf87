// Rows of tokens: the parts of a text, NumPy arrays, and Megatron's token files, whole and damaged.

#include "datasets/token_rows.hpp"

#include "core/io/npy.hpp"
#include "datasets/binidx.hpp"
#include "tests/unit/io_helpers.hpp"

using namespace spikeloom;
using namespace spikeloom::io_test;

namespace {

const Tokenizer kBytes{ByteTokenizer{}};
const std::string kGolden = SPIKELOOM_SOURCE_DIR "/tests/golden/spikegpt/A_binidx";

std::string text_of(const TokenRows& rows, const Tokenizer& tokenizer = kBytes) {
  return decode(tokenizer, rows.rows.at(0));
}

template <typename T>
void append(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// An index of sequences of 2 and 0 and 1 tokens, one document each.
std::string index_of(uint8_t code, int64_t width, uint64_t version = 1) {
  std::string index("MMIDIDX\0\0", 9);
  append(index, version);
  append(index, code);
  append(index, uint64_t{3});
  append(index, uint64_t{4});
  for (const int32_t length : {2, 0, 1}) append(index, length);
  for (const int64_t offset : {int64_t{0}, 2 * width, 2 * width}) append(index, offset);
  for (const int64_t mark : {0, 1, 2, 3}) append(index, mark);
  return index;
}

TokenRows parse(const std::string& index, const std::string& tokens, int64_t vocabulary = 300) {
  return parse_binidx(as_bytes_of(index), "t.idx", as_bytes_of(tokens), "t.bin", vocabulary);
}

std::string fault_of(const std::string& index, const std::string& tokens) {
  return error_of([&] { parse(index, tokens); });
}

}  // namespace

TEST_CASE("a text falls into 90, 5 and 5 percent of its bytes") {
  std::string text;
  for (int i = 0; i < 237; ++i) text.push_back(static_cast<char>('a' + i % 26));
  const auto part = [&](const char* split) { return text_of(text_rows(text, "t", kBytes, split)); };
  CHECK(part("train") == text.substr(0, 213));
  CHECK(part("validation") == text.substr(213, 12));
  CHECK(part("test") == text.substr(225));
  CHECK(part("") == text);
  CHECK(text_rows(text, "t", kBytes, "test").description ==
        "test part of a text, 12 bytes as 12 tokens (bytes)");
}

TEST_CASE("a boundary inside a character moves behind it") {
  const Tokenizer characters = parse_tokenizer(R"({"0": "x", "1": "€"})", "v");
  std::string text(89, 'x');
  text += "€€€€";  // bytes 89 to 100 of 101
  const auto part = [&](const char* split) {
    return text_of(text_rows(text, "t", characters, split), characters);
  };
  CHECK(part("train") == std::string(89, 'x') + "€");
  CHECK(part("validation") == "€");
  CHECK(part("test") == "€€");
  // As bytes, nothing moves.
  CHECK(text_rows(text, "t", kBytes, "train").rows[0].size() == 90);
}

TEST_CASE("texts without tokens") {
  CHECK(error_of([] { text_rows("", "t", kBytes, ""); }) == "t: is empty");
  CHECK(error_of([] { text_rows("a", "t", kBytes, "train"); }) == "t: has no train part");
  CHECK(error_of([] {
          text_rows("\xEF\xBB\xBF", "t", parse_tokenizer(R"({"0": "x"})", "v"), "");
        }) == "t: is empty");
}

TEST_CASE("token arrays") {
  const Scratch scratch;
  Tensor ids({2, 3}, DType::kI32);
  for (int32_t i = 0; i < 6; ++i) ids.as<int32_t>()[static_cast<size_t>(i)] = 10 * i;
  save_npy(scratch / "a.npy", ids);
  CHECK(load_npy_rows(scratch / "a.npy", 51).rows ==
        std::vector<std::vector<int32_t>>{{0, 10, 20}, {30, 40, 50}});
  CHECK(error_of([&] {
          load_npy_rows(scratch / "a.npy", 50);
        }).ends_with("token 50 at place 5 is not in the vocabulary of 50"));
}

TEST_CASE("of token arrays the rows with the wanted windows are read") {
  const Scratch scratch;
  Tensor ids({4, 6}, DType::kI32), row({24}, DType::kI32);
  for (int32_t i = 0; i < 24; ++i) {
    ids.as<int32_t>()[static_cast<size_t>(i)] = i;
    row.as<int32_t>()[static_cast<size_t>(i)] = i;
  }
  save_npy(scratch / "a.npy", ids);
  save_npy(scratch / "r.npy", row);
  const auto all = load_npy_rows(scratch / "a.npy", 24, {4, 0, -1});
  CHECK(all.rows.size() == 4);
  CHECK(!all.cut);
  // Windows of 4 tokens: two in a row of 6.
  const auto some = load_npy_rows(scratch / "a.npy", 24, {4, 3, 2});
  CHECK(some.rows ==
        std::vector<std::vector<int32_t>>{{6, 7, 8, 9, 10, 11}, {12, 13, 14, 15, 16, 17}});
  CHECK(some.first_window == 2);
  CHECK(some.cut);
  CHECK(load_npy_rows(scratch / "a.npy", 24, {0, 1, 1}).rows[0][0] == 6);
  CHECK(load_npy_rows(scratch / "a.npy", 24, {4, 8, 1}).rows.empty());
  CHECK(load_npy_rows(scratch / "a.npy", 24, {4, INT64_MAX, INT64_MAX}).rows.empty());
  // Of one row the token behind the last window, too: it is what that predicts.
  const auto part = load_npy_rows(scratch / "r.npy", 24, {4, 2, 2});
  CHECK(part.rows == std::vector<std::vector<int32_t>>{{8, 9, 10, 11, 12, 13, 14, 15, 16}});
  CHECK(part.first_window == 2);
  CHECK(load_npy_rows(scratch / "r.npy", 24, {5, 4, 9}).rows ==
        std::vector<std::vector<int32_t>>{{20, 21, 22, 23}});
  CHECK(load_npy_rows(scratch / "r.npy", 24, {0, 0, 1}).rows[0].size() == 24);
  // A token that is not in the vocabulary does not matter where it is not read.
  CHECK(load_npy_rows(scratch / "r.npy", 17, {4, 2, 2}).rows.size() == 1);
  CHECK(error_of([&] {
          load_npy_rows(scratch / "r.npy", 16, {4, 2, 2});
        }).ends_with("token 16 at place 16 is not in the vocabulary of 16"));
}

TEST_CASE("the golden pair of index and tokens") {
  const TokenRows rows = load_binidx_rows(kGolden + ".idx", 50277);
  CHECK(rows.rows ==
        std::vector<std::vector<int32_t>>{{5, 6, 7, 8}, {1}, {50276, 0, 187, 9, 10, 11}});
  CHECK(rows.description == "binidx of uint16, 3 sequences");
  CHECK(error_of([] { load_binidx_rows(kGolden + ".idx", 50276); })
            .ends_with("A_binidx.bin: sequence 2: token 50276 at place 0 is not in the vocabulary "
                       "of 50276"));
  CHECK(error_of([] {
          load_binidx_rows(kGolden + ".bin", 50277);
        }).ends_with("expected the .idx of a pair of .idx and .bin"));
}

TEST_CASE("of sequences those with a wanted window are read") {
  const TokenRows rows = load_binidx_rows(kGolden + ".idx", 20, {2, 2, 1});  // 2, 1 and 3 windows
  CHECK(rows.rows == std::vector<std::vector<int32_t>>{{1}});
  CHECK(rows.first_window == 2);
  CHECK(rows.cut);
  CHECK(rows.description == "binidx of uint16, 3 sequences");
}

TEST_CASE("every element type of token files") {
  const std::vector<std::vector<int32_t>> expected{{7, 100}, {9}};
  const auto tokens = [](auto zero) {
    std::string bytes;
    for (const int value : {7, 100, 9}) append(bytes, static_cast<decltype(zero)>(value));
    return bytes;
  };
  CHECK(parse(index_of(1, 1), tokens(uint8_t{})).rows == expected);
  CHECK(parse(index_of(2, 1), tokens(int8_t{})).rows == expected);
  CHECK(parse(index_of(3, 2), tokens(int16_t{})).rows == expected);
  CHECK(parse(index_of(4, 4), tokens(int32_t{})).rows == expected);
  CHECK(parse(index_of(5, 8), tokens(int64_t{})).rows == expected);
  CHECK(parse(index_of(8, 2), tokens(uint16_t{})).rows == expected);
  CHECK(fault_of(index_of(6, 4), tokens(float{})) ==
        "t.idx: expected integer tokens, found float32");
  CHECK(fault_of(index_of(7, 8), tokens(double{})) ==
        "t.idx: expected integer tokens, found float64");
  CHECK(fault_of(index_of(9, 1), "abc") == "t.idx: element type 9 does not exist");
  CHECK(fault_of(index_of(2, 1),
                 "a\xFF"
                 "b") == "t.bin: sequence 0: token -1 at place 1 is not in the vocabulary of 300");
  CHECK(fault_of(index_of(1, 1, 2), "abc") == "t.idx: version 2, expected 1");
}

TEST_CASE("damaged token files are refused") {
  const std::string index = index_of(1, 1), tokens = "abc";
  CHECK(parse(index, tokens).rows.size() == 2);
  for (size_t size = 0; size < index.size(); ++size) fault_of(index.substr(0, size), tokens);
  CHECK(fault_of(index, "ab") ==
        "t.idx: sequence 2: 1 tokens at byte 2 do not lie in the 2 bytes of t.bin");
  // Every bit flipped: refused, or as many tokens as there are at most.
  for (size_t bit = 0; bit < 8 * index.size(); ++bit) {
    std::string other = index;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << bit % 8));
    try {
      size_t count = 0;
      for (const auto& row : parse(other, tokens).rows) count += row.size();
      CHECK(count <= tokens.size());
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kData);
    }
  }
  std::string twice = index;  // the first sequence of one token, then all three
  twice[34] = 1;
  twice[42] = 3;
  twice[62] = 0;
  CHECK(fault_of(twice, tokens) ==
        "t.idx: sequence 2: 3 tokens at byte 0 do not lie in the 3 bytes of t.bin");
}
