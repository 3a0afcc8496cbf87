// Tokenizers as GPT-2, RoBERTa, Llama, Qwen and others write them encode and decode as Hugging Face
// tokenizers 0.23.3 does (tests/golden/tokenizers/generate.py); what differs is refused by name.

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/utf8.hpp"
#include "datasets/text_split.hpp"
#include "datasets/tokenizer.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

using nlohmann::json;
const std::string kFolder = SPIKELOOM_SOURCE_DIR "/tests/golden/tokenizers/";

json read_json(const std::string& name) {
  return json::parse(std::ifstream(kFolder + name));
}

std::string fault_of(const json& root) {
  try {
    parse_tokenizer(root.dump(), "t");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    CHECK(std::string(error.what()).size() <= 400);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("tokenizer.json of every known make gives the ids and the text of the original") {
  const json vectors = read_json("vectors.json");
  REQUIRE(vectors["tokenizers"].size() >= 18);
  for (const json& own : vectors["tokenizers"]) {
    const auto name = own["name"].get<std::string>();
    INFO(name);
    const Tokenizer tokenizer = load_tokenizer(kFolder + name + ".json");
    CHECK(vocabulary_of(tokenizer) == own["size"].get<int64_t>());
    REQUIRE(own["cases"].size() == vectors["texts"].size());
    for (size_t i = 0; i < own["cases"].size(); ++i) {
      const auto text = vectors["texts"][i].get<std::string>();
      INFO(json(text).dump());
      const auto ids = own["cases"][i][0].get<std::vector<int32_t>>();
      CHECK(encode(tokenizer, text, "vector").ids == ids);
      CHECK(lossy_utf8(decode(tokenizer, ids)) == own["cases"][i][1].get<std::string>());
    }
  }
}

TEST_CASE("characters without a token are counted") {
  const Tokenizer some = load_tokenizer(kFolder + "characters.json");
  CHECK(encode(some, "the \xE7\x95\x8C\xE7\x95\x8C \xF0\x9F\x98\x80", "t").unknown == 1);
  CHECK(encode(load_tokenizer(kFolder + "gpt2.json"), "\xF0\x9F\x98\x80", "t").unknown == 0);
  CHECK(encode(load_tokenizer(kFolder + "dropped_bytes.json"), "\xF0\x9F\x98\x80", "t").unknown ==
        2);
}

TEST_CASE("holes and special tokens are no tokens of a text") {
  json root = read_json("gpt2.json");
  root["added_tokens"].push_back({{"id", 370}, {"content", "<new>"}, {"special", false}});
  const Tokenizer tokenizer = parse_tokenizer(root.dump(), "t");
  CHECK(vocabulary_of(tokenizer) == 371);
  CHECK_FALSE(is_text_token(tokenizer, 0));  // <|endoftext|>
  CHECK(is_text_token(tokenizer, 1));
  CHECK_FALSE(is_text_token(tokenizer, 365));
  CHECK(is_text_token(tokenizer, 370));
  CHECK_FALSE(is_text_token(tokenizer, 371));
  CHECK_FALSE(is_text_token(tokenizer, -1));
}

TEST_CASE("parts of a tokenizer that are not supported are refused by their names") {
  const json root = read_json("gpt2.json");
  const auto with = [&](const char* pointer, const json& value) {
    json changed = root;
    changed[json::json_pointer(pointer)] = value;
    return fault_of(changed);
  };
  CHECK(fault_of(root) == "accepted");
  const auto type = [](const char* name) { return json{{"type", name}}; };
  for (const char* name : {"WordPiece", "Unigram", "WordLevel"})
    CHECK_THAT(with("/model/type", name), Catch::Contains(std::string(name) + "\" is not BPE"));
  for (const char* name : {"Metaspace", "BertPreTokenizer", "WhitespaceSplit"})
    CHECK_THAT(with("/pre_tokenizer", type(name)), Catch::Contains(name));
  for (const char* name : {"Precompiled", "BertNormalizer", "Nmt"})
    CHECK_THAT(with("/normalizer", type(name)), Catch::Contains(name));
  for (const char* name : {"WordPiece", "Metaspace", "BPEDecoder", "Fuse"})
    CHECK_THAT(with("/decoder", type(name)), Catch::Contains(name));
  const json split = {{"type", "Split"},
                      {"pattern", {{"Regex", "(a+)+$"}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  CHECK_THAT(with("/pre_tokenizer", split), Catch::Contains("\"(a+)+$\""));
  const json twice = {{"type", "Sequence"},
                      {"pretokenizers", {type("ByteLevel"), {{"type", "Digits"}}}}};
  CHECK_THAT(with("/pre_tokenizer", twice), Catch::Contains("behind ByteLevel"));
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    CHECK_THAT(with((std::string("/model/") + key).c_str(), 1), Catch::Contains(key));
  CHECK_THAT(with("/model/unk_token", "<nobody>"), Catch::Contains("unk_token"));
  CHECK_THAT(with("/added_tokens/1", {{"id", 400}, {"content", std::string(257, 'a')}}),
             Catch::Contains("longer than 256"));
  CHECK_THAT(with("/normalizer", 7), Catch::Contains("wrong type"));
  CHECK_THAT(with("/pre_tokenizer", json::array()), Catch::Contains("wrong type"));
}

TEST_CASE("no tokenizer file grows a text without bounds") {
  const std::string text(40000, 'a');
  json root = read_json("gpt2.json");
  const auto tokens_of = [&] { return encode(parse_tokenizer(root.dump(), "t"), text, "t").ids; };
  const std::vector<int32_t> plain = tokens_of();
  for (int i = 1; i < 200; ++i) {  // tokens that nearly match at every place
    root["added_tokens"].push_back(
        {{"id", 400 + i}, {"content", std::string(static_cast<size_t>(50 + i), 'a') + "b"}});
  }
  CHECK(tokens_of() == plain);
  root = read_json("gpt2.json");
  root["normalizer"] = {
      {"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(100000, 'a')}};
  CHECK_THROWS_WITH(tokens_of(), Catch::Contains("four times"));
  root = read_json("gpt2.json");
  json many = json::array();
  for (int i = 0; i < 100; ++i) many.push_back({{"type", "NFC"}});
  root["normalizer"] = {{"type", "Sequence"}, {"normalizers", many}};
  CHECK_THAT(fault_of(root), Catch::Contains("16 parts"));
}

// Against Unicode's own examples (UAX 15): composition, compatibility, order and blocking of marks.
TEST_CASE("normal forms") {
  using Kind = Normalizer::Kind;
  const auto form = [](Kind kind, const char* text) {
    return normalized({{kind, "", ""}}, text, "text");
  };
  CHECK(form(Kind::kNfd, "\u1E69") == "s\u0323\u0307");
  CHECK(form(Kind::kNfd, "\u1E0B\u0323") == "d\u0323\u0307");
  CHECK(form(Kind::kNfd, "q\u0307\u0323") == "q\u0323\u0307");
  CHECK(form(Kind::kNfc, "\u1E0B\u0323") == "\u1E0D\u0307");
  CHECK(form(Kind::kNfc, "q\u0307\u0323") == "q\u0323\u0307");
  CHECK(form(Kind::kNfc, "a\u0301\u0300") == "\u00E1\u0300");  // equal classes keep their order
  CHECK(form(Kind::kNfc, "a\u0316\u0301") == "\u00E1\u0316");
  CHECK(form(Kind::kNfc, "\u1112\u1161\u11AB") == "\uD55C");
  CHECK(form(Kind::kNfd, "\uD55C") == "\u1112\u1161\u11AB");
  CHECK(form(Kind::kNfc, "\uFB01\u212B") == "\uFB01\u00C5");
  CHECK(form(Kind::kNfkc, "\uFB01\u1E9B\u0323") == "fi\u1E69");
  CHECK(form(Kind::kNfkd, "2\u2075") == "25");
  CHECK(form(Kind::kNfc, "\u0301\u0316") == "\u0316\u0301");  // without a letter
  CHECK(form(Kind::kNfc, "").empty());
}

TEST_CASE("a literal is found as text.find does") {
  for (const std::u32string literal : {U"aab", U"abab", U"a", U"aaa"}) {
    for (unsigned word = 0; word < 4096; ++word) {
      std::u32string text;
      for (unsigned bit = 0; bit < 12; ++bit) text.push_back(word >> bit & 1 ? U'a' : U'b');
      std::vector<Piece> found, wanted;
      split_text({literal_splitter(literal, SplitBehavior::kRemoved)}, text,
                 [&](Piece piece) { found.push_back(piece); });
      size_t done = 0;
      for (size_t at = text.find(literal); done < text.size(); at = text.find(literal, done)) {
        const size_t end = std::min(at, text.size());
        if (end > done) wanted.push_back(Piece(text).substr(done, end - done));
        done = at == text.npos ? text.size() : at + literal.size();
      }
      REQUIRE(found == wanted);
    }
  }
}
