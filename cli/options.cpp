#include "cli/options.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

std::string upper_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::optional<options::variables_map> parse(CommandLine line, const Arguments& arguments) {
  line.named.add_options()("help,h", "print this text");
  options::options_description all;
  all.add(line.named).add(line.hidden);
  options::variables_map values;
  const auto fail = [&](const std::string& message) {
    return Error(ErrorCode::kUsage, fmt::format("{}; usage: {}", message, line.usage));
  };
  for (const auto& word : line.hidden.options()) {
    const std::string flag = "--" + word->long_name();
    for (const std::string& argument : arguments) {
      if (argument == flag || argument.starts_with(flag + "=")) {
        throw fail("unrecognised option '" + flag + "'");
      }
    }
  }
  try {
    const auto style =
        options::command_line_style::default_style & ~options::command_line_style::allow_guessing;
    options::store(options::command_line_parser(arguments)
                       .options(all)
                       .positional(line.words)
                       .style(style)
                       .run(),
                   values);
    if (values.count("help")) {
      std::ostringstream text;
      text << line.named;
      fmt::print("usage: {}\n\n{}\n\n{}", line.usage, line.about, text.str());
      return std::nullopt;
    }
    options::notify(values);
  } catch (const options::required_option& error) {
    std::string name = error.get_option_name();  // "--experiment"
    name.erase(0, name.find_first_not_of('-'));
    throw fail("the argument " + upper_case(name) + " is missing");
  } catch (const options::too_many_positional_options_error&) {
    throw fail("too many arguments");
  } catch (const options::error& error) {
    throw fail(error.what());
  }
  return values;
}

Error usage_error(const std::string& message) {
  return {ErrorCode::kUsage, message};
}

std::string choice(const std::string& flag, const std::string& value,
                   const std::vector<std::string>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return value;
  throw usage_error(
      fmt::format("{}: expected {}, found {}", flag, fmt::join(allowed, ", "), in_quotes(value)));
}

std::vector<std::string> split_list(const std::string& text, const std::string& what) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    if (end == at) throw usage_error(what + ": an empty value in " + in_quotes(text));
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

void add_set_option(CommandLine& line) {
  line.named.add_options()("set", options::value<std::vector<std::string>>()->composing(),
                           "override a key: --set run.threads=2");
}

Config load_experiment(const std::filesystem::path& path, const options::variables_map& values) {
  Config config = Config::load(path);
  if (values.count("set")) {
    for (const std::string& assignment : values["set"].as<std::vector<std::string>>())
      config.set(assignment);
  }
  return config;
}

}  // namespace spikeloom
