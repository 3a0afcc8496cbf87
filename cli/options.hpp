#pragma once
// Command-line parsing shared by the commands (Boost.Program_options stays in cli/).

#include <boost/program_options.hpp>
#include <optional>
#include <string>

#include "cli/commands.hpp"
#include "core/io/config.hpp"

namespace spikeloom {

namespace options = boost::program_options;

// What a command accepts. `usage` is its one-line synopsis, `about` the text under it.
struct CommandLine {
  std::string usage, about;
  options::options_description named{"Options"};
  options::options_description hidden;  // positional words
  options::positional_options_description words;
};

// Parsed values; nullopt when --help was asked for and printed. Abbreviated options are refused.
// Throws Error(kUsage).
std::optional<options::variables_map> parse(CommandLine line, const Arguments& arguments);

// The option --set of commands that read an experiment, and the file with what it overrides.
void add_set_option(CommandLine& line);
Config load_experiment(const std::filesystem::path& path, const options::variables_map& values);

}  // namespace spikeloom
