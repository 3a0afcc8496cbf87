#pragma once
// The commands of `spikeloom`; each gets the words behind its name, returns the exit code and may
// throw Error.

#include <string>
#include <vector>

namespace spikeloom {

using Arguments = std::vector<std::string>;

int command_run(const Arguments& arguments);
int command_inspect(const Arguments& arguments);
int command_count(const Arguments& arguments);
int command_chip(const Arguments& arguments);
int command_compare(const Arguments& arguments);
int command_convert(const Arguments& arguments);
int command_tokenize(const Arguments& arguments);
int command_generate(const Arguments& arguments);
int command_stream(const Arguments& arguments);
int command_bench(const Arguments& arguments);
int command_list(const Arguments& arguments);
int command_report_bug(const Arguments& arguments);

}  // namespace spikeloom
