// Tokenisers and sampling equal the programs the authors used: Hugging Face tokenizers 0.23.2 and
// the generator of SpikeGPT. The 20B vectors need 20B_tokenizer.json beside the mini one and are
// skipped without it.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/npz.hpp"
#include "core/io/utf8.hpp"
#include "datasets/tokenizer.hpp"
#include "models/sampling.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

using nlohmann::json;
const std::string kFolder = SPIKELOOM_SOURCE_DIR "/tests/golden/spikegpt/";

json read_json(const std::string& name) {
  return json::parse(std::ifstream(kFolder + name));
}

void check_vectors(const Tokenizer& tokenizer, const std::string& key) {
  const json vectors = read_json("A_tokenizer_vectors.json");
  REQUIRE(vectors["cases"].size() == 42);
  for (const json& c : vectors["cases"]) {
    const auto text = c["text"].get<std::string>();
    INFO(text);
    const auto ids = c["ids_" + key].get<std::vector<int32_t>>();
    const Encoded encoded = encode(tokenizer, text, "vector");
    CHECK(encoded.ids == ids);
    CHECK(encoded.unknown == 0);
    CHECK(decode(tokenizer, ids) == c["decoded_" + key].get<std::string>());
  }
  for (const json& c : vectors["decode_partial_" + key]) {
    const auto ids = c["ids"].get<std::vector<int32_t>>();
    INFO(c.dump());
    CHECK(lossy_utf8(decode(tokenizer, ids)) == c["text"].get<std::string>());
  }
}

