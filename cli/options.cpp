#include "cli/options.hpp"

#include <fmt/format.h>

#include <sstream>

#include "core/error.hpp"

namespace spikeloom {

std::optional<options::variables_map> parse(CommandLine line, const Arguments& arguments) {
  line.named.add_options()("help,h", "print this text");
  options::options_description all;
  all.add(line.named).add(line.hidden);
  options::variables_map values;
  try {
    const auto style = options::command_line_style::default_style & ~options::command_line_style::allow_guessing;
    options::store(options::command_line_parser(arguments).options(all).positional(line.words).style(style).run(), values);
    if (values.count("help")) {
      std::ostringstream text;
      text << line.named;
      fmt::print("usage: {}\n\n{}\n\n{}", line.usage, line.about, text.str());
      return std::nullopt;
    }
    options::notify(values);
  } catch (const options::error& error) {
    throw Error(ErrorCode::kUsage, fmt::format("{}; usage: {}", error.what(), line.usage));
  }
  return values;
}

}  // namespace spikeloom
