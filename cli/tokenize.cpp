// spikeloom tokenize: the ids of a text, and back.

#include <fmt/format.h>

#include "cli/options.hpp"
#include "cli/token_input.hpp"
#include "core/error.hpp"
#include "core/io/utf8.hpp"
#include "datasets/tokenizer.hpp"

namespace spikeloom {
namespace {

void print_ids(const std::vector<int32_t>& ids) {
  std::string line;
  for (const int32_t id : ids)
    fmt::format_to(std::back_inserter(line), "{}{}", line.empty() ? "" : " ", id);
  fmt::print("{}\n", line);
}

}  // namespace

int command_tokenize(const Arguments& arguments) {
  CommandLine line;
  line.usage = "spikeloom tokenize --vocab FILE|bytes TEXT|-";
  line.about =
      "Prints the token ids of a text, given as it is or on standard input, on one line: what run "
      "and generate\nfeed a network, nothing in front or behind. With --decode, TEXT holds ids, "
      "and "
      "their text is printed.";
  line.named.add_options()("vocab", options::value<std::string>()->required(),
                           "character vocabulary, tokenizer.json, or bytes")("decode",
                                                                             "from ids to text");
  line.hidden.add_options()("text", options::value<std::string>()->required());
  line.words.add("text", 1);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  const auto vocab = (*values)["vocab"].as<std::string>();
  const Tokenizer tokenizer = vocab == "bytes" ? Tokenizer(ByteTokenizer{}) : load_tokenizer(vocab);
  auto text = (*values)["text"].as<std::string>();
  const bool piped = text == "-";
  const std::string what = piped ? "standard input" : "TEXT";
  if (piped) text = read_standard_input();
  if (values->count("decode") > 0) {
    fmt::print("{}\n",
               lossy_utf8(decode(tokenizer, token_ids_of(text, vocabulary_of(tokenizer), what))));
    return 0;
  }
  if (piped && !std::holds_alternative<ByteTokenizer>(tokenizer)) text = text_to_utf8(text, what);
  print_ids(encode_exactly(tokenizer, text, what).ids);
  return 0;
}

}  // namespace spikeloom