std::string fault_of(const std::string& text) {
  try {
    parse_tokenizer(text, "t");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("the mini tokenizer encodes and decodes every golden vector") {
  const Tokenizer tokenizer = load_tokenizer(kFolder + "mini_tokenizer.json");
  CHECK(vocabulary_of(tokenizer) == 581);
  CHECK(describe(tokenizer) == "byte-level BPE");
  check_vectors(tokenizer, "mini");
}

TEST_CASE("the 20B tokenizer encodes and decodes every golden vector") {
  const std::string path = kFolder + "20B_tokenizer.json";
  if (!std::filesystem::exists(path)) {
    std::cout
        << "skipped: the vectors of 20B_tokenizer.json, which is not in tests/golden/spikegpt\n";
    return;
  }
  const Tokenizer tokenizer = load_tokenizer(path);
  CHECK(vocabulary_of(tokenizer) == 50277);
  check_vectors(tokenizer, "20b");
}

TEST_CASE("the character vocabulary, its ids and the cleaned prompts are the authors'") {
  const Tokenizer tokenizer = load_tokenizer(kFolder + "A_char_vocab.json");
  const json golden = read_json("A_char_mode.json");
  CHECK(vocabulary_of(tokenizer) == golden["vocab_size"]);
  const auto corpus = golden["corpus"].get<std::string>();
  const Encoded encoded = encode(tokenizer, corpus, "corpus");
  CHECK(encoded.ids == golden["corpus_ids"].get<std::vector<int32_t>>());
  CHECK(encoded.unknown == 0);
  CHECK(decode(tokenizer, encoded.ids) == corpus);
  for (const json& prompt : golden["prompts"]) {
    const std::string refined = refine_prompt(prompt["prompt"].get<std::string>());
    CHECK(refined == prompt["refined"].get<std::string>());
    CHECK(encode(tokenizer, refined, "prompt").ids == prompt["ids"].get<std::vector<int32_t>>());
  }
  CHECK(refine_prompt("") == "\n");
  CHECK(encode(tokenizer, "tQt", "text").unknown == 1);
  CHECK_THROWS_WITH(encode(parse_tokenizer(R"({"0":"a"})", "t"), "ab", "text"),
                    Catch::Contains("text: U+0062 is not in the vocabulary"));
}

TEST_CASE("bytes are their own tokens") {
  const Tokenizer tokenizer = ByteTokenizer{};
  const std::string text("a\0\xff", 3);
  CHECK(encode(tokenizer, text, "text").ids == std::vector<int32_t>{97, 0, 255});
  CHECK(decode(tokenizer, {97, 0, 255}) == text);
  CHECK_THROWS_AS(decode(tokenizer, {256}), Error);
  CHECK_THROWS_AS(decode(tokenizer, {-1}), Error);
}

TEST_CASE("a long word is merged in the same order as a short one, and in little time") {
  const Tokenizer tokenizer = load_tokenizer(kFolder + "mini_tokenizer.json");
  const std::string word = " the";
  const auto one = encode(tokenizer, word, "text").ids;
  std::string text;
  for (int i = 0; i < 50000; ++i) text += word;
  const auto many = encode(tokenizer, text, "text").ids;
  REQUIRE(many.size() == one.size() * 50000);
  CHECK(std::equal(one.begin(), one.end(), many.end() - static_cast<int64_t>(one.size())));
  CHECK(decode(tokenizer, encode(tokenizer, std::string(300000, 'e'), "text").ids) ==
        std::string(300000, 'e'));
}

TEST_CASE("invalid text and tokenizers of other kinds are refused by name") {
  const Tokenizer mini = load_tokenizer(kFolder + "mini_tokenizer.json");
  CHECK_THROWS_WITH(encode(mini, "ab\xff", "book.txt"), "book.txt: invalid UTF-8 at byte 2");
  CHECK_THROWS_WITH(encode(mini, "\xed\xa0\x80", "x"), Catch::Contains("invalid UTF-8 at byte 0"));
  CHECK(fault_of("[]").find("no vocabulary") != std::string::npos);
  CHECK(fault_of("{}").find("empty vocabulary") != std::string::npos);
  CHECK(fault_of(R"({"0":"ab"})").find("id 0 is no character") != std::string::npos);
  CHECK(fault_of(R"({"0":"a","2":"b"})").find("no character for id 1") != std::string::npos);
  CHECK(fault_of(R"({"0":"a","1":"a"})").find("occurs twice") != std::string::npos);
  CHECK(fault_of("\xff\xfe{").find("half a UTF-16 unit") != std::string::npos);
  CHECK(fault_of(std::string("\xff\xfe\x00\xd8", 4)).find("lone surrogate") != std::string::npos);
  json root = read_json("mini_tokenizer.json");
  const auto with = [&](const char* pointer, const json& value) {
    json changed = root;
    changed[json::json_pointer(pointer)] = value;
    return fault_of(changed.dump());
  };
  CHECK(fault_of(root.dump()) == "accepted");
  CHECK(with("/model/type", "Unigram").find("not BPE") != std::string::npos);
  CHECK(with("/model/unk_token", "<unk>").find("unk_token") != std::string::npos);
  CHECK(with("/model/merges/0", "q zz").find("outside the vocabulary") != std::string::npos);
  CHECK(with("/model/merges/0", 7).find("no pair") != std::string::npos);
  CHECK(with("/model/vocab/!", -5).find("not in 0 to") != std::string::npos);
  CHECK(with("/model/vocab/!", 100).find("two tokens") != std::string::npos);
  CHECK(with("/model/vocab/!", 1 << 20).find("far above") != std::string::npos);
  CHECK(with("/model/type", 7).find("wrong type") != std::string::npos);
  CHECK(with("/added_tokens", 7).find("wrong type") != std::string::npos);
}

TEST_CASE("text cut inside a character is completed, never guessed") {
  CHECK(complete_prefix("ab") == 2);
  CHECK(complete_prefix("a\xe2\x82") == 1);
  CHECK(complete_prefix("a\xe2\x82\xac") == 4);
  CHECK(complete_prefix("a\xf0\x9f\x99") == 1);
  CHECK(complete_prefix("a\xff") == 2);
  CHECK(complete_prefix("") == 0);
  CHECK(lossy_utf8("a\xf0\x9f\x99z\xc0") == "a\xef\xbf\xbdz\xef\xbf\xbd");
}

TEST_CASE("sampling weights are the authors', ties and the top_p = 1 quirk included") {
  const Weights golden = load_npz(kFolder + "A_sampling.npz");
  const Tensor &logits = golden.at("logits").data, &cases = golden.at("cases").data,
               &filtered = golden.at("filtered").data;
  const auto vocabulary = static_cast<size_t>(logits.shape()[1]);
  for (size_t i = 0; i < static_cast<size_t>(cases.shape()[0]); ++i) {
    const auto c = cases.as<double>().subspan(3 * i, 3);
    INFO("row " << c[0] << ", temperature " << c[1] << ", top_p " << c[2]);
    const auto row = logits.f32().subspan(static_cast<size_t>(c[0]) * vocabulary, vocabulary);
    const auto got = sampling_weights(row, c[1], c[2]);
    float worst = 0;
    int64_t survivors = 0;
    for (size_t v = 0; v < vocabulary; ++v) {
      const float want = filtered.f32()[i * vocabulary + v];
      worst = std::max(worst, std::abs(got[v] - want));
      survivors += (got[v] > 0) != (want > 0);
    }
    CHECK(worst <= 1e-6f);
    CHECK(survivors == 0);
  }
}

TEST_CASE("draws depend on seed and position alone and follow the weights") {
  const std::vector<float> logits = {0.0f, std::log(2.0f), -50.0f, std::log(5.0f)};
  const Sampling all{1.0, 0.9999999, 3};  // everything but the smallest survives
  std::vector<int64_t> drawn(4);
  for (int64_t i = 0; i < 8000; ++i) ++drawn[static_cast<size_t>(sample_token(logits, all, i))];
  CHECK(std::abs(drawn[0] - 1000) < 120);
  CHECK(std::abs(drawn[1] - 2000) < 160);
  CHECK(drawn[2] == 0);
  CHECK(std::abs(drawn[3] - 5000) < 190);
  CHECK(sample_token(logits, all, 7) == sample_token(logits, all, 7));
  for (int64_t i = 0; i < 100; ++i) CHECK(sample_token(logits, {1.5, 1.0, 3}, i) == 3);
}
