// spikeloom tokenize: the ids of a text, and back.

#include <fmt/format.h>

#include "cli/options.hpp"
#include "core/error.hpp"
#include "core/io/utf8.hpp"
#include "datasets/tokenizer.hpp"
#include "run/token_input.hpp"

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
  CommandLine line{
      "spikeloom tokenize --vocab FILE|bytes TEXT|-",
      "Prints the token ids of a text, given as it is or on standard input, on one line: what run "
      "and generate\nfeed a network, nothing in front or behind. With --decode, TEXT holds ids, "
      "and their text is printed."};
  add_options(line,
              {{"vocab", text()->required(), "character vocabulary, tokenizer.json, or bytes"},
               {"decode", nullptr, "from ids to text"}});
  add_word(line, "text");
  const auto values = parse(line, arguments);
  if (!values) return 0;
  const auto vocab = text_of(*values, "vocab");
  const Tokenizer tokenizer = vocab == "bytes" ? Tokenizer(ByteTokenizer{}) : load_tokenizer(vocab);
  auto text = text_of(*values, "text");
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
