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

TextOption* text() {
  return options::value<std::string>();
}
TextOption* text(const char* standard) {
  return text()->default_value(standard);
}
options::typed_value<std::vector<std::string>>* texts() {
  return options::value<std::vector<std::string>>()->composing();
}
options::typed_value<int64_t>* whole(int64_t standard) {
  return options::value<int64_t>()->default_value(standard);
}
options::typed_value<double>* real(double standard) {
  return options::value<double>()->default_value(standard);
}

void add_options(CommandLine& line, std::initializer_list<OptionRow> rows) {
  for (const OptionRow& row : rows) {
    if (row.value == nullptr) {
      line.named.add_options()(row.name, row.about);
    } else {
      line.named.add_options()(row.name, row.value, row.about);
    }
  }
}

void add_word(CommandLine& line, const char* name, TextOption* value) {
  line.hidden.add_options()(name, value);
  line.words.add(name, 1);
}

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

std::string text_of(const options::variables_map& values, const char* name) {
  return values.count(name) ? values[name].as<std::string>() : std::string();
}

std::vector<std::string> texts_of(const options::variables_map& values, const char* name) {
  return values.count(name) ? values[name].as<std::vector<std::string>>()
                            : std::vector<std::string>();
}

void refuse_options(const options::variables_map& values, std::initializer_list<const char*> names,
                    const std::string& why) {
  for (const char* name : names) {
    if (values.count(name) && !values[name].defaulted())
      throw usage_error(fmt::format("--{}: {}", name, why));
  }
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

void add_device_option(CommandLine& line) {
  add_options(line, {{"device", text(),
                      "auto, cpu, reference or cuda:N (spikeloom list devices); the same as --set "
                      "run.device=..."}});
}

void add_set_option(CommandLine& line) {
  add_options(line, {{"set", texts(), "override a key: --set run.threads=2"}});
}

Config load_experiment(const std::filesystem::path& path, const options::variables_map& values) {
  Config config = Config::load(path);
  if (values.count("device") && !values["device"].defaulted())
    config.set("run.device=" + text_of(values, "device"));
  for (const std::string& assignment : texts_of(values, "set")) config.set(assignment);
  return config;
}

}  // namespace spikeloom
