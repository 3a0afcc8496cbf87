#pragma once
// Command-line parsing shared by the commands (Boost.Program_options stays in cli/).

#include <fmt/format.h>
#include <initializer_list>

#include <boost/program_options.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "core/error.hpp"
#include "core/io/config.hpp"

namespace spikeloom {

namespace options = boost::program_options;

// What a command accepts. `usage` is its one-line synopsis, `about` the text under it.
struct CommandLine {
  std::string usage, about;
  options::options_description named{"Options"};
  options::options_description hidden{};  // positional words
  options::positional_options_description words{};
};

// Kinds of values, with what stands where the option is not given.
using TextOption = options::typed_value<std::string>;
TextOption* text();
TextOption* text(const char* standard);
options::typed_value<std::vector<std::string>>* texts();  // repeatable
options::typed_value<int64_t>* whole(int64_t standard);
options::typed_value<double>* real(double standard);

struct OptionRow {
  const char* name;
  const options::value_semantic* value;  // null: a flag
  const char* about;
};
void add_options(CommandLine& line, std::initializer_list<OptionRow> rows);
// The next word that is no option.
void add_word(CommandLine& line, const char* name, TextOption* value = text()->required());

// Parsed values; nullopt when --help was asked for and printed. Abbreviated options are refused.
// Throws Error(kUsage).
std::optional<options::variables_map> parse(CommandLine line, const Arguments& arguments);

// Error(kUsage).
Error usage_error(const std::string& message);

// The number of an option. Throws Error(kUsage) outside [low, high], and for no number.
template <typename T>
T in_range(const options::variables_map& values, const char* name, T low, T high) {
  const T value = values[name].as<T>();
  if (value >= low && value <= high) return value;
  throw usage_error(fmt::format("--{}: {} is not in {} to {}", name, value, low, high));
}

// The text of an option, "" where it is not given; the texts of one that may stand several times.
std::string text_of(const options::variables_map& values, const char* name);
std::vector<std::string> texts_of(const options::variables_map& values, const char* name);

// Throws Error(kUsage) "--name: why" for the first of the options that was given.
void refuse_options(const options::variables_map& values, std::initializer_list<const char*> names,
                    const std::string& why);

// The word of an option. Throws Error(kUsage) when it is not one of `allowed`.
std::string choice(const std::string& flag, const std::string& value,
                   const std::vector<std::string>& allowed);

// The words between commas. Throws Error(kUsage) starting with `what` when one is empty.
std::vector<std::string> split_list(const std::string& text, const std::string& what);

// The option --device of commands that run an experiment; load_experiment() takes it.
void add_device_option(CommandLine& line);

// The option --set of commands that read an experiment, and the file with what it overrides.
void add_set_option(CommandLine& line);
Config load_experiment(const std::filesystem::path& path, const options::variables_map& values);

}  // namespace spikeloom
